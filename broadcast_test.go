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
	"sio.example/socketio/adapter"
)

// crowd connects clients called a, b, c...; the nth is in the room of its name and in "all".
func (f *fixture) crowd(n int) (map[string]*wsClient, map[string]*socketio.Socket) {
	f.t.Helper()
	clients, sockets := map[string]*wsClient{}, map[string]*socketio.Socket{}
	for i := range n {
		name := string(rune('a' + i))
		clients[name], sockets[name] = f.connected("/")
		if err := sockets[name].Join(name, "all"); err != nil {
			f.t.Fatal(err)
		}
	}
	return clients, sockets
}

func TestBroadcast(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		clients, s := f.crowd(4)
		a := s["a"]
		for i, tt := range []struct {
			op   socketio.BroadcastOperator
			want string
		}{
			{f.BroadcastOperator, "abcd"},
			{f.To("a"), "a"},
			{f.In("a", "b").To("c"), "abc"},
			{f.To("all").To("a"), "abcd"},
			{f.To("all").Except("a", "b"), "cd"},
			{f.Except("d"), "abc"},
			{f.To("nobody"), ""},
			{f.To(a.ID()), "a"},
			{f.Local().Volatile().Compress(false), "abcd"},
			{a.Broadcast(), "bcd"},
			{a.To("all"), "bcd"},
			{a.To("a"), ""},
			{a.To(a.ID()), ""},
			{a.Except("b"), "cd"},
			{a.To("all").Except("c"), "bd"},
		} {
			if err := tt.op.Emit("x", i); err != nil {
				t.Error(err)
			}
			for name, c := range clients {
				if strings.Contains(tt.want, name) {
					c.expect(fmt.Sprintf(`42["x",%d]`, i))
				}
			}
		}
		for _, c := range clients {
			c.expectSilence()
		}
	})
}

func TestOperatorIsImmutable(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		clients, _ := f.crowd(3)
		rooms := []string{"a"}
		base := f.To(rooms...)
		rooms[0] = "c"
		one, two := base.To("b"), base.To("c")
		_ = base.Local()
		for i, op := range []socketio.BroadcastOperator{base, one, two} {
			_ = op.Emit("x", i)
		}
		clients["a"].expect(`42["x",0]`, `42["x",1]`, `42["x",2]`)
		clients["b"].expect(`42["x",1]`)
		clients["c"].expect(`42["x",2]`)
		for _, c := range clients {
			c.expectSilence()
		}
	})
}

func TestBroadcastBinary(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.Of("/n")
		c, _ := f.join("/n")
		_ = f.Of("/n").Emit("x", []byte{1}, map[string]any{"b": []byte{2}})
		c.expect(`452-/n,["x",{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}}]`, "b\x01", "b\x02")
	})
}

// What can't be encoded is an error, and not an answer that does not come.
func TestBroadcastWithAckCannotBeEncoded(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		_, s := f.connected("/")
		began := time.Now()
		_, err := f.EmitWithAck(t.Context(), "ask", make(chan int))
		if err == nil || errors.Is(err, adapter.ErrGone) || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		all, err := f.FetchSockets(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		if _, err := all[0].EmitWithAck(t.Context(), "ask", make(chan int)); err == nil || time.Since(began) != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if n := socketio.PendingAcks(s); n != 0 {
			t.Errorf("%d acknowledgements are waited for", n)
		}
	})
}

func TestBroadcastWithAck(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		clients, s := f.crowd(3)
		type result struct {
			got []string
			err error
		}
		ask := func(ctx context.Context, op socketio.BroadcastOperator) chan result {
			ch := make(chan result, 1)
			go func() { // ends with the answers
				all, err := op.EmitWithAck(ctx, "ask")
				var r result
				for _, a := range all {
					v, _ := a.Values()
					r.got = append(r.got, fmt.Sprint(v...))
				}
				r.err = err
				ch <- r
			}()
			synctest.Wait()
			return ch
		}
		ch := ask(t.Context(), f.To("all"))
		for i, name := range []string{"c", "a", "b"} {
			clients[name].expect(`420["ask"]`)
			clients[name].send(fmt.Sprintf(`430["%s",%d]`, name, i))
			synctest.Wait()
		}
		if r := <-ch; r.err != nil || !slices.Equal(r.got, []string{"c0", "a1", "b2"}) {
			t.Errorf("got %v", r)
		}

		if r := <-ask(t.Context(), f.To("nobody")); r.err != nil || len(r.got) != 0 {
			t.Errorf("got %v", r)
		}

		// What came is returned with the error.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		ch = ask(ctx, s["c"].Broadcast())
		clients["a"].expect(`421["ask"]`)
		clients["a"].send(`431["a"]`)
		if r := <-ch; !errors.Is(r.err, context.DeadlineExceeded) ||
			!slices.Equal(r.got, []string{"a"}) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", r, time.Since(began))
		}

		// Nobody waits for one that has gone.
		ch = ask(t.Context(), f.To("b"))
		clients["b"].close()
		if r := <-ch; r.err == nil || len(r.got) != 0 {
			t.Errorf("got %v", r)
		}
	})
}

func TestFetchSockets(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		clients, s := f.crowd(3)
		s["b"].SetData("data of b")
		all, err := f.FetchSockets(t.Context())
		if err != nil || len(all) != 3 {
			t.Fatalf("got %d sockets, %v", len(all), err)
		}
		some, err := f.To("a", "b").Except("a").FetchSockets(t.Context())
		if err != nil || len(some) != 1 {
			t.Fatalf("got %d sockets, %v", len(some), err)
		}
		b := some[0]
		rooms := slices.Sorted(slices.Values(b.Rooms()))
		want := slices.Sorted(slices.Values([]string{"all", "b", s["b"].ID()}))
		if b.ID() != s["b"].ID() || b.Data() != "data of b" ||
			b.Handshake() != s["b"].Handshake() || !slices.Equal(rooms, want) {
			t.Errorf("got %+v", b)
		}
		if err := b.Emit("x", 1); err != nil {
			t.Error(err)
		}
		if err := b.Join(t.Context(), "new"); err != nil || !slices.Contains(s["b"].Rooms(), "new") {
			t.Errorf("rooms are %q, %v", s["b"].Rooms(), err)
		}
		if err := b.Leave(t.Context(), "new"); err != nil || slices.Contains(s["b"].Rooms(), "new") {
			t.Errorf("rooms are %q, %v", s["b"].Rooms(), err)
		}
		clients["b"].expect(`42["x",1]`)
		go func() { clients["b"].expect(`420["ask"]`); clients["b"].send(`430["yes"]`) }() // ends at once
		if a, err := b.EmitWithAck(t.Context(), "ask"); err != nil || a.Len() != 1 {
			t.Errorf("got %v, %v", a, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.EmitWithAck(ctx, "ask"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		clients["b"].expect(`421["ask"]`)
		if err := b.Disconnect(t.Context(), true); err != nil {
			t.Error(err)
		}
		clients["b"].expect("41")
		clients["b"].expectClose("closed: 1000 ")
		synctest.Wait()
		if _, err := b.EmitWithAck(t.Context(), "ask"); !errors.Is(err, socketio.ErrDisconnected) {
			t.Errorf("error is %v", err)
		}
		if err := b.Emit("x"); err != nil {
			t.Errorf("error is %v", err)
		}
		for _, name := range []string{"a", "c"} {
			clients[name].expectSilence()
		}
	})
}

func TestSocketsJoinLeaveDisconnect(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		clients, s := f.crowd(3)
		ctx := t.Context()
		if err := f.To("a", "b").SocketsJoin(ctx, "x", "y"); err != nil {
			t.Error(err)
		}
		if err := f.To("a").SocketsLeave(ctx, "y"); err != nil {
			t.Error(err)
		}
		_ = f.To("x").Emit("x")
		_ = f.To("y").Emit("y")
		clients["a"].expect(`42["x"]`)
		clients["b"].expect(`42["x"]`, `42["y"]`)
		if err := s["c"].Broadcast().DisconnectSockets(ctx, false); err != nil {
			t.Error(err)
		}
		clients["a"].expect("41")
		clients["b"].expect("41")
		clients["c"].expectSilence()
		synctest.Wait()
		if n := f.Stats().Sockets; n != 1 {
			t.Errorf("%d sockets are left", n)
		}
	})
}

// What is broadcast lies in memory once, however many it is queued for.
func TestMemoryOfBroadcasts(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		const n = 16
		for range n {
			c := f.poll()
			c.send("40")
			c.read()
		}
		synctest.Wait()
		for s := range f.Sockets() {
			if err := s.Join("all"); err != nil {
				t.Error(err)
			}
		}
		for i, to := range []socketio.BroadcastOperator{f.BroadcastOperator,
			f.To("all"), f.To("all", "others").Except("nobody")} {
			if err := to.Emit("x", strings.Repeat("x", 900_000)); err != nil {
				t.Error(err)
			}
			want := int64(i+1) * 900_000
			if got := f.Stats().Engine.Memory.Out; got < want*8/10 || got > want*12/10 {
				t.Errorf("%d bytes are counted, %d wait", got, want)
			}
			<-time.After(time.Second)
		}
	})
}
