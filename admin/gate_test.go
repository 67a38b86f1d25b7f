package admin_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/admin"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/siotest"
)

func try(t *testing.T, srv *siotest.Server, auth any) error {
	s := srv.Socket("/admin", &client.Options{Socket: client.SocketOptions{Auth: auth}})
	defer s.Disconnect()
	return s.Connect(t.Context())
}

// Guesses are counted for each address, and those beyond the limit do not get to Authenticate; the right password is
// none, and nor is a session.
func TestGuessesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looked := 0 // one login at a time
		address := "192.0.2.1"
		srv := instrumented(t, &admin.Options{
			Authenticate: admin.Basic("admin", func(password string) error {
				if looked++; password != "changeit" {
					return errors.New("another one")
				}
				return nil
			}),
			Address: func(*socketio.Handshake) string { return address },
		})
		right := map[string]any{"username": "admin", "password": "changeit"}
		for range 10 {
			if err := try(t, srv, right); err != nil {
				t.Fatal(err)
			}
		}
		u := login(t, srv, right)
		id := strings.TrimSuffix(strings.TrimPrefix(u.take("session")[0], `session ["`), `"]`)
		looked = 0
		for i := range 20 {
			err := try(t, srv, map[string]any{"username": "admin", "password": "guess"})
			want := "invalid credentials"
			if i >= 5 {
				want = "too many attempts"
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("guess %d: %v, want %s", i, err, want)
			}
		}
		if looked != 5 {
			t.Errorf("%d passwords were looked at, want 5", looked)
		}
		if err := try(t, srv, right); err == nil {
			t.Error("the password is looked at in the same minute")
		}
		if err := try(t, srv, map[string]any{"sessionId": id}); err != nil {
			t.Errorf("by the session: %v", err)
		}
		address = "192.0.2.2"
		if err := try(t, srv, right); err != nil {
			t.Errorf("from another address: %v", err)
		}
		address = "192.0.2.1"
		<-time.After(time.Minute)
		if err := try(t, srv, right); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		<-time.After(12 * time.Hour)
		if err := try(t, srv, map[string]any{"sessionId": id}); err == nil {
			t.Error("a session of yesterday is good")
		}
	})
}

// Whoever lets everybody in finds that in the log.
func TestAllowAnyoneIsLogged(t *testing.T) {
	for allow, want := range map[bool]int{true: 1, false: 0} {
		var log bytes.Buffer
		o := &admin.Options{AllowAnyone: allow, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		if !allow {
			o.Authenticate = admin.Basic("a", func(string) error { return nil })
		}
		if err := admin.Instrument(socketio.NewServer(nil), o); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != want {
			t.Errorf("AllowAnyone %v: %d warnings, want %d: %s", allow, n, want, &log)
		}
	}
}

// What clients say at length is not shown at length, and counts as what it takes.
func TestLongThingsAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := instrumented(t, &admin.Options{AllowAnyone: true})
		query := url.Values{"q": {strings.Repeat("q", 20<<10)}}
		s := srv.Dial("/", &client.Options{Engine: engineio.DialOptions{Query: query}})
		u := login(t, srv, nil)
		if all := u.take("all_sockets"); len(all) != 1 || len(all[0]) > 8<<10 {
			t.Errorf("all_sockets has %d bytes", len(all[0]))
		}
		many := make([]any, 5000)
		for i := range many {
			many[i] = i
		}
		for _, err := range []error{s.Emit("many", many...), s.Emit(strings.Repeat("n", 20<<10))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		got := u.take("event_received")
		if len(got) != 2 || len(got[0]) > 8<<10 || len(got[1]) > 8<<10 {
			for _, text := range got {
				t.Errorf("%d bytes: %.80s", len(text), text)
			}
		}
	})
}

// Data is asked about the sockets of the application only: that of a UI may be a secret of this package.
func TestDataOfAdminsIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := instrumented(t, &admin.Options{AllowAnyone: true, Data: func(s *socketio.Socket) any {
			if s.Namespace().Name() == "/admin" {
				t.Error("asked about a UI")
			}
			return nil
		}})
		login(t, srv, nil).take("all_sockets")
	})
}
