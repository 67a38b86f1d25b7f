package socketio_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/siotest"
)

// Several goroutines emit to all, to rooms and to one, while clients lose their connections again and again: each
// client handles what was for it once, and what one goroutine sent in its order.
func TestRecoveryUnderLoad(t *testing.T) {
	const clients, senders, events = 5, 4, 300
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		sockets := make(map[int]*socketio.Socket)
		srv := siotest.NewServer(t, &siotest.Options{
			Server: &socketio.Options{Recovery: &socketio.RecoveryOptions{}},
			Setup: func(io *socketio.Server) {
				io.OnConnection(func(s *socketio.Socket) {
					var auth struct{ Client int }
					_ = s.Handshake().Auth.Bind(&auth)
					if !s.Recovered() {
						_ = s.Join(fmt.Sprint("even ", auth.Client%2 == 0))
					}
					mu.Lock()
					defer mu.Unlock()
					sockets[auth.Client] = s
				})
			},
		})
		got := make([][]string, clients)
		var all []*client.Socket
		var networks []*siotest.Network
		for i := range clients {
			n := srv.NewNetwork()
			o := &client.Options{ReconnectionDelay: time.Millisecond, ReconnectionDelayMax: 5 * time.Millisecond}
			if i%3 == 0 {
				o.Engine.Transports = []string{"websocket"}
			}
			c := n.Client(o).Socket("/", &client.SocketOptions{Auth: map[string]any{"client": i}})
			c.OnAny(func(_ context.Context, e *client.Event) {
				mu.Lock()
				defer mu.Unlock()
				got[i] = append(got[i], e.Name+e.Args.String())
			})
			if err := c.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			all, networks = append(all, c), append(networks, n)
		}
		synctest.Wait()
		var running sync.WaitGroup
		for sender := range senders {
			running.Go(func() {
				for i := range events {
					switch sender {
					case 0:
						_ = srv.IO().Emit("all", i)
					case 1:
						_ = srv.IO().To(fmt.Sprint("even ", i%2 == 0)).Emit("room", i)
					case 2:
						mu.Lock()
						s := sockets[i%clients]
						mu.Unlock()
						_ = s.Emit("one", i)
					case 3:
						_ = srv.IO().Volatile().Emit("volatile", i, "text")
					}
					<-time.After(time.Millisecond)
				}
			})
		}
		running.Go(func() {
			rnd := rand.New(rand.NewPCG(1, 2))
			for range 150 {
				<-time.After(time.Duration(rnd.IntN(4)) * time.Millisecond)
				networks[rnd.IntN(clients)].Drop()
			}
		})
		running.Wait()
		<-time.After(time.Minute)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		for c := range clients {
			var want [3][]string
			for i := range events {
				want[0] = append(want[0], fmt.Sprintf("all[%d]", i))
				if i%2 == c%2 {
					want[1] = append(want[1], fmt.Sprintf("room[%d]", i))
				}
				if i%clients == c {
					want[2] = append(want[2], fmt.Sprintf("one[%d]", i))
				}
			}
			for k, name := range []string{"all", "room", "one"} {
				var of []string
				for _, e := range got[c] {
					if e[:len(name)+1] == name+"[" {
						of = append(of, e)
					}
				}
				if !slices.Equal(of, want[k]) {
					t.Errorf("client %d: %d events %q, want %d", c, len(of), name, len(want[k]))
				}
			}
			if !all[c].Connected() {
				t.Errorf("client %d is not connected", c)
			}
		}
		if st := srv.IO().Stats().Recovery; st.Recovered < 20 || len(st.Refused) > 0 {
			t.Errorf("%+v", st)
		} else {
			t.Logf("%+v", st)
		}
	})
}
