package engineio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/memnet"
)

// The ends of a session, on each route.
func TestScenarioEnds(t *testing.T) {
	all := slices.Concat(politeEnds, abruptEnds, lateEnds, guiltyEnds, userEnds)
	for i := range all {
		all[i].ends = true
	}
	runScenarios(t, all)
}

var politeEnds = []scenario{
	{
		name: "the client closes, and sends all before", early: true,
		server: Options{MaxPayload: 100_000, MaxQueueBytes: 100 << 20},
		run: func(b *bothEnds) {
			var ms []*Prepared
			for i := range 1000 {
				ms = append(ms, text(fmt.Sprint(i, strings.Repeat("x", i))))
				b.client.send(ms[i])
			}
			b.client.socket.Close()
			b.client.socket.Close()
			if err := b.client.socket.Send(SendOptions{}, text("late")); err != ErrClosed {
				b.t.Errorf("Send: %v", err)
			}
			if err := context.Cause(b.client.socket.Context()); err != ForcedClose || b.client.socket.Alive() {
				b.t.Errorf("the context's cause is %v at once, alive %v", err, b.client.socket.Alive())
			}
			b.want(ForcedClose, TransportClose)
			b.server.expect(ms...)
			if b.client.err != nil {
				b.t.Error(b.client.err)
			}
		},
	},
	{
		name: "the client closes at any moment of the opening", seeds: 40, early: true,
		run: func(b *bothEnds) {
			<-time.After(time.Duration(b.seed*4) * time.Millisecond)
			b.client.send(text("last words"))
			b.client.socket.Close()
			b.want(ForcedClose, TransportClose)
			b.server.expect(text("last words"))
		},
	},
	{
		name: "the client closes while it sends and receives", open: func(b *bothEnds) { b.onMsg = echo }, early: true,
		run: func(b *bothEnds) {
			for i := range 100 {
				if i == 50 {
					b.client.socket.Close()
				}
				_ = b.client.socket.Send(SendOptions{}, text(fmt.Sprint(i)))
			}
			b.want(ForcedClose, TransportClose)
			b.server.expect(numbered(50, 0)...)
		},
	},
	{
		name: "the server closes, and sends all before", server: Options{MaxQueueBytes: 100 << 20},
		run: func(b *bothEnds) {
			ms := numbered(1000, 300)
			b.server.send(ms...)
			b.server.socket.Close()
			b.server.socket.Close()
			if err := b.server.socket.Send(SendOptions{}, text("late")); err != ErrClosed {
				b.t.Errorf("Send: %v", err)
			}
			b.want(TransportClose, ForcedClose)
			b.client.expect(ms...)
		},
	},
	{
		name: "both close at once",
		run: func(b *bothEnds) {
			b.client.send(text("from the client"))
			b.server.send(text("from the server"))
			b.client.socket.Close()
			b.server.socket.Close()
			b.server.ended() // the client's end may overtake the server's
			b.want(ForcedClose, b.server.reason)
		},
	},
	{
		name: "the server shuts down", server: Options{MaxQueueBytes: 100 << 20},
		run: func(b *bothEnds) {
			ms := numbered(100, 300)
			b.server.send(ms...)
			if err := b.Shutdown(b.t.Context()); err != nil {
				b.t.Error(err)
			}
			b.want(TransportClose, ForcedClose)
			b.client.expect(ms...)
			if b.server.err != ErrServerClosed {
				b.t.Errorf("HandleClose is told %v", b.server.err)
			}
		},
	},
	{
		name: "the server shuts down during the opening", seeds: 20, early: true,
		run: func(b *bothEnds) {
			<-time.After(time.Duration(b.seed*8) * time.Millisecond)
			if err := b.Shutdown(b.t.Context()); err != nil {
				b.t.Error(err)
			}
			b.want(TransportClose, ForcedClose)
		},
	},
}

var abruptEnds = []scenario{
	{
		name: "the client aborts", early: true, run: abort,
	},
	{
		name: "the client aborts what has settled", run: abort,
	},
	{
		name: "the client aborts at any moment of the opening", seeds: 40, early: true,
		run: func(b *bothEnds) {
			<-time.After(time.Duration(b.seed*4) * time.Millisecond)
			b.client.socket.Abort(TransportError, nil)
			b.client.want(TransportError)
			b.server.ended()
		},
	},
	{
		name: "the server closes at once",
		run: func(b *bothEnds) {
			start := time.Now()
			b.server.send(text(strings.Repeat("x", 100_000)))
			b.server.socket.CloseWith(ParseError, true, "no")
			b.server.socket.CloseWith(TransportError, false, "again")
			b.server.ended()
			if d := time.Since(start); d > 0 {
				b.t.Errorf("HandleClose after %v", d)
			}
			b.client.ended()
			b.want(b.client.reason, ParseError)
			if r := b.client.reason; r != TransportClose && !(b.route.polls() && r == TransportError) {
				b.t.Errorf("the client is told %q", r)
			}
		},
	},
	{
		name: "the server is closed with all sessions",
		run: func(b *bothEnds) {
			b.Server.Close()
			b.want(TransportClose, ForcedClose)
			if b.server.err != ErrServerClosed {
				b.t.Errorf("HandleClose is told %v", b.server.err)
			}
		},
	},
	{
		name: "the network resets the connections",
		run: func(b *bothEnds) {
			b.network((*memnet.Link).Drop)
			b.wantLost()
		},
	},
	{
		name: "the network cuts while messages are under way",
		run: func(b *bothEnds) {
			b.network(func(l *memnet.Link) { l.Cut(memnet.ToClient, 5000, memnet.Close) })
			for range 10 {
				b.server.socket.Send(SendOptions{}, text(strings.Repeat("x", 1000)))
			}
			b.wantLost()
		},
	},
	{
		name: "the network cuts in the other direction",
		run: func(b *bothEnds) {
			b.network(func(l *memnet.Link) { l.Cut(memnet.ToServer, 5000, memnet.Reset) })
			for range 10 {
				b.client.socket.Send(SendOptions{}, text(strings.Repeat("x", 1000)))
			}
			b.wantLost()
		},
	},
}

func abort(b *bothEnds) {
	b.client.send(text(strings.Repeat("x", 100_000)))
	start := time.Now()
	cause := errors.New("mine")
	b.client.socket.Abort(PingTimeout, cause)
	b.client.socket.Abort(ParseError, nil)
	b.client.ended()
	if d := time.Since(start); d > 0 || b.client.err != cause {
		b.t.Errorf("HandleClose after %v with %v", d, b.client.err)
	}
	b.client.want(PingTimeout)
	b.server.ended()
}

// wantLost waits for ends that nobody wanted. With polling a request has failed at the client; the server notices that
// at once, or when no other one comes. If it is the first to notice, the other request may tell the client.
func (b *bothEnds) wantLost() {
	b.t.Helper()
	b.server.ended()
	b.client.ended()
	if b.route.polls() && b.client.reason == TransportClose {
		b.want(TransportClose, TransportError)
		return
	}
	if b.route.polls() {
		b.want(TransportError, b.server.reason)
	} else {
		b.want(TransportClose, TransportClose)
	}
	if b.client.err == nil {
		b.t.Error("the client is not told why")
	}
}

var lateEnds = []scenario{
	{
		name: "neither end hears the other any more",
		run: func(b *bothEnds) {
			start := time.Now()
			b.network((*memnet.Link).Hang)
			b.freeze(memnet.Both)
			b.client.ended()
			if d := time.Since(start); d > 45*time.Second {
				b.t.Errorf("the client notices after %v", d)
			}
			b.server.ended()
			if d := time.Since(start); d > 46*time.Second {
				b.t.Errorf("the server notices after %v", d)
			}
			b.want(PingTimeout, PingTimeout)
		},
	},
	{
		name: "the client hears nothing any more",
		run: func(b *bothEnds) {
			b.freeze(memnet.ToClient)
			b.client.ended()
			b.thaw(memnet.ToClient)
			b.client.want(PingTimeout)
			b.server.ended()
		},
	},
	{
		name: "the server hears nothing any more",
		run: func(b *bothEnds) {
			b.freeze(memnet.ToServer)
			b.server.ended()
			b.server.want(PingTimeout)
			b.thaw(memnet.ToServer)
			b.client.ended()
			b.client.want(b.client.reason)
		},
	},
	{
		name: "the client was suspended, and sends",
		run: func(b *bothEnds) {
			s := b.client.socket
			s.mu.Lock()
			s.pingDue = time.Now().Add(-time.Second) // the timer is not due
			s.mu.Unlock()
			if s.Alive() {
				b.t.Error("alive though the ping is overdue")
			}
			if err := s.Send(SendOptions{}, text("x")); err != ErrClosed {
				b.t.Errorf("Send: %v", err)
			}
			b.client.want(PingTimeout)
			b.server.ended()
		},
	},
	{
		name: "the server does not take the end that the client sends",
		run: func(b *bothEnds) {
			b.freeze(memnet.ToServer)
			b.client.send(text(strings.Repeat("x", 1<<20)))
			start := time.Now()
			b.client.socket.Close()
			b.client.want(ForcedClose)
			if d := time.Since(start); d > 40*time.Second {
				b.t.Errorf("closed after %v", d)
			}
			if b.client.err == nil {
				b.t.Error("nobody is told that not all was sent")
			}
			b.thaw(memnet.ToServer)
			b.server.ended()
		},
	},
	{
		name: "a client that takes nothing",
		run: func(b *bothEnds) {
			b.freeze(memnet.Both)
			m := text(strings.Repeat("x", 1000))
			for range 5000 {
				if b.server.socket.Send(SendOptions{}, m) != nil {
					break
				}
			}
			b.server.ended()
			slow := errors.Is(b.server.err, ErrSlowConsumer) && b.Stats().Rejected[RejectSlowConsumer] == 1
			switch {
			case slow:
				b.server.want(TransportError)
			case b.route.polls(): // an answer that is on a slow link already is left to the heartbeat
				b.server.want(PingTimeout)
			default:
				b.t.Errorf("HandleClose is told %v, stats %v", b.server.err, b.Stats().Rejected)
			}
			b.thaw(memnet.Both)
			b.client.ended()
			b.client.want(b.client.reason)
		},
	},
}

// guiltyEnds are those of a session of which one end broke a rule.
var guiltyEnds = []scenario{
	{
		name: "the client sends a ping",
		run: func(b *bothEnds) {
			b.client.send(text("a"), pingPacket, text("b"))
			b.server.want(TransportError)
			b.server.expect(text("a"))
			b.onlyRejected(RejectHeartbeat)
			b.client.ended()
			b.client.want(b.client.reason)
		},
	},
	{
		name: "the client sends no packet",
		run: func(b *bothEnds) {
			b.client.send(&Prepared{typ: packet.Noop + 1})
			b.server.want(ParseError)
			b.client.ended()
			b.client.want(b.client.reason)
		},
	},
	{
		name: "the server sends no packet",
		run: func(b *bothEnds) {
			b.server.send(text("a"), &Prepared{typ: packet.Noop + 1}, text("b"))
			b.client.want(ParseError)
			b.client.expect(text("a"))
			b.server.ended()
		},
	},
	{
		name: "the client sends more than the server takes", server: Options{MaxPayload: 1000},
		run: func(b *bothEnds) {
			b.client.send(text(strings.Repeat("x", 1001)))
			b.server.ended()
			b.client.ended()
			if b.server.texts() != "" || b.client.reason == ForcedClose {
				b.t.Errorf("the server got %d bytes, the client is told %q", len(b.server.texts()), b.client.reason)
			}
			b.want(b.client.reason, b.server.reason)
			b.onlyRejected(map[bool]string{true: RejectBodySize, false: RejectMessageSize}[b.route.polls()])
		},
	},
	{
		name: "the server sends more than the client takes", client: DialOptions{MaxPayload: 1000},
		run: func(b *bothEnds) {
			b.server.send(text(strings.Repeat("x", 1001)))
			b.client.want(TransportError)
			if b.client.texts() != "" || b.client.err == nil {
				b.t.Errorf("got %d bytes, told %v", len(b.client.texts()), b.client.err)
			}
			b.server.ended()
		},
	},
}

// onlyRejected checks that what the peer did is counted, and under one name.
func (b *bothEnds) onlyRejected(name string) {
	b.t.Helper()
	for key, n := range b.Stats().Rejected {
		if (key == name) != (n > 0) && key != RejectSession {
			b.t.Errorf("Rejected[%q] = %d", key, n)
		}
	}
}

// userEnds are caused by the code of users.
var userEnds = []scenario{
	{
		name: "the client's Handler panics", open: func(b *bothEnds) {
			b.client.onMsg = func(Message) { panic("mine") }
			b.client.onClose = func() { panic("again") }
			b.opts.Logger = b.logger("HandleMessage", "HandleClose")
		},
		run: func(b *bothEnds) {
			b.server.send(text("a"), text("b"))
			b.client.want(TransportError)
			if b.client.err != errPanic || len(b.client.messages) != 1 {
				b.t.Errorf("%v, %d messages", b.client.err, len(b.client.messages))
			}
			b.server.ended()
		},
	},
	{
		name: "the server's Handler panics",
		run: func(b *bothEnds) {
			b.onMsg = func(*recorder, Message) { panic("mine") }
			b.server.onClose = func() { panic("again") }
			b.client.send(text("a"), text("b"))
			b.server.want(TransportError)
			if b.server.err != errPanic || len(b.server.messages) != 1 || b.Stats().Rejected[RejectPanic] != 2 {
				b.t.Errorf("%v, %d messages, %v", b.server.err, len(b.server.messages), b.Stats().Rejected)
			}
			b.client.ended()
			b.client.want(b.client.reason)
		},
	},
	{
		name: "the client's Handler ends its goroutine",
		run: func(b *bothEnds) {
			b.client.onMsg = func(Message) { runtime.Goexit() }
			b.client.onClose = runtime.Goexit
			b.server.send(text("a"), text("b"))
			b.client.want(TransportError)
			b.server.ended()
		},
	},
	{
		name: "the client's HandleClose ends its goroutine after Close",
		run: func(b *bothEnds) {
			b.client.onClose = runtime.Goexit
			b.client.socket.Close()
			b.want(ForcedClose, TransportClose)
		},
	},
	{
		name: "the client's HandleClose ends its goroutine after the server's end",
		run: func(b *bothEnds) {
			b.client.onClose = runtime.Goexit
			b.server.socket.Close()
			b.want(TransportClose, ForcedClose)
		},
	},
	{
		name: "the server's Handler ends its goroutine",
		run: func(b *bothEnds) {
			b.onMsg = func(*recorder, Message) { runtime.Goexit() }
			b.server.onClose = runtime.Goexit
			b.client.send(text("a"), text("b"))
			b.server.want(TransportError)
			b.client.ended()
			b.client.want(b.client.reason)
		},
	},
	{
		name: "the client's Handler closes", run: closeInHandler((*ClientSocket).Close, ForcedClose),
	},
	{
		name: "the client's Handler aborts",
		run:  closeInHandler(func(s *ClientSocket) { s.Abort(ParseError, nil) }, ParseError),
	},
	{
		name: "the server's Handler closes",
		run: func(b *bothEnds) {
			b.onMsg = func(r *recorder, _ Message) {
				r.socket.Close()
				<-time.After(time.Second) // record sees to it that HandleClose does not come meanwhile
			}
			b.client.send(text("go"))
			b.want(TransportClose, ForcedClose)
		},
	},
}

// closeInHandler is an end from within HandleMessage; HandleClose comes after it.
func closeInHandler(end func(*ClientSocket), reason Reason) func(b *bothEnds) {
	return func(b *bothEnds) {
		b.client.onMsg = func(Message) {
			end(b.client.socket)
			<-time.After(time.Second)
		}
		b.server.send(text("go"))
		b.client.want(reason)
		b.server.ended()
	}
}

// logger is one that must have logged these words in the end.
func (b *bothEnds) logger(words ...string) *slog.Logger {
	var logged bytes.Buffer
	b.t.Cleanup(func() {
		for _, w := range words {
			if !strings.Contains(logged.String(), w) {
				b.t.Errorf("%q is not logged: %s", w, &logged)
			}
		}
	})
	return slog.New(slog.NewTextHandler(&logged, nil))
}
