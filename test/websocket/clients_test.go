package websocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"sio.example/socketio/internal/websocket"
)

// A message is a whole message.
type message struct {
	binary bool
	data   []byte
}

// closed is how a client saw the end, with 1005 for a close frame without a status.
type closed struct {
	code   int
	reason string
}

func (c closed) Error() string { return fmt.Sprintf("closed %d %q", c.code, c.reason) }

// A client is another implementation at the other end of our server. It is used by one goroutine.
type client interface {
	send(binary bool, parts [][]byte) error // one message, a part being a fragment where that can be said
	receive() (message, error)              // the error is a closed when the connection was closed politely
	ping(payload []byte) error              // and wait for the pong
	close(code int, reason string) error    // the answer comes from receive
}

var clients = map[string]func(t *testing.T, url string) client{
	"gorilla": dialGorilla,
	"coder":   dialCoder,
	"ws":      dialWS,
}

// patience is when a test that hangs fails.
const patience = 5 * time.Minute

type gorillaClient struct {
	*gorilla.Conn
	pong []byte
}

func dialGorilla(t *testing.T, url string) client {
	d := gorilla.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, WriteBufferSize: 512}
	c, _, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(patience))
	g := &gorillaClient{Conn: c}
	c.SetPongHandler(func(s string) error {
		g.pong = []byte(s)
		return nil
	})
	c.SetCloseHandler(func(int, string) error { return nil })
	return g
}

func (c *gorillaClient) send(binary bool, parts [][]byte) error {
	kind := gorilla.TextMessage
	if binary {
		kind = gorilla.BinaryMessage
	}
	w, err := c.NextWriter(kind) // fragments at its buffer's size
	if err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Close()
}

func (c *gorillaClient) receive() (message, error) {
	kind, p, err := c.ReadMessage()
	var e *gorilla.CloseError
	if errors.As(err, &e) {
		return message{}, closed{e.Code, e.Text}
	}
	return message{kind == gorilla.BinaryMessage, p}, err
}

func (c *gorillaClient) ping(payload []byte) error {
	if err := c.WriteControl(gorilla.PingMessage, payload, time.Now().Add(patience)); err != nil {
		return err
	}
	// Pongs are seen while something else is read.
	if err := c.send(true, [][]byte{[]byte("after the ping")}); err != nil {
		return err
	}
	if _, err := c.receive(); err != nil {
		return err
	}
	if !bytes.Equal(c.pong, payload) {
		return fmt.Errorf("pong with %q, want %q", c.pong, payload)
	}
	return nil
}

func (c *gorillaClient) close(code int, reason string) error {
	return c.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(code, reason), time.Now().Add(patience))
}

type coderClient struct {
	*coder.Conn
	ctx context.Context
}

func dialCoder(t *testing.T, url string) client {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	c, _, err := coder.Dial(ctx, url, &coder.DialOptions{HTTPClient: hc})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(-1)
	return &coderClient{c, ctx}
}

func (c *coderClient) send(binary bool, parts [][]byte) error {
	kind := coder.MessageText
	if binary {
		kind = coder.MessageBinary
	}
	w, err := c.Writer(c.ctx, kind) // a fragment per write, and an empty one at the end
	if err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Close()
}

func (c *coderClient) receive() (message, error) {
	kind, p, err := c.Read(c.ctx)
	var e coder.CloseError
	if errors.As(err, &e) {
		return message{}, closed{int(e.Code), e.Reason}
	}
	return message{kind == coder.MessageBinary, p}, err
}

// ping does not compare the payload, which coder chooses and compares itself.
func (c *coderClient) ping([]byte) error {
	read := make(chan error, 1)
	go func() { // ends with the echo, behind the pong
		_, err := c.receive()
		read <- err
	}()
	if err := c.Ping(c.ctx); err != nil {
		return err
	}
	if err := c.send(true, [][]byte{[]byte("after the ping")}); err != nil {
		return err
	}
	return <-read
}

// close waits for the answer; what receive would tell is in the error of a second one.
func (c *coderClient) close(code int, reason string) error {
	return c.Close(coder.StatusCode(code), reason)
}

// ourServer echoes. The message "close <code> <reason>" has it close, and "abort" cut the connection. What ended each
// connection is delivered.
func ourServer(t *testing.T, encrypted bool, opts *websocket.Options) (url string, ends <-chan error) {
	t.Helper()
	out := make(chan error, 100)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Upgrade(w, r, opts)
		if err != nil {
			out <- err
			return
		}
		out <- serveEcho(c)
	}))
	if encrypted {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http"), out
}

func serveEcho(c *websocket.Conn) error {
	var out []byte
	for {
		op, p, err := c.Read()
		if err != nil {
			return err
		}
		var status websocket.Status
		var reason string
		if n, _ := fmt.Sscanf(string(p[:min(len(p), 100)]), "close %d %s", &status, &reason); n == 2 &&
			op == websocket.Text {
			c.Close(status, reason)
			continue
		}
		if string(p) == "abort" {
			c.Abort()
			continue
		}
		out = websocket.AppendFrame(out, op, p)
		if !c.Buffered() {
			if all, err := c.TryWriteFrames(out); !all && err == nil {
				c.WriteFrames()
			}
			out = out[:0]
		}
	}
}

// eachClient runs a test with each client, plain and encrypted.
func eachClient(t *testing.T, opts *websocket.Options, test func(t *testing.T, c client, ends <-chan error)) {
	for name, dial := range clients {
		for _, encrypted := range []bool{false, true} {
			if encrypted && name == "ws" {
				continue // it would not trust the certificate
			}
			t.Run(fmt.Sprintf("%s,tls=%v", name, encrypted), func(t *testing.T) {
				url, ends := ourServer(t, encrypted, opts)
				test(t, dial(t, url), ends)
			})
		}
	}
}

// wantClosed reads the end.
func wantClosed(t *testing.T, c client, code int, reason string) {
	t.Helper()
	m, err := c.receive()
	if err != error(closed{code, reason}) {
		t.Errorf("got %d bytes, %v; want close %d %q", len(m.data), err, code, reason)
	}
}

// wantEnd checks how our server saw it.
func wantEnd(t *testing.T, ends <-chan error, status websocket.Status, reason string, received bool) {
	t.Helper()
	var e *websocket.CloseError
	if err := <-ends; !errors.As(err, &e) || e.Status != status || e.Reason != reason || e.Received != received {
		t.Errorf("the server ended with %v, want %d %q, received %v", err, status, reason, received)
	}
}

// The same random messages, of all sizes, in any number of fragments, with pings in between, come back the same with
// every client.
func TestClientsEcho(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	sizes := []int{0, 1, 2, 100, 125, 126, 127, 1000, 4096, 8192, 65535, 65536, 100_000, 1_000_000}
	source := make([]byte, 1_100_000)
	for i, r := 0, rand.New(rand.NewPCG(seed, 1)); i < len(source); i++ {
		source[i] = byte(r.Uint32())
	}
	ascii := bytes.Clone(source)
	for i := range ascii {
		ascii[i] &= 0x7f
	}
	eachClient(t, nil, func(t *testing.T, c client, _ <-chan error) {
		r := rand.New(rand.NewPCG(seed, 0))
		for i := range 100 {
			n := sizes[i%len(sizes)]
			if i%30 == 0 {
				n = r.IntN(50_000)
			}
			from := r.IntN(100_000)
			m := message{r.IntN(2) == 0, bytes.Clone(source[from : from+n])}
			if !m.binary {
				m.data = bytes.Clone(ascii[from : from+n])
			}
			if !m.binary && n > 100 {
				copy(m.data[r.IntN(n-10):], "\U0001f600ä€")
			}
			if err := c.send(m.binary, split(r, m.data)); err != nil {
				t.Fatal(err)
			}
			if i%10 == 0 {
				if got, err := c.receive(); err != nil || got.binary != m.binary || !bytes.Equal(got.data, m.data) {
					t.Fatalf("message %d of %d bytes: got %d bytes, %v", i, n, len(got.data), err)
				}
				if err := c.ping(m.data[:min(n, 125)]); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if got, err := c.receive(); err != nil || got.binary != m.binary || !bytes.Equal(got.data, m.data) {
				t.Fatalf("message %d of %d bytes: got %d bytes, %v", i, n, len(got.data), err)
			}
		}
	})
}

// split cuts data into one to five parts, some of them empty.
func split(r *rand.Rand, data []byte) (parts [][]byte) {
	for range r.IntN(5) {
		n := r.IntN(len(data) + 1)
		parts = append(parts, data[:n])
		data = data[n:]
	}
	return append(parts, data)
}

func TestClientsClose(t *testing.T) {
	for _, code := range []int{1000, 1001, 1011, 3000, 4999} {
		eachClient(t, nil, func(t *testing.T, c client, ends <-chan error) {
			if err := c.close(code, "bye ä"); err != nil {
				t.Fatal(err)
			}
			if _, ok := c.(*coderClient); !ok { // which has waited for the answer itself
				wantClosed(t, c, code, "")
			}
			wantEnd(t, ends, websocket.Status(code), "bye ä", true)
		})
	}
}

func TestServerCloses(t *testing.T) {
	eachClient(t, nil, func(t *testing.T, c client, ends <-chan error) {
		if err := c.send(false, [][]byte{[]byte("close 1001 leaving")}); err != nil {
			t.Fatal(err)
		}
		wantClosed(t, c, 1001, "leaving")
		if g, ok := c.(*gorillaClient); ok {
			g.close(1001, "") // it does not answer by itself here
		}
		wantEnd(t, ends, 1001, "leaving", false)
	})
}

// A status of none arrives as 1005 with every client.
func TestServerClosesWithoutStatus(t *testing.T) {
	eachClient(t, nil, func(t *testing.T, c client, ends <-chan error) {
		if err := c.send(false, [][]byte{[]byte("close 0 x")}); err != nil {
			t.Fatal(err)
		}
		wantClosed(t, c, 1005, "")
	})
}

// A client that sends too much hears why, although it is in the middle of sending.
func TestTooBig(t *testing.T) {
	eachClient(t, &websocket.Options{MaxMessage: 100_000}, func(t *testing.T, c client, ends <-chan error) {
		c.send(true, [][]byte{make([]byte, 3_000_000)}) // may fail or not
		wantClosed(t, c, 1009, "")
		wantEnd(t, ends, websocket.MessageTooBig, "", false)
	})
}

// A connection that is cut is not a close frame with any client.
func TestServerAborts(t *testing.T) {
	eachClient(t, nil, func(t *testing.T, c client, ends <-chan error) {
		if err := c.send(false, [][]byte{[]byte("abort")}); err != nil {
			t.Fatal(err)
		}
		_, err := c.receive()
		var e closed
		if err == nil || errors.As(err, &e) && e.code != 1006 { // gorilla and ws make up 1006
			t.Errorf("got %v", err)
		}
		if err := <-ends; errors.As(err, new(*websocket.CloseError)) {
			t.Errorf("the server ended with %v", err)
		}
	})
}
