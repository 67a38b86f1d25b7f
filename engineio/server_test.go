package engineio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestShutdown(t *testing.T) { // D-1
	bubble(t, nil, func(t *testing.T, e *env) {
		p, ws := e.ws()
		q, polling := e.open()
		get := e.later("GET", q, "")
		q2, idle := e.open()
		ws.socket.Send(SendOptions{Defer: true}, text("last"))
		idle.socket.Send(SendOptions{}, text("last"))
		done := make(chan error)
		go func() { done <- e.Shutdown(t.Context()) }() // ends with Shutdown
		p.want("4last")
		p.wantClose("close 1001 server shutting down")
		(<-get).want(t, 200, "1")
		ws.want(ForcedClose)
		polling.want(ForcedClose)
		if ws.err != ErrServerClosed {
			t.Errorf("HandleClose is told %v", ws.err)
		}
		a := e.do("GET", handshakeQuery, "")
		if a.status != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("handshake: %d %v", a.status, a.header)
		}
		_, a = e.dial("EIO=4&transport=websocket")
		if a.status != 503 {
			t.Errorf("WebSocket handshake: %d", a.status)
		}
		e.rejected(RejectShutdown, 2)
		select {
		case err := <-done:
			t.Fatalf("Shutdown does not wait: %v", err)
		default:
		}
		e.do("GET", q2, "").want(t, 200, "4last")
		e.do("GET", q2, "").want(t, 200, "1")
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		idle.want(ForcedClose)
		if err := e.Shutdown(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

func TestShutdownGivesUp(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		rec.socket.Send(SendOptions{}, text("lost"))
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		start := time.Now()
		if err := e.Shutdown(ctx); !errors.Is(err, cause) || !errors.Is(err, context.DeadlineExceeded) ||
			time.Since(start) != time.Second {
			t.Errorf("Shutdown: %v after %v", err, time.Since(start))
		}
		rec.want(ForcedClose)
		e.do("GET", q, "").want(t, 400, code1)
	})
}

// Shutdown waits for handlers.
func TestShutdownWaitsForHandlers(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = func(r *recorder, _ Message) {
			<-r.socket.Context().Done()
			<-time.After(time.Second)
		}
		p, rec := e.ws()
		p.send("4x")
		synctest.Wait()
		go p.wantClose("close 1001 server shutting down") // ends with the connection
		start := time.Now()
		if err := e.Shutdown(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Errorf("Shutdown: %v after %v", err, time.Since(start))
		}
		rec.want(ForcedClose)
	})
}

func TestCloseServer(t *testing.T) { // D-3
	bubble(t, nil, func(t *testing.T, e *env) {
		p, ws := e.ws()
		q, polling := e.open()
		get := e.later("GET", q, "")
		_, idle := e.open()
		probing, rec := e.open()
		p2 := e.probe(probing)
		p2.send("2probe")
		p2.want("3probe")
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := e.Server.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		(<-get).want(t, 200, "1")
		p.wantClose("close 1001 server shutting down")
		p2.wantClose("close 1001 server shutting down")
		for _, r := range []*recorder{ws, polling, idle, rec} {
			r.want(ForcedClose)
		}
		if e.Count() != 0 {
			t.Errorf("%d sessions", e.Count())
		}
	})
	bubble(t, nil, func(t *testing.T, e *env) { // inside the handshake and inside a handler
		e.onOpen = func(*Socket, *http.Request) { e.Server.Close() }
		p, _ := e.dial("EIO=4&transport=websocket")
		p.wantClose("close 1001 server shutting down")
		e.session(0).want(ForcedClose)
	})
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = func(*recorder, Message) { e.Server.Close() }
		p, rec := e.ws()
		p.send("4x")
		p.wantClose("close 1001 server shutting down")
		rec.want(ForcedClose)
	})
	NewServer(nil, nil).Close()
}

func TestSockets(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		for range 3 {
			e.open()
		}
		p, _ := e.ws()
		seen := map[string]string{}
		for s := range e.Sockets() {
			seen[s.ID()] = s.Transport()
		}
		if len(seen) != 4 || e.Count() != 4 {
			t.Errorf("%d sockets, Count %d", len(seen), e.Count())
		}
		for s := range e.Sockets() {
			s.CloseWith(TransportError, false, "") // no lock is held
			break
		}
		if e.Count() != 3 {
			t.Errorf("Count %d", e.Count())
		}
		p.conn.Close()
	})
}

// Every way a session can end, many times: the accounting returns to nothing. Goroutines are the bubble's to check.
func TestAccounting(t *testing.T) {
	ends := map[string]func(e *env, q string, p *peer, rec *recorder){
		"packet": func(e *env, q string, p *peer, rec *recorder) {
			if p == nil {
				e.do("POST", q, "1")
			} else {
				p.send("1")
				p.wantClose("close 1000 transport close")
			}
		},
		"abrupt": func(e *env, q string, p *peer, rec *recorder) {
			if p == nil {
				ctx, cancel := context.WithCancel(context.Background())
				go e.doContext(ctx, "GET", q, nil) // ends with cancel
				synctest.Wait()
				cancel()
			} else {
				p.conn.Reset()
			}
		},
		"kicked": func(e *env, q string, p *peer, rec *recorder) {
			rec.socket.Close()
			if p == nil {
				e.do("GET", q, "").want(e.t, 200, "1")
			} else {
				p.wantClose("close 1000")
			}
		},
		"violation": func(e *env, q string, p *peer, rec *recorder) {
			if p == nil {
				e.do("POST", q, "x")
			} else {
				p.send("x")
				p.wantClose("close 1002 malformed packet")
			}
		},
		"ping timeout": func(e *env, q string, p *peer, rec *recorder) { <-rec.closed },
	}
	kinds := []string{"polling", "websocket", "upgraded"}
	for name, end := range ends {
		for _, kind := range kinds {
			t.Run(name+" "+kind, func(t *testing.T) {
				bubble(t, nil, func(t *testing.T, e *env) {
					const n = 50
					for range n {
						var q string
						var p *peer
						var rec *recorder
						if kind == "websocket" {
							p, rec = e.ws()
						} else {
							q, rec = e.open()
						}
						if kind == "upgraded" {
							p = e.probe(q)
							p.send("2probe", "5")
							p.want("3probe")
						}
						end(e, q, p, rec)
						<-rec.closed
						<-time.After(6 * time.Second) // a closing handshake that nobody answers
						synctest.Wait()
						if s := rec.socket; s.refs != 0 || s.out != (outbox{}) || s.server.deadlines[s.deadlineList].Has(s) {
							t.Fatalf("left: %d holds, %d packets, or the timer", s.refs, s.out.queue.Len())
						}
					}
					st := e.Stats()
					var closed uint64
					for _, k := range st.Closed {
						closed += k
					}
					if st.Sessions != 0 || st.Polling != 0 || st.WebSocket != 0 || st.Opened != n || closed != n {
						t.Errorf("stats %+v", st)
					}
				})
			})
		}
	}
}

func TestLatch(t *testing.T) {
	var g latch
	if !g.enter() || g.enter() || !g.busy() || g.leave() || g.busy() {
		t.Error("enter and leave")
	}
	if !g.close() || g.close() || g.enter() {
		t.Error("close when idle")
	}
	g = latch{}
	g.enter()
	if g.close() {
		t.Error("close when busy")
	}
	if g.close() || g.enter() || !g.leave() {
		t.Error("close twice when busy")
	}
	if g.close() || g.enter() {
		t.Error("close after the last call")
	}
	for range 1000 { // exactly one makes the last call
		var g latch
		var mu sync.Mutex
		last := 0
		count := func(is bool) {
			if is {
				mu.Lock()
				last++
				mu.Unlock()
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for g.enter() {
				count(g.leave())
			}
		})
		wg.Go(func() { count(g.close()) })
		wg.Go(func() { count(g.close()) })
		wg.Wait()
		if last != 1 {
			t.Fatalf("%d last calls", last)
		}
	}
}

func TestLogsAreQuietAboutInput(t *testing.T) { // 3.1: nothing above WARN, no session id above DEBUG
	var buf bytes.Buffer
	o := &Options{Logger: slog.New(slog.NewTextHandler(&buf, nil))}
	bubble(t, o, func(t *testing.T, e *env) {
		e.do("GET", handshakeQuery+"&sid=evil", "")
		q, rec := e.open()
		e.do("POST", q, "evil")
		rec.want(ParseError)
		p, rec := e.ws()
		p.send("evil")
		p.wantClose("close 1002 malformed packet")
		rec.want(ParseError)
	})
	if buf.Len() != 0 {
		t.Errorf("logged: %s", buf.String())
	}
	o.AllowAnyOrigin = true
	NewServer(nil, o)
	if s := buf.String(); strings.Count(s, "level=WARN") != 1 {
		t.Errorf("logged: %s", s)
	}
}

func TestDebugLog(t *testing.T) {
	var buf bytes.Buffer
	o := &Options{Logger: slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	bubble(t, o, func(t *testing.T, e *env) {
		_, rec := e.open()
		rec.socket.CloseWith(ParseError, false, "x")
		rec.want(ParseError)
		if s := buf.String(); !strings.Contains(s, "sid="+rec.socket.ID()) || !strings.Contains(s, `reason="parse error"`) {
			t.Errorf("logged: %s", s)
		}
	})
}

func TestRejectNamesAreDistinct(t *testing.T) {
	if len(rejects) != len(rejectNames) {
		t.Errorf("%d keys, %d names", len(rejects), len(rejectNames))
	}
	s := NewServer(nil, nil)
	for i, name := range rejectNames {
		for range i + 1 {
			s.counters.reject(name)
		}
	}
	st := s.Stats()
	for i, name := range rejectNames {
		if st.Rejected[name] != uint64(i+1) {
			t.Errorf("%s: %d, want %d", name, st.Rejected[name], i+1)
		}
	}
}

func ExampleServer() {
	s := NewServer(func(s *Socket, r *http.Request) Handler { return echoing{s} }, nil)
	http.Handle("/engine.io/", s)
	fmt.Println(s.Count())
	// Output: 0
}
