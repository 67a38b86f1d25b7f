package client_test

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"sio.example/socketio/client"
)

// A lockedBuffer may be written while it is read.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A client without a Logger leaves traces of what is wrong in slog.Default(), few of one cause, and none of the rest.
func TestDefaultLogger(t *testing.T) {
	logs := new(lockedBuffer)
	was, out, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() {
		slog.SetDefault(was)
		log.SetOutput(out) // which SetDefault has changed
		log.SetFlags(flags)
	})
	onWire(t, func(o *client.Options) { o.Logger = nil }, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		s.On("panic", func(context.Context, *client.Event) error { panic("boom") })
		s.On("error", func(context.Context, *client.Event) error { return errors.New("oh") })
		connect(t, s)
		p.say(`42["panic"]`)
		for range 50 {
			p.say(`42["error"]`)
		}
		synctest.Wait()
		got := logs.String()
		for text, want := range map[string]int{
			`level=ERROR msg="client: panic" sid=`: 1, `event=panic error="panic: boom" stack=`: 1,
			`level=WARN msg="client: error" sid=`: 10, `event=error error=oh`: 10, `level=DEBUG`: 0,
		} {
			if n := strings.Count(got, text); n != want {
				t.Errorf("%d records with %s, want %d in %s", n, text, want, got)
			}
		}
	})
}
