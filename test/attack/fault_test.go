package attack

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/program"
	"sio.example/socketio/test/internal/wire"
)

// Faults of networks and of clients that do nothing wrong but at one place.
var faultRows = []row{
	// A client that never reads but answers pings, while 6.5 MB are sent each second, is cut before the process and the
	// kernel hold more than 32 MiB for it.
	{id: "S-1", run: func(e *env) {
		s := e.connect("websocket")
		sock := e.socket(s)
		text := strings.Repeat("x", 64<<10)
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for n := 0; sock.Connected(); n++ {
			select {
			case <-pace.C:
			case <-sock.Context().Done():
				return
			}
			if err := e.io.Emit("bulk", text); err != nil {
				e.Fatal(err)
			}
			if n%16 != 0 {
				continue
			}
			_ = s.Send(wire.Txt("3")) // fails when the server has hung up
			m := e.io.Stats().Engine.Memory
			if held := int64(queuedByKernel(e.T, e.Addr)) + m.Out + m.In + m.Held; held > 32<<20 {
				e.Fatalf("%d bytes are held after %d events: %+v", held, n+1, m)
			}
		}
	}, reject: engineio.RejectSlowConsumer, reason: socketio.ReasonTransportError, warns: true},

	// A bit that the network turns, at each place of a session, ends that session, or changes what it says, and no
	// more: the next socket goes on.
	{id: "L-12", run: func(e *env) {
		bystander := e.connect("websocket")
		recorded := wire.Request("GET", e.URL("websocket", ""), e.Addr, wire.UpgradeHeader(), nil)
		for i, p := range []string{"40", `42["echo","a text",{"n":1.5}]`, `421["echo",[true,null]]`,
			`451-["echo",{"_placeholder":true,"num":0}]`, "\x00bytes", "41"} {
			opcode := wire.Text
			if p[0] == 0 {
				opcode = wire.Binary
			}
			f := wire.Frame{Opcode: opcode, Mask: [4]byte{byte(i), 2, 3, 4}, Payload: []byte(p)}
			recorded = f.Append(recorded)
		}
		for offset := range recorded {
			for _, bit := range []byte{0x01, 0x20, 0x80} {
				sent := bytes.Clone(recorded)
				sent[offset] ^= bit
				h, err := e.HTTP()
				if err != nil {
					e.Fatal(err)
				}
				// A server that has hung up may reset what comes later.
				_ = h.Write(sent)
				_ = h.Conn().CloseWrite()
				_, _ = io.Copy(io.Discard, h.Conn())
				_ = h.Close()
			}
			if offset%32 == 0 {
				e.alive(bystander)
			}
		}
		e.alive(bystander)
	}, warns: true},

	// Anybody can write the headers of proxies.
	{id: "L-8", run: func(e *env) {
		spoofed := http.Header{"X-Forwarded-For": {"203.0.113.7"}, "X-Real-Ip": {"203.0.113.7"},
			"Forwarded": {"for=203.0.113.7"}}
		for _, open := range []func(wire.Target, http.Header) (*wire.Session, error){
			wire.OpenPolling, wire.OpenWebSocket,
		} {
			s, err := open(e.Target, spoofed)
			if err != nil {
				e.Fatal(err)
			}
			e.later(s.Abort)
			if got := e.socket(e.join(s)).Handshake().RemoteAddr; !strings.HasPrefix(got, "127.0.0.1:") {
				e.Errorf("the address is %q", got)
			}
		}
	}},
}

// queuedByKernel is how many bytes lie in the queues of the connections to or from the address, at both ends.
func queuedByKernel(t *testing.T, addr string) (n uint64) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skip("no /proc here")
	}
	var port int
	if _, err := fmt.Sscanf(addr, "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	end := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.HasSuffix(fields[1], end) && !strings.HasSuffix(fields[2], end) {
			continue
		}
		var out, in uint64
		if _, err := fmt.Sscanf(fields[4], "%x:%x", &out, &in); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		n += out + in
	}
	return n
}

// TestNoDescriptorsAreLeft is L-3: a process that may open no more files serves those who are connected, and accepts
// again once there are descriptors.
func TestNoDescriptorsAreLeft(t *testing.T) {
	bin := program.Build(t, "sio.example/socketio/test/contract/server")
	s := program.Start(t, nil, "/bin/sh", "-c", `ulimit -n 64 && exec "$0"`, bin)
	target := wire.Target{Addr: s.Addr()}
	early, err := wire.OpenWebSocket(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Abort()
	if _, err := early.Connect("/", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := early.Expect(`42["hello"`); err != nil {
		t.Fatal(err)
	}
	echo := func(s *wire.Session, text string) {
		t.Helper()
		if err := s.Emit("echo", text); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Expect(`42["echo","` + text + `"]`); err != nil {
			t.Fatal(err)
		}
	}
	// Each of these is answered, or waits in the kernel's queue because there is no descriptor for it.
	const clients = 80
	var served atomic.Int32
	var conns []*wire.HTTP
	ended := make(chan struct{})
	for range clients {
		h, err := target.HTTP()
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, h)
		go func() { // ends when the connection is answered or closed, waited for below
			defer func() { ended <- struct{}{} }()
			if r, err := h.Do("GET", "/", nil, nil); err == nil && r.Status == http.StatusNotFound {
				served.Add(1)
			}
		}()
	}
	waitFor := func(n int) {
		for range n {
			<-ended
		}
	}
	wait(t, "the server to be out of descriptors", func() bool { return openFilesOf(t, s.PID()) >= 64 },
		func() string { return fmt.Sprint(openFilesOf(t, s.PID()), " are open") })
	echo(early, "while nobody gets in")
	for _, h := range conns[:clients/2] {
		_ = h.Close()
	}
	for _, h := range conns[clients/2:] {
		defer h.Close()
	}
	waitFor(clients)
	if n := served.Load(); n < clients/2 {
		t.Errorf("%d of %d were served", n, clients)
	}
	late, err := wire.OpenWebSocket(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Abort()
	if _, err := late.Connect("/", ""); err != nil {
		t.Fatal(err)
	}
	echo(early, "and after it")
	early.Abort()
	late.Abort()
	for _, h := range conns {
		_ = h.Close()
	}
	s.End(t, syscall.SIGTERM)
}

func openFilesOf(t *testing.T, pid int) int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(list)
}
