package browser

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/test/internal/program"
)

// elsewhere are the links of the official UI to fonts on other servers, which a test does without.
var elsewhere = regexp.MustCompile(`<link rel="stylesheet" href="https://[^>]*>`)

// changeit is the hash of the official tests: that of this word.
var changeit = []byte("$2b$10$nu1FHRkuxkZkqID.31gz4uQsyERZAn.m4IIruysTsHDODBtrqS5Me")

// An adminSite is a server with the official UI as it is built.
type adminSite struct {
	io  *socketio.Server
	url string
}

func newAdminSite(t *testing.T, readOnly bool) *adminSite {
	program.Node(t) // the packages are there
	dist := filepath.Join(program.Modules(), "@socket.io", "admin-ui", "ui", "dist")
	index, err := os.ReadFile(filepath.Join(dist, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	index = elsewhere.ReplaceAll(index, nil)
	io, ui, err := watched(dist, changeit, readOnly)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/admin-ui/" {
			_, _ = w.Write(index) // it fails if the browser has gone
			return
		}
		ui.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		_ = io.Close() // nobody is told of it
		srv.Close()
	})
	return &adminSite{io, srv.URL}
}

// An adminPage is a window with the UI.
type adminPage struct {
	*page
	artifacts string
}

// openAdmin opens the UI and logs in, with a wrong password first.
func openAdmin(t *testing.T, s *adminSite, browser context.Context) *adminPage {
	p := &adminPage{newPage(t, browser, "admin", s.url+"/admin-ui/"), t.ArtifactDir()}
	field := func(n string) chromedp.CSS {
		return chromedp.CSS(".v-dialog form > div:nth-of-type(" + n + ") input")
	}
	p.do(chromedp.EmulateViewport(1440, 900))
	p.do(
		chromedp.WaitVisible(field("1")),
		chromedp.SendKeys(field("1"), s.url),
		chromedp.SendKeys(field("2"), "admin"),
		chromedp.SendKeys(field("3"), "wrong"),
		chromedp.Click(chromedp.CSS(".v-dialog form button[type=submit]")),
	)
	p.says("Invalid credentials")
	for range len("wrong") {
		p.do(chromedp.SendKeys(field("3"), kb.Backspace))
	}
	p.do(
		chromedp.SendKeys(field("3"), "changeit"),
		chromedp.Click(chromedp.CSS(".v-dialog form button[type=submit]")),
	)
	p.until(`!document.querySelector(".v-dialog--active")`)
	return p
}

// says waits until the page shows a text.
func (p *adminPage) says(text string) {
	p.t.Helper()
	p.until(`document.body.innerText.includes(` + quote(text) + `)`)
}

func quote(text string) string { return "`" + text + "`" }

// shows goes to another page of the UI, and keeps a picture of it once it shows what it must.
func (p *adminPage) shows(where string, texts ...string) {
	p.t.Helper()
	eval[string](p.page, `location.hash = "#/`+where+`"`)
	for _, text := range texts {
		p.says(text)
	}
	p.picture(cmp.Or(strings.TrimSuffix(where, "/"), "dashboard"))
}

// picture is for people, who look at what tests cannot see.
func (p *adminPage) picture(name string) {
	p.until(`document.getAnimations().every((a) => a.playState !== "running" || a.effect.getTiming().iterations > 1)`)
	p.screenshot(filepath.Join(p.artifacts, "admin-"+name+".png"))
}

// TestAdminUI has the official UI log in, look at everything, and act on a client.
func TestAdminUI(t *testing.T) {
	s := newAdminSite(t, false)
	s.io.Handle("hello", func(_ context.Context, sock *socketio.Socket, e *socketio.Event) error {
		return sock.Emit("back", e.Args)
	})
	ada, err := client.Dial(t.Context(), s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ada.Manager().Close()
	p := openAdmin(t, s, chromium(t))

	p.shows("", "100.0 %", "/admin")
	p.shows("servers/", "server-one")
	p.shows("sockets/", ada.ID(), "127.0.0.1")
	p.shows("clients/")
	p.until(`document.querySelectorAll("tbody tr").length === 2`)

	p.do(chromedp.Evaluate[chromedp.Void](`location.hash = "#/n/%2F/sockets/` + ada.ID() + `"`))
	p.do(
		chromedp.WaitVisible(chromedp.CSS(".select-room input")),
		chromedp.SendKeys(chromedp.CSS(".select-room input"), "lounge"),
		chromedp.Click(chromedp.CSS("form button[type=submit]")),
	)
	p.until(`[...document.querySelectorAll("td")].some((td) => td.innerText === "lounge")`)
	if here, ok := s.io.Socket(ada.ID()); !ok || !slices.Contains(here.Rooms(), "lounge") {
		t.Error("the socket has not joined the room")
	}
	p.picture("socket")
	p.shows("rooms/", "lounge")
	if err := ada.Emit("hello", "world"); err != nil {
		t.Fatal(err)
	}
	p.shows("events/", "hello", "back", "lounge")

	p.do(chromedp.Evaluate[chromedp.Void](`location.hash = "#/n/%2F/sockets/` + ada.ID() + `"`))
	row := `[...document.querySelectorAll("tr")].find((tr) => tr.innerText.startsWith("lounge"))`
	p.until(row)
	p.do(chromedp.Evaluate[chromedp.Void](row + `.querySelector("button").click()`))
	p.until(`!` + row)
	if here, ok := s.io.Socket(ada.ID()); !ok || slices.Contains(here.Rooms(), "lounge") {
		t.Error("the socket has not left the room")
	}

	id := ada.ID()
	gone := make(chan client.DisconnectReason, 1)
	ada.OnDisconnect(func(reason client.DisconnectReason) { gone <- reason })
	p.shows("sockets/", id)
	p.until(`!document.querySelector(".select-room")`) // the page before fades away
	p.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("tr")].find((tr) => tr.innerText.includes("` +
		id + `")).querySelector("button").click()`))
	if reason := <-gone; reason != client.ReasonServerDisconnect {
		t.Errorf("disconnected: %v", reason)
	}
	p.says("DISCONNECTED") // the click was one on the row, too, and shows the socket
	p.shows("sockets/")
	p.until(`!document.body.innerText.includes("` + id + `")`)

	// The session is enough after the page was loaded again.
	p.do(chromedp.Reload())
	p.shows("servers/", "server-one")
	if eval[bool](p.page, `!!document.querySelector(".v-dialog--active")`) {
		t.Error("the UI asks for the password again")
	}
}

// TestAdminUIReadOnly: who may only look is offered nothing else.
func TestAdminUIReadOnly(t *testing.T) {
	s := newAdminSite(t, true)
	ada, err := client.Dial(t.Context(), s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ada.Manager().Close()
	p := openAdmin(t, s, chromium(t))
	p.shows("sockets/", ada.ID())
	if n := eval[int](p.page, `document.querySelectorAll("tbody button").length`); n != 0 {
		t.Errorf("there are %d buttons", n)
	}
}
