package hostile

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/test/internal/wire"
)

// offlineMany is how often a user emits who is not connected. The table says 10⁷; what is kept does not depend on it.
const offlineMany = 300_000

// TestOfflineFlood is row N-8: what a user emits while there is no connection is bounded, and what is kept goes out in
// order.
func TestOfflineFlood(t *testing.T) {
	for _, c := range []struct {
		name        string
		opts        client.SocketOptions
		first, kept int
	}{
		{"refuse", client.SocketOptions{}, 0, 65_536},
		{"refuse-bytes", client.SocketOptions{MaxBufferBytes: 100_000}, 0, -1},
		{"refuse-packets", client.SocketOptions{MaxBufferPackets: 1000}, 0, 1000},
		{"drop-oldest", client.SocketOptions{MaxBufferPackets: 1000, BufferPolicy: client.BufferDropOldest},
			offlineMany - 1000, 1000},
		{"nothing", client.SocketOptions{BufferPolicy: client.BufferNothing}, 0, 0},
		{"retries", client.SocketOptions{MaxBufferPackets: 1000, Retries: 1}, 0, 1000},
	} {
		t.Run(c.name, func(t *testing.T) { offlineFlood(t, c.opts, c.first, c.kept) })
	}
}

func offlineFlood(t *testing.T, opts client.SocketOptions, first, kept int) {
	e := start(t, row{}, "websocket")
	e.opts.Socket = opts
	e.m = client.NewManager(e.srv.url(), e.opts)
	e.s = e.m.Socket("/", nil)
	e.srv.hostile = 1
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	refused := 0
	for i := range offlineMany {
		switch err := e.s.Emit("n", i); {
		case err == nil:
		case errors.Is(err, client.ErrBufferFull),
			opts.BufferPolicy == client.BufferNothing && errors.Is(err, client.ErrDisconnected):
			refused++
		default:
			t.Fatalf("Emit: %v", err)
		}
	}
	events, size := e.s.Buffered()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 64<<20 {
		t.Errorf("%d bytes are held", held)
	}
	limit := 16 << 20
	if opts.MaxBufferBytes > 0 {
		limit = opts.MaxBufferBytes
	}
	if kept < 0 {
		kept = events
	}
	if events != kept || size > limit || opts.BufferPolicy == client.BufferRefuse && refused != offlineMany-kept {
		t.Fatalf("%d events of %d bytes are kept, %d were refused", events, size, refused)
	}
	e.s.Open()
	s := e.srv.first()
	s.join("/")
	wait(t, "the connection", e.s.Connected, func() string { return "" })
	for i := range kept {
		offlineExpect(t, s, first+i)
	}
	e.srv.wg.Go(s.echo)
	if err := echo(e.s); err != nil {
		t.Error(err)
	}
	if events, size := e.s.Buffered(); events != 0 || size != 0 {
		t.Errorf("%d events of %d bytes are still kept", events, size)
	}
	shutdown(t, e.m)
}

// offlineExpect wants event n next, and acknowledges it if that is asked for.
func offlineExpect(t *testing.T, s *session, n int) {
	t.Helper()
	rest := s.expect("42")
	var id string
	for rest != "" && rest[0] != '[' {
		id, rest = id+rest[:1], rest[1:]
	}
	if want := fmt.Sprintf(`["n",%d]`, n); rest != want {
		t.Fatalf("event %s instead of %s", rest, want)
	}
	if id != "" {
		s.say(wire.Txt("43" + id + "[]"))
	}
}

// TestRetries is row N-9: a server that executes an event and does not acknowledge it gets it again, Retries times at
// the most, and what comes after it waits. What is late settles nothing twice.
func TestRetries(t *testing.T) {
	for _, transport := range both {
		t.Run(transport, func(t *testing.T) {
			e := start(t, row{}, transport)
			e.opts.Socket = client.SocketOptions{Retries: 2, AckTimeout: 2 * time.Second}
			e.m = client.NewManager(e.srv.url(), e.opts)
			e.s = e.m.Socket("/", nil)
			e.srv.hostile = 1
			lost, kept := newSettled(), newSettled()
			e.s.Open()
			s := e.srv.first()
			s.join("/")
			if err := e.s.EmitFunc(context.Background(), "a", lost.settle); err != nil {
				t.Fatal(err)
			}
			if err := e.s.EmitFunc(context.Background(), "b", kept.settle); err != nil {
				t.Fatal(err)
			}
			var ids []string
			for range 3 {
				ids = append(ids, retryExpect(t, s, "a"))
			}
			id := retryExpect(t, s, "b") // not before
			lost.wants(t, client.ErrAckTimeout.Error())
			for _, late := range ids {
				s.say(wire.Txt("43" + late + `["late"]`))
			}
			s.say(wire.Txt("43" + id + `["b"]`))
			kept.wants(t, "[b] <nil>")
			if err := e.s.Emit("c"); err != nil {
				t.Fatal(err)
			}
			// It is sent again on the next connection, and acknowledged there.
			retryExpect(t, s, "c")
			e.srv.mu.Lock()
			e.srv.hostile = 2
			e.srv.mu.Unlock()
			retryCut(s)
			s = e.srv.first()
			s.join("/")
			s.say(wire.Txt("43" + retryExpect(t, s, "c") + "[]"))
			if err := e.s.EmitFunc(context.Background(), "d", kept.settle); err != nil {
				t.Fatal(err)
			}
			s.say(wire.Txt("43" + retryExpect(t, s, "d") + `["d"]`))
			kept.wants(t, "[d] <nil>")
			lost.once(t)
			kept.once(t)
			shutdown(t, e.m)
		})
	}
}

// retryExpect wants the event next, and returns the id it wants to be acknowledged by.
func retryExpect(t *testing.T, s *session, name string) (id string) {
	t.Helper()
	rest := s.expect("42")
	for rest != "" && rest[0] != '[' {
		id, rest = id+rest[:1], rest[1:]
	}
	if rest != `["`+name+`"]` || id == "" {
		t.Fatalf("event %s %s instead of %s", id, rest, name)
	}
	return id
}

// retryCut ends the session.
func retryCut(s *session) {
	if s.onWebSocket() {
		_ = s.ws.Close()
		return
	}
	s.body("1")
}

// TestServerNeverPings is row N-3 in real time, through all layers; the rule itself is tested in virtual time.
func TestServerNeverPings(t *testing.T) {
	for _, transport := range []string{"polling", "websocket", "upgraded"} {
		t.Run(transport, func(t *testing.T) {
			runRow(t, row{begin: func(e *env) {
				e.srv.open = func(sid string) string {
					if sid != "session1" {
						return lawfulOpening(sid)
					}
					return fmt.Sprintf(`{"sid":"%s","upgrades":["websocket"],"pingInterval":2000,"pingTimeout":1000,`+
						`"maxPayload":1000000}`, sid)
				}
			}, reason: client.ReasonPingTimeout}, transport)
		})
	}
}
