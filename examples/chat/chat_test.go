package chat

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sio.example/socketio"
)

// wire is a client that speaks the protocol by hand, over polling and without a network.
type wire struct {
	t      *testing.T
	h      http.Handler
	sid    string
	ids    int
	queue  []string // packets received and not looked at
	events []string // events received while waiting for something else
}

// serveChat returns a server with the chat, and its page.
func serveChat(t *testing.T) http.Handler {
	t.Helper()
	io := socketio.NewServer(nil)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/", New(io))
	t.Cleanup(func() { io.Close() })
	return mux
}

// connect opens a session and connects to the chat with that payload.
func connect(t *testing.T, h http.Handler, auth string) *wire {
	t.Helper()
	c := &wire{t: t, h: h}
	_, open, _ := strings.Cut(c.do("GET", ""), "0")
	var hello struct{ SID string }
	if err := json.Unmarshal([]byte(open), &hello); err != nil {
		t.Fatalf("handshake %q: %v", open, err)
	}
	c.sid = "&sid=" + hello.SID
	c.do("POST", "40/chat,"+auth)
	return c
}

func (c *wire) do(method, body string) string {
	c.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(c.t.Context(), method,
		"/socket.io/?EIO=4&transport=polling"+c.sid, strings.NewReader(body))
	c.h.ServeHTTP(w, r)
	if w.Code != 200 {
		c.t.Fatalf("%s: got %d %s", method, w.Code, w.Body)
	}
	return w.Body.String()
}

// next returns the next packet.
func (c *wire) next() string {
	c.t.Helper()
	for len(c.queue) == 0 {
		c.queue = strings.Split(c.do("GET", ""), "\x1e")
	}
	p := c.queue[0]
	c.queue = c.queue[1:]
	return p
}

// ask emits an event and decodes the acknowledgement into re. A []byte in attachment is sent as such, in the place of
// the word BINARY.
func (c *wire) ask(re any, name, arg string, attachment ...[]byte) {
	c.t.Helper()
	c.ids++
	kind, tail := "2", ""
	for i, a := range attachment {
		kind = fmt.Sprintf("5%d-", i+1)
		arg = strings.Replace(arg, "BINARY", fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i), 1)
		tail += "\x1eb" + base64.StdEncoding.EncodeToString(a)
	}
	c.do("POST", fmt.Sprintf(`4%s/chat,%d[%q,%s]%s`, kind, c.ids, name, arg, tail))
	prefix := fmt.Sprintf("43/chat,%d[", c.ids)
	for {
		p := c.next()
		if list, ok := strings.CutPrefix(p, prefix); ok {
			if err := json.Unmarshal([]byte("["+list), &[]any{re}); err != nil {
				c.t.Fatalf("%s: %v in %s", name, err, p)
			}
			return
		}
		c.events = append(c.events, p)
	}
}

// event waits for an event of that name, decodes its argument into v, and returns the packet after it, if it has an
// attachment.
func (c *wire) event(name string, v any) (attachment []byte) {
	c.t.Helper()
	for {
		var p string
		if len(c.events) > 0 {
			p, c.events = c.events[0], c.events[1:]
		} else {
			p = c.next()
		}
		_, list, ok := strings.Cut(p, fmt.Sprintf("/chat,[%q,", name))
		if !ok {
			continue
		}
		if err := json.Unmarshal([]byte(strings.TrimSuffix(list, "]")), v); err != nil {
			c.t.Fatalf("%s: %v in %s", name, err, p)
		}
		if !strings.HasPrefix(p, "451-") {
			return nil
		}
		b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.next(), "b"))
		if err != nil {
			c.t.Fatal(err)
		}
		return b
	}
}

func (c *wire) join(name, room string) (NameReply, EnterReply) {
	c.t.Helper()
	if p := c.next(); !strings.HasPrefix(p, "40/chat,") {
		c.t.Fatalf("connecting got %s", p)
	}
	var named NameReply
	var entered EnterReply
	c.ask(&named, "name", fmt.Sprintf(`{"name":%q}`, name))
	c.ask(&entered, "enter", fmt.Sprintf(`{"room":%q}`, room))
	return named, entered
}

func TestGate(t *testing.T) {
	h := serveChat(t)
	for _, auth := range []string{"", "{}", `{"key":"short"}`, `{"key":17}`, `{"key":null}`} {
		if p := connect(t, h, auth).next(); !strings.HasPrefix(p, "44/chat,") || !strings.Contains(p, `"code":"key"`) {
			t.Errorf("auth %s: got %s", auth, p)
		}
	}
}

// A conversation of two, as the page has it.
func TestConversation(t *testing.T) {
	h := serveChat(t)
	a := connect(t, h, `{"key":"anna-0123456789abcdef"}`)
	me, lobby := a.join("Anna", "Lobby")
	if me.You.Name != "Anna" || len(me.Rooms) != 1 || lobby.Room.Name != "Lobby" ||
		len(lobby.People) != 1 || lobby.Messages == nil {
		t.Fatalf("got %+v and %+v", me, lobby)
	}
	b := connect(t, h, `{"key":"ben-0123456789abcdef"}`)
	ben, lobby := b.join("Ben", "lobby")
	if len(lobby.People) != 2 || lobby.Room.Epoch == "" {
		t.Errorf("got %+v", lobby)
	}
	var who Presence
	if a.event("came", &who); who.Who != ben.You {
		t.Errorf("came %+v, want %+v", who, ben.You)
	}

	var said SayReply
	a.ask(&said, "say", `{"room":"Lobby","cid":"c1","text":" hello, Bén "}`)
	if said.ID != 1 || said.Text != "hello, Bén" || said.At == 0 {
		t.Errorf("acknowledged with %+v", said)
	}
	var m Message
	if b.event("message", &m); m.ID != 1 || m.Text != said.Text ||
		m.From != me.You || m.CID != "c1" || m.Room != "Lobby" {
		t.Errorf("told %+v", m)
	}
	b.do("POST", `42/chat,["seen",{"room":"Lobby","id":1}]`)
	var seen SeenMark
	if a.event("seen", &seen); seen.ID != 1 {
		t.Errorf("seen %+v", seen)
	}

	// A picture goes and comes as bytes, and once more for who asks for it later.
	a.ask(&said, "say", `{"room":"Lobby","cid":"c2","text":"","picture":BINARY}`, gifPixel)
	if said.ID != 2 || said.Picture == nil || said.Picture.Type != "image/gif" {
		t.Errorf("acknowledged with %+v", said)
	}
	var told struct {
		Picture struct{ Width, Height, Size int }
	}
	if data := b.event("message", &told); !bytes.Equal(data, gifPixel) ||
		told.Picture.Width != 1 || told.Picture.Size != len(gifPixel) {
		t.Errorf("told %+v with %d bytes", told, len(data))
	}
	b.do("POST", `42/chat,99["picture",{"id":2}]`)
	for {
		p := b.next()
		if strings.HasPrefix(p, "461-/chat,99[") {
			break
		}
	}
	if p := b.next(); p != "b"+base64.StdEncoding.EncodeToString(gifPixel) {
		t.Errorf("the picture is %s", p)
	}

	// What is refused says why.
	var refusal struct{ Error string }
	b.ask(&refusal, "say", `{"room":"Lobby","cid":"c3","text":"  "}`)
	if !strings.Contains(refusal.Error, "nothing") {
		t.Errorf("got %+v", refusal)
	}
	for _, arg := range []string{`7`, `null`, `"x"`, `{"room":7}`, `[]`} {
		refusal.Error = ""
		if b.ask(&refusal, "enter", arg); refusal.Error == "" {
			t.Errorf("entering with %s is not refused", arg)
		}
	}

	// Somebody leaves, somebody's connection ends.
	var left LeaveReply
	if b.ask(&left, "leave", `{}`); !left.Left {
		t.Errorf("got %+v", left)
	}
	if a.event("went", &who); who.Who != ben.You {
		t.Errorf("went %+v", who)
	}
	var entered EnterReply
	if b.ask(&entered, "enter", `{"room":"Lobby","epoch":"`+lobby.Room.Epoch+
		`","after":1}`); len(entered.Messages) != 1 || entered.Messages[0].ID != 2 {
		t.Errorf("got %+v", entered)
	}
	a.do("POST", "41/chat,")
	if b.event("went", &who); who.Who != me.You {
		t.Errorf("went %+v", who)
	}
	c := connect(t, h, `{"key":"carl-0123456789abcdef"}`)
	if named, _ := c.join("Anna", "Lobby"); named.Taken {
		t.Error("the name of somebody gone is taken")
	}
}

func TestTypingReachesTheOthers(t *testing.T) {
	h := serveChat(t)
	a := connect(t, h, `{"key":"anna-0123456789abcdef"}`)
	me, _ := a.join("Anna", "Lobby")
	b := connect(t, h, `{"key":"ben-0123456789abcdef"}`)
	b.join("Ben", "Lobby")

	// Volatile news reach who is listening: with a poll open, that is.
	got := make(chan string, 1)
	go func() { got <- b.next() }() // ends when b is told something, waited for below
	for {
		a.do("POST", `42/chat,["typing",{"on":true}]`)
		select {
		case p := <-got:
			for !strings.Contains(p, `"typing"`) {
				p = b.next() // what was queued before
			}
			var s TypingState
			_, arg, _ := strings.Cut(p, `["typing",`)
			if err := json.Unmarshal([]byte(strings.TrimSuffix(arg, "]")), &s); err != nil ||
				!s.On || s.From != me.You {
				t.Errorf("got %s, %v", p, err)
			}
			return
		default:
		}
	}
}

func TestPageAndServerTogether(t *testing.T) {
	h := serveChat(t)
	for path, want := range map[string]string{"/": "data-testid", "/socket.io/socket.io.js": "function"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		b, _ := io.ReadAll(w.Body)
		if w.Code != 200 || !strings.Contains(string(b), want) {
			t.Errorf("%s: got %d %.100s", path, w.Code, b)
		}
	}
}
