package client_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/siotest"
)

// Callbacks of EmitFunc are called exactly once, before the OnDisconnect of their connection, and not after Shutdown
// has returned, whatever ends the socket while answers come.
func TestCallbacksEndBeforeTheSocket(t *testing.T) {
	for name, end := range map[string]func(srv *siotest.Server, s *client.Socket){
		"disconnect": func(_ *siotest.Server, s *client.Socket) { s.Disconnect() },
		"close":      func(_ *siotest.Server, s *client.Socket) { _ = s.Close() },
		"by the server": func(srv *siotest.Server, _ *client.Socket) {
			_ = srv.IO().DisconnectSockets(context.Background(), false)
		},
		"shutdown": func(_ *siotest.Server, s *client.Socket) { _ = s.Manager().Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			opts := client.Options{DisableReconnection: true}
			established(t, opts, func(t *testing.T, srv *siotest.Server, s *client.Socket, _, _ *siotest.Recorder) {
				srv.IO().Handle("question",
					func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack(1) })
				var left, over atomic.Bool
				s.OnDisconnect(func(client.DisconnectReason) { left.Store(true) })
				var asked, called atomic.Int64
				var askers sync.WaitGroup
				for range 4 {
					askers.Go(func() { // ends when the socket is closed, or all is asked
						for range 200 {
							err := s.EmitFunc(context.Background(), "question", func(_ client.Args, err error) {
								called.Add(1)
								if over.Load() || left.Load() && !errors.Is(err, client.ErrClosed) {
									t.Errorf("called after OnDisconnect or Shutdown with %v", err)
								}
							})
							if err == nil {
								asked.Add(1)
							}
						}
					})
				}
				end(srv, s)
				askers.Wait()
				if err := s.Manager().Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
				over.Store(true)
				if asked.Load() != called.Load() {
					t.Errorf("%d asked, %d called", asked.Load(), called.Load())
				}
			})
		})
	}
}
