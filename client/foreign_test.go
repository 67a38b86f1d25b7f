package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/memnet"
)

// TestForeignServers: what answers is no server of Socket.IO 3 or later. Connect says what it is, gives its status
// and body, and tries as often as it may; a server of Socket.IO 2 will not be another one a second later, and is
// left alone.
func TestForeignServers(t *testing.T) {
	for name, c := range map[string]struct {
		body     string
		says     string
		attempts int
	}{
		"Socket.IO 2": {`97:0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}2:40`,
			"Socket.IO v2", 1},
		"page":  {"<!DOCTYPE html><title>Sign in</title>", "web page", 3},
		"JSON":  {`{"hello":"world"}`, "JSON", 3},
		"empty": {"", "empty", 3},
		"text":  {"It works!", "no Engine.IO", 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := memnet.Listen()
				asked := 0
				srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					asked++
					_, _ = io.WriteString(w, c.body)
				})}
				go func() { _ = srv.Serve(ln) }() // owned by the test; ends with Close
				m := client.NewManager("http://server", &client.Options{
					ReconnectionAttempts: 2,
					Engine: engineio.DialOptions{NetDial: ln.DialContext,
						Transports: []string{"polling"}},
				})
				s := m.Socket("/", nil)
				told := 0
				s.OnConnectError(func(error) { told++ })
				err := s.Connect(t.Context())
				synctest.Wait()
				var e *engineio.ClientError
				if !errors.As(err, &e) || e.Status != http.StatusOK ||
					string(e.Body) != c.body || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v", err)
				}
				if errors.Is(err, client.ErrGaveUp) != (c.attempts > 1) ||
					errors.Is(err, engineio.ErrOldServer) != (c.attempts == 1) {
					t.Errorf("%v", err)
				}
				if asked != c.attempts || told != c.attempts || s.Active() {
					t.Errorf("%d requests and %d errors, want %d; active: %v", asked, told, c.attempts, s.Active())
				}
				m.Close()
				srv.Close()
				ln.Close()
				<-time.After(time.Second)
			})
		})
	}
}

// TestPortThatIsNone: said at once, in one sentence.
func TestPortThatIsNone(t *testing.T) {
	for _, port := range []string{"0", "65536", "99999", "99999999999999999999999"} {
		_, err := client.Dial(t.Context(), "localhost:"+port, nil)
		want := "client: port " + port[:min(len(port), 20)] + " is not between 1 and 65535"
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", port, err)
		}
		err = client.NewManager("http://localhost:"+port, nil).Socket("/", nil).Connect(context.Background())
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", port, err)
		}
	}
}
