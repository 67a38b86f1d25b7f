package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
)

func exit() { runtime.Goexit() }

// watch writes down what happens to a Manager.
func (d *diary) watch(m *client.Manager) {
	start := time.Now()
	at := func() time.Duration { return time.Since(start) }
	m.OnOpen(func() { d.add(fmt.Sprint(at(), " open")) })
	m.OnClose(func(reason client.DisconnectReason, _ error) { d.add(fmt.Sprint(at(), " close ", string(reason))) })
	m.OnError(func(error) { d.add(fmt.Sprint(at(), " error")) })
	m.OnReconnectAttempt(func(n int) { d.add(fmt.Sprint(at(), " attempt ", n)) })
	m.OnReconnect(func(n int) { d.add(fmt.Sprint(at(), " reconnect ", n)) })
	m.OnReconnectError(func(error) { d.add(fmt.Sprint(at(), " reconnect_error")) })
	m.OnReconnectFailed(func() { d.add(fmt.Sprint(at(), " failed")) })
}

// refusing has each connection refused while it is on.
func refusing(on *atomic.Bool) func(o *client.Options) {
	return func(o *client.Options) {
		dial := o.Engine.NetDial
		o.Engine.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if on.Load() {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
			return dial(ctx, network, addr)
		}
	}
}

// TestDelays: the delays are those of the official formula, to the millisecond; see package backoff for the numbers.
func TestDelays(t *testing.T) {
	var refused atomic.Bool
	refused.Store(true)
	change := func(o *client.Options) {
		refusing(&refused)(o)
		o.RandomizationFactor = 0
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		numbers := []float64{0.15, 0.25, 0.6543, 0.5, 0.999}
		m.SetRandom(func() float64 {
			r := numbers[0]
			numbers = append(numbers[1:], r)
			return r
		})
		var d diary
		d.watch(m)
		s := m.Socket("/", nil)
		s.Open()
		pass(1075 * time.Millisecond)
		d.expect(t, "0s error", "1.075s attempt 1", "1.075s error", "1.075s reconnect_error")
		pass(1750 * time.Millisecond)
		d.expect(t, "2.825s attempt 2", "2.825s error", "2.825s reconnect_error")
		pass(2692 * time.Millisecond)
		d.expect(t, "5.517s attempt 3", "5.517s error", "5.517s reconnect_error")
		refused.Store(false)
		pass(5 * time.Second)
		d.expect(t, "10.517s attempt 4", "10.517s open", "10.517s reconnect 4")
		if !s.Connected() {
			t.Error("not connected")
		}
		pass(5 * time.Second) // it is stable by now
		p.drop()
		pass(1499 * time.Millisecond)
		d.expect(t, "15.517s close transport close", "17.016s attempt 1", "17.016s open", "17.016s reconnect 1")
	})
}

// N-7: the number of an attempt begins anew with each connection, its delay after one that lasted.
func TestDelaysAfterShortSessions(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		var d diary
		m.OnReconnectAttempt(func(n int) { d.add(fmt.Sprint("attempt ", n)) })
		s := m.Socket("/", nil)
		connect(t, s)
		for _, delay := range []time.Duration{1, 2, 4, 5, 5} {
			p.drop()
			pass(delay*time.Second - time.Millisecond)
			d.expect(t)
			pass(time.Millisecond)
			d.expect(t, "attempt 1")
		}
		pass(5 * time.Second)
		p.drop()
		pass(time.Second)
		d.expect(t, "attempt 1")
	})
}

// Sessions in which nobody is let in count as failures.
func TestGivingUpOnSessionsOfNoUse(t *testing.T) {
	change := func(o *client.Options) { o.ReconnectionAttempts = 3 }
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		p.after = func(c net.Conn) { c.Close() }
		s := m.Socket("/", nil)
		err := s.Connect(t.Context())
		if !errors.Is(err, client.ErrGaveUp) || !errors.Is(err, client.ReasonTransportClose) || s.Active() {
			t.Errorf("%v, active %v", err, s.Active())
		}
		if n := len(p.times()); n != 4 {
			t.Errorf("%d sessions", n)
		}
	})
}

// However long they last: the delays grow as well.
func TestGivingUpOnLongSessionsOfNoUse(t *testing.T) {
	change := func(o *client.Options) { o.ReconnectionAttempts = 3 }
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		p.after = func(c net.Conn) {
			<-time.After(6 * time.Second)
			c.Close()
		}
		start := time.Now()
		s := m.Socket("/", nil)
		err := s.Connect(t.Context())
		if !errors.Is(err, client.ErrGaveUp) || s.Active() {
			t.Errorf("%v, active %v", err, s.Active())
		}
		if n := len(p.times()); n != 4 {
			t.Errorf("%d sessions", n)
		}
		if got, want := time.Since(start), (4*6+1+2+4)*time.Second; got != want {
			t.Errorf("gave up after %v, want %v", got, want)
		}
	})
}

func TestGivingUp(t *testing.T) {
	var refused atomic.Bool
	refused.Store(true)
	change := func(o *client.Options) {
		refusing(&refused)(o)
		o.ReconnectionAttempts = 2
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		var d diary
		d.watch(m)
		s := m.Socket("/", nil)
		err := s.Connect(t.Context())
		if !errors.Is(err, client.ErrGaveUp) || !errors.Is(err, syscall.ECONNREFUSED) || s.Active() {
			t.Errorf("%v, active %v", err, s.Active())
		}
		want := []string{"0s error", "1s attempt 1", "1s error", "1s reconnect_error",
			"3s attempt 2", "3s error", "3s reconnect_error", "3s failed"}
		d.expect(t, want...)
		pass(time.Minute)
		d.expect(t)
		refused.Store(false)
		connect(t, s)
		d.expect(t, "1m3s open")
	})
}

func TestConnectWhoseContextEnds(t *testing.T) {
	var refused atomic.Bool
	refused.Store(true)
	onWire(t, refusing(&refused), func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		err := s.Connect(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.ECONNREFUSED) || !s.Active() {
			t.Errorf("%v, active %v", err, s.Active())
		}
		refused.Store(false)
		pass(time.Second)
		if !s.Connected() {
			t.Error("it does not go on")
		}
	})
}

func TestReconnectionIsTurnedOffAndOn(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		p.drop()
		synctest.Wait()
		if s.Connected() || !s.Active() {
			t.Error("does not want to come back")
		}
		done := make(chan error)
		go func() { done <- s.Connect(context.Background()) }() // ends with the attempts
		synctest.Wait()
		m.SetReconnection(false)
		if err := <-done; !errors.Is(err, client.ReasonTransportClose) || s.Active() {
			t.Errorf("%v, active %v", err, s.Active())
		}
		pass(time.Minute)
		if n := len(p.times()); n != 1 {
			t.Errorf("%d sessions", n)
		}
		connect(t, s)
		p.drop()
		synctest.Wait()
		if s.Active() {
			t.Error("wants to come back")
		}
		m.SetReconnection(true)
		connect(t, s)
		p.drop()
		pass(5 * time.Second)
		if !s.Connected() {
			t.Error("has not come back")
		}
	})
}

func TestAnAttemptWaitsForItsCallback(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		off := m.OnReconnectAttempt(func(int) {
			pass(time.Second)
			s.SetAuth(map[string]int{"a": 1})
		})
		connect(t, s)
		p.drop()
		pass(1500 * time.Millisecond)
		expectWire(t, p, `40`)
		pass(500 * time.Millisecond)
		expectWire(t, p, `40{"a":1}`)
		off()
		// One that hangs holds nothing up that is to end.
		hang := make(chan struct{})
		m.OnReconnectAttempt(func(int) { <-hang })
		p.drop()
		pass(5 * time.Second)
		s.Disconnect()
		connect(t, s)
		close(hang)
	})
}

func TestManagerCallbacksThatFail(t *testing.T) {
	var reported []error
	change := func(o *client.Options) {
		o.OnError = func(_ context.Context, s *client.Socket, _ *client.Event, err error) {
			if s != nil {
				t.Error("with a socket")
			}
			reported = append(reported, err)
		}
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		n := 0
		m.OnOpen(func() { panic("oops") })
		m.OnOpen(exit)
		m.OnOpen(func() { n++ })
		m.OnReconnectAttempt(func(int) { exit() })
		s := m.Socket("/", nil)
		connect(t, s)
		p.drop()
		pass(time.Second)
		synctest.Wait()
		if n != 2 || len(reported) != 5 {
			t.Errorf("%d calls, reported %v", n, reported)
		}
		if !s.Connected() {
			t.Error("not connected")
		}
	})
}

func TestConnectTimeout(t *testing.T) {
	change := func(o *client.Options) {
		o.ConnectTimeout = 3 * time.Second
		o.DisableReconnection = true
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		p.open = ""
		start := time.Now()
		err := m.Socket("/", nil).Connect(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestWhatMakesNoSense(t *testing.T) {
	for _, c := range []struct {
		url  string
		opts *client.Options
	}{
		{"ftp://server.example", nil},
		{"http://", nil},
		{"http://[::1", nil},
		{"", nil},
		{"http://server.example", transports("polling", "pigeon")},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := client.NewManager(c.url, c.opts)
			s := m.Socket("/", nil)
			var d diary
			d.keep(s)
			if err := s.Connect(t.Context()); err == nil || s.Active() {
				t.Errorf("%q: %v", c.url, err)
			} else {
				s.Open()
				d.expect(t, "connect_error "+err.Error())
			}
			must(t, m.Close())
			if s, err := client.Dial(t.Context(), c.url, c.opts); s != nil || err == nil {
				t.Errorf("%q: %v", c.url, err)
			}
		})
	}
}

func transports(names ...string) *client.Options {
	o := new(client.Options)
	o.Engine.Transports = names
	return o
}

// All sockets are told of a loss, and come back in the order they were made.
func TestNamespacesComeBack(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		names := []string{"/", "/a", "/b"}
		var d diary
		for _, name := range names {
			s := m.Socket(name, nil)
			s.OnDisconnect(func(client.DisconnectReason) { d.add(name) })
			connect(t, s)
		}
		expectWire(t, p, `40`, `40/a,`, `40/b,`)
		m.Socket("a", nil).Disconnect()
		d.expect(t, "/a")
		p.drop()
		pass(time.Second)
		d.mu.Lock()
		slices.Sort(d.lines)
		d.mu.Unlock()
		d.expect(t, "/", "/b")
		expectWire(t, p, `41/a,`, `40`, `40/b,`)
	})
}
