package socketio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
	"sio.example/socketio/siotest"
)

// What a server promises, seen by a client of this project: both ends are real, and so is all between them but the
// network.

// twoEnds runs a test in a bubble for each way to connect, and for each of parsers.
func twoEnds(t *testing.T, setup func(io *socketio.Server), fn func(t *testing.T, srv *siotest.Server)) {
	for _, transports := range [][]string{{"polling"}, {"websocket"}, {"polling", "websocket"}} {
		t.Run(strings.Join(transports, " then "), func(t *testing.T) {
			eachParser(t, func(t *testing.T, p parser.Parser) {
				synctest.Test(t, func(t *testing.T) {
					opts := &client.Options{Parser: p}
					opts.Engine.Transports = transports
					fn(t, siotest.NewServer(t, &siotest.Options{
						Server: &socketio.Options{Parser: p}, Setup: setup, Client: opts,
					}))
				})
			})
		})
	}
}

func TestRoomsSeenByClients(t *testing.T) {
	setup := func(io *socketio.Server) {
		io.Handle("join", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
			var room string
			if err := e.Bind(&room); err != nil {
				return err
			}
			return errors.Join(s.Join(room), e.Ack())
		})
		io.Handle("say", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
			var room, text string
			if err := e.Bind(&room, &text); err != nil {
				return err
			}
			return s.To(room).Emit("said", text)
		})
	}
	twoEnds(t, setup, func(t *testing.T, srv *siotest.Server) {
		var clients []*client.Socket
		var recs []*siotest.Recorder
		for i := range 9 {
			s := srv.Dial("/", nil)
			if _, err := s.EmitWithAck(t.Context(), "join", fmt.Sprint("room", i%3)); err != nil {
				t.Fatal(err)
			}
			rec := siotest.NewRecorder(t)
			rec.Client("", s)
			clients, recs = append(clients, s), append(recs, rec)
		}
		for n := range 20 {
			if err := clients[0].Emit("say", "room0", fmt.Sprint(n)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // all of it has been handled
		if err := srv.IO().To("room0", "room1").Except(clients[3].ID()).Emit("all", []byte{1, 2}); err != nil {
			t.Fatal(err)
		}
		for i, rec := range recs {
			var want []string
			for n := range 20 {
				if i%3 == 0 && i != 0 {
					want = append(want, fmt.Sprintf(`said ["%d"]`, n))
				}
			}
			if i%3 != 2 && i != 3 {
				want = append(want, `all ["hex:0102"]`)
			}
			rec.Expect(want...)
			rec.ExpectNothing()
		}
	})
}

// Of a broadcast with acknowledgements one gets what came in time, and the error.
func TestBroadcastAckSeenByClients(t *testing.T) {
	twoEnds(t, nil, func(t *testing.T, srv *siotest.Server) {
		away := srv.NewNetwork()
		for i := range 4 {
			net := srv.Network
			if i == 3 {
				net = away
			}
			net.Dial("/", nil).On("who", func(_ context.Context, e *client.Event) error { return e.Ack(i) })
		}
		away.Freeze(siotest.Both)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		all, err := srv.IO().EmitWithAck(ctx, "who")
		var got []int
		for _, args := range all {
			var i int
			if err := args.Bind(&i); err != nil {
				t.Error(err)
			}
			got = append(got, i)
		}
		slices.Sort(got)
		if !errors.Is(err, context.DeadlineExceeded) ||
			!slices.Equal(got, []int{0, 1, 2}) || time.Since(start) != 2*time.Second {
			t.Errorf("%v, %v after %v", got, err, time.Since(start))
		}
		away.Thaw(siotest.Both)
		if all, err := srv.IO().EmitWithAck(t.Context(), "who"); len(all) != 4 || err != nil {
			t.Errorf("%d, %v", len(all), err)
		}
	})
}

// Callbacks and events of one end keep their order at the other, and each callback is called once.
func TestEmitFuncSeenByBothEnds(t *testing.T) {
	twoEnds(t, nil, func(t *testing.T, srv *siotest.Server) {
		server := make(chan *socketio.Socket, 1)
		srv.IO().OnConnection(func(s *socketio.Socket) {
			s.On("ask", func(_ context.Context, e *socketio.Event) error { return e.Ack(e.Args) })
			server <- s
		})
		c := srv.Dial("/", nil)
		s := <-server
		c.On("ask", func(_ context.Context, e *client.Event) error { return e.Ack(e.Args) })
		type asker interface {
			EmitFunc(ctx context.Context, name string, fn func(args socketio.Args, err error), args ...any) error
		}
		for _, end := range []asker{c, s} {
			got := make(chan string, 200)
			put := func(args socketio.Args, err error) { got <- fmt.Sprint(args, err) }
			for i := range 100 {
				if err := end.EmitFunc(t.Context(), "ask", put, i, []byte{byte(i)}); err != nil {
					t.Fatal(err)
				}
			}
			if err := end.EmitFunc(t.Context(), "nobody listens", put); err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				if line := <-got; !strings.HasPrefix(line, fmt.Sprintf("[%d,", i)) ||
					!strings.HasSuffix(line, "<nil>") {
					t.Fatalf("%T: %q is not answer %d", end, line, i)
				}
			}
			if end == asker(s) {
				c.Disconnect()
				if line := <-got; !strings.Contains(line, "disconnected") {
					t.Errorf("at the end: %q", line)
				}
			}
			synctest.Wait()
			if len(got) != 0 {
				t.Errorf("%T: %q is too many", end, <-got)
			}
		}
	})
}

type photo struct {
	Title string `json:"title"`
	Data  []byte `json:"data"`
}

const (
	develop event.WithAck[photo, []photo] = "develop"
	gone    event.Of[string]              = "gone"
)

func TestContractSeenByBothEnds(t *testing.T) {
	setup := func(io *socketio.Server) {
		socketio.HandleWithAck(io.Of("/lab"), develop,
			func(_ context.Context, _ *socketio.Socket, p photo) ([]photo, error) {
				if len(p.Data) == 0 {
					return nil, &event.Error{Message: "nothing to see"}
				}
				return []photo{p, {Title: "negative of " + p.Title, Data: bytes.ToUpper(p.Data)}}, nil
			})
	}
	twoEnds(t, setup, func(t *testing.T, srv *siotest.Server) {
		c := srv.Dial("/lab", nil)
		got, err := develop.Emit(t.Context(), c, photo{"cat", []byte("meow")})
		if err != nil || len(got) != 2 || got[1].Title != "negative of cat" || string(got[1].Data) != "MEOW" {
			t.Errorf("%+v, %v", got, err)
		}
		var shown *event.Error
		if _, err := develop.Emit(t.Context(), c, photo{Title: "fog"}); !errors.As(err, &shown) ||
			shown.Message != "nothing to see" {
			t.Errorf("%v", err)
		}
	})
}

// Middleware's refusal arrives as it was made, and a namespace of OfFunc lives as long as its sockets.
func TestRefusalsAndNamespacesSeenByClients(t *testing.T) {
	setup := func(io *socketio.Server) {
		p := io.OfFunc(func(_ context.Context, name string,
			_ socketio.Args) bool {
			return strings.HasPrefix(name, "/room-")
		})
		p.Use(func(_ context.Context, s *socketio.Socket) error {
			if s.Namespace().Name() == "/room-13" {
				return &socketio.ConnectError{Message: "closed", Data: map[string]int64{"until": 1 << 53}}
			}
			return nil
		})
	}
	twoEnds(t, setup, func(t *testing.T, srv *siotest.Server) {
		m := srv.Client(nil)
		room := m.Socket("/room-1", nil)
		if err := room.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		var refusal *socketio.ConnectError // the client's is the same type
		err := m.Socket("/room-13", nil).Connect(t.Context())
		var data struct{ Until int64 }
		if !errors.As(err, &refusal) || refusal.Message != "closed" ||
			refusal.Bind(&data) != nil || data.Until != 1<<53 {
			t.Errorf("%v, %+v", err, data)
		}
		err = m.Socket("/elsewhere", nil).Connect(t.Context())
		if !errors.As(err, &refusal) || refusal.Message != "Invalid namespace" || !room.Connected() {
			t.Errorf("%v", err)
		}
	})
}

// Each end tells its own side of the story, once.
func TestReasonsSeenByBothEnds(t *testing.T) {
	for _, c := range []struct {
		name           string
		end            func(srv *siotest.Server, c *client.Socket, s *socketio.Socket)
		client, server string
	}{
		{"client", func(_ *siotest.Server, c *client.Socket, _ *socketio.Socket) { c.Disconnect() },
			"io client disconnect", "client namespace disconnect"},
		{"server", func(_ *siotest.Server, _ *client.Socket, s *socketio.Socket) { s.Disconnect(false) },
			"io server disconnect", "server namespace disconnect"},
		{"server, whole connection", func(_ *siotest.Server,
			_ *client.Socket, s *socketio.Socket) {
			s.Disconnect(true)
		},
			"io server disconnect", "server namespace disconnect"},
		{"silence", func(srv *siotest.Server, _ *client.Socket, _ *socketio.Socket) { srv.Freeze(siotest.Both) },
			"ping timeout", "ping timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			twoEnds(t, nil, func(t *testing.T, srv *siotest.Server) {
				var mu sync.Mutex
				var told []string
				ended := make(chan struct{}, 9)
				server := make(chan *socketio.Socket, 1)
				srv.IO().OnConnection(func(s *socketio.Socket) {
					s.OnDisconnect(func(r socketio.DisconnectReason) {
						mu.Lock()
						defer mu.Unlock()
						told = append(told, "server: "+string(r))
						ended <- struct{}{}
					})
					server <- s
				})
				s := srv.Dial("/", &client.Options{DisableReconnection: true})
				s.OnDisconnect(func(r client.DisconnectReason) {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, "client: "+string(r))
					ended <- struct{}{}
				})
				c.end(srv, s, <-server)
				<-ended
				<-ended
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				slices.Sort(told)
				if !slices.Equal(told, []string{"client: " + c.client, "server: " + c.server}) {
					t.Errorf("told %q", told)
				}
			})
		})
	}
}
