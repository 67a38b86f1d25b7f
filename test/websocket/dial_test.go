package websocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"sio.example/socketio/internal/websocket"
)

// A dialed is another implementation as a server for our client. It speaks the subprotocol "two", echoes messages in
// fragments, and obeys these texts: "close <code> <reason>", "abort", "ping" (which is answered by "pong" after that),
// and "big <n>" (n bytes). How it saw a connection end is delivered as a closed.
type dialed struct {
	url  *url.URL
	tls  *tls.Config
	ends func() (closed, error)
}

// command cuts a text into a command and its arguments.
func command(binary bool, p []byte) (name string, n int, reason string) {
	if binary || len(p) > 100 {
		return "", 0, ""
	}
	fmt.Sscanf(string(p), "%s %d %s", &name, &n, &reason)
	return name, n, reason
}

// thirds cuts p into three parts.
func thirds(p []byte) [][]byte {
	n := len(p) / 3
	return [][]byte{p[:n], p[n : 2*n], p[2*n:]}
}

func gorillaDialed(t *testing.T, encrypted bool) dialed {
	return goDialed(t, encrypted, func(w http.ResponseWriter, r *http.Request) error {
		up := gorilla.Upgrader{Subprotocols: []string{"two"}, WriteBufferSize: 512,
			CheckOrigin: func(*http.Request) bool { return true }}
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(patience))
		c.SetPongHandler(func(s string) error {
			if s != "payload" {
				return fmt.Errorf("pong with %q", s)
			}
			return c.WriteMessage(gorilla.TextMessage, []byte("pong"))
		})
		for {
			kind, p, err := c.ReadMessage()
			var e *gorilla.CloseError
			switch {
			case errors.As(err, &e):
				return closed{e.Code, e.Text}
			case err != nil:
				return err
			}
			switch name, n, reason := command(kind == gorilla.BinaryMessage, p); name {
			case "close":
				err = c.WriteControl(gorilla.CloseMessage,
					gorilla.FormatCloseMessage(n, reason), time.Now().Add(patience))
			case "abort":
				return closed{1006, ""}
			case "ping":
				err = c.WriteControl(gorilla.PingMessage, []byte("payload"), time.Now().Add(patience))
			case "big":
				c.WriteMessage(gorilla.BinaryMessage, make([]byte, n)) // fails if the client hangs up first
			default:
				err = (&gorillaClient{Conn: c}).send(kind == gorilla.BinaryMessage, thirds(p))
			}
			if err != nil {
				return err
			}
		}
	})
}

func coderDialed(t *testing.T, encrypted bool) dialed {
	return goDialed(t, encrypted, func(w http.ResponseWriter, r *http.Request) error {
		c, err := coder.Accept(w, r, &coder.AcceptOptions{Subprotocols: []string{"two"}})
		if err != nil {
			return err
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for {
			kind, p, err := c.Read(ctx)
			var e coder.CloseError
			switch {
			case errors.As(err, &e):
				return closed{int(e.Code), e.Reason}
			case err != nil:
				return err
			}
			switch name, n, reason := command(kind == coder.MessageBinary, p); name {
			case "close":
				if err := c.Close(coder.StatusCode(n), reason); err != nil { // waits for the answer
					return err
				}
				return closed{n, reason}
			case "abort":
				return closed{1006, ""}
			case "ping":
				go func() { // ends with the pong, which the next Read sees
					if c.Ping(ctx) == nil {
						c.Write(ctx, coder.MessageText, []byte("pong"))
					}
				}()
			case "big":
				c.Write(ctx, coder.MessageBinary, make([]byte, n)) // fails if the client hangs up first
			default:
				err = (&coderClient{c, ctx}).send(kind == coder.MessageBinary, thirds(p))
			}
			if err != nil {
				return err
			}
		}
	})
}

// goDialed serves with net/http.
func goDialed(t *testing.T, encrypted bool, serve func(http.ResponseWriter, *http.Request) error) dialed {
	ends := make(chan error, 10)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		ends <- serve(w, r)
	}))
	d := dialed{ends: func() (e closed, err error) {
		err = <-ends
		if errors.As(err, &e) {
			err = nil
		}
		return e, err
	}}
	if encrypted {
		s.StartTLS()
		d.tls = &tls.Config{RootCAs: x509.NewCertPool()}
		d.tls.RootCAs.AddCert(s.Certificate())
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	d.url = parse(t, "ws"+strings.TrimPrefix(s.URL, "http"))
	return d
}

func wsDialed(t *testing.T, _ bool) dialed {
	n := startNode(t, "dialed")
	e, err := n.next()
	if err != nil {
		t.Fatal(err)
	}
	return dialed{parse(t, fmt.Sprint("ws://127.0.0.1:", e.Port)), nil, func() (closed, error) {
		e, err := n.next()
		return closed{e.Code, string(e.Data)}, err
	}}
}

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// eachServer runs a test with our client connected to each server, plain and encrypted.
func eachServer(t *testing.T, opts websocket.Options, test func(t *testing.T, c *websocket.Conn, d dialed)) {
	for name, start := range map[string]func(*testing.T,
		bool) dialed{"gorilla": gorillaDialed, "coder": coderDialed, "ws": wsDialed} {
		for _, encrypted := range []bool{false, true} {
			if encrypted && name == "ws" {
				continue // it has no certificate
			}
			t.Run(fmt.Sprintf("%s,tls=%v", name, encrypted), func(t *testing.T) {
				d := start(t, encrypted)
				c, res, err := websocket.Dial(t.Context(), d.url, &websocket.DialOptions{
					Options: opts, TLS: d.tls, Subprotocols: []string{"one", "two"},
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Abort)
				cut := time.AfterFunc(patience, c.Abort)
				t.Cleanup(func() { cut.Stop() })
				if p := res.Header["Sec-Websocket-Protocol"]; !slices.Equal(p, []string{"two"}) {
					t.Errorf("subprotocol %q", p)
				}
				test(t, c, d)
			})
		}
	}
}

func say(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.WriteFrames(c.AppendFrame(nil, websocket.Text, []byte(text))); err != nil {
		t.Fatal(err)
	}
}

func TestDialEcho(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	sizes := []int{0, 1, 2, 7, 8, 9, 125, 126, 127, 1000, 4096, 65535, 65536, 65537, 300_000, 999_999}
	eachServer(t, websocket.Options{}, func(t *testing.T, c *websocket.Conn, _ dialed) {
		r := rand.New(rand.NewPCG(seed, 0))
		for i, n := range slices.Concat(sizes, sizes, sizes) {
			op, p := websocket.Binary, make([]byte, n)
			for j := range p {
				p[j] = byte(r.Uint32())
			}
			if i%2 == 0 {
				op, p = websocket.Text, bytes.Repeat([]byte("a\u00e4\u20ac\U0001f600"), n/10)
			}
			if err := c.WriteFrames(c.AppendFrame(nil, op, split(r, p)...)); err != nil {
				t.Fatal(err)
			}
			if gotOp, got, err := c.Read(); err != nil || gotOp != op || !bytes.Equal(got, p) {
				t.Fatalf("message %d of %d bytes: got %d bytes, %v", i, n, len(got), err)
			}
		}
		say(t, c, "ping")
		if _, p, err := c.Read(); err != nil || string(p) != "pong" {
			t.Errorf("got %q, %v", p, err)
		}
	})
}

// Many messages in one write arrive in order.
func TestDialBurst(t *testing.T) {
	eachServer(t, websocket.Options{}, func(t *testing.T, c *websocket.Conn, _ dialed) {
		const n = 500
		var out []byte
		for i := range n {
			out = c.AppendFrame(out, websocket.Text, []byte(fmt.Sprint("message ", i)))
		}
		if err := c.WriteFrames(out); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if _, p, err := c.Read(); err != nil || string(p) != fmt.Sprint("message ", i) {
				t.Fatalf("%d: got %q, %v", i, p, err)
			}
		}
	})
}

func wantCloseError(t *testing.T, c *websocket.Conn, status websocket.Status, reason string, received bool) {
	t.Helper()
	_, p, err := c.Read()
	var e *websocket.CloseError
	if !errors.As(err, &e) || e.Status != status || e.Reason != reason || e.Received != received {
		t.Errorf("got %d bytes, %v; want %d %q, received %v", len(p), err, status, reason, received)
	}
}

func TestDialCloses(t *testing.T) {
	for _, code := range []int{0, 1000, 1001, 1011, 3000, 4999} {
		eachServer(t, websocket.Options{}, func(t *testing.T, c *websocket.Conn, d dialed) {
			reason, want := "bye \u00e4", code
			if code == 0 {
				reason, want = "", 1005
			}
			c.Close(websocket.Status(code), reason)
			wantCloseError(t, c, websocket.Status(code), reason, false)
			if e, err := d.ends(); err != nil || e != (closed{want, reason}) {
				t.Errorf("the server ended with %v, %v", e, err)
			}
		})
	}
}

func TestDialIsClosed(t *testing.T) {
	for _, code := range []int{1000, 1001, 1008, 1011, 1013, 3000, 4999} {
		eachServer(t, websocket.Options{}, func(t *testing.T, c *websocket.Conn, d dialed) {
			say(t, c, fmt.Sprintf("close %d reason", code))
			wantCloseError(t, c, websocket.Status(code), "reason", true)
			if e, err := d.ends(); err != nil || e.code != code {
				t.Errorf("the server ended with %v, %v", e, err)
			}
		})
	}
}

func TestDialIsCut(t *testing.T) {
	eachServer(t, websocket.Options{}, func(t *testing.T, c *websocket.Conn, d dialed) {
		say(t, c, "abort")
		if _, _, err := c.Read(); err == nil || errors.As(err, new(*websocket.CloseError)) {
			t.Errorf("got %v", err)
		}
	})
}

// A server that sends too much hears why.
func TestDialTooBig(t *testing.T) {
	eachServer(t, websocket.Options{MaxMessage: 1000}, func(t *testing.T, c *websocket.Conn, d dialed) {
		say(t, c, "big 1001")
		wantCloseError(t, c, websocket.MessageTooBig, "", false)
		if e, err := d.ends(); err != nil || e != (closed{1009, ""}) {
			t.Errorf("the server ended with %v, %v", e, err)
		}
	})
}

// What is no WebSocket server is reported with its answer.
func TestDialNotAWebSocket(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	_, _, err := websocket.Dial(t.Context(), parse(t, s.URL), nil)
	var e *websocket.HandshakeRefusedError
	if !errors.As(err, &e) || e.Status != http.StatusNotFound || !strings.Contains(string(e.Body), "not found") {
		t.Errorf("got %v", err)
	}
}
