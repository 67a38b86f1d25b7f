package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
)

// ourKind makes peers of the client under test.
var ourKind = kind{name: "ours", ours: true, make: newOurPeer}

type ourPeer struct {
	manager    *client.Manager
	dropOffset bool
	records

	mu      sync.Mutex
	sockets map[string]*client.Socket
}

func newOurPeer(t *testing.T, rawURL string, o peerOptions) peer {
	t.Helper()
	p := &ourPeer{dropOffset: o.DropOffset, sockets: map[string]*client.Socket{}}
	jitter := o.RandomizationFactor
	if jitter == 0 {
		jitter = -1
	}
	p.manager = client.NewManager(rawURL, &client.Options{
		Engine: engineio.DialOptions{
			Transports:       o.Transports,
			TryAllTransports: o.TryAllTransports,
			Proxy:            func(*http.Request) (*url.URL, error) { return nil, nil },
			Trace: &engineio.Trace{Upgrade: func(transport string, err error) {
				if err != nil {
					p.of("engine").add("upgrade failed")
					t.Logf("the upgrade failed: %v", err)
					return
				}
				p.of("engine").add("upgrade", transport)
			}},
		},
		RememberUpgrade:      o.RememberUpgrade,
		ConnectTimeout:       milliseconds(o.Timeout),
		DisableReconnection:  !o.Reconnection,
		ReconnectionAttempts: o.ReconnectionAttempts,
		ReconnectionDelay:    milliseconds(o.ReconnectionDelay),
		ReconnectionDelayMax: milliseconds(o.ReconnectionDelayMax),
		RandomizationFactor:  jitter,
		OnError: func(_ context.Context, _ *client.Socket, _ *client.Event, err error) {
			t.Errorf("a handler failed: %v", err)
		},
	})
	rec := p.of("manager")
	p.manager.OnOpen(func() { rec.add("open") })
	p.manager.OnClose(func(reason client.DisconnectReason, _ error) { rec.add("close", string(reason)) })
	p.manager.OnError(func(err error) { rec.add("error", message(err)) })
	p.manager.OnReconnectAttempt(func(attempt int) { rec.add("reconnect_attempt", attempt) })
	p.manager.OnReconnect(func(attempt int) { rec.add("reconnect", attempt) })
	p.manager.OnReconnectError(func(err error) { rec.add("reconnect_error", message(err)) })
	p.manager.OnReconnectFailed(func() { rec.add("reconnect_failed") })
	return p
}

// message is what the official client says in place of an error.
func message(err error) string {
	var engine *engineio.ClientError
	switch {
	case errors.As(err, &engine):
		return engine.Message
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return err.Error()
}

func (p *ourPeer) record(_ *testing.T, source string, from, count int, limit time.Duration) []string {
	return p.of(source).wait(from, count, limit)
}

func (p *ourPeer) socket(nsp string) *client.Socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sockets[nsp]
}

func (p *ourPeer) open(_ *testing.T, nsp string, o socketOptions) {
	opts := &client.SocketOptions{Auth: o.Auth, Retries: o.Retries, AckTimeout: milliseconds(o.AckTimeout)}
	if o.Auths != nil {
		calls := 0
		opts.AuthFunc = func(context.Context) (any, error) { // one attempt at a time
			auth := o.Auths[min(calls, len(o.Auths)-1)]
			calls++
			return auth, nil
		}
	}
	s := p.manager.Socket(nsp, opts)
	p.mu.Lock()
	p.sockets[nsp] = s
	p.mu.Unlock()
	rec := p.of(nsp)
	s.OnConnect(func() { rec.add("connect") })
	s.OnDisconnect(func(reason client.DisconnectReason) { rec.add("disconnect", string(reason)) })
	s.OnConnectError(func(err error) {
		var refused *client.ConnectError
		if errors.As(err, &refused) && refused.Data != nil {
			rec.add("connect_error", refused.Message, refused.Data)
			return
		}
		rec.add("connect_error", message(err))
	})
	s.OnAny(func(_ context.Context, e *client.Event) {
		args := values(e.Args)
		if n := len(args); p.dropOffset && n > 0 {
			if _, ok := args[n-1].(string); ok {
				args = args[:n-1]
			}
		}
		rec.add(e.Name, args...)
	})
	s.On("question", func(_ context.Context, e *client.Event) error { return e.Ack(e.Args) })
}

func (p *ourPeer) connect(_ *testing.T, nsp string) { p.socket(nsp).Open() }

func (p *ourPeer) disconnect(_ *testing.T, nsp string) { p.socket(nsp).Disconnect() }

func (p *ourPeer) setAuth(_ *testing.T, nsp string, auth any) { p.socket(nsp).SetAuth(auth) }

func (p *ourPeer) emit(t *testing.T, nsp, event string, args ...any) {
	t.Helper()
	if err := p.socket(nsp).Emit(event, args...); err != nil {
		t.Errorf("emit %s: %v", event, err)
	}
}

func (p *ourPeer) count(t *testing.T, nsp, event string, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		p.emit(t, nsp, event, i)
	}
}

func (p *ourPeer) volatile(t *testing.T, nsp, event string, args ...any) {
	t.Helper()
	if err := p.socket(nsp).Volatile().Emit(event, args...); err != nil {
		t.Errorf("volatile %s: %v", event, err)
	}
}

func (p *ourPeer) ask(t *testing.T, nsp, tag, event string, args ...any) {
	t.Helper()
	rec := p.of(nsp + " acks")
	err := p.socket(nsp).EmitFunc(context.Background(), event, func(got client.Args, err error) {
		switch {
		case err == nil:
			rec.add(tag, values(got))
		case errors.Is(err, context.DeadlineExceeded):
			rec.add(tag, "timeout")
		case errors.Is(err, client.ErrDisconnected):
			rec.add(tag, "disconnected")
		default:
			rec.add(tag, err.Error())
		}
	}, args...)
	if err != nil {
		t.Errorf("ask %s: %v", event, err)
	}
}

func (p *ourPeer) state(_ *testing.T, nsp string) state {
	s := p.socket(nsp)
	st := state{ID: s.ID(), Connected: s.Connected(), Active: s.Active(), Recovered: s.Recovered()}
	if e := p.manager.Engine(); e != nil {
		st.Transport = e.Transport()
	}
	return st
}

func (p *ourPeer) close(t *testing.T) {
	t.Helper()
	if err := p.manager.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func (p *ourPeer) end(t *testing.T) {
	t.Helper()
	p.close(t) // what is not sent yet is not waited for
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.manager.Shutdown(ctx); err != nil {
		t.Errorf("shutdown of the manager: %v", err)
	}
}
