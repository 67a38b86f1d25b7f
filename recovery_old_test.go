package socketio_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	socketio "sio.example/socketio"
)

// A client of Socket.IO 2 has no session: it is told no pid, gets no offset with its events, and nothing is kept of it.
func TestRecoveryIsNotForOldClients(t *testing.T) {
	o := oldOptions()
	o.Recovery = &socketio.RecoveryOptions{}
	bubbleOf(t, o, func(t *testing.T, f *fixture) {
		seen := make(chan *socketio.Socket, 3)
		f.OnConnection(func(s *socketio.Socket) { seen <- s })
		c := f.dialOld()
		c.expect("40")
		s := <-seen
		if err := s.Join("room"); err != nil {
			t.Error(err)
		}
		young := f.dial()
		young.send("40")
		young.read()
		<-seen
		_ = s.Emit("one", "x")
		_ = f.Emit("all", "x")
		_ = f.To("room").Emit("bytes", []byte("y"))
		c.expect(`42["one","x"]`, `42["all","x"]`, `451-["bytes",{"_placeholder":true,"num":0}]`, "b\x04y")
		if got := young.read(); len(got) != len(`42["all","x"]`)+17 {
			t.Errorf("a client that can recover got %q", got)
		}
		_ = f.Volatile().Emit("all")
		_ = s.Volatile().Emit("one", "x")
		c.expect(`42["all"]`, `42["one","x"]`)
		c.close()
		synctest.Wait()
		if err := s.Emit("late"); err == nil {
			t.Error("an event to a client that has gone was taken")
		}
		if err := s.Join("late"); err == nil {
			t.Error("a client that has gone joins a room")
		}
		if st := f.Stats().Recovery; st.Sessions != 0 {
			t.Errorf("%d sessions are kept", st.Sessions)
		}
		young.close()
	})
}

// The query of a namespace is the auth of an old client. It does not get a session by it, and nobody loses one.
func TestRecoveryIsNotClaimedByOldClients(t *testing.T) {
	o := oldOptions()
	o.Recovery = &socketio.RecoveryOptions{}
	bubbleOf(t, o, func(t *testing.T, f *fixture) {
		seen := make(chan *socketio.Socket, 2)
		f.Of("/n").OnConnection(func(s *socketio.Socket) { seen <- s })
		c := f.dial()
		c.send("40/n,")
		var reply struct{ PID, Offset string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(c.read(), "40/n,")), &reply); err != nil || reply.PID == "" {
			t.Fatal(reply, err)
		}
		young := <-seen
		old := f.dialOld()
		old.expect("40")
		old.send("40/n?pid=" + reply.PID + "&offset=" + reply.Offset + ",")
		old.expect("40/n,")
		if s := <-seen; s.Recovered() || s.ID() != "/n#"+old.eid || !young.Connected() {
			t.Errorf("recovered %v, id %q; the other is connected: %v", s.Recovered(), s.ID(), young.Connected())
		}
		if st := f.Stats().Recovery; st.Recovered != 0 || len(st.Refused) != 0 {
			t.Errorf("%+v", st)
		}
	})
}
