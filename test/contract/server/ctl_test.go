package main

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"

	"sio.example/socketio/client"
	"sio.example/socketio/siotest"
)

// A driver is a control connection, and a client of / and one of /dyn-1 that it looks at.
type driver struct {
	t            *testing.T
	ctl          *client.Socket
	main, dynCli *client.Socket
}

// ask returns the acknowledgement of a control event as JSON.
func (d *driver) ask(name, req string) string {
	d.t.Helper()
	var v any
	if err := json.Unmarshal([]byte(req), &v); err != nil {
		d.t.Fatal(err)
	}
	args, err := d.ctl.EmitWithAck(d.t.Context(), "ctl:"+name, v)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := args.Bind(&v); err != nil {
		d.t.Fatal(err)
	}
	text, err := json.Marshal(v) // with the names in order
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func TestControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := readConfig(func(name string) string { return map[string]string{"NODE_ID": "a"}[name] })
		if err != nil {
			t.Fatal(err)
		}
		opts, err := c.options(nil)
		if err != nil {
			t.Fatal(err)
		}
		srv := siotest.NewServer(t, &siotest.Options{Server: opts})
		newApp(srv.IO(), c).install()
		d := &driver{t: t, ctl: srv.Dial("/ctl", nil)}
		auth := &client.Options{Socket: client.SocketOptions{Auth: map[string]any{"user": "ada"}}}
		d.main, d.dynCli = srv.Dial("/", auth), srv.Dial("/dyn-1", auth)
		d.main.On("q", func(_ context.Context, e *client.Event) error { return e.Ack("yes", "no") })
		id := d.main.ID()
		for _, step := range []struct{ name, req, want string }{
			{"info", `{}`, `{"ok":true,"result":{"adapter":"memory","impl":"sio","node":"a","version":"0.0.0"}}`},
			{"localIds", `{}`, `{"ok":true,"result":["` + id + `"]}`},
			{"localIds", `{"nsp":"/other"}`, `{"error":"no such namespace","ok":false}`},
			{"localIds", `{"nsp":"/dyn-2"}`, `{"ok":true,"result":[]}`},
			{"join", `{"rooms":"` + id + `","join":["r","s"]}`, `{"ok":true,"result":null}`},
			{"leave", `{"rooms":["r"],"leave":"s"}`, `{"ok":true,"result":null}`},
			{"setData", `{"id":"` + id + `","data":{"x":1}}`, `{"ok":true,"result":null}`},
			{"setData", `{"id":"nobody","data":{}}`, `{"error":"no such socket","ok":false}`},
			{"presence", `{"room":"r"}`, `{"ok":true,"result":["ada"]}`},
			{"count", `{"rooms":["r"]}`, `{"ok":true,"result":1}`},
			{"count", `{"rooms":["r"],"except":["r"]}`, `{"ok":true,"result":0}`},
			{"serverCount", `{}`, `{"ok":true,"result":1}`},
			{"emitWithAck", `{"event":"q","args":[1]}`, `{"ok":true,"result":{"err":null,"responses":["yes"]}}`},
			{"emitWithAck", `{"rooms":["none"],"event":"q"}`, `{"ok":true,"result":{"err":null,"responses":[]}}`},
			{"emitWithAck", `{"nsp":"/dyn-1","event":"q"}`,
				`{"ok":true,"result":{"err":"operation has timed out","responses":[]}}`},
			{"serverSideEmit", `{"event":"sse:note","args":[]}`, `{"ok":true,"result":null}`},
			{"serverSideEmitWithAck", `{"event":"sse:ping"}`, `{"ok":true,"result":{"err":null,"responses":[]}}`},
			{"sse", `{}`, `{"ok":true,"result":[]}`},
			{"reset", `{}`, `{"ok":true,"result":null}`},
			{"stats", `{}`, `{"ok":true,"result":{"malformed":0,"pendingRequests":0,"queuedBytes":0,"received":0}}`},
			{"disconnect", `{"nsp":"/dyn-1","close":false}`, `{"ok":true,"result":null}`},
		} {
			if got := d.ask(step.name, step.req); got != step.want {
				t.Errorf("%s %s: %s, want %s", step.name, step.req, got, step.want)
			}
		}
		want := `{"ok":true,"result":[{"auth":{"user":"ada"},"data":{"node":"a","x":1},"id":"` + id + `","rooms":["`
		if got := d.ask("fetchSockets", `{"rooms":["r"]}`); len(got) < len(want) || got[:len(want)] != want {
			t.Errorf("fetchSockets: %s, want %s...", got, want)
		}
		synctest.Wait()
		if d.dynCli.Connected() {
			t.Error("ctl:disconnect left the client connected")
		}
	})
}
