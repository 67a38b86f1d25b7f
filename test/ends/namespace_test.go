package ends

import (
	"context"
	"strings"
	"testing"

	"sio.example/socketio"
)

// leavings are the ways in which a socket leaves its namespace, and its session goes on with the others.
var leavings = []struct {
	name string
	do   func(a *app, p *peer)
	why  socketio.DisconnectReason
	told string // to the peer, about the namespace
}{
	{
		name: "Socket.Disconnect(false)",
		do:   func(a *app, _ *peer) { a.users["/n"].socket.Disconnect(false) },
		why:  socketio.ReasonServerDisconnect, told: "41/n,",
	},
	{
		name: "DisconnectSockets",
		do: func(a *app, p *peer) {
			if err := a.io.Of("/n").In("room").DisconnectSockets(context.Background(), false); err != nil {
				p.t.Error(err)
			}
		},
		why: socketio.ReasonServerDisconnect, told: "41/n,",
	},
	{
		name: "DISCONNECT packet",
		do:   func(_ *app, p *peer) { p.say("41/n,", `42/n,["late"]`) },
		why:  socketio.ReasonClientDisconnect,
	},
}

// TestNamespaceEnds: a socket ends in each way on each route, and the other one of its session does not notice.
func TestNamespaceEnds(t *testing.T) {
	for _, e := range leavings {
		for _, r := range routes {
			t.Run(e.name+"/"+string(r), func(t *testing.T) {
				a := serve(t, nil)
				p := open(t, r, a.target(), a.streams)
				a.join(p)
				p.settle()
				e.do(a, p)
				a.wantNotified("/n", e.why)
				p.say(`42/n,["late"]`, `421["echo"]`)
				var heard []string
				for {
					packet := p.next()
					if packet == `431["echo"]` {
						break
					}
					if heard = append(heard, packet); strings.HasPrefix(packet, "(") {
						break
					}
				}
				if got := strings.Join(heard, " "); got != e.told {
					t.Errorf("tell: the peer heard %q, want %q", got, e.told)
				}
				a.wantLeft("/n")
				a.wantStopped("/n")
				st := a.io.Stats()
				if st.Sockets != 1 || st.Engine.Sessions != 1 || st.Disconnects[e.why] != 1 {
					t.Errorf("free: %d sockets, %d sessions, %v", st.Sockets, st.Engine.Sessions, st.Disconnects)
				}
				a.mu.Lock()
				defer a.mu.Unlock()
				if u := a.users["/"]; !u.socket.Connected() || len(u.notes) > 0 {
					t.Errorf("notify: the other socket was told %q", u.notes)
				}
			})
		}
	}
}
