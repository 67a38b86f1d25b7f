package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/faultproxy"
)

// TestDial: one attempt, after which there is a connected socket or nothing.
func TestDial(t *testing.T) {
	official := officialSide(startScript(t, "official_server.js"))
	for _, sd := range []side{official, ourSide} {
		for _, m := range modes {
			t.Run(sd.name+"/"+m.name, func(t *testing.T) {
				before := take(t)
				srv := sd.start(t, 0, serverOptions{Transports: m.server})
				proxy, err := faultproxy.Start(srv.addr())
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					proxy.Close()
					srv.stop(t, false)
					settle(t, before)
				}()
				dialing(t, m, proxy, srv)
			})
		}
	}
}

func dialing(t *testing.T, m mode, proxy *faultproxy.Proxy, srv server) {
	t.Helper()
	held := take(t)
	dial := func(limit time.Duration, path string, auth any) (*client.Socket, error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return client.Dial(ctx, "http://"+proxy.Addr()+path, &client.Options{
			Engine: engineio.DialOptions{
				Transports: m.client, TryAllTransports: m.tryAll,
				Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
			},
			Socket: client.SocketOptions{Auth: auth},
		})
	}

	s, err := dial(patience, "/gate", map[string]any{"token": "letmein"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.EmitWithAck(t.Context(), "echo", "hi", []byte("bytes")); err != nil ||
		entry("", values(got)) != entry("", []any{"hi", []byte("bytes")}) {
		t.Errorf("echo: %v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.EmitWithAck(t.Context(), "echo"); !errors.Is(err, client.ErrClosed) {
		t.Errorf("emit after Close: %v", err)
	}
	if got := srv.record(t, "/gate gone", 0, 1, patience); len(got) != 1 {
		t.Error("the server does not notice Close")
	}

	var refused *client.ConnectError
	var why struct {
		Code int
		Why  []string
	}
	if _, err := dial(patience, "/gate", nil); !errors.As(err, &refused) || refused.Message != "not allowed" {
		t.Errorf("refused: %v", err)
	} else if err := refused.Bind(&why); err != nil || why.Code != 7 || len(why.Why) != 1 {
		t.Errorf("data of the refusal: %+v, %v", why, err)
	}
	if _, err := dial(patience, "/nowhere", nil); !errors.As(err, &refused) || refused.Message != "Invalid namespace" {
		t.Errorf("no such namespace: %v", err)
	}

	proxy.Freeze(faultproxy.Down)
	if _, err := dial(50*time.Millisecond, "/", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody answers: %v", err)
	}
	proxy.Drop(faultproxy.Reset)
	proxy.Thaw(faultproxy.Down)

	for _, fault := range []struct {
		name  string
		begin func()
	}{
		{"reset", func() { proxy.Refuse(true) }},
		{"503", func() { proxy.Refuse(false); proxy.Answer(http.StatusServiceUnavailable) }},
		{"shut", func() { proxy.Answer(0); proxy.Shut() }},
	} {
		fault.begin()
		var failed *engineio.ClientError
		if _, err := dial(patience, "/", nil); !errors.As(err, &failed) || failed.Message != m.unreachable() {
			t.Errorf("%s: %v", fault.name, err)
		} else if (fault.name == "503") != (failed.Status == http.StatusServiceUnavailable) {
			t.Errorf("%s: status %d", fault.name, failed.Status)
		}
	}
	settle(t, held) // what failed or was closed has left nothing, and nobody tries again
}
