package engineio

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/engineio/packet"
)

// traced gathers what a Trace is told.
type traced struct {
	mu    sync.Mutex
	lines []string
}

func (t *traced) add(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

func (t *traced) want(test *testing.T, lines ...string) {
	test.Helper()
	synctest.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Equal(t.lines, lines) {
		test.Errorf("told of\n%q, want\n%q", t.lines, lines)
	}
	t.lines = nil
}

func (t *traced) trace() *ServerTrace {
	return &ServerTrace{
		Refused: func(e *RefusedRequest) {
			t.add("refused %s %d %d %s %v", e.Reject, e.Status, e.Code, e.Message, e.Err)
		},
		Packet: func(s *Socket, sent bool, p packet.Packet) {
			_ = s.Transport() // no lock is held
			t.add("%v %v %q", sent, p.Type, p.Data)
		},
		Flush:     func(_ *Socket, n int) { t.add("flush %d", n) },
		Drain:     func(*Socket) { t.add("drain") },
		Heartbeat: func(*Socket) { t.add("heartbeat") },
	}
}

func TestServerTraceOfSessions(t *testing.T) {
	var got traced
	bubble(t, &Options{Trace: got.trace()}, func(t *testing.T, e *env) {
		p, rec := e.ws()
		got.want(t)
		p.send("4in")
		got.want(t, `false message "in"`)
		rec.socket.Send(SendOptions{Defer: true}, Prepare(Message{Data: []byte("a")}))
		rec.socket.Send(SendOptions{}, Prepare(Message{Data: []byte("b")}))
		p.want("4a", "4b")
		got.want(t, `true message "a"`, `true message "b"`, "flush 2", "drain")
		if m := p.read(); m != "2" {
			t.Errorf("%q", m)
		}
		got.want(t, `true ping ""`, "flush 1", "drain")
		p.send("3")
		got.want(t, `false pong ""`, "heartbeat")
		p.conn.Close()
		rec.want(TransportClose)
		query, rec := e.open()
		rec.socket.Send(SendOptions{}, Prepare(Message{Data: []byte("c")}))
		got.want(t)
		e.do("GET", query, "").want(t, 200, "4c")
		got.want(t, `true message "c"`, "flush 1", "drain")
		e.do("POST", query, "4d").want(t, 200, "ok")
		got.want(t, `false message "d"`)
	})
}

func TestServerTraceOfRefusals(t *testing.T) {
	var got traced
	why := errors.New("why")
	o := &Options{
		Trace:        got.trace(),
		AllowRequest: func(r *http.Request) error { return map[string]error{"no": why}[r.URL.Query().Get("allow")] },
		NewID: func(r *http.Request) (string, error) {
			return r.URL.Query().Get("id"), map[string]error{"": why}[r.URL.Query().Get("id")]
		},
	}
	bubble(t, o, func(t *testing.T, e *env) {
		e.do("GET", "EIO=4&transport=pigeon", "")
		got.want(t, "refused "+RejectTransport+" 400 0 Transport unknown <nil>")
		e.do("GET", handshakeQuery+"&sid=x", "")
		got.want(t, "refused "+RejectSession+" 400 1 Session ID unknown <nil>")
		e.do("POST", handshakeQuery, "")
		got.want(t, "refused "+RejectHandshakeMethod+" 400 2 Bad handshake method <nil>")
		e.do("GET", handshakeQuery+"&allow=no", "")
		got.want(t, "refused "+RejectForbidden+" 403 4 Forbidden why")
		e.do("GET", handshakeQuery, "")
		got.want(t, "refused "+RejectID+" 400 3 Bad request why")
		e.do("GET", "EIO=5&transport=polling&id=1", "")
		got.want(t, "refused "+RejectProtocol+" 400 5 Unsupported protocol version <nil>")
		e.dial("EIO=4&transport=websocket", "Origin", "https://evil")
		got.want(t, "refused "+RejectOrigin+" 403 4 Forbidden <nil>")
		e.dial("EIO=4&transport=websocket", "Sec-WebSocket-Version", "12")
		if len(got.lines) != 1 {
			t.Errorf("%q", got.lines)
		}
	})
}

// Whatever the functions do, sessions go on.
func TestServerTraceThatFails(t *testing.T) {
	for what, fail := range map[string]func(){
		"panic": func() { panic("boom") }, "abort": func() { panic(http.ErrAbortHandler) }, "exit": runtime.Goexit,
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, &Options{Trace: &ServerTrace{
				Refused:   func(*RefusedRequest) { fail() },
				Packet:    func(*Socket, bool, packet.Packet) { fail() },
				Flush:     func(*Socket, int) { fail() },
				Drain:     func(*Socket) { fail() },
				Heartbeat: func(*Socket) { fail() },
			}}, func(t *testing.T, e *env) {
				p, rec := e.ws()
				rec.socket.Send(SendOptions{}, Prepare(Message{Data: []byte("a")}))
				p.want("4a")
				p.send("4in")
				if m := p.read(); m != "2" {
					t.Errorf("%q", m)
				}
				p.send("3")
				if m := p.read(); m != "2" {
					t.Errorf("%q", m)
				}
				e.do("GET", "", "")
				synctest.Wait()
				e.rejected(RejectPanic, 13)
				p.conn.Close()
			})
		})
	}
}

// Who queues messages may hold locks, and is not made to wait for a Trace: also not where memory is short, and what is
// queued has to be written first.
func TestServerTraceIsNotWaitedForByWhoQueues(t *testing.T) {
	queued := make(chan struct{})
	var waited atomic.Bool
	o := &Options{MaxMemory: 1 << 20, MaxQueueBytes: 64 << 10, Trace: &ServerTrace{Flush: func(*Socket, int) {
		select {
		case <-queued:
		case <-time.After(time.Minute):
			waited.Store(true)
		}
	}}}
	bubble(t, o, func(t *testing.T, e *env) {
		queued = make(chan struct{})
		_, rec := e.ws()
		e.Server.Charge(1 << 20)
		var err error
		for range 5 {
			err = rec.socket.Send(SendOptions{Defer: true}, text(strings.Repeat("x", 40_000)))
			if err != nil {
				break
			}
		}
		close(queued)
		synctest.Wait()
		if err == nil || waited.Load() {
			t.Errorf("%v, waited for the Trace: %v", err, waited.Load())
		}
		e.Server.Charge(-1 << 20)
	})
}

// One session waits for a function that takes long, and no other: neither pings nor broadcasts.
func TestServerTraceThatTakesLong(t *testing.T) {
	var block chan struct{}
	var slow *Socket
	bubble(t, &Options{Trace: &ServerTrace{Packet: func(s *Socket, sent bool, p packet.Packet) {
		if s == slow && sent {
			<-block
		}
	}}}, func(t *testing.T, e *env) {
		block = make(chan struct{})
		p, rec := e.ws()
		slow = rec.socket
		other, rec := e.ws()
		m := text("all")
		for _, s := range []*Socket{slow, rec.socket} {
			s.Send(SendOptions{Defer: true}, m)
		}
		for _, s := range []*Socket{slow, rec.socket} {
			s.Flush()
		}
		other.want("4all")
		if m := other.read(); m != "2" {
			t.Errorf("%q", m)
		}
		close(block)
		p.want("4all")
		p.conn.Close()
		other.conn.Close()
	})
}
