package client_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
)

func retries(n int) *client.SocketOptions {
	return &client.SocketOptions{Retries: n, AckTimeout: 2 * time.Second}
}

// The value of an acknowledgement is not taken for an error, whatever it is.
func TestRetriesOneAtATime(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", &client.SocketOptions{Retries: 3})
		must(t, s.Emit("a"))
		connect(t, s)
		must(t, s.Emit("b"))
		var d diary
		must(t, s.EmitFunc(t.Context(), "c", d.answer("c")))
		must(t, s.Volatile().Emit("now"))
		expectWire(t, p, `40`, `420["a"]`, `42["now"]`)
		p.say(`430["not an error"]`)
		expectWire(t, p, `421["b"]`)
		p.say(`430[]`) // again
		p.say(`432["not sent yet"]`)
		expectWire(t, p)
		p.say(`431[]`)
		expectWire(t, p, `422["c"]`)
		if n, _ := s.Buffered(); n != 1 {
			t.Errorf("%d events wait", n)
		}
		p.say(`432[{"error":"x"},2]`)
		d.expect(t, `c [{"error":"x"},2]`)
		pass(20 * time.Second)
		expectWire(t, p)
	})
}

// N-9: an event whose acknowledgement is lost is sent at most Retries times again, and those behind it wait.
func TestRetriesUntilGivenUp(t *testing.T) {
	var reported []error
	change := func(o *client.Options) {
		o.OnError = func(_ context.Context, _ *client.Socket, _ *client.Event, err error) {
			reported = append(reported, err)
		}
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", retries(2))
		connect(t, s)
		var d diary
		must(t, s.EmitFunc(t.Context(), "a", d.answer("a")))
		must(t, s.Emit("b"))
		expectWire(t, p, `40`, `420["a"]`)
		for range 2 {
			pass(1999 * time.Millisecond)
			expectWire(t, p)
			pass(time.Millisecond)
			expectWire(t, p, `420["a"]`)
		}
		d.expect(t)
		pass(2 * time.Second)
		d.expect(t, "a "+client.ErrAckTimeout.Error())
		expectWire(t, p, `421["b"]`)
		p.say(`430["late"]`)
		pass(6 * time.Second)
		expectWire(t, p, `421["b"]`, `421["b"]`)
		if n, _ := s.Buffered(); n != 0 {
			t.Errorf("%d events wait", n)
		}
		if len(reported) != 1 || !errors.Is(reported[0], client.ErrAckTimeout) {
			t.Errorf("reported: %v", reported)
		}
	})
}

func TestRetriesTakeALateAnswer(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", retries(2))
		connect(t, s)
		var d diary
		must(t, s.EmitFunc(t.Context(), "a", d.answer("a")))
		pass(2 * time.Second)
		expectWire(t, p, `40`, `420["a"]`, `420["a"]`)
		p.say(`430["first"]`)
		p.say(`430["second"]`)
		d.expect(t, `a ["first"]`)
	})
}

func TestRetriesOverConnections(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", retries(1))
		connect(t, s)
		var d diary
		must(t, s.EmitFunc(t.Context(), "a", d.answer("a")))
		must(t, s.EmitFunc(t.Context(), "b", d.answer("b")))
		expectWire(t, p, `40`, `420["a"]`)
		p.drop()
		pass(1500 * time.Millisecond)
		d.expect(t)
		expectWire(t, p, `40`, `420["a"]`)
		p.drop()
		d.expect(t, "a "+client.ErrDisconnected.Error()) // sent twice
		pass(5 * time.Second)
		expectWire(t, p, `40`, `421["b"]`, `421["b"]`)
	})
}

func TestRetriesGivenUpByContext(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", retries(5))
		connect(t, s)
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		must(t, s.EmitFunc(ctx, "a", d.answer("a")))
		must(t, s.EmitFunc(ctx, "b", d.answer("b")))
		must(t, s.EmitFunc(t.Context(), "c", d.answer("c")))
		expectWire(t, p, `40`, `420["a"]`)
		cancel()
		synctest.Wait()
		p.say(`432[]`)
		d.mu.Lock()
		n := len(d.lines) // two of them in any order
		d.lines = nil
		d.mu.Unlock()
		if n != 2 {
			t.Errorf("%d answers", n)
		}
		synctest.Wait()
		p.mu.Lock()
		last := p.heard[len(p.heard)-1]
		p.mu.Unlock()
		if last != `422["c"]` {
			t.Errorf("sent %s", last)
		}
		d.expect(t, `c []`)
	})
}

func TestRetriesKeepThePolicy(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", &client.SocketOptions{Retries: 1,
			MaxBufferPackets: 2, BufferPolicy: client.BufferDropOldest})
		connect(t, s)
		for _, name := range []string{"a", "b", "c"} { // a is in flight
			must(t, s.Emit(name))
		}
		expectWire(t, p, `40`, `420["a"]`)
		p.say(`430[]`)
		expectWire(t, p, `422["c"]`)
		one := m.Socket("/one", &client.SocketOptions{Retries: 1,
			MaxBufferPackets: 1, BufferPolicy: client.BufferDropOldest})
		connect(t, one)
		must(t, one.Emit("a"))
		if err := one.Emit("b"); err != client.ErrBufferFull {
			t.Errorf("the only one is in flight: %v", err)
		}
		none := m.Socket("/none", &client.SocketOptions{Retries: 1, BufferPolicy: client.BufferNothing})
		if err := none.Emit("a"); err != client.ErrDisconnected {
			t.Errorf("BufferNothing: %v", err)
		}
		connect(t, none)
		must(t, none.Emit("a"))
	})
}
