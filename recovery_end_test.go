package socketio_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"sio.example/socketio"
)

// A server that lets nobody in any more keeps no sessions: what is emitted to a client that can't come back is refused,
// as without recovery.
func TestRecoveryEndsWithTheServer(t *testing.T) {
	for name, end := range map[string]func(io *socketio.Server) error{
		"drain": func(io *socketio.Server) error {
			return io.Drain(context.Background(), &socketio.DrainOptions{Window: -1})
		},
		"shutdown": func(io *socketio.Server) error { return io.Shutdown(context.Background()) },
		"close":    func(io *socketio.Server) error { return io.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sockets []*socketio.Socket
				var late error
				r := newRefusing(t, socketio.RecoveryOptions{}, func(io *socketio.Server) {
					io.OnConnection(func(s *socketio.Socket) {
						sockets = append(sockets, s)
						s.OnDisconnecting(func(socketio.DisconnectReason) { late = s.Emit("late") })
					})
				})
				wireConnect(t, r.Server, "/", nil).lose()
				if late != nil {
					t.Errorf("an event to a client that may come back: %v", late)
				}
				wireConnect(t, r.Server, "/", nil)
				if err := end(r.IO()); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if !errors.Is(late, socketio.ErrDisconnected) {
					t.Errorf("an event from OnDisconnecting: %v", late)
				}
				for i, s := range sockets {
					if err := s.Emit("later"); !errors.Is(err, socketio.ErrDisconnected) {
						t.Errorf("an event to client %d, after the end: %v", i, err)
					}
				}
				if st := r.IO().Stats(); st.Recovery.Sessions != 0 || st.Recovery.Packets != 0 || st.Engine.Memory.Kept != 0 {
					t.Errorf("%+v, %+v", st.Recovery, st.Engine.Memory)
				}
			})
		})
	}
}
