package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
)

func oldOptions() *socketio.Options {
	return &socketio.Options{Engine: engineio.Options{AllowEIO3: true}}
}

// dialOld opens a session of a client of Socket.IO 2.
func (f *fixture) dialOld() *wsClient {
	f.t.Helper()
	return f.dialWith("/socket.io/?EIO=3&transport=websocket&who=me", nil)
}

// A client of Socket.IO 2 is in the main namespace without asking, and takes the ids of its sockets for granted.
func TestOldClient(t *testing.T) {
	bubbleOf(t, oldOptions(), func(t *testing.T, f *fixture) {
		seen := make(chan *socketio.Socket, 2)
		for _, n := range []*socketio.Namespace{f.Of("/"), f.Of("/admin")} {
			n.OnConnection(func(s *socketio.Socket) { seen <- s })
			n.Handle("echo", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
				if e.WantsAck() {
					return e.Ack(e.Args)
				}
				return s.Emit("echo", e.Args)
			})
		}
		c := f.dialOld()
		c.expect("40")
		s := <-seen
		if s.ID() != c.eid || s.Conn().Protocol() != 3 || s.Handshake().Query.Get("who") != "me" ||
			s.Handshake().Auth.Len() != 0 {
			t.Errorf("id %s of session %s, protocol %d, handshake %+v", s.ID(), c.eid, s.Conn().Protocol(), s.Handshake())
		}
		c.send(`42["echo",1]`, `427["echo",2]`)
		c.expect(`42["echo",1]`, `437[2]`)
		c.send(`451-["echo",{"_placeholder":true,"num":0}]`)
		c.sendBinary([]byte("\x04bytes"))
		c.expect(`451-["echo",{"_placeholder":true,"num":0}]`, "b\x04bytes")

		c.send("40/admin?token=a%2Cb+c&token=x&%zz=%ff,")
		c.expect("40/admin,")
		admin := <-seen
		var auth map[string]string
		err := admin.Handshake().Auth.Bind(&auth)
		if err != nil || auth["token"] != "x" || auth["%zz"] == "" || len(auth) != 2 {
			t.Errorf("auth %v, %v", auth, err)
		}
		if admin.ID() != "/admin#"+c.eid {
			t.Errorf("id %q", admin.ID())
		}
		c.send(`42/admin?token=y,["echo"]`, `42/admin,["echo"]`) // officially the query of any packet counts for nothing
		c.expect(`42/admin,["echo"]`, `42/admin,["echo"]`)

		c.send("40/nowhere,")
		c.expect(`44/nowhere,{"message":"Invalid namespace"}`)

		young, _ := f.join("/")
		<-seen
		if err := f.Emit("all", "x"); err != nil {
			t.Error(err)
		}
		c.expect(`42["all","x"]`)
		young.expect(`42["all","x"]`)
		if err := f.To(s.ID()).Emit("one", []byte("y")); err != nil {
			t.Error(err)
		}
		c.expect(`451-["one",{"_placeholder":true,"num":0}]`, "b\x04y")

		go func() { _, _ = s.EmitWithAck(t.Context(), "ask") }() // ends with the answer
		c.expect(`420["ask"]`)
		c.send(`430["answer"]`)
		admin.Disconnect(false)
		c.expect("41/admin,")
		s.Disconnect(true)
		c.expect("41")
		c.expectClose("")
		young.close()
	})
}

// A refusal is ERROR with the data alone, or else with the text.
func TestOldClientIsRefused(t *testing.T) {
	bubbleOf(t, oldOptions(), func(t *testing.T, f *fixture) {
		f.Of("/text").Use(func(context.Context, *socketio.Socket) error {
			return &socketio.ConnectError{Message: "no way"}
		})
		f.Of("/data").Use(func(context.Context, *socketio.Socket) error {
			return &socketio.ConnectError{Message: "no way", Data: map[string]int{"c": 42}}
		})
		f.Of("/odd").Use(func(context.Context, *socketio.Socket) error {
			return &socketio.ConnectError{Message: "no way", Data: func() {}}
		})
		f.Of("/broken").Use(func(context.Context, *socketio.Socket) error { return errors.New("secret") })
		c := f.dialOld()
		c.expect("40")
		c.send("40/text,", "40/data,", "40/odd?x=y,", "40/broken,")
		want := []string{`44/text,"no way"`, `44/data,{"c":42}`, `44/odd,"no way"`, `44/broken,"internal error"`}
		var got []string
		for range want {
			got = append(got, c.read())
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("got %q", got)
		}
		f.Use(func(context.Context, *socketio.Socket) error { return &socketio.ConnectError{Message: "out"} })
		c = f.dialOld()
		c.expect(`44"out"`)
		for range 2 { // as officially the connection has ConnectTimeout to join another one
			advance(22 * time.Second)
			c.send("2")
			c.expect("3")
		}
		c.expectClose("closed: 1008 connect timeout")
	})
}

// The next socket of a namespace has the id of the last one: it comes when that is out of its rooms, not before.
func TestOldClientComesBack(t *testing.T) {
	bubbleOf(t, oldOptions(), func(t *testing.T, f *fixture) {
		hang := make(chan struct{})
		n := f.Of("/n")
		n.Handle("hang", func(context.Context, *socketio.Socket, *socketio.Event) error { <-hang; return nil })
		c := f.dialOld()
		c.expect("40")
		for range 3 {
			c.send("40/n,")
			c.expect("40/n,")
			c.send("41/n,")
		}
		c.send("40/n,")
		c.expect("40/n,")
		c.send(`42/n,["hang"]`)
		synctest.Wait()
		c.send("41/n,", "40/n,")
		c.expectSilence()
		c.send(`42["other"]`, "40/m,") // the reader does not wait
		c.expect(`44/m,{"message":"Invalid namespace"}`)
		close(hang)
		c.expect("40/n,")
		if err := n.To("/n#" + c.eid).Emit("you"); err != nil {
			t.Error(err)
		}
		c.expect(`42/n,["you"]`)
	})
}

// One that waits so goes with its connection.
func TestOldClientGoesWhileItComesBack(t *testing.T) {
	bubbleOf(t, oldOptions(), func(t *testing.T, f *fixture) {
		hang := make(chan struct{})
		f.Of("/n").Handle("hang", func(context.Context, *socketio.Socket, *socketio.Event) error { <-hang; return nil })
		c := f.dialOld()
		c.expect("40")
		c.send("40/n,")
		c.expect("40/n,")
		c.send(`42/n,["hang"]`)
		synctest.Wait()
		c.send("41/n,", "40/n,")
		c.expectSilence()
		c.close()
		synctest.Wait()
		close(hang)
		synctest.Wait()
		if st := f.Stats(); st.Sockets != 0 || st.Engine.EIO3 != 0 {
			t.Errorf("%d sockets, %d sessions", st.Sockets, st.Engine.EIO3)
		}
	})
}

// Names are as long as without old clients, queries longer, and both have an end.
func TestOldClientLongNames(t *testing.T) {
	bubbleOf(t, oldOptions(), func(t *testing.T, f *fixture) {
		f.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool { return true })
		c := f.dialOld()
		c.expect("40")
		c.send("40/n?token=" + strings.Repeat("x", 8000) + ",")
		c.expect("40/n,")
		c.send("40/" + strings.Repeat("n", 1024) + ",")
		c.expectClose("closed: 1002 parse error")
		c = f.dialOld()
		c.expect("40")
		c.send("40/n?token=" + strings.Repeat("x", 10_000) + ",")
		c.expectClose("closed: 1002 parse error")
		young := f.dial()
		young.send("40/" + strings.Repeat("n", 1024) + ",")
		young.expectClose("closed: 1002 parse error")
	})
}

// Without the option an old client is told which one it needs.
func TestOldClientWithoutTheOption(t *testing.T) {
	bubbleOf(t, nil, func(t *testing.T, f *fixture) {
		conn, err := f.ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET /socket.io/?EIO=3&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		var b strings.Builder
		buf := make([]byte, 1024)
		for err == nil {
			var k int
			k, err = conn.Read(buf)
			b.Write(buf[:k])
		}
		if got := b.String(); !strings.Contains(got, "Options.Engine.AllowEIO3") {
			t.Errorf("answer %q", got)
		}
		if !strings.Contains(f.logs.String(), "Options.Engine.AllowEIO3") {
			t.Errorf("logged %q", f.logs.String())
		}
	})
}
