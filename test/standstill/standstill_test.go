//go:build unix

package standstill

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/program"
	"sio.example/socketio/test/internal/wire"
)

// The flags are for measuring. A timeout is long enough for a busy machine to answer pings in.
var (
	clients = flag.Int("clients", 60, "how many there are of each transport")
	timeout = flag.Duration("pingtimeout", 5*time.Second, "the server's ping timeout, and its other deadlines")
	stop    = flag.Duration("stop", 7*time.Second, "how long the server is stopped, each time")
)

const serverEnv = "STANDSTILL_TIMEOUT"

// TestMain is the server, in a process of its own.
func TestMain(m *testing.M) {
	if d, err := time.ParseDuration(os.Getenv(serverEnv)); err == nil {
		serve(d)
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

func serve(d time.Duration) {
	io := socketio.NewServer(&socketio.Options{
		ConnectTimeout: d, AttachmentTimeout: d,
		Engine: engineio.Options{PingInterval: time.Second, PingTimeout: d, UpgradeTimeout: d},
	})
	io.Handle("size", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		var b []byte
		if err := e.Bind(&b); err != nil {
			return err
		}
		return e.Ack(len(b))
	})
	io.Handle("here", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ready, _ := json.Marshal(map[string]any{"ready": true, "port": l.Addr().(*net.TCPAddr).Port})
	fmt.Println(string(ready))
	panic(http.Serve(l, io)) // until it is killed
}

// A member is a client that answers pings, and says so. Most do it after a second: their pongs come while the server is
// stopped.
type member struct {
	*wire.Session
	delay  time.Duration
	pings  atomic.Int64
	pinged chan struct{} // after pings has grown
	done   chan struct{}
	err    error // why it ended; set before done
}

func (m *member) run() {
	defer close(m.done)
	m.NoPong = true
	for {
		p, err := m.Next()
		if err == nil && string(p.Data) == "2" {
			<-time.After(m.delay)
			err = m.Send(wire.Txt("3"))
			m.pings.Add(1)
			select {
			case m.pinged <- struct{}{}:
			default: // nobody waits for it now
			}
		}
		if err != nil {
			m.err = err
			return
		}
	}
}

// A standstill is a server with its clients.
type standstill struct {
	*testing.T
	server  *program.Server
	target  wire.Target
	members []*member
}

func must[V any](v V, err error) func(t *testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fill connects clients of both transports.
func (s *standstill) fill() {
	for i := range 2 * *clients {
		open := wire.OpenWebSocket
		if i%2 == 1 {
			open = wire.OpenPolling
		}
		m := &member{Session: must(open(s.target, nil))(s.T), pinged: make(chan struct{}, 1), done: make(chan struct{})}
		if i%8 > 1 {
			m.delay = time.Second
		}
		s.Cleanup(func() {
			m.Abort()
			<-m.done
		})
		_, err := m.Connect("/", "")
		s.members = append(s.members, m)
		go m.run() // ends with the session, for which the cleanup waits
		if err != nil {
			s.Fatal(err)
		}
	}
}

// wait waits until each client was pinged twice, so that one of its pongs was taken, or has ended. It returns how many
// have.
func (s *standstill) wait() (ended int) {
	want := make([]int64, len(s.members))
	for i, m := range s.members {
		want[i] = m.pings.Load() + 2
	}
	for i, m := range s.members {
		for lives := true; lives && m.pings.Load() < want[i]; {
			select {
			case <-m.pinged:
			case <-m.done:
				lives = false
			}
		}
		select {
		case <-m.done:
			ended++
			s.Logf("a client has ended: %v", m.err)
		default:
		}
	}
	return ended
}

// pause stops the server, calls meanwhile, and lets the server go on.
func (s *standstill) pause(meanwhile func()) {
	s.server.Signal(s.T, syscall.SIGSTOP)
	timer := time.NewTimer(*stop)
	meanwhile()
	<-timer.C
	s.server.Signal(s.T, syscall.SIGCONT)
}

// TestStoppedServer: who does what it should loses nothing by a server that stood still, however often; who is silent
// is still found.
func TestStoppedServer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	server := program.Start(t, []string{serverEnv + "=" + timeout.String()}, os.Args[0])
	s := &standstill{T: t, server: server,
		target: wire.Target{Addr: server.Addr(), Timeout: *timeout + *stop + program.Deadline}}
	s.fill()
	if n := s.wait(); n > 0 {
		t.Fatalf("%d ended before anything happened", n)
	}
	silent := must(wire.OpenWebSocket(s.target, nil))(t)
	defer silent.Abort()
	silent.NoPong = true
	for i := range 3 {
		next, heard := s.underway()
		s.pause(next)
		heard()
		if n := s.wait(); n > 0 {
			t.Errorf("standstill %d: %d of %d clients were cut", i+1, n, len(s.members))
			return
		}
	}
	for {
		p, err := silent.Next()
		var closed *wire.ClosedError
		if errors.As(err, &closed) {
			if closed.Status != 1008 {
				t.Error(err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(p.Data) != "2" {
			t.Errorf("got %s", p)
		}
	}
}

// underway brings the server into the middle of what has a deadline. It returns what the clients do next, in time, and
// what sees to it that they were heard.
func (s *standstill) underway() (next, heard func()) {
	newcomer, upload := must(wire.OpenWebSocket(s.target, nil))(s.T), must(wire.OpenWebSocket(s.target, nil))(s.T)
	must(upload.Connect("/", ""))(s.T)
	upgrade := must(wire.OpenPolling(s.target, nil))(s.T)
	must(upgrade.Connect("/", ""))(s.T)
	for _, session := range []*wire.Session{newcomer, upload, upgrade} {
		s.Cleanup(session.Abort)
	}
	ws := must(s.target.WebSocket(s.target.URL("websocket", upgrade.SID), nil))(s.T)
	s.Cleanup(func() { _ = ws.Close() })
	check := func(err error) {
		if err != nil {
			s.Error(err)
		}
	}
	check(ws.Write(wire.Frame{Opcode: wire.Text, Payload: []byte("2probe")}))
	_, err := ws.Read()
	check(err)
	check(upload.Send(wire.Txt(`451-1["size",{"_placeholder":true,"num":0}]`)))
	next = func() {
		check(newcomer.Send(wire.Txt("40")))
		check(upload.Send(wire.Bin([]byte("attached"))))
		check(ws.Write(wire.Frame{Opcode: wire.Text, Payload: []byte("5")},
			wire.Frame{Opcode: wire.Text, Payload: []byte(`421["here"]`)}))
	}
	return next, func() {
		_, err := newcomer.Expect("40")
		check(err)
		_, err = upload.Expect("431[8]")
		check(err)
		for {
			f, err := ws.Read()
			if check(err); err != nil || string(f.Payload) == "431[]" {
				return
			}
		}
	}
}
