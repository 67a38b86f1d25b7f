package client_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/internal/memnet"
)

// TestRace has many goroutines call everything at the same time, while connections come and go. The race detector looks
// on; each acknowledgement settles once, and nothing is left.
func TestRace(t *testing.T) {
	for _, retries := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			io := socketio.NewServer(nil)
			for _, name := range []string{"/", "/a", "/b"} {
				io.Of(name).Handle("echo", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
					_ = s.Emit("event", e.Args)
					return e.Ack(e.Args)
				})
			}
			ln := memnet.Listen()
			server := &http.Server{Handler: io}
			go func() { _ = server.Serve(ln) }() // ends with Close

			o := new(client.Options)
			o.Engine.NetDial = ln.DialContext
			o.ReconnectionDelay = 10 * time.Millisecond
			o.Socket.Retries = retries
			m := client.NewManager("http://server.example", o)
			var settled, expected atomic.Int64
			var connects atomic.Int64
			for _, name := range []string{"/", "/a", "/b"} {
				s := m.Socket(name, nil)
				s.OnConnect(func() { connects.Add(1) })
				s.OnDisconnect(func(client.DisconnectReason) { connects.Add(-1) })
				s.On("event", func(context.Context, *client.Event) error { return nil })
			}
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() { // ends after its calls
					random := rand.New(rand.NewPCG(uint64(i), 1))
					for range 300 {
						raceOnce(t, m, random, &settled, &expected)
					}
				})
			}
			wg.Wait()
			for _, name := range []string{"/", "/a", "/b"} {
				connect(t, m.Socket(name, nil))
			}
			must(t, m.Shutdown(t.Context()))
			if settled.Load() != expected.Load() {
				t.Errorf("%d acknowledgements settled of %d", settled.Load(), expected.Load())
			}
			if connects.Load() != 0 {
				t.Errorf("%d OnConnect calls more than OnDisconnect calls", connects.Load())
			}
			_ = io.Close()
			_ = server.Close()
			_ = ln.Close()
		})
	}
}

func raceOnce(t *testing.T, m *client.Manager, random *rand.Rand, settled, expected *atomic.Int64) {
	s := m.Socket([]string{"/", "/a", "/b"}[random.IntN(3)], nil)
	switch random.IntN(16) {
	case 0:
		s.Disconnect()
	case 1, 2:
		s.Open()
	case 3:
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(20))*time.Millisecond)
		defer cancel()
		_ = s.Connect(ctx)
	case 4:
		if e := m.Engine(); e != nil {
			e.Close()
		}
	case 5:
		if e := m.Engine(); e != nil {
			e.Abort("transport error", nil)
		}
	case 6:
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(20))*time.Millisecond)
		defer cancel()
		_, _ = s.EmitWithAck(ctx, "echo", 1)
	case 7, 8, 9:
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(200))*time.Millisecond)
		var once atomic.Bool
		err := s.EmitFunc(ctx, "echo", func(client.Args, error) {
			cancel()
			if once.Swap(true) {
				t.Error("settled twice")
			}
			settled.Add(1)
		}, 2)
		if err != nil {
			cancel()
		} else {
			expected.Add(1)
		}
	case 10:
		_ = s.Volatile().Emit("echo", 3)
	case 11:
		_, _, _, _ = s.ID(), s.Connected(), s.Active(), s.Recovered()
		_, _ = s.Buffered()
		_ = s.Context()
	case 12:
		s.SetAuth(map[string]int{"a": 1})
		s.SetAuthFunc(func(context.Context) (any, error) { return nil, nil })
	case 13:
		m.SetReconnection(random.IntN(2) == 0)
		m.SetReconnection(true)
	case 14:
		<-time.After(time.Duration(1+random.IntN(30)) * time.Millisecond)
	default:
		_ = s.Emit("echo", []byte("4"))
	}
}
