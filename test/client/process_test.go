package client

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"

	"sio.example/socketio/test/internal/faultproxy"
	"sio.example/socketio/test/internal/program"
)

// TestProcessEnds ends the process of a server, politely and not, and starts another: what was emitted in between
// arrives there.
func TestProcessEnds(t *testing.T) {
	node, reference := program.Node(t), filepath.Join(program.Root(), "interop", "reference_server.js")
	for _, server := range []struct {
		name    string
		command []string
	}{
		{"node", []string{node, reference}},
		{"ours", []string{program.Build(t, "sio.example/socketio/test/contract/server")}},
	} {
		for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
			t.Run(server.name+"/"+signal.String(), func(t *testing.T) {
				before := take(t)
				inAllModes(t, notTryAll, func(t *testing.T, m mode) { survive(t, m, server.command, signal) })
				settle(t, before)
			})
		}
	}
}

func survive(t *testing.T, m mode, command []string, signal syscall.Signal) {
	start := func() *program.Server {
		return program.Start(t, []string{"NODE_PATH=" + program.Modules()}, command[0], command[1:]...)
	}
	first := start()
	proxy, err := faultproxy.Start(first.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	r := &run{T: t, mode: m, kind: ourKind, proxy: proxy, seen: map[string]int{}}
	r.peer = newOurPeer(t, "http://"+proxy.Addr(), peerOptions{
		Transports: m.client, Reconnection: true, ReconnectionDelay: 10, ReconnectionDelayMax: 50, Timeout: 20000,
	})
	defer r.peer.end(t)

	r.peer.open(t, "/", socketOptions{})
	r.peer.connect(t, "/")
	r.expect("manager", "open")
	r.expect("/", "connect", `hello {"auth":{},"nsp":"/"}`)
	r.upgraded()
	r.idle()
	first.End(t, signal)
	if got := r.peer.record(t, "manager", 1, 1, patience); len(got) == 0 {
		t.Fatal("the client does not notice the end of the process")
	}
	for _, tag := range []string{"one", "two", "three"} {
		r.peer.ask(t, "/", tag, "echo", tag)
	}
	second := start()
	defer second.End(t, syscall.SIGKILL)
	proxy.SetTarget(second.Addr())
	r.expect("/ acks", `one ["one"]`, `two ["two"]`, `three ["three"]`)
	goodbye := signal == syscall.SIGTERM // which a server may say, or not
	reason := r.peer.record(t, "/", 2, 1, patience)
	if len(reason) == 0 || reason[0] != "disconnect "+r.lost() &&
		(!goodbye || reason[0] != "disconnect transport close") {
		t.Errorf("after %v: %q", signal, reason)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := r.peer.(*ourPeer).socket("/").EmitWithAck(ctx, "echo", []byte("bytes")); err != nil {
		t.Error(err)
	}
}
