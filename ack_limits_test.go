package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
)

// answering acknowledges all that is asked until the connection ends.
func (c *wsClient) answering() {
	for {
		text, err := c.receive()
		switch {
		case err != nil && !isTimeout(err):
			return
		case strings.HasPrefix(text, "42") && len(text) > 2 && text[2] != '[':
			id, _, _ := strings.Cut(text[2:], "[")
			if c.trySend("43"+id+"[]") != nil {
				return
			}
		}
	}
}

// Callbacks of EmitFunc are called exactly once, before OnDisconnect, and not after Shutdown has returned, whatever
// ends the socket while answers come.
func TestCallbacksEndBeforeTheSocket(t *testing.T) {
	ends := map[string]func(f *fixture, c *wsClient, s *socketio.Socket){
		"disconnect":       func(_ *fixture, _ *wsClient, s *socketio.Socket) { s.Disconnect(false) },
		"close":            func(_ *fixture, _ *wsClient, s *socketio.Socket) { s.Disconnect(true) },
		"client is gone":   func(_ *fixture, c *wsClient, _ *socketio.Socket) { c.close() },
		"session is ended": func(_ *fixture, _ *wsClient, s *socketio.Socket) { s.Conn().Close() },
		"shutdown": func(f *fixture, _ *wsClient, _ *socketio.Socket) {
			if err := f.Shutdown(context.Background()); err != nil {
				f.t.Error(err)
			}
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				bubble(t, patient, func(t *testing.T, f *fixture) { endAmongAnswers(t, f, end) })
			}
		})
	}
}

func endAmongAnswers(t *testing.T, f *fixture, end func(f *fixture, c *wsClient, s *socketio.Socket)) {
	var left, over atomic.Bool
	f.OnConnection(func(s *socketio.Socket) {
		s.OnDisconnect(func(socketio.DisconnectReason) { left.Store(true) })
	})
	c, s := f.connected("/")
	go c.answering() // ends with the connection
	var asked, called atomic.Int64
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() { // ends with the socket
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for i := range 200 {
				fn := func(_ socketio.Args, err error) {
					called.Add(1)
					if left.Load() || over.Load() {
						t.Error("called after OnDisconnect, or after Shutdown")
					}
				}
				switch err := s.EmitFunc(ctx, "question", fn); {
				case err == nil:
					asked.Add(1)
				case !errors.Is(err, socketio.ErrTooManyAcks):
					return
				}
				if i == 150 {
					cancel()
					ctx = context.Background()
				}
			}
		})
	}
	end(f, c, s)
	over.Store(f.Shutdown(context.Background()) == nil)
	askers.Wait()
	synctest.Wait()
	if asked.Load() != called.Load() || !left.Load() {
		t.Errorf("%d asked, %d called, OnDisconnect called %v", asked.Load(), called.Load(), left.Load())
	}
}

// A client that never answers costs a bounded number of callbacks; then they are refused, as broadcasts are.
func TestPendingAcksAreBounded(t *testing.T) {
	for _, c := range []struct {
		opts *socketio.Options
		most int
	}{
		{&socketio.Options{Engine: engineio.Options{MaxMemory: 1 << 20}}, 1091},
		{&socketio.Options{MaxPendingAcks: 3}, 3},
	} {
		bubble(t, c.opts, func(t *testing.T, f *fixture) {
			c1, s := f.connected("/")
			go c1.drain() // ends with the server
			var failed atomic.Int64
			fn := func(_ socketio.Args, err error) {
				if errors.Is(err, socketio.ErrDisconnected) {
					failed.Add(1)
				}
			}
			n := 0
			for ; n < 2000; n++ {
				if err := s.EmitFunc(t.Context(), "q", fn); err != nil {
					if !errors.Is(err, socketio.ErrTooManyAcks) ||
						!strings.Contains(err.Error(), "acknowledgement of q") {
						t.Errorf("refused with %v", err)
					}
					break
				}
				synctest.Wait()
			}
			if n != c.most || f.Stats().EventsOut != uint64(n) {
				t.Errorf("%d callbacks wait, %d events sent; want %d", n, f.Stats().EventsOut, c.most)
			}
			if _, err := s.EmitWithAck(t.Context(), "q"); !errors.Is(err, socketio.ErrTooManyAcks) {
				t.Errorf("EmitWithAck: %v", err)
			}
			// The others are asked.
			c2, _ := f.connected("/")
			type result struct {
				all []socketio.Args
				err error
			}
			done := make(chan result, 1)
			go func() { // ends with the answer
				all, err := f.EmitWithAck(t.Context(), "q")
				done <- result{all, err}
			}()
			c2.expect(asked(0, `["q"]`))
			c2.send(answered(0, `[1]`))
			if r := <-done; len(r.all) != 1 || !errors.Is(r.err, socketio.ErrTooManyAcks) {
				t.Errorf("broadcast: %d answers, %v", len(r.all), r.err)
			}
			all, _ := f.In(s.ID()).FetchSockets(t.Context())
			if _, err := all[0].EmitWithAck(t.Context(), "q"); !errors.Is(err, socketio.ErrTooManyAcks) {
				t.Errorf("remote socket: %v", err)
			}
			s.Disconnect(false)
			if synctest.Wait(); failed.Load() != int64(n) {
				t.Errorf("%d of %d callbacks got ErrDisconnected", failed.Load(), n)
			}
		})
	}
}

// A client that answers may be asked much at once: as much as the server's memory has. Nothing is held in the end.
func TestManyAcksAtOnce(t *testing.T) {
	bubble(t, patient, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		const n = 5000
		var called, failed atomic.Int64
		for i := range n {
			err := s.EmitFunc(t.Context(), "q", func(_ socketio.Args, err error) {
				called.Add(1)
				if err != nil {
					failed.Add(1)
				}
			})
			if err != nil {
				t.Fatalf("question %d: %v", i, err)
			}
		}
		if held := f.Stats().Engine.Memory.Held; held < n*256-16<<10 {
			t.Errorf("%d bytes are held", held)
		}
		go c.answering() // ends with the server
		synctest.Wait()
		if called.Load() != n || failed.Load() != 0 {
			t.Errorf("%d called, %d with an error", called.Load(), failed.Load())
		}
		if held := f.Stats().Engine.Memory.Held; held != 0 {
			t.Errorf("%d bytes are held in the end", held)
		}
	})
}

// Clients that never answer have a guaranteed number of questions each, in all of their namespaces, and a total
// together.
func TestPendingAcksShareMemory(t *testing.T) {
	bubble(t, patient, func(t *testing.T, f *fixture) {
		f.Of("/other")
		ask := func(s *socketio.Socket) (n int) {
			for s.EmitFunc(t.Context(), "q", func(socketio.Args, error) {}) == nil {
				n++
			}
			return n
		}
		const clients = 20
		first, least := 0, 0
		for range clients {
			c, s := f.connected("/")
			go c.drain() // ends with the server
			least = ask(s)
			first = max(first, least)
		}
		if first < 10_000 || least < 1000 {
			t.Errorf("the first is asked %d times, the last %d", first, least)
		}
		if held := f.Stats().Engine.Memory.Held; held > 16<<20+clients*300<<10 {
			t.Errorf("%d bytes are held", held)
		}
		c, s := f.connected("/")
		c.connect("/other", "")
		go c.drain() // ends with the server
		least = ask(s)
		for other := range f.Of("/other").Sockets() {
			if n := ask(other); n > 16 || least < 1000 {
				t.Errorf("asked %d times beside %d", n, least)
			}
		}
	})
}

// The answers to callbacks that have not been called count as events do, and the client waits.
func TestAnswersToCallbacksThatHangAreBounded(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		release := make(chan struct{})
		var called atomic.Int64
		const n = 100
		for i := range n {
			err := s.EmitFunc(t.Context(), "q", func(args socketio.Args, err error) {
				<-release
				if err == nil && args.Len() == 1 {
					called.Add(1)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			c.expect(fmt.Sprintf(`42%d["q"]`, i))
		}
		go func() { // ends when all is read
			answer := `["` + strings.Repeat("x", 100_000) + `"]`
			for i := range n {
				_ = c.trySend(fmt.Sprint("43", i, answer))
			}
		}()
		synctest.Wait()
		if held := f.Stats().Engine.Memory.Held; held < 1<<20 || held > 5<<20 {
			t.Errorf("%d bytes are held", held)
		}
		close(release)
		synctest.Wait()
		if called.Load() != n {
			t.Errorf("%d of %d called", called.Load(), n)
		}
		if held := f.Stats().Engine.Memory.Held; held != 0 {
			t.Errorf("%d bytes are held in the end", held)
		}
	})
}

// The socket's own context needs no timeout beside the end of the socket: the callback is called once, and says so.
func TestCallbackWithTheSocketsContext(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var errs []error
		f.Handle("ask", func(ctx context.Context, s *socketio.Socket, _ *socketio.Event) error {
			return s.EmitFunc(ctx, "q", func(_ socketio.Args, err error) { errs = append(errs, err) })
		})
		c, s := f.connected("/")
		for i := range 2 {
			c.send(`42["ask"]`)
			c.expect(fmt.Sprintf(`42%d["q"]`, i))
		}
		c.send(`431[]`)
		synctest.Wait()
		s.Disconnect(false)
		synctest.Wait()
		if len(errs) != 2 || errs[0] != nil || !errors.Is(errs[1], socketio.ErrDisconnected) {
			t.Errorf("called with %v", errs)
		}
	})
}
