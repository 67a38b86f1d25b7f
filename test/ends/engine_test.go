package ends

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"sio.example/socketio"
	"sio.example/socketio/engineio"
)

// TestEngineEnds ends sessions of an Engine.IO server, whose user is a Handler: those ends that have nothing to do
// with what messages mean, and those that the Handler asks for.
func TestEngineEnds(t *testing.T) {
	all := slices.DeleteFunc(slices.Clone(ends), func(e end) bool { return !e.below })
	all = append(all, end{
		name:   "Socket.CloseWith",
		do:     func(a *app, _ *peer) { a.session.CloseWith(engineio.ParseError, true, "too much") },
		closed: engineio.ParseError, told: violates("1008 too much"),
	}, end{
		name:   "Socket.Close",
		do:     func(a *app, _ *peer) { a.session.Close() },
		closed: engineio.ForcedClose, told: tells("", "1000"), waits: true,
	}, end{
		name:   "Server.Close",
		do:     func(a *app, _ *peer) { _ = a.engine.Close() },
		closed: engineio.ForcedClose, why: socketio.ReasonServerShuttingDown,
		told: with(tells("", "1001 server shutting down"), map[route]string{away: gone}),
	})
	for _, e := range all {
		for _, r := range routes {
			if slices.Contains(e.not, r) {
				continue
			}
			t.Run(e.name+"/"+string(r), func(t *testing.T) { e.at(r).checkEngine(t, r) })
		}
	}
}

// A handler notes what it is told, in order.
type handler struct {
	a      *app
	socket *engineio.Socket
	notes  []string
}

func (h *handler) note(text string) {
	h.a.mu.Lock()
	defer h.a.mu.Unlock()
	h.notes = append(h.notes, text)
	h.a.changed.Broadcast()
}

func (h *handler) HandleMessage(m engineio.Message) { h.note("message " + string(m.Data)) }

func (h *handler) HandleClose(why engineio.Reason, err error) {
	shut := errors.Is(err, engineio.ErrServerClosed)
	h.note(fmt.Sprintf("closed: %s, cause %v, by the server %t", why, context.Cause(h.socket.Context()), shut))
}

func (e end) checkEngine(t *testing.T, r route) {
	a := newApp(t)
	opts := e.options().Engine
	opts.Path = "/socket.io/"
	h := &handler{a: a}
	server := engineio.NewServer(func(s *engineio.Socket, _ *http.Request) engineio.Handler {
		h.socket, a.session = s, s
		return h
	}, &opts)
	a.start(server, server)
	before := holds(t)
	p := open(t, r, a.target(), a.streams)
	a.settle(p)

	e.do(a, p)
	if r == away && !e.waits || p.hasCut {
		a.awaitClosed()
	}
	told := p.hear(late)
	a.await("the end", func() bool { return len(h.notes) > 0 })
	e.wantTold(t, r, told)
	more := engineio.Prepare(engineio.Message{})
	if err := h.socket.Send(engineio.SendOptions{}, more); !errors.Is(err, engineio.ErrClosed) {
		t.Errorf("notify: Send returns %v, want %v", err, engineio.ErrClosed)
	}
	e.wantUnknown(a, p)
	p.abort()
	a.wantFreed(before)
	shut := e.why == socketio.ReasonServerShuttingDown
	want := fmt.Sprintf("closed: %s, cause %s, by the server %t", e.closed, e.closed, shut)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(h.notes, []string{want}) { // a message would be one that came after the end
		t.Errorf("stop and notify: the Handler was told %q, want only %q", h.notes, want)
	}
	st := server.Stats()
	e.wantCounted(t, st.Closed, st.Rejected)
}
