package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/admin"
	"sio.example/socketio/client"
	"sio.example/socketio/siotest"
)

// A ui is what the official one is on the wire: it keeps the events that it gets.
type ui struct {
	t *testing.T
	*client.Socket

	mu   sync.Mutex
	seen []string // each with its arguments, times left out
}

func (u *ui) heard(_ context.Context, e *client.Event) {
	args, err := e.Args.Values()
	if err != nil {
		u.t.Error(err)
	}
	switch e.Name {
	case "server_stats":
	case "socket_connected", "socket_disconnected", "room_joined", "room_left", "event_received", "event_sent":
		last := args[len(args)-1].(string)
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", last); err != nil {
			u.t.Error(err)
		}
		args = args[:len(args)-1]
	}
	text, err := json.Marshal(args)
	if err != nil {
		u.t.Error(err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen = append(u.seen, e.Name+" "+string(text))
}

// take returns what came since the last time, of some events.
func (u *ui) take(names ...string) []string {
	<-time.After(100 * time.Millisecond) // an upgrade may hold events up
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	all := u.seen
	u.seen = nil
	return slices.DeleteFunc(all, func(text string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(text, name+" ") })
	})
}

func login(t *testing.T, srv *siotest.Server, auth any) *ui {
	u := &ui{t: t, Socket: srv.Socket("/admin", &client.Options{Socket: client.SocketOptions{Auth: auth}})}
	u.OnAny(u.heard)
	if err := u.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return u
}

func instrumented(t *testing.T, opts *admin.Options) *siotest.Server {
	srv := siotest.NewServer(t, nil)
	if err := admin.Instrument(srv.IO(), opts); err != nil {
		t.Fatal(err)
	}
	return srv
}

func TestOptionsThatAreRefused(t *testing.T) {
	for _, o := range []*admin.Options{
		nil, {}, {AllowAnyone: true, Authenticate: admin.Basic("a", func(string) error { return nil })},
		{AllowAnyone: true, Namespace: "/"}, {AllowAnyone: true, Namespace: "admin"},
	} {
		if err := admin.Instrument(socketio.NewServer(nil), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

var allFeatures = `["EMIT","JOIN","LEAVE","DISCONNECT","MJOIN","MLEAVE","MDISCONNECT","AGGREGATED_EVENTS","ALL_EVENTS"]`

// The features are the official ones, in their order (@socket.io/admin-ui 0.5.1, test/index.ts).
func TestFeatures(t *testing.T) {
	for want, o := range map[string]*admin.Options{
		allFeatures:                          {AllowAnyone: true},
		`["AGGREGATED_EVENTS","ALL_EVENTS"]`: {AllowAnyone: true, ReadOnly: true},
		`["AGGREGATED_EVENTS"]`:              {AllowAnyone: true, ReadOnly: true, Aggregate: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			u := login(t, instrumented(t, o), nil)
			got := u.take("config")
			if len(got) != 1 || got[0] != `config [{"supportedFeatures":`+want+`}]` {
				t.Errorf("%v, want %s", got, want)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := instrumented(t, &admin.Options{Authenticate: admin.Basic("admin", func(password string) error {
			if password != "changeit" {
				return errors.New("another one")
			}
			return nil
		})})
		for _, auth := range []any{
			nil, map[string]any{}, map[string]any{"username": "admin", "password": "no"},
			map[string]any{"username": "nobody", "password": "changeit"}, map[string]any{"sessionId": "1234"},
			map[string]any{"username": []any{1}, "password": 7},
		} {
			s := srv.Socket("/admin", &client.Options{Socket: client.SocketOptions{Auth: auth}})
			if err := s.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "invalid credentials") {
				t.Errorf("%v: %v", auth, err)
			}
			s.Disconnect()
		}
		u := login(t, srv, map[string]any{"username": "admin", "password": "changeit"})
		got := u.take("session")
		if len(got) != 1 {
			t.Fatalf("%v: no session", got)
		}
		var id []string
		if err := json.Unmarshal([]byte(strings.TrimPrefix(got[0], "session ")), &id); err != nil {
			t.Fatal(err)
		}
		again := login(t, srv, map[string]any{"sessionId": id[0]})
		if got := again.take("config", "session"); len(got) != 1 {
			t.Errorf("by the session: %v", got)
		}
	})
}

// The events of the official test "emits administrative events".
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := instrumented(t, &admin.Options{AllowAnyone: true, Data: func(s *socketio.Socket) any { return s.Data() }})
		io := srv.IO()
		io.OnConnection(func(s *socketio.Socket) { s.SetData(map[string]any{"count": 1}) })
		io.Handle("ask", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack() })
		old := srv.Dial("/", nil)
		u := login(t, srv, nil)
		all := u.take("all_sockets")
		if len(all) != 1 || !strings.Contains(all[0], `"id":"`+old.ID()+`"`) || strings.Count(all[0], `"nsp":`) != 2 {
			t.Errorf("all_sockets: %v", all)
		}
		s := srv.Dial("/", nil)
		id := s.ID()
		connected := u.take("socket_connected", "room_joined")
		if len(connected) != 1 || !strings.Contains(connected[0], `"rooms":["`+id+`"]`) ||
			!strings.Contains(connected[0], `"data":{"count":1}`) || strings.Contains(strings.ToLower(connected[0]), "cookie") {
			t.Errorf("socket_connected: %v", connected)
		}
		here, _ := io.Socket(id)
		for _, step := range []struct {
			do   func() error
			want []string
		}{
			{func() error { return here.Join("room1") }, []string{`room_joined ["/","room1","` + id + `"]`}},
			{func() error { return here.Leave("room1") }, []string{`room_left ["/","room1","` + id + `"]`}},
			{func() error { return s.Emit("hello", 1, "x") }, []string{`event_received ["/","` + id + `",["hello",1,"x"]]`}},
			{func() error { return here.Emit("hi", nil) }, []string{`event_sent ["/","` + id + `",["hi",null]]`}},
			{func() error { return here.Emit("big", strings.Repeat("x", 5000)) },
				[]string{`event_sent ["/","` + id + `",["big","(string of 5002 bytes)"]]`}},
			{func() error { return here.Emit("bytes", []byte{1}) },
				[]string{`event_sent ["/","` + id + `",["bytes","[{\"_placeholder\":true,\"num\":0}]"]]`}},
		} {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			got := u.take("room_joined", "room_left", "event_received", "event_sent", "socket_disconnected")
			if !slices.Equal(got, step.want) {
				t.Errorf("got %q, want %q", got, step.want)
			}
		}
		here.Disconnect(false)
		want := []string{`socket_disconnected ["/","` + id + `","server namespace disconnect"]`}
		if got := u.take("socket_disconnected"); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// What the UI does, as in the official test "performs administrative tasks".
func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, readOnly := range []bool{false, true} {
			srv := instrumented(t, &admin.Options{AllowAnyone: true, ReadOnly: readOnly})
			a, b := srv.Dial("/", nil), srv.Dial("/", nil)
			var mu sync.Mutex
			var heard []string
			for i, s := range []*client.Socket{a, b} {
				s.OnAny(func(_ context.Context, e *client.Event) {
					mu.Lock()
					defer mu.Unlock()
					heard = append(heard, fmt.Sprint(i, " ", e.Name, e.Args))
				})
			}
			u := login(t, srv, nil)
			do := func(name string, args ...any) {
				if err := u.Emit(name, args...); err != nil {
					t.Fatal(err)
				}
				<-time.After(100 * time.Millisecond)
				synctest.Wait()
			}
			do("join", "/", "room1", a.ID())
			do("join", "/", "all", nil)
			do("emit", "/", "room1", "hello", "world")
			do("emit", "/", nil, "everybody")
			do("leave", "/", "all", b.ID())
			do("emit", "/", "all", "left")
			do("join", "/made", "x")
			do("emit", "/")
			do("_disconnect", "/", false, b.ID())
			want := []string{`0 hello["world"]`, `0 everybody[]`, `1 everybody[]`, `0 left[]`}
			if readOnly {
				want = nil
			}
			slices.Sort(want)
			slices.Sort(heard)
			if !slices.Equal(heard, want) {
				t.Errorf("read-only %v: clients heard %q, want %q", readOnly, heard, want)
			}
			if !a.Connected() || b.Connected() != readOnly {
				t.Errorf("read-only %v: connected: %v, %v", readOnly, a.Connected(), b.Connected())
			}
			for n := range srv.IO().Namespaces() {
				if n.Name() == "/made" {
					t.Error("the UI made a namespace")
				}
			}
		}
	})
}

// lastStats is the newest server_stats.
func lastStats(u *ui) (s struct {
	ServerID     string `json:"serverId"`
	ClientsCount int
	Uptime       float64
	Namespaces   []struct {
		Name         string
		SocketsCount int
	}
	AggregatedEvents []struct {
		Timestamp     int64
		Type, SubType string
		Count         int
	}
}) {
	<-time.After(4 * time.Second)
	all := u.take("server_stats")
	if len(all) == 0 {
		u.t.Fatal("no server_stats")
	}
	text := strings.TrimSuffix(strings.TrimPrefix(all[len(all)-1], "server_stats ["), "]")
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		u.t.Fatal(err)
	}
	return s
}

// With many sockets some are shown and all are counted; one that goes makes room. Nothing is listened to afterwards.
func TestManySockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := instrumented(t, &admin.Options{AllowAnyone: true, MaxSockets: 3, MaxEvents: 2, ServerID: "one"})
		var sockets []*client.Socket
		for range 10 {
			sockets = append(sockets, srv.Dial("/", nil))
		}
		u := login(t, srv, nil)
		all := u.take("all_sockets")
		if len(all) != 1 || strings.Count(all[0], `"nsp":`) != 3 {
			t.Errorf("%v: want 3 sockets", all)
		}
		s := lastStats(u)
		if s.ServerID != "one" || s.ClientsCount != 11 || s.Uptime < 2 || len(s.Namespaces) != 2 ||
			s.Namespaces[0].Name != "/" || s.Namespaces[0].SocketsCount != 10 {
			t.Errorf("%+v", s)
		}
		for _, s := range sockets {
			if strings.Contains(all[0], s.ID()) {
				for range 5 {
					if err := s.Emit("x"); err != nil {
						t.Fatal(err)
					}
				}
				if got := u.take("event_received"); len(got) != 2 {
					t.Errorf("%d events are shown in a second", len(got))
				}
				s.Disconnect()
				break
			}
		}
		<-time.After(3 * time.Second)
		if got := u.take("socket_connected", "socket_disconnected"); len(got) != 2 {
			t.Errorf("%v: want one that has gone, and another one in its place", got)
		}
		u.Disconnect()
		synctest.Wait()
		if err := srv.IO().Emit("after", math.Pi); err != nil {
			t.Error(err)
		}
	})
}
