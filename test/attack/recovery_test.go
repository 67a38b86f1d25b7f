package attack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	socketio "sio.example/socketio"
	"sio.example/socketio/test/internal/wire"
)

// recoveryRows are about connection state recovery.
var recoveryRows = []row{
	{id: "V-1", opts: recovers, run: func(e *env) {
		c := e.greeted("websocket", "")
		e.lose(c)
		long := strings.Repeat("x", 60_000)
		for _, auth := range []string{
			`{"pid":1}`, `{"pid":null,"offset":null}`, `{"pid":["%s"]}`, `{"pid":{"pid":"%s"}}`, `{"pid":"","offset":""}`,
			`{"pid":"abcdefghijklmnopqrst"}`, `{"pid":"` + long + `"}`, `{"pid":"%s","offset":"` + long + `"}`,
			`{"pid":"%s","offset":"(a+)+$"}`, `{"pid":"%s","offset":"1712345678901-0"}`, `{"pid":"%s","offset":"\u0000"}`,
			`{"pid":"%s","offset":"AAAAAAAAAAAAAA"}`,
		} {
			auth = strings.ReplaceAll(auth, "%s", c.pid)
			for _, transport := range []string{"websocket", "polling"} {
				if got := e.greeted(transport, auth); got.sid == c.sid {
					e.Errorf("%.60s has the session", auth)
				}
			}
		}
		if again := e.greeted("polling", fmt.Sprintf(`{"pid":%q,"offset":%q}`, c.pid, c.offset)); again.sid != c.sid {
			e.Error("after all that the session is not there")
		}
		e.update(func() {
			if strings.Contains(e.logs.String(), c.pid) { // V-10
				e.Error("the secret was logged")
			}
		})
	}},
	{id: "V-3", opts: recovers, run: func(e *env) { // by many at once, over real sockets
		c := e.greeted("websocket", "")
		e.lose(c)
		auth := fmt.Sprintf(`{"pid":%q,"offset":%q}`, c.pid, c.offset)
		var all []*wire.Session
		for i := range 10 {
			all = append(all, e.session([]string{"websocket", "polling"}[i%2]))
		}
		var racers sync.WaitGroup
		for _, s := range all {
			racers.Go(func() { _, _ = s.Connect("/", auth) }) // most are closed before or after
		}
		racers.Wait()
		e.settle(func() bool { return e.io.Stats().Engine.Sessions == 1 && e.io.Stats().Sockets == 1 })
		if s, ok := e.io.Socket(c.sid); !ok || !s.Recovered() {
			e.Error("nobody has the session")
		}
	}},
	{id: "V-6", opts: recovers, run: func(e *env) { // rights that were taken away while the client was away
		c := e.greeted("websocket", "")
		e.lose(c)
		if err := e.io.In(c.sid).SocketsJoin(e.Context(), "staff"); err != nil {
			e.Error(err)
		}
		_ = e.io.To("staff").Emit("secret", 1)
		if err := e.io.In("staff").SocketsLeave(e.Context(), "staff"); err != nil {
			e.Error(err)
		}
		_ = e.io.To("staff").Emit("secret", 2)
		again := e.greeted("websocket", fmt.Sprintf(`{"pid":%q,"offset":%q}`, c.pid, c.offset))
		if again.sid != c.sid {
			e.Fatal("not recovered")
		}
		if _, err := again.s.Expect(`42["secret",1,`); err != nil {
			e.Error(err)
		}
		if s, _ := e.io.Socket(c.sid); slices.Contains(s.Rooms(), "staff") {
			e.Error("the room came back")
		}
		e.alive(again.s)
	}},
}

func recovers(o *socketio.Options) { o.Recovery = &socketio.RecoveryOptions{} }

// A greeting is what a server with recovery says in CONNECT.
type greeting struct {
	s                *wire.Session
	sid, pid, offset string
}

// greeted opens a session and joins the main namespace with auth.
func (e *env) greeted(transport, auth string) greeting {
	e.Helper()
	s := e.session(transport)
	if err := s.Send(wire.Txt("40" + auth)); err != nil {
		e.Fatal(err)
	}
	text, err := s.Expect(`40`)
	if err != nil {
		e.Fatal(err)
	}
	var in struct{ SID, PID, Offset string }
	if err := json.Unmarshal([]byte(text), &in); err != nil || in.SID == "" || in.PID == "" {
		e.Fatalf("%q: %v", text, err)
	}
	return greeting{s, in.SID, in.PID, in.Offset}
}

// lose loses the connection, and waits until the server knows.
func (e *env) lose(c greeting) {
	e.Helper()
	others := e.io.Stats().Recovery.Sessions // that of the first echo is one
	c.s.Abort()
	e.settle(func() bool { return e.io.Stats().Recovery.Sessions > others })
}
