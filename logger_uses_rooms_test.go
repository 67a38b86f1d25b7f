package socketio_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
)

type funcLog struct {
	slog.Handler
	fn func(message string)
}

func (l funcLog) Enabled(context.Context, slog.Level) bool { return true }

func (l funcLog) Handle(_ context.Context, r slog.Record) error {
	l.fn(r.Message)
	return nil
}

// A logger may use the rooms, also while a broadcast finds a client too slow.
func TestLoggerUsesRooms(t *testing.T) {
	var f *fixture
	var once sync.Once
	done := make(chan struct{})
	use := func(message string) {
		if !strings.Contains(message, "session closed") {
			return
		}
		once.Do(func() {
			for s := range f.Sockets() {
				_ = s.Join("another")
				_ = s.Leave("room")
			}
			close(done)
		})
	}
	f = newFixture(t, &socketio.Options{
		Engine: engineio.Options{MaxQueueBytes: 1000},
		Logger: slog.New(funcLog{slog.DiscardHandler, use}),
	})
	defer f.close()
	f.OnConnection(func(s *socketio.Socket) { _ = s.Join("room") })
	f.join("/") // and never read again
	f.join("/")
	go func() { // ends when the first client has been closed
		for {
			select {
			case <-done:
				return
			default:
				_ = f.To("room").Emit("x", strings.Repeat("x", 500))
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Minute):
		t.Fatal("deadlock")
	}
}
