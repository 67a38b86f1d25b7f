package socketio_test

import (
	"context"
	"log/slog"
	"time"

	socketio "sio.example/socketio"
)

// Clients that come back within five minutes have their session again.
func ExampleRecoveryOptions() {
	io := socketio.NewServer(&socketio.Options{
		Recovery: &socketio.RecoveryOptions{
			MaxDisconnectionDuration: 5 * time.Minute,
			OnRefused: func(s *socketio.Socket, why socketio.RecoveryRefusal) {
				slog.Info("starts anew", "sid", s.ID(), "reason", why)
			},
		},
	})
	io.Use(func(_ context.Context, s *socketio.Socket) error { // asked again, also for who comes back
		if u, ok := socketio.Data[User](s); ok && isBanned(u) {
			return &socketio.ConnectError{Message: "banned"}
		}
		return nil
	})
	io.OnConnection(func(s *socketio.Socket) {
		if s.Recovered() {
			return // it has its rooms and data, and what it missed is on its way
		}
		_ = s.Join("news")
	})
}

func isBanned(u User) bool { return u.Name == "mallory" }
