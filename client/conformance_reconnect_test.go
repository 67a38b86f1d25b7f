package client_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/engineio/packet"
)

// attempts returns a channel of the numbers of a Manager's attempts to reconnect.
func attempts(m *client.Manager) <-chan int {
	synctest.Wait()
	ch, put := signal[int]()
	m.OnReconnectAttempt(put)
	return ch
}

func TestConformanceReconnectsByDefault(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", quick())
		gone, back := disconnects(sock), connects(sock)
		n, put := signal[int]()
		sock.Manager().OnReconnect(put)
		s.cut()
		if r := next(t, "disconnect", gone); r != client.ReasonTransportClose && r != client.ReasonTransportError {
			t.Errorf("disconnected by %q", r)
		}
		if n := next(t, "OnReconnect", n); n != 1 {
			t.Errorf("reconnected with attempt %d", n)
		}
		next(t, "connect", back)
	})
}

func TestConformanceReconnectsByHand(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", quick())
		gone, tried := disconnects(sock), attempts(sock.Manager())
		sock.Disconnect()
		if r := next(t, "disconnect", gone); r != client.ReasonClientDisconnect {
			t.Errorf("disconnected by %q", r)
		}
		never(t, "reconnection without being asked", tried, 10*time.Second)
		must(t, sock.Connect(t.Context()))

		// From then on it reconnects by itself again.
		back := connects(sock)
		s.cut()
		next(t, "attempt", tried)
		next(t, "connect", back)
	})
}

// TestConformanceServerDisconnects: whom the server sent away comes back only when it is told to.
func TestConformanceServerDisconnects(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", quick())
		gone, back := disconnects(sock), connects(sock)
		must(t, sock.Emit("leave"))
		if r := next(t, "disconnect", gone); r != client.ReasonServerDisconnect {
			t.Errorf("disconnected by %q", r)
		}
		never(t, "connects again", back, 10*time.Second)
		if sock.Active() {
			t.Error("still active")
		}
		must(t, sock.Connect(t.Context()))
	})
}

func TestConformanceAttemptsBeginAgainAfterGivingUp(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.refused.Store(true)
		m := s.manager(&client.Options{ReconnectionAttempts: 2, ReconnectionDelay: 10 * time.Millisecond})
		sock, tried := m.Socket("/", nil), attempts(m)
		failed, put := signal[bool]()
		m.OnReconnectFailed(func() { put(true) })
		for range 2 {
			if err := sock.Connect(t.Context()); !errors.Is(err, client.ErrGaveUp) {
				t.Errorf("Connect: %v", err)
			}
			next(t, "OnReconnectFailed", failed)
			if a, b := next(t, "attempt", tried), next(t, "attempt", tried); a != 1 || b != 2 {
				t.Errorf("attempts %d and %d", a, b)
			}
			never(t, "third attempt", tried, 10*time.Second)
		}
		s.refused.Store(false)
		must(t, sock.Connect(t.Context()))
	})
}

func TestConformanceDelays(t *testing.T) {
	for _, c := range []struct {
		name     string
		opts     client.Options
		min, max []time.Duration
	}{
		{
			name: "without jitter",
			opts: client.Options{RandomizationFactor: -1},
			min:  []time.Duration{1000, 2000, 4000, 5000, 5000}, max: []time.Duration{1000, 2000, 4000, 5000, 5000},
		},
		{
			name: "default",
			min:  []time.Duration{500, 1000, 2000, 4000, 5000}, max: []time.Duration{1500, 3000, 5000, 5000, 5000},
		},
		{
			name: "other",
			opts: client.Options{ReconnectionDelay: 100 * time.Millisecond,
				ReconnectionDelayMax: 300 * time.Millisecond, RandomizationFactor: 0.2},
			min: []time.Duration{80, 160, 300, 300}, max: []time.Duration{120, 240, 300, 300},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.refused.Store(true)
				m := s.manager(&c.opts)
				failures, failed := signal[time.Time]()
				m.OnError(func(error) { failed(time.Now()) })
				times, put := signal[time.Time]()
				m.OnReconnectAttempt(func(int) { put(time.Now()) })
				sock := m.Socket("/", nil)
				sock.Open()
				for i := range c.min {
					d := -next(t, "failure", failures).Sub(next(t, "attempt", times))
					if d < c.min[i]*time.Millisecond || d > c.max[i]*time.Millisecond {
						t.Errorf("attempt %d came after %v, want %d to %d ms", i+1, d, c.min[i], c.max[i])
					}
				}
				sock.Disconnect()
			})
		})
	}
}

func TestConformanceDisconnectStopsReconnecting(t *testing.T) {
	for _, when := range []string{"error", "attempt"} {
		t.Run(when, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				s.refused.Store(true)
				m := s.manager(quick())
				sock, tried := m.Socket("/", nil), attempts(m)
				errs := connectErrors(sock)
				sock.Open()
				next(t, "error", errs)
				if when == "attempt" {
					next(t, "attempt", tried)
				}
				sock.Disconnect()
				synctest.Wait()
				for len(tried) > 0 { // one that was under way
					<-tried
				}
				never(t, "attempt", tried, time.Minute)
				if sock.Active() {
					t.Error("still active")
				}
			})
		})
	}
}

func TestConformanceOpenAfterStopping(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.refused.Store(true)
		m := s.manager(quick())
		sock, tried := m.Socket("/", nil), attempts(m)
		sock.Open()
		next(t, "attempt", tried)
		sock.Disconnect()
		sock.Open()
		next(t, "attempt after Open", tried)
		s.refused.Store(false)
		must(t, sock.Connect(t.Context()))
	})
}

func TestConformanceOneSocketStopsTheOtherGoesOn(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		m := s.manager(quick())
		one, other := m.Socket("/", nil), m.Socket("/asd", nil)
		must(t, one.Connect(t.Context()))
		must(t, other.Connect(t.Context()))
		oneBack, otherBack := connects(one), connects(other)
		m.OnReconnectAttempt(func(int) { one.Disconnect() })
		s.cut()
		next(t, "connect of the other", otherBack)
		never(t, "connect of the one that stopped", oneBack, time.Second)
	})
}

// TestConformanceGivesUp: two attempts and no more, however they fail, and with their numbers.
func TestConformanceGivesUp(t *testing.T) {
	for _, how := range []string{"refused", "timeout"} {
		t.Run(how, func(t *testing.T) {
			onStageOf(t, func() http.Handler { return silent{} }, func(t *testing.T, s *stage) {
				s.refused.Store(how == "refused")
				m := s.manager(&client.Options{
					ConnectTimeout: 10 * time.Millisecond, ReconnectionAttempts: 2,
					ReconnectionDelay: 10 * time.Millisecond,
				})
				var order []string
				m.OnReconnectAttempt(func(n int) { order = append(order, "attempt "+string(rune('0'+n))) })
				m.OnReconnectError(func(error) { order = append(order, "error") })
				failed, put := signal[bool]()
				m.OnReconnectFailed(func() { order = append(order, "failed"); put(true) })
				sock := m.Socket("/asd", nil)
				sock.Open()
				m.Socket("/room1", nil).Open() // another socket does not add attempts
				next(t, "OnReconnectFailed", failed)
				if want := []string{"attempt 1", "error", "attempt 2", "error", "failed"}; !slices.Equal(order, want) {
					t.Errorf("%q, want %q", order, want)
				}
				never(t, "more", failed, time.Minute)
				if sock.Active() {
					t.Error("active after giving up")
				}
			})
		})
	}
}

func TestConformanceOpeningAnotherSocketAddsNoAttempts(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.refused.Store(true)
		m := s.manager(&client.Options{ReconnectionAttempts: 2, ReconnectionDelay: time.Second})
		tried := attempts(m)
		failed, put := signal[bool]()
		m.OnReconnectFailed(func() { put(true) })
		m.Socket("/room1", nil).Open()
		next(t, "attempt", tried)
		m.Socket("/room2", nil).Open()
		next(t, "OnReconnectFailed", failed)
		if n := len(tried); n != 1 {
			t.Errorf("%d attempts after the first", n)
		}
	})
}

func TestConformanceNoAttemptWithoutFailure(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		m := s.manager(quick())
		tried := attempts(m)
		must(t, m.Socket("/valid", nil).Connect(t.Context()))
		never(t, "attempt", tried, time.Minute)
	})
}

func TestConformanceReconnectionIsSwitchedOff(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.refused.Store(true)
		m := s.manager(quick())
		tried := attempts(m)
		off, put := signal[bool]()
		m.OnReconnectError(func(error) { m.SetReconnection(false); put(true) })
		m.Socket("/", nil).Open()
		next(t, "attempt", tried)
		next(t, "OnReconnectError", off)
		never(t, "attempt", tried, time.Minute)
	})
	onStage(t, func(t *testing.T, s *stage) { // and while there is a connection
		sock := s.connected("/", quick())
		tried := attempts(sock.Manager())
		sock.Manager().SetReconnection(false)
		s.cut()
		never(t, "attempt", tried, time.Minute)
		must(t, sock.Connect(t.Context()))
		sock.Manager().SetReconnection(true)
		s.cut()
		next(t, "attempt", tried)
	})
}

func TestConformanceReconnectionDisabled(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.refused.Store(true)
		m := s.manager(&client.Options{DisableReconnection: true})
		tried := attempts(m)
		sock := m.Socket("/", nil)
		var failure *engineio.ClientError
		if err := sock.Connect(t.Context()); !errors.As(err, &failure) || errors.Is(err, client.ErrGaveUp) {
			t.Errorf("Connect: %v", err)
		}
		never(t, "attempt", tried, time.Minute)

		s.refused.Store(false)
		must(t, sock.Connect(t.Context()))
		gone := disconnects(sock)
		s.cut()
		next(t, "disconnect", gone)
		never(t, "attempt", tried, time.Minute)
	})
}

func TestConformanceSocketIDChanges(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", quick())
		id, back := sock.ID(), connects(sock)
		between, put := signal[string]()
		sock.Manager().OnReconnectAttempt(func(int) { put(sock.ID()) })
		s.cut()
		if id := next(t, "attempt", between); id != "" {
			t.Errorf("id %q while not connected", id)
		}
		if again := next(t, "connect", back); again == id || again == "" {
			t.Errorf("id %q after %q", again, id)
		}
	})
}

// TestConformanceRecovery: the server is told what was received last, and says whether it knows the session.
func TestConformanceRecovery(t *testing.T) {
	remembers := func() http.Handler {
		return newScript(engineio.Options{}, func(s *engineio.Socket, n int) engineio.Handler {
			return handler(func(m string) {
				switch {
				case n == 1 && m == "0":
					say(s, `0{"sid":"one","pid":"private"}`)
					say(s, `2["hi","offset"]`)
				case n == 2 && (m == `0{"pid":"private","offset":"offset"}` ||
					m == `0{"offset":"offset","pid":"private"}`):
					say(s, `0{"sid":"one","pid":"private"}`)
					say(s, `2["missed","offset 2"]`)
				case n == 3:
					say(s, `0{"sid":"two","pid":"other"}`)
				}
			})
		})
	}
	onStageOf(t, remembers, func(t *testing.T, s *stage) {
		sock := s.manager(quick()).Socket("/", nil)
		hi, missed, back := events(sock, "hi"), events(sock, "missed"), connects(sock)
		must(t, sock.Connect(t.Context()))
		next(t, "connect", back)
		if sock.Recovered() {
			t.Error("recovered at first")
		}
		next(t, "event", hi)
		s.cut()
		if id := next(t, "reconnection", back); id != "one" || !sock.Recovered() {
			t.Errorf("id %q, recovered %v", id, sock.Recovered())
		}
		next(t, "what was missed", missed)
		s.cut()
		if id := next(t, "reconnection", back); id != "two" || sock.Recovered() {
			t.Errorf("id %q, recovered %v", id, sock.Recovered())
		}
	})
}

// TestConformanceRememberUpgrade: a Manager that once had a WebSocket begins with one, if it may.
func TestConformanceRememberUpgrade(t *testing.T) {
	for _, remember := range []bool{false, true} {
		onStage(t, func(t *testing.T, s *stage) {
			opts := quick()
			opts.RememberUpgrade = remember
			handshakes, put := signal[string]()
			upgrades, upgraded := signal[error]()
			opts.Engine.Trace = &engineio.Trace{
				Handshake: func(transport string, _ packet.Handshake) { put(transport) },
				Upgrade:   func(_ string, err error) { upgraded(err) },
			}
			sock := s.connected("/", opts)
			if first := next(t, "handshake", handshakes); first != "polling" {
				t.Errorf("began with %s", first)
			}
			must(t, next(t, "upgrade", upgrades))
			back := connects(sock)
			s.cut()
			next(t, "reconnection", back)
			want := map[bool]string{false: "polling", true: "websocket"}[remember]
			if second := next(t, "handshake", handshakes); second != want {
				t.Errorf("RememberUpgrade %v: reconnected with %s", remember, second)
			}
		})
	}
}
