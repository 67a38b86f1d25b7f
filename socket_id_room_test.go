package socketio_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	socketio "sio.example/socketio"
)

// A socket is told from others by what it is, not by the room called by its id: it may leave that, and others may join
// it.
func TestRoomCalledByASocketsIDIsAnyRoom(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		ca, a := f.connected("/")
		cb, b := f.connected("/")
		for _, s := range []*socketio.Socket{a, b} {
			_ = s.Join("room")
		}
		_ = a.Leave(a.ID())
		_ = b.Join(a.ID())
		for what, op := range map[string]socketio.BroadcastOperator{
			"Broadcast": a.Broadcast(), "To": a.To("room"),
			"In two": a.To("room").In(b.ID()), "Except": a.Except("nobody"),
		} {
			if err := op.Emit(what); err != nil {
				t.Fatal(err)
			}
			cb.expect(`42["` + what + `"]`)
			all, err := op.FetchSockets(t.Context())
			if err != nil || len(all) != 1 || all[0].ID() != b.ID() {
				t.Errorf("%s: fetched %d, %v", what, len(all), err)
			}
			_ = op.SocketsJoin(t.Context(), "met by "+what)
			if slices.Contains(a.Rooms(), "met by "+what) || !slices.Contains(b.Rooms(), "met by "+what) {
				t.Errorf("%s: joined %v and %v", what, a.Rooms(), b.Rooms())
			}
		}
		done := make(chan error, 1)
		go func() { // ends with the answer
			answers, err := a.Broadcast().EmitWithAck(t.Context(), "question")
			if len(answers) != 1 {
				t.Errorf("%d answers", len(answers))
			}
			done <- err
		}()
		cb.expect(asked(0, `["question"]`))
		cb.send(answered(0, `[]`))
		if err := <-done; err != nil {
			t.Error(err)
		}

		// What FetchSockets returns is the socket, too.
		all, _ := f.FetchSockets(t.Context())
		for _, r := range all {
			if r.ID() != a.ID() {
				continue
			}
			if err := r.Emit("you"); err != nil {
				t.Fatal(err)
			}
			ca.expect(`42["you"]`) // and nothing before
			_ = r.Join(t.Context(), "remote")
			if !slices.Contains(a.Rooms(), "remote") || slices.Contains(b.Rooms(), "remote") {
				t.Errorf("joined %v and %v", a.Rooms(), b.Rooms())
			}
			_ = r.Disconnect(t.Context(), false)
		}
		ca.expect(`41`)
		if err := b.Broadcast().DisconnectSockets(t.Context(), false); err != nil || !b.Connected() {
			t.Errorf("the sender was disconnected, too: %v", err)
		}
		cb.expectSilence()
	})
}

// What an operation has done can be seen when it has returned, also while handlers hold up the rest.
func TestOperationsAreVisibleWhenTheyReturn(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		release := make(chan struct{})
		f.Handle("hang", func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
			<-release
			return nil
		})
		var left atomic.Int64
		const n = 3
		var clients [n]*wsClient
		var sockets [n]*socketio.Socket
		for i := range n {
			clients[i], sockets[i] = f.connected("/")
			sockets[i].OnDisconnecting(func(socketio.DisconnectReason) {
				if !slices.Contains(sockets[i].Rooms(), "room") {
					t.Error("out of its rooms before OnDisconnecting")
				}
			})
			sockets[i].OnDisconnect(func(socketio.DisconnectReason) { left.Add(1) })
			clients[i].send(`42["hang"]`)
		}
		synctest.Wait()
		count := func(op socketio.BroadcastOperator) int {
			t.Helper()
			all, err := op.FetchSockets(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		_ = f.SocketsJoin(t.Context(), "room")
		if got := count(f.In("room")); got != n {
			t.Errorf("%d in the room after SocketsJoin", got)
		}
		_ = f.In(sockets[0].ID()).SocketsLeave(t.Context(), "room")
		if got := count(f.In("room")); got != n-1 || slices.Contains(sockets[0].Rooms(), "room") {
			t.Errorf("%d in the room after SocketsLeave", got)
		}
		_ = sockets[0].Join("room")
		_ = f.In("room").Except(sockets[2].ID()).DisconnectSockets(t.Context(), false)
		listed := 0
		for range f.Sockets() {
			listed++
		}
		_, found := f.Socket(sockets[0].ID())
		st := f.Stats()
		if in, all := count(f.In("room")), count(f.To()); in != 1 ||
			all != 1 || listed != 1 || found || st.Sockets != 1 ||
			st.Disconnects[socketio.ReasonServerDisconnect] != 2 {
			t.Errorf("after DisconnectSockets: %d in the room, %d in all, %d listed, found %v, %+v",
				in, all, listed, found, st)
		}
		done := make(chan error, 1)
		go func() { // ends with the answer
			_, err := f.EmitWithAck(t.Context(), "question")
			done <- err
		}()
		clients[2].expect(asked(0, `["question"]`))
		clients[2].send(answered(0, `[]`))
		if err := <-done; err != nil {
			t.Errorf("it waited for those who are gone: %v", err)
		}
		clients[2].send(`41`)
		synctest.Wait()
		if got := count(f.To()); got != 0 || f.Stats().Sockets != 0 {
			t.Errorf("%d after the client has left, %d counted", got, f.Stats().Sockets)
		}
		if n := left.Load(); n != 0 {
			t.Errorf("%d callbacks while handlers run", n)
		}
		close(release)
		synctest.Wait()
		if got := left.Load(); got != n {
			t.Errorf("%d callbacks", got)
		}
	})
}
