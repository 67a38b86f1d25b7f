package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
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

// asked is an event of the n-th broadcast of a namespace that is to be acknowledged, and answered is an
// acknowledgement.
func asked(n int, text string) string    { return fmt.Sprint("42", 1<<30+n, text) }
func answered(n int, text string) string { return fmt.Sprint("43", 1<<30+n, text) }

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
			clients[name].expect(asked(0, `["ask"]`))
			clients[name].send(answered(0, fmt.Sprintf(`["%s",%d]`, name, i)))
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
		clients["a"].expect(asked(2, `["ask"]`))
		clients["a"].send(answered(2, `["a"]`))
		r := <-ch
		if !errors.Is(r.err, context.DeadlineExceeded) || !slices.Equal(r.got, []string{"a"}) ||
			time.Since(began) != time.Second {
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
		go func() { clients["b"].expect(asked(0, `["ask"]`)); clients["b"].send(answered(0, `["yes"]`)) }() // ends at once
		if a, err := b.EmitWithAck(t.Context(), "ask"); err != nil || a.Len() != 1 {
			t.Errorf("got %v, %v", a, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.EmitWithAck(ctx, "ask"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		clients["b"].expect(asked(1, `["ask"]`))
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

// A countingParser counts what is encoded of the event called ask.
type countingParser struct {
	parser.Parser
	asked *atomic.Int64
}

func (p countingParser) Encode(dst []parser.Frame, packet *parser.Packet) ([]parser.Frame, error) {
	if packet.Name == "ask" {
		p.asked.Add(1)
	}
	return p.Parser.Encode(dst, packet)
}

// One encoding serves all clients, each of which answers for itself.
func TestBroadcastWithAckIsEncodedOnce(t *testing.T) {
	var encoded atomic.Int64
	opts := &socketio.Options{Parser: countingParser{parser.JSON(nil), &encoded}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		clients, _ := f.crowd(10)
		for _, c := range clients {
			go func() { // ends at once
				c.expect(asked(0, `["ask",1]`))
				c.send(answered(0, `[1]`))
			}()
		}
		all, err := f.EmitWithAck(t.Context(), "ask", 1)
		if err != nil || len(all) != 10 || encoded.Load() != 1 {
			t.Errorf("%d answers, %v, encoded %d times", len(all), err, encoded.Load())
		}
	})
}

// What a socket is asked alone and with others has different ids, and each is settled once, whoever answers what and
// when.
func TestAcksOfBroadcastsAndSocketsDoNotMix(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		clients, s := f.crowd(2)
		type answer struct {
			all []socketio.Args
			err error
		}
		broadcast, late, alone := make(chan answer, 1), make(chan answer, 1), make(chan answer, 1)
		ask := func(ctx context.Context, ch chan answer) {
			all, err := f.To("all").EmitWithAck(ctx, "ask")
			ch <- answer{all, err}
		}
		ctx, cancel := context.WithCancel(t.Context())
		go ask(ctx, late) // ends with ctx
		synctest.Wait()
		cancel()
		if r := <-late; len(r.all) != 0 || !errors.Is(r.err, context.Canceled) {
			t.Errorf("got %v", r)
		}
		go ask(t.Context(), broadcast) // ends with the answers
		go func() {                    // likewise
			a, err := s["a"].EmitWithAck(t.Context(), "alone")
			alone <- answer{[]socketio.Args{a}, err}
		}()
		synctest.Wait()
		for name, c := range clients {
			c.send(answered(0, `["late"]`), answered(1, `["all"]`), answered(1, `["again"]`), answered(2, `["unknown"]`))
			if name == "a" {
				c.send(`430["alone"]`, `430["again"]`)
			}
		}
		for what, ch := range map[string]chan answer{"all": broadcast, "alone": alone} {
			r := <-ch
			for _, args := range r.all {
				var got string
				if err := args.Bind(&got); err != nil || got != what {
					t.Errorf("%s: got %q, %v", what, got, err)
				}
			}
			if r.err != nil {
				t.Errorf("%s: %v", what, r.err)
			}
		}
		synctest.Wait()
		for name, s := range s {
			if n := socketio.PendingAcks(s); n != 0 {
				t.Errorf("%d acknowledgements of %s wait", n, name)
			}
		}
	})
}

// An askingAdapter asks the members of the namespace when one has joined, and is not connected yet.
type askingAdapter struct {
	*adapter.Memory
	asked chan int
}

func (a askingAdapter) Join(m adapter.Member, rooms ...string) error {
	err := a.Memory.Join(m, rooms...)
	p := &parser.Packet{Type: parser.Event, Namespace: "/", Name: "too early"}
	for range a.DeliverWithAck(context.Background(), p, adapter.Target{}, func(n int) { a.asked <- n }) {
		a.asked <- -1
	}
	return err
}

// Who is in its rooms and has no CONNECT yet is not asked: the answer would be waited for that cannot come.
func TestBroadcastWithAckWaitsForConnect(t *testing.T) {
	askedMembers := make(chan int, 2)
	opts := &socketio.Options{Adapter: func(_ context.Context, ns adapter.Local) (adapter.Adapter, error) {
		return askingAdapter{adapter.New(ns), askedMembers}, nil
	}}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, opts)
		defer f.close()
		f.join("/") // gets CONNECT first
		if n := <-askedMembers; n != 0 {
			t.Errorf("%d members asked", n)
		}
	})
}

// What an adapter reports is counted, logged, and given to OnError.
func TestAdapterReports(t *testing.T) {
	var local adapter.Local
	var rec *recorder // of the server whose adapter was made last
	opts := &socketio.Options{
		Adapter: func(ctx context.Context, ns adapter.Local) (adapter.Adapter, error) {
			local, rec = ns, new(recorder)
			return adapter.NewMemory(ctx, ns)
		},
		OnError: func(_ context.Context, s *socketio.Socket, e *socketio.Event, err error) {
			rec.add("%v %v %v", s, e, err)
			panic("boom")
		},
	}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		broken := errors.New("broken pipe")
		local.Report("publish", broken)
		rec.expect(t, "<nil> <nil> socketio: adapter of /: publish: broken pipe")
		for range 100 {
			local.Report("publish", broken)
		}
		local.Report("subscribe", broken)
		synctest.Wait()
		if n := f.Stats().AdapterErrors; n != 102 {
			t.Errorf("%d counted", n)
		}
		logs := f.logs.String()
		publish, subscribe := strings.Count(logs, "adapter: publish"), strings.Count(logs, "adapter: subscribe")
		if publish != 10 || subscribe != 1 {
			t.Errorf("%d and %d records", publish, subscribe)
		}
	})
}

// A factory that waits is given up, and so are those who wait for it.
func TestFactoryHasAContext(t *testing.T) {
	opts := &socketio.Options{
		ConnectTimeout: 3 * time.Second,
		Adapter: func(ctx context.Context, ns adapter.Local) (adapter.Adapter, error) {
			if ns.Name() == "/" {
				return adapter.NewMemory(ctx, ns)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		},
	}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		began := time.Now()
		slow := f.Of("/slow")
		if err := slow.Emit("x"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := slow.Ready(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ready: %v", err)
		}
		made := make(chan error, 1)
		go func() { made <- f.Of("/closed").Ready(t.Context()) }() // ends with the server
		synctest.Wait()
		_ = f.Close()
		if err := <-made; !errors.Is(err, context.Canceled) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestReady(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		if err := f.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		_ = f.Close()
		if err := f.Ready(t.Context()); !errors.Is(err, adapter.ErrClosed) || !errors.Is(err, socketio.ErrServerClosed) {
			t.Errorf("ready after close: %v", err)
		}
	})
}

// What a closed server can't do any more fails with the error of the server, not with that of its adapter alone. A
// namespace that went with its last client is another thing.
func TestAskingClosedServer(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.OfFunc(matcher("^/child$"))
		c, s := f.connected("/child")
		child := s.Namespace()
		c.send("41/child,")
		synctest.Wait()
		_, err := child.EmitWithAck(t.Context(), "ask")
		if !errors.Is(err, adapter.ErrClosed) || errors.Is(err, socketio.ErrServerClosed) {
			t.Errorf("a child that has gone: %v", err)
		}

		f.connected("/")
		all, err := f.FetchSockets(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(len(all), err)
		}
		_ = f.Close()
		_, err = f.EmitWithAck(t.Context(), "ask")
		if want := "socketio: broadcast: acknowledgements of ask: server closed"; !errors.Is(err, socketio.ErrServerClosed) ||
			!errors.Is(err, adapter.ErrClosed) || err.Error() != want {
			t.Errorf("broadcast: %v, want %s", err, want)
		}
		if _, err = all[0].EmitWithAck(t.Context(), "ask"); !errors.Is(err, socketio.ErrServerClosed) {
			t.Errorf("remote socket: %v", err)
		}
		if err := f.Emit("x"); err != nil { // there is nobody
			t.Errorf("emit: %v", err)
		}
	})
}

// Of a socket that leaves while it is asked, the error is that of one that had left before.
func TestRemoteSocketLeavesWhileAsked(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, _ := f.connected("/")
		all, err := f.FetchSockets(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(len(all), err)
		}
		failed := make(chan error)
		go func() { // ends when the socket has left
			_, err := all[0].EmitWithAck(t.Context(), "ask")
			failed <- err
		}()
		c.expect(asked(0, `["ask"]`))
		c.close()
		if err := <-failed; !errors.Is(err, socketio.ErrDisconnected) || !errors.Is(err, adapter.ErrGone) {
			t.Errorf("error is %v", err)
		}
	})
}
