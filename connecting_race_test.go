package socketio_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	socketio "sio.example/socketio"
)

// What matchers, middleware and callbacks get is not finished yet, and they may give it to others: everything of it can
// be asked and told at the same time as it is being made. The race detector is what fails.
func TestConnectingSocketIsSafeForConcurrentUse(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var others sync.WaitGroup
		connected := make(chan struct{})
		parent := f.OfFunc(func(ctx context.Context, name string, _ socketio.Args) bool {
			s, ok := socketio.SocketFromContext(ctx)
			if !ok || s.Namespace() != nil {
				t.Error("no socket, or a namespace before there can be one")
			}
			others.Go(func() { // ends when the client has been let in
				for {
					use(s)
					select {
					case <-connected:
						return
					default:
					}
				}
			})
			return strings.HasPrefix(name, "/dyn")
		})
		parent.Use(func(_ context.Context, s *socketio.Socket) error {
			use(s)
			return s.Join("middleware")
		})
		parent.OnConnection(func(s *socketio.Socket) {
			use(s)
			if s.Namespace().Name() != "/dyn-1" {
				t.Errorf("namespace %v", s.Namespace())
			}
			close(connected)
		})
		c := f.dial()
		go c.drain() // ends with the server
		c.send("40/dyn-1,")
		<-connected
		others.Wait()
	})
}

// use does with a socket what can be done at any time.
func use(s *socketio.Socket) {
	if n := s.Namespace(); n != nil {
		_, _ = n.Name(), n.Socket
		_ = n.To("nobody").Emit("x")
	}
	_ = s.Join("a", "b")
	_ = s.Leave("a")
	_, _, _, _ = s.Rooms(), s.Handshake(), s.Data(), s.Connected()
	s.SetData(1)
	_ = s.Context().Err()
	_, _ = s.Conn().ID(), s.ID()
	_ = s.Broadcast().Emit("x")
	_ = s.To("nobody").Emit("x")
	_, _ = s.Except("a").FetchSockets(s.Context())
	s.On("x", func(context.Context, *socketio.Event) error { return nil })()
	s.OnAny(func(context.Context, *socketio.Event) {})()
	_ = s.Volatile().Emit("x")
}
