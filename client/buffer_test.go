package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
)

func TestBufferIsSentInOrder(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		must(t, s.Emit("a", 1))
		must(t, s.Emit("b", []byte{1}))
		must(t, s.Volatile().Emit("lost"))
		var d diary
		must(t, s.EmitFunc(t.Context(), "c", d.answer("c")))
		if events, bytes := s.Buffered(); events != 3 || bytes <= 0 {
			t.Errorf("%d events, %d bytes", events, bytes)
		}
		s.Open()
		must(t, s.Emit("d"))
		expectWire(t, p, `40`, `42["a",1]`, `451-["b",{"_placeholder":true,"num":0}]`, `420["c"]`, `42["d"]`)
		if events, bytes := s.Buffered(); events != 0 || bytes != 0 {
			t.Errorf("%d events, %d bytes", events, bytes)
		}
		p.say(`430["yes"]`)
		p.say(`430["again"]`)
		d.expect(t, `c ["yes"]`)

		p.drop()
		synctest.Wait()
		must(t, s.Emit("e"))
		pass(5 * time.Second)
		expectWire(t, p, `40`, `42["e"]`)
	})
}

func TestBufferLimits(t *testing.T) {
	for _, c := range []struct {
		name    string
		options client.SocketOptions
		want    []error // of five events
		sent    []string
	}{
		{"refuse", client.SocketOptions{MaxBufferPackets: 3},
			[]error{nil, nil, nil, client.ErrBufferFull, client.ErrBufferFull},
			[]string{`40`, `42["0"]`, `42["1"]`, `42["2"]`}},
		{"drop", client.SocketOptions{MaxBufferPackets: 3, BufferPolicy: client.BufferDropOldest},
			[]error{nil, nil, nil, nil, nil}, []string{`40`, `42["2"]`, `42["3"]`, `42["4"]`}},
		{"bytes", client.SocketOptions{MaxBufferBytes: 300},
			[]error{nil, nil, client.ErrBufferFull, client.ErrBufferFull, client.ErrBufferFull},
			[]string{`40`, `42["0"]`, `42["1"]`}},
		{"nothing", client.SocketOptions{BufferPolicy: client.BufferNothing},
			[]error{client.ErrDisconnected, client.ErrDisconnected, client.ErrDisconnected,
				client.ErrDisconnected, client.ErrDisconnected}, []string{`40`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
				s := m.Socket("/", &c.options)
				for i, want := range c.want {
					if err := s.Emit(string(rune('0' + i))); err != want {
						t.Errorf("event %d: %v, want %v", i, err, want)
					}
				}
				connect(t, s)
				expectWire(t, p, c.sent...)
				must(t, s.Emit("now"))
				expectWire(t, p, `42["now"]`)
			})
		})
	}
}

func TestBufferDropsWhatWaitsForAnAnswer(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", &client.SocketOptions{MaxBufferPackets: 1,
			MaxBufferBytes: 1000, BufferPolicy: client.BufferDropOldest})
		var d diary
		must(t, s.EmitFunc(t.Context(), "a", d.answer("a")))
		must(t, s.Emit("b"))
		d.expect(t, "a "+client.ErrBufferFull.Error())
		if err := s.Emit("c", strings.Repeat("x", 1000)); err != client.ErrBufferFull {
			t.Errorf("larger than the buffer: %v", err)
		}
		connect(t, s)
		expectWire(t, p, `40`, `42["b"]`)
	})
}

// N-8: ten million events while offline take no more than the limit.
func TestBufferIsBounded(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", &client.SocketOptions{MaxBufferBytes: 1 << 20, BufferPolicy: client.BufferDropOldest})
		text := strings.Repeat("x", 1000)
		for range 5000 {
			must(t, s.Emit("a", text))
		}
		if events, bytes := s.Buffered(); bytes > 1<<20 || events < 800 {
			t.Errorf("%d events, %d bytes", events, bytes)
		}
	})
}

// The whole buffer goes, also if the queue of a session would not take that much.
func TestBufferLargerThanTheQueue(t *testing.T) {
	onWire(t, func(o *client.Options) { o.Engine.MaxQueuePackets = 4 },
		func(t *testing.T, p *puppet, m *client.Manager) {
			s := m.Socket("/", nil)
			want := []string{`40`}
			for range 100 {
				must(t, s.Emit("a"))
				want = append(want, `42["a"]`)
			}
			connect(t, s)
			expectWire(t, p, want...)
		})
}

func TestGivenUpIsNotSent(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", &client.SocketOptions{AckTimeout: 3 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.EmitWithAck(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || err == client.ErrAckTimeout {
			t.Errorf("EmitWithAck: %v", err)
		}
		var d diary
		ctx, cancel = context.WithCancel(t.Context())
		must(t, s.EmitFunc(ctx, "b", d.answer("b")))
		cancel()
		d.expect(t, "b client: acknowledgement of b: context canceled")
		if err := s.EmitFunc(ctx, "c", d.answer("c")); !errors.Is(err, context.Canceled) {
			t.Errorf("EmitFunc: %v", err)
		}
		if _, err := s.EmitWithAck(ctx, "c"); !errors.Is(err, context.Canceled) {
			t.Errorf("EmitWithAck: %v", err)
		}
		must(t, s.Emit("d"))
		if _, err := s.EmitWithAck(t.Context(), "e"); err != client.ErrAckTimeout ||
			!errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("AckTimeout: %v", err)
		}
		if n, _ := s.Buffered(); n != 1 {
			t.Errorf("%d events wait", n)
		}
		connect(t, s)
		expectWire(t, p, `40`, `42["d"]`)
	})
}

func TestBufferSurvivesDisconnect(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		must(t, s.Emit("a"))
		s.Disconnect()
		must(t, s.Emit("b"))
		expectWire(t, p, `40`, `42["a"]`, `41`)
		connect(t, s)
		expectWire(t, p, `40`, `42["b"]`)
		must(t, s.Emit("c"))
		must(t, s.Close())
		for _, err := range []error{s.Emit("d"), s.Volatile().Emit("d"), s.Connect(t.Context())} {
			if err != client.ErrClosed {
				t.Errorf("after Close: %v", err)
			}
		}
		expectWire(t, p, `42["c"]`, `41`)
	})
}

// What waits can be looked at.
func TestBufferedEvents(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		for nsp, opts := range map[string]*client.SocketOptions{"/": nil, "/retries": retries(1)} {
			s := m.Socket(nsp, opts)
			must(t, s.Send("a", 1))
			must(t, s.Emit("b", []byte{1}))
			all := s.BufferedEvents()
			var data []byte
			if len(all) != 2 || all[0].Name != "message" || all[0].Args.String() != `["a",1]` || all[1].Name != "b" ||
				all[1].Args.Bind(&data) != nil || len(data) != 1 || all[0].WantsAck() {
				t.Errorf("%v", all)
			}
		}
	})
}
