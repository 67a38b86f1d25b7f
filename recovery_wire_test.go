package socketio_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
	"sio.example/socketio/siotest"
)

// A wireClient is a connection whose CONNECT the test writes itself.
type wireClient struct {
	t   testing.TB
	net *siotest.Network
	eng *engineio.ClientSocket

	mu      sync.Mutex
	decoder parser.Decoder
	sid     string
	pid     string
	offset  string
	refused string
	events  []string
	closed  bool
}

// wireConnect opens a connection, sends CONNECT with auth, and lets the server answer.
func wireConnect(t testing.TB, srv *siotest.Server, namespace string, auth any) *wireClient {
	t.Helper()
	c := wireDial(t, srv)
	c.connect(namespace, auth)
	return c
}

func wireDial(t testing.TB, srv *siotest.Server) *wireClient {
	t.Helper()
	c := &wireClient{t: t, net: srv.NewNetwork(), decoder: parser.JSON(nil).NewDecoder()}
	eng, err := engineio.Dial(t.Context(), srv.URL+"/socket.io/", func(*engineio.ClientSocket) engineio.Handler {
		return c
	}, &engineio.DialOptions{Transports: []string{"websocket"}, NetDial: c.net.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	c.eng = eng
	t.Cleanup(eng.Close)
	return c
}

func (c *wireClient) connect(namespace string, auth any) {
	c.send(namespace, auth)
	synctest.Wait()
}

// send sends CONNECT.
func (c *wireClient) send(namespace string, auth any) {
	p := &parser.Packet{Type: parser.Connect, Namespace: namespace}
	if auth != nil {
		p.Args = parser.NewArgs(auth)
	}
	frames, err := parser.JSON(nil).Encode(nil, p)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range frames {
		_ = c.eng.Send(engineio.SendOptions{}, engineio.Prepare(engineio.Message(f)))
	}
}

// HandleMessage notes what comes.
func (c *wireClient) HandleMessage(m engineio.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.decoder.Add(parser.Frame(m))
	switch {
	case err != nil || p == nil:
	case p.Type == parser.Connect:
		var reply struct{ SID, PID, Offset string }
		_ = p.Args.Bind(&reply)
		c.sid, c.pid, c.offset = reply.SID, reply.PID, reply.Offset
	case p.Type == parser.ConnectError:
		c.refused = p.Args.String()
	case p.Type == parser.Event:
		n := p.Args.Len()
		last := ""
		if !p.HasID && n > 0 && p.Args.Decode(n-1, &last) == nil {
			c.offset = last
			n--
		}
		c.events = append(c.events, fmt.Sprint(p.Name, p.Args.Slice(0, n)))
	}
}

// HandleClose notes that the connection is over.
func (c *wireClient) HandleClose(engineio.Reason, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// session is what a client sends to have its session back.
func (c *wireClient) session() map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return map[string]any{"pid": c.pid, "offset": c.offset}
}

// lose is the loss of the connection, noticed at once.
func (c *wireClient) lose() {
	c.net.Drop()
	synctest.Wait()
}

// What is a string on the wire is one, whatever it is in Go: a volatile event that ends in it has an offset behind it,
// so that the client takes nothing else for its offset.
func TestRecoveryOfVolatileEventsThatEndInText(t *testing.T) {
	type name string
	for _, last := range []any{"text", name("text"), time.Now(), json.RawMessage(`"text"`), 1, nil, []byte("x")} {
		t.Run(fmt.Sprintf("%T", last), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s *socketio.Socket
				r := newRefusing(t, socketio.RecoveryOptions{}, func(io *socketio.Server) {
					io.OnConnection(func(sock *socketio.Socket) { s = sock })
				})
				c := wireConnect(t, r.Server, "/", nil)
				for _, to := range []event.Emitter{s.Volatile(), r.IO().Volatile()} {
					_ = to.Emit("tick", last)
					synctest.Wait()
				}
				c.lose()
				again := wireConnect(t, r.Server, "/", c.session())
				r.want(t)
				if again.sid != c.sid || len(c.events) != 2 {
					t.Errorf("the client has got %q", c.events)
				}
			})
		})
	}
}
