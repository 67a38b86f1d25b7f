package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/program"
)

// A balancer sends the requests of a session to the server that has it, and new ones to the first of two until that is
// drained.
type balancer struct {
	servers  [2]*socketio.Server
	draining atomic.Bool
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sid := r.URL.Query().Get("sid")
	if strings.HasPrefix(sid, "second-") || sid == "" && b.draining.Load() {
		b.servers[1].ServeHTTP(w, r)
		return
	}
	b.servers[0].ServeHTTP(w, r)
}

// TestDrain drains a server of official clients, which come back to another one: each event is acknowledged, and was
// handled, and nobody is told to stay away.
func TestDrain(t *testing.T) {
	const clients, events = 30, 20
	var mu sync.Mutex
	handled := make(map[string]bool)
	b := &balancer{}
	for i, name := range []string{"first-", "second-"} {
		var ids atomic.Int64
		b.servers[i] = socketio.NewServer(&socketio.Options{Engine: engineio.Options{
			NewID: func(*http.Request) (string, error) { return fmt.Sprint(name, ids.Add(1)), nil },
		}})
		b.servers[i].Handle("event", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
			var id string
			if err := e.Args.Decode(0, &id); err != nil {
				return err
			}
			mu.Lock()
			handled[id] = true
			mu.Unlock()
			return e.Ack()
		})
	}
	server := httptest.NewServer(b)
	defer server.Close()
	defer b.servers[1].Close()
	defer b.servers[0].Close()

	var ready sync.WaitGroup
	ready.Add(clients)
	drained := make(chan error, 1)
	go func() { // ends with Drain
		ready.Wait()
		b.draining.Store(true)
		drained <- b.servers[0].Drain(context.Background(), &socketio.DrainOptions{Window: 2 * time.Second})
	}()
	done := 0
	env := []string{"NODE_PATH=" + program.Modules(),
		program.Env(t, "SIO_INTEROP", map[string]any{"url": server.URL, "clients": clients, "events": events})}
	program.Run(t, env, func(text []byte) {
		var line struct {
			Ready, Client    *int
			Acked, Connected int
			Reasons          []string
		}
		if err := json.Unmarshal(text, &line); err != nil {
			t.Errorf("the clients printed %q: %v", text, err)
			return
		}
		if line.Ready != nil {
			ready.Done()
			return
		}
		done++
		if line.Acked != events || line.Connected != 2 || strings.Join(line.Reasons, ",") !=
			"transport close,io client disconnect" {
			t.Errorf("%s", text)
		}
	}, program.Node(t), filepath.Join(program.Root(), "interop", "drain.js"))
	if done != clients || len(handled) != clients*events {
		t.Errorf("%d clients are through, %d events were handled", done, len(handled))
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if n := b.servers[0].Engine().Count(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}
