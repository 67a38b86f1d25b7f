package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
)

func TestConformanceAcknowledgesTheServer(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", nil)
		got := events(sock, "got it")
		sock.On("ack", func(_ context.Context, e *client.Event) error {
			if err := e.Ack(5, map[string]bool{"test": true}); err != nil {
				t.Error(err)
			}
			if err := e.Ack("twice"); err == nil {
				t.Error("acknowledged twice")
			}
			return nil
		})
		must(t, sock.Emit("ack"))
		next(t, "reaction to the acknowledgement", got)
	})
}

func TestConformanceDates(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		want := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
		sock := s.connected("/", nil)
		if got := decode[time.Time](t, ask(t, sock, "getAckDate", map[string]bool{"test": true}), 0); !got.Equal(want) {
			t.Errorf("acknowledged with %v", got)
		}
		dates, objects := events(sock, "takeDate"), events(sock, "takeDateObj")
		must(t, sock.Emit("getDate"))
		if got := decode[time.Time](t, next(t, "date", dates), 0); !got.Equal(want) {
			t.Errorf("received %v", got)
		}
		must(t, sock.Emit("getDateObj"))
		if got := decode[struct{ Date time.Time }](t, next(t, "object", objects), 0); !got.Date.Equal(want) {
			t.Errorf("received %v", got)
		}
		if got := decode[string](t, ask(t, sock, "echo", want), 0); got != "2026-05-04T03:02:01Z" {
			t.Errorf("sent %v", got)
		}
	})
}

func TestConformanceFalse(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", nil)
		got := events(sock, "false")
		must(t, sock.Emit("false"))
		if v, err := next(t, "event", got).Values(); err != nil || !slices.Equal(v, []any{false}) {
			t.Errorf("%v, %v", v, err)
		}
	})
}

func TestConformanceUTF8(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", nil)
		got := events(sock, "takeUtf8")
		must(t, sock.Emit("getUtf8"))
		for _, want := range utf8Texts {
			if text := decode[string](t, next(t, "text", got), 0); text != want {
				t.Errorf("received %q, want %q", text, want)
			}
			if text := decode[string](t, ask(t, sock, "echo", want), 0); text != want {
				t.Errorf("sent %q, which came back as %q", want, text)
			}
		}
	})
}

func TestConformanceBinary(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", nil)
		got := events(sock, "doge")
		must(t, sock.Emit("doge"))
		if b := decode[[]byte](t, next(t, "binary event", got), 0); string(b) != "asdfasdf" {
			t.Errorf("received %q", b)
		}
		returned := events(sock, "returned")
		type mixed struct {
			Hello   string `json:"hello"`
			Message []byte `json:"message"`
			Goodbye string `json:"goodbye"`
		}
		must(t, sock.Emit("return", []byte{0, 1, 255}, mixed{"lol", []byte("howdy"), "gotcha"}))
		must(t, sock.Emit("return", "please arrive second"))
		args := next(t, "answer", returned)
		if b := decode[[]byte](t, args, 0); !bytes.Equal(b, []byte{0, 1, 255}) {
			t.Errorf("bytes came back as %v", b)
		}
		if m := decode[mixed](t, args, 1); m.Hello != "lol" || string(m.Message) != "howdy" || m.Goodbye != "gotcha" {
			t.Errorf("an object with bytes came back as %+v", m)
		}
		if text := decode[string](t, next(t, "second answer", returned), 0); text != "please arrive second" {
			t.Errorf("then came %q", text)
		}
	})
}

func TestConformanceCompress(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", nil)
		hi := events(sock, "hi")
		must(t, sock.Emit("hi"))
		must(t, sock.Compress(false).Emit("hi"))
		must(t, sock.Compress(true).Emit("hi"))
		for range 3 {
			next(t, "answer", hi)
		}
	})
}

func TestConformanceReservedNames(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", nil)
		for _, name := range []string{"connect", "connect_error",
			"disconnect", "disconnecting", "newListener", "removeListener"} {
			if err := sock.Emit(name, "goodbye"); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("Emit of %s: %v", name, err)
			}
			if _, err := sock.EmitWithAck(t.Context(), name); err == nil {
				t.Errorf("EmitWithAck of %s succeeds", name)
			}
			if err := sock.Volatile().Emit(name); err == nil {
				t.Errorf("volatile %s succeeds", name)
			}
		}
	})
}

// TestConformanceOrder: what waited for the connection goes before what OnConnect emits.
func TestConformanceOrder(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.manager(webSocketOnly()).Socket("/", nil)
		returned := events(sock, "returned")
		sock.OnConnect(func() { _ = sock.Emit("return", "second") }) // if that fails, it does not come
		must(t, sock.Emit("return", "first"))
		must(t, sock.Connect(t.Context()))
		for _, want := range []string{"first", "second"} {
			if got := decode[string](t, next(t, "answer", returned), 0); got != want {
				t.Errorf("%s came, want %s", got, want)
			}
		}
	})
}

func TestConformanceVolatile(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.manager(webSocketOnly()).Socket("/", nil)
		returned := events(sock, "returned")
		must(t, sock.Volatile().Emit("return", "offline")) // is dropped
		if n, _ := sock.Buffered(); n != 0 {
			t.Errorf("%d events are buffered", n)
		}
		must(t, sock.Emit("return", "buffered"))
		must(t, sock.Connect(t.Context()))
		if got := decode[string](t, next(t, "answer", returned), 0); got != "buffered" {
			t.Errorf("%s came", got)
		}
		synctest.Wait()
		must(t, sock.Volatile().Emit("return", "online"))
		if got := decode[string](t, next(t, "answer", returned), 0); got != "online" {
			t.Errorf("%s came", got)
		}
	})
}

// TestConformanceVolatileWhileTheTransportIsBusy: on polling, a request is under way.
func TestConformanceVolatileWhileTheTransportIsBusy(t *testing.T) {
	slow := func() http.Handler { return slowPosts{supportServer()} }
	onStageOf(t, slow, func(t *testing.T, s *stage) {
		opts := quick()
		opts.Engine.Transports = []string{"polling"}
		sock := s.connected("/", opts)
		returned := events(sock, "returned")
		must(t, sock.Emit("return", "first"))
		synctest.Wait()
		must(t, sock.Volatile().Emit("return", "volatile"))
		must(t, sock.Emit("return", "last"))
		for _, want := range []string{"first", "last"} {
			if got := decode[string](t, next(t, "answer", returned), 0); got != want {
				t.Errorf("%s came, want %s", got, want)
			}
		}
		never(t, "the volatile event came", returned, time.Minute)
	})
}

// slowPosts takes a second for each request that brings something.
type slowPosts struct{ *socketio.Server }

func (s slowPosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		<-time.After(time.Second)
	}
	s.Server.ServeHTTP(w, r)
}

func TestConformanceOnAny(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.manager(nil).Socket("/abc", nil)
		order, put := signal[string]()
		off := sock.OnAny(func(context.Context, *client.Event) { put("removed") })
		off()
		sock.OnAny(func(_ context.Context, e *client.Event) { put(fmt.Sprintf("any %s %d", e.Name, e.Args.Len())) })
		sock.On("handshake", func(context.Context, *client.Event) error { put("listener"); return nil })
		must(t, sock.Connect(t.Context()))
		if a, b := next(t, "event", order), next(t, "event", order); a != "any handshake 1" || b != "listener" {
			t.Errorf("%s, then %s", a, b)
		}
	})
}

// A listener for outgoing events that sends does not hear of that, and comes to an end.
func TestOnAnyOutgoingThatEmits(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		heard := 0
		s.OnAnyOutgoing(func(name string, _ client.Args) {
			heard++
			must(t, s.Emit("heard "+name))
		})
		must(t, s.Emit("a")) // waits for the connection
		connect(t, s)
		synctest.Wait() // for the listener, which the runner calls
		must(t, s.Emit("b"))
		expectWire(t, p, `40`, `42["a"]`, `42["heard a"]`, `42["b"]`, `42["heard b"]`)
		if heard != 2 {
			t.Errorf("heard of %d, want 2", heard)
		}
	})
}

func TestConformanceOnAnyOutgoing(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/abc", nil)
		names, put := signal[string]()
		off := sock.OnAnyOutgoing(func(string, client.Args) { put("removed") })
		off()
		sock.OnAnyOutgoing(func(name string, args client.Args) { put(name + " " + args.String()) })
		must(t, sock.Emit("my-event", "123"))
		if got := next(t, "notice", names); got != `my-event ["123"]` {
			t.Errorf("notice of %s", got)
		}
		var data []byte
		sock.OnAnyOutgoing(func(_ string, args client.Args) { data = decode[[]byte](t, args, 0) })
		must(t, sock.Emit("my-event", []byte{1, 2, 3}))
		next(t, "notice", names)
		if !bytes.Equal(data, []byte{1, 2, 3}) {
			t.Errorf("notice of %v", data)
		}
	})
}

func TestConformanceAckTimesOutWhileOffline(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.manager(nil).Socket("/", nil)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := sock.EmitWithAck(ctx, "return"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("EmitWithAck: %v", err)
		}
		if n, _ := sock.Buffered(); n != 0 {
			t.Errorf("%d events are still buffered", n)
		}
		returned := events(sock, "returned")
		must(t, sock.Connect(t.Context()))
		never(t, "the event was sent all the same", returned, time.Second)
	})
}

func TestConformanceAckTimeout(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", webSocketOnly()) // an upgrade takes 100 ms on virtual time
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := sock.EmitWithAck(ctx, "unknown"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("never acknowledged: %v", err)
		}
		if d := time.Since(start); d != 50*time.Millisecond {
			t.Errorf("took %v", d)
		}
		// A context that is over before the answer can come.
		if _, err := sock.EmitWithAck(ctx, "echo", 42); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("acknowledged too late: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		args, err := sock.EmitWithAck(ctx, "echo", 42)
		if err != nil || decode[int](t, args, 0) != 42 {
			t.Errorf("acknowledged in time: %v, %v", args, err)
		}
	})
}

func TestConformanceEmitFunc(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", webSocketOnly())
		results, put := signal[string]()
		report := func(args client.Args, err error) {
			if err != nil {
				put("error " + fmt.Sprint(errors.Is(err, context.DeadlineExceeded)))
				return
			}
			put(args.String())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		must(t, sock.EmitFunc(ctx, "echo", report, 42))
		if got := next(t, "result", results); got != "[42]" {
			t.Errorf("acknowledged: %s", got)
		}
		must(t, sock.EmitFunc(ctx, "unknown", report))
		if got := next(t, "result", results); got != "error true" {
			t.Errorf("not acknowledged: %s", got)
		}
		never(t, "second result", results, time.Second)
	})
}

func TestConformanceAckTimeoutOption(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.manager(nil).Socket("/", &client.SocketOptions{AckTimeout: 50 * time.Millisecond})
		must(t, sock.Connect(t.Context()))
		start := time.Now()
		_, err := sock.EmitWithAck(t.Context(), "unknown")
		if d := time.Since(start); !errors.Is(err, client.ErrAckTimeout) ||
			!errors.Is(err, context.DeadlineExceeded) || d != 50*time.Millisecond {
			t.Errorf("%v after %v", err, d)
		}
	})
}

// TestConformanceAckAndDisconnect: an event that was sent cannot be acknowledged any more.
func TestConformanceAckAndDisconnect(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
	}{{"without a timeout", 0}, {"with AckTimeout", 10 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				sock := s.manager(quick()).Socket("/", &client.SocketOptions{AckTimeout: c.timeout})
				must(t, sock.Connect(t.Context()))
				errs, put := signal[error]()
				must(t, sock.EmitFunc(t.Context(), "unknown", func(_ client.Args, err error) { put(err) }))
				sock.Disconnect()
				if err := next(t, "end of waiting", errs); !errors.Is(err, client.ErrDisconnected) {
					t.Errorf("EmitFunc: %v", err)
				}
				must(t, sock.Connect(t.Context()))
				synctest.Wait()
				done := make(chan error, 1)
				go func() { // ends with the disconnection
					_, err := sock.EmitWithAck(t.Context(), "unknown")
					done <- err
				}()
				synctest.Wait()
				s.cut()
				if err := next(t, "end of waiting", done); !errors.Is(err, client.ErrDisconnected) {
					t.Errorf("EmitWithAck: %v", err)
				}
			})
		})
	}
}

// TestConformanceUnsentAckSurvives: what was emitted while not connected is sent, and acknowledged, later.
func TestConformanceUnsentAckSurvives(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", nil)
		gone := disconnects(sock)
		sock.Disconnect()
		next(t, "disconnect", gone)
		answers, put := signal[string]()
		must(t, sock.EmitFunc(t.Context(), "echo",
			func(args client.Args, err error) { put(fmt.Sprint(args, err)) }, "a"))
		never(t, "answer while offline", answers, 100*time.Millisecond)
		must(t, sock.Connect(t.Context()))
		if got := next(t, "answer", answers); got != `["a"] <nil>` {
			t.Errorf("answer %s", got)
		}
	})
}
