package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
)

func TestAuthIsAnObject(t *testing.T) {
	for _, c := range []struct {
		auth any
		want string // "" if it is refused
	}{
		{nil, `40`},
		{map[string]any{"a": 1}, `40{"a":1}`},
		{struct{}{}, `40{}`},
		{struct {
			Token string `json:"token"`
		}{"x"}, `40{"token":"x"}`},
		{(*struct{})(nil), ""},
		{"text", ""},
		{[]int{1}, ""},
		{map[string]any{"a": []byte("x")}, ""},
		{make(chan int), ""},
		{client.Args{}, ""},
	} {
		t.Run(fmt.Sprintf("%T", c.auth), func(t *testing.T) {
			onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
				s := m.Socket("/", &client.SocketOptions{Auth: c.auth})
				var d diary
				s.OnConnectError(func(error) { d.add("error") })
				err := s.Connect(t.Context())
				if c.want != "" {
					must(t, err)
					expectWire(t, p, c.want)
					return
				}
				if err == nil || !strings.HasPrefix(err.Error(), "client: auth: ") || s.Active() {
					t.Errorf("%v, active %v", err, s.Active())
				}
				d.expect(t, "error")
				expectWire(t, p)
				if m.Engine() != nil {
					t.Error("the session is open though nobody wants it")
				}
			})
		})
	}
}

func TestAuthFuncIsCalledForEachAttempt(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		n := 0
		s := m.Socket("/", &client.SocketOptions{AuthFunc: func(context.Context) (any, error) {
			n++
			return map[string]int{"n": n}, nil
		}})
		connect(t, s)
		p.drop()
		pass(2 * time.Second)
		s.Disconnect()
		expectWire(t, p, `40{"n":1}`, `40{"n":2}`, `41`)
		connect(t, s)
		expectWire(t, p, `40{"n":3}`)
		s.SetAuth(map[string]int{"n": 0})
		p.drop()
		pass(5 * time.Second)
		expectWire(t, p, `40{"n":0}`)
	})
}

func TestAuthFuncThatFailsIsCalledAgain(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		var calls []time.Duration
		start := time.Now()
		s := m.Socket("/", &client.SocketOptions{AuthFunc: func(context.Context) (any, error) {
			calls = append(calls, time.Since(start))
			switch len(calls) {
			case 1:
				return nil, errors.New("no token")
			case 2:
				panic("oops")
			}
			return nil, nil
		}})
		var d diary
		d.keep(s)
		connect(t, s)
		d.expect(t, "connect_error client: auth: no token", "connect_error client: auth: panic: oops", "connect")
		if want := "[0s 1s 3s]"; fmt.Sprint(calls) != want {
			t.Errorf("called after %v, want %s", calls, want)
		}
		expectWire(t, p, `40`)
	})
}

func TestAuthFuncGivesUp(t *testing.T) {
	own := errors.New("no token")
	for _, c := range []struct {
		name   string
		change func(*client.Options)
		err    error
		calls  int
		match  error
	}{
		{"attempts", func(o *client.Options) { o.ReconnectionAttempts = 2 }, own, 3, client.ErrGaveUp},
		{"no reconnection", func(o *client.Options) { o.DisableReconnection = true }, own, 1, own},
		{"refusal", nil, fmt.Errorf("wrapped: %w", &client.ConnectError{Message: "stop"}), 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			onWire(t, c.change, func(t *testing.T, p *puppet, m *client.Manager) {
				calls := 0
				s := m.Socket("/", &client.SocketOptions{AuthFunc: func(context.Context) (any, error) {
					calls++
					return nil, c.err
				}})
				err := s.Connect(t.Context())
				var refusal *client.ConnectError
				if c.match == nil && !errors.As(err, &refusal) || c.match != nil &&
					(!errors.Is(err, c.match) || !errors.Is(err, own)) {
					t.Errorf("%v", err)
				}
				if calls != c.calls || s.Active() || m.Engine() != nil {
					t.Errorf("%d calls, active %v", calls, s.Active())
				}
			})
		})
	}
}

// The context of AuthFunc ends with the attempt, however that ends, and what comes late is not sent.
func TestAuthFuncEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(p *puppet, s *client.Socket)
		wire []string
	}{
		{"disconnect", func(_ *puppet, s *client.Socket) { s.Disconnect() }, nil},
		{"close", func(_ *puppet, s *client.Socket) { s.Close() }, nil},
		{"manager", func(_ *puppet, s *client.Socket) { s.Manager().Close() }, nil},
		{"loss", func(p *puppet, _ *client.Socket) { p.drop() }, []string{`40{"call":2}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
				calls, ended := 0, false
				s := m.Socket("/", &client.SocketOptions{AuthFunc: func(ctx context.Context) (any, error) {
					calls++
					if call := calls; call > 1 {
						return map[string]int{"call": call}, nil
					}
					<-ctx.Done()
					ended = true
					return map[string]int{"call": 1}, nil
				}})
				s.Open()
				synctest.Wait()
				if calls != 1 {
					t.Fatalf("%d calls", calls)
				}
				c.end(p, s)
				pass(4 * time.Second)
				synctest.Wait()
				if !ended {
					t.Error("its context goes on")
				}
				expectWire(t, p, c.wire...)
			})
		})
	}
}

func TestAuthFuncThatExits(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", &client.SocketOptions{AuthFunc: func(context.Context) (any, error) {
			exit()
			return nil, nil
		}})
		if err := s.Connect(t.Context()); err == nil || s.Active() {
			t.Errorf("%v, active %v", err, s.Active())
		}
	})
}
