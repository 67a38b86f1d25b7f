package client

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"sio.example/socketio/test/internal/faultproxy"
)

// breaking are the scenarios in which connections break, or can't be made.
var breaking = []scenario{
	{name: "reset", play: dropped(faultproxy.Reset)},
	{name: "finished", play: dropped(faultproxy.Finish)},
	{name: "closed by the server", play: closedByServer},
	{name: "garbage from the server", play: garbage},
	{name: "no server at first", play: unreachable((*faultproxy.Proxy).Shut, (*faultproxy.Proxy).Reopen)},
	{name: "refused at first", play: unreachable(
		func(p *faultproxy.Proxy) { p.Refuse(true) },
		func(p *faultproxy.Proxy) error { p.Refuse(false); return nil },
	)},
	{name: "503 at first", play: unreachable(
		func(p *faultproxy.Proxy) { p.Answer(http.StatusServiceUnavailable) },
		func(p *faultproxy.Proxy) error { p.Answer(0); return nil },
	)},
	{name: "silence at first", play: silence, options: func(o *peerOptions, _ *serverOptions) { o.Timeout = 100 }},
	{name: "attempts and delays", play: attempts, options: func(o *peerOptions, _ *serverOptions) {
		o.ReconnectionAttempts, o.ReconnectionDelay, o.ReconnectionDelayMax = 4, 40, 100
	}},
	{name: "no reconnection", play: noReconnection,
		options: func(o *peerOptions, _ *serverOptions) { o.Reconnection = false }},
	{name: "leaving while it reconnects", play: leaveWhileReconnecting},
	{name: "polite restart of the server", play: restarted(true)},
	{name: "sudden restart of the server", play: restarted(false)},
	{name: "ping timeout", play: pingTimeout, only: notTryAll, options: func(_ *peerOptions, s *serverOptions) {
		s.PingInterval, s.PingTimeout = 200, 700
	}},
	{name: "nothing arrives at the server", play: mute, only: notTryAll,
		options: func(_ *peerOptions, s *serverOptions) {
			s.PingInterval, s.PingTimeout = 600, 500
		}},
	{
		name: "upgrade remembered", play: remembered,
		only:    func(m mode) bool { return m.upgrades },
		options: func(o *peerOptions, _ *serverOptions) { o.RememberUpgrade = true },
		skip: func(t *testing.T, client kind, _ side) {
			if !client.ours {
				t.Skip("the official client remembers for all connections of its process together")
			}
		},
	},
	{name: "auth function", play: authFunction},
	{name: "recovery", play: recovery, skip: recoveryMissing, options: withRecovery},
	{name: "recovery that fails", play: recoveryFails, skip: recoveryMissing, options: withRecovery},
}

func notTryAll(m mode) bool { return !m.tryAll }

func dropped(how faultproxy.Ending) func(r *run) {
	return func(r *run) {
		r.connected(socketOptions{})
		first := r.peer.state(r.T, "/").ID
		r.ping("before")
		r.drop(how)
		r.disconnected(r.lost())
		r.back(noAuth)
		r.ping("after")
		if s := r.peer.state(r.T, "/"); s.ID == first || s.Recovered || s.Transport != r.lands {
			r.Errorf("connected again: %+v; first id %s", s, first)
		}
		r.drop(how)
		r.disconnected(r.lost())
		r.back(noAuth)
		r.leave()
	}
}

func closedByServer(r *run) {
	r.connected(socketOptions{})
	r.peer.emit(r.T, "/", "drop")
	r.received("/", "drop")
	r.disconnected("transport close")
	r.back(noAuth)
	r.ping("after")
	r.leave()
}

func garbage(r *run) {
	r.connected(socketOptions{})
	r.peer.emit(r.T, "/", "garbage")
	r.received("/", "garbage")
	r.disconnected("parse error")
	r.back(noAuth)
	r.ping("after")
	r.leave()
}

// unreachable begins with a server that can't be reached.
func unreachable(begin func(p *faultproxy.Proxy), end func(p *faultproxy.Proxy) error) func(r *run) {
	return func(r *run) {
		begin(r.proxy)
		r.peer.open(r.T, "/", socketOptions{})
		r.peer.connect(r.T, "/")
		r.expect("manager", "error "+r.unreachable())
		r.expect("/", "connect_error "+r.unreachable())
		if s := r.peer.state(r.T, "/"); s.Connected || !s.Active {
			r.Errorf("while it tries to connect: %+v", s)
		}
		r.failing(1, r.unreachable(), func() {
			if err := end(r.proxy); err != nil {
				r.Fatal(err)
			}
		})
		r.expect("/", "connect")
		r.received("/", entry("connect", noAuth, false))
		r.upgraded()
		r.ping("after")
		r.leave()
	}
}

// silence begins with a server that accepts and says nothing.
func silence(r *run) {
	r.proxy.Freeze(faultproxy.Down)
	r.peer.open(r.T, "/", socketOptions{})
	r.peer.connect(r.T, "/")
	r.expect("manager", "error timeout")
	r.expect("/", "connect_error timeout")
	r.failing(1, "timeout", func() { r.proxy.Thaw(faultproxy.Down) })
	r.expect("/", "connect")
	r.received("/", entry("connect", noAuth, false))
	r.upgraded()
	r.leave()
}

// attempts goes through all attempts to reconnect in real time.
func attempts(r *run) {
	r.connected(socketOptions{})
	r.idle()
	r.proxy.Shut()
	start := time.Now()
	r.drop(faultproxy.Reset)
	r.disconnected(r.lost())
	var sum time.Duration
	for i, delay := range []int{40, 80, 100, 100} {
		r.expect("manager", fmt.Sprintf("reconnect_attempt %d", i+1))
		sum += milliseconds(delay)
		if took := time.Since(start); took < sum-time.Millisecond { // Node's clock has no more than milliseconds
			r.Errorf("attempt %d came after %v, before %v", i+1, took, sum)
		}
		r.expect("manager", "error "+r.unreachable())
		if i < 3 {
			r.expect("manager", "reconnect_error "+r.unreachable())
		}
		r.expect("/", "connect_error "+r.unreachable())
	}
	if r.kind.ours {
		r.expect("manager", "reconnect_error "+r.unreachable(), "reconnect_failed")
	} else {
		r.expect("manager", "reconnect_failed", "reconnect_error "+r.unreachable())
	}
	if s := r.peer.state(r.T, "/"); s.Connected {
		r.Errorf("after the last attempt: %+v", s)
	}

	if err := r.proxy.Reopen(); err != nil {
		r.Fatal(err)
	}
	r.peer.connect(r.T, "/") // begins anew
	r.expect("manager", "open")
	r.expect("/", "connect")
	r.received("/", entry("connect", noAuth, false))
	r.upgraded()
	r.leave()
}

func noReconnection(r *run) {
	r.proxy.Shut()
	r.peer.open(r.T, "/", socketOptions{})
	r.peer.connect(r.T, "/")
	r.expect("manager", "error "+r.unreachable())
	r.expect("/", "connect_error "+r.unreachable())
	if err := r.proxy.Reopen(); err != nil {
		r.Fatal(err)
	}
	r.peer.connect(r.T, "/")
	r.expect("manager", "open")
	r.expect("/", "connect")
	r.received("/", entry("connect", noAuth, false))
	r.upgraded()
	r.ping("connected")
	r.drop(faultproxy.Finish)
	r.disconnected(r.lost())
	r.peer.connect(r.T, "/") // is what connects, and no attempt
	r.expect("manager", "open")
	r.expect("/", "connect")
	r.received("/", entry("connect", noAuth, false))
	r.upgraded()
	r.leave()
}

func leaveWhileReconnecting(r *run) {
	r.connected(socketOptions{})
	r.idle()
	r.proxy.Freeze(faultproxy.Down) // an attempt begins, and gets no answer
	r.drop(faultproxy.Reset)
	r.disconnected(r.lost())
	r.expect("manager", "reconnect_attempt 1")
	r.peer.disconnect(r.T, "/")
	if s := r.peer.state(r.T, "/"); s.Connected || s.Active {
		r.Errorf("after leaving: %+v", s)
	}
	if !r.kind.ours {
		r.expect("manager", "close forced close") // of a connection that was never open
	}
	r.proxy.Thaw(faultproxy.Down)
	r.peer.connect(r.T, "/")
	r.expect("manager", "open")
	r.expect("/", "connect")
	r.received("/", entry("connect", noAuth, false))
	r.upgraded()
	r.leave()
}

func restarted(politely bool) func(r *run) {
	return func(r *run) {
		r.connected(socketOptions{})
		r.ping("before")
		r.srv.stop(r.T, politely)
		if politely {
			r.disconnected("transport close")
		} else {
			r.disconnected(r.lost())
		}
		r.peer.emit(r.T, "/", "note", "while it is down")
		r.failing(1, r.unreachable(), r.restart)
		r.expect("/", "connect")
		r.received("/", entry("connect", noAuth, false), "note while it is down")
		r.upgraded()
		r.ping("after")
		r.leave()
	}
}

func pingTimeout(r *run) {
	r.connected(socketOptions{})
	r.ping("before")
	r.proxy.Freeze(faultproxy.Down)
	r.disconnected("ping timeout")
	r.proxy.Thaw(faultproxy.Down)
	r.back(noAuth)
	r.ping("after")
	r.leave()
}

// mute: the server does not hear the client any more, and gives up on it.
func mute(r *run) {
	r.connected(socketOptions{})
	r.ping("before") // the server knows of the upgrade, too
	r.idle()
	r.proxy.Freeze(faultproxy.Up)
	if r.lands == "polling" || !r.kind.ours {
		// The goodbye of the server needs a poll, or for the official client the end of the TCP connection.
		r.disconnected("ping timeout")
	} else {
		r.disconnected("transport close")
	}
	r.gone("/")
	r.proxy.Thaw(faultproxy.Up)
	r.back(noAuth)
	r.ping("after")
	r.leave()
}

// remembered: who has had a WebSocket begins with it when it reconnects.
func remembered(r *run) {
	r.connected(socketOptions{})
	for range 2 {
		r.drop(faultproxy.Reset)
		r.disconnected(r.lost())
		accepted := r.proxy.Accepted()
		r.expect("manager", "reconnect_attempt 1", "open", "reconnect 1")
		r.expect("/", "connect")
		r.received("/", entry("connect", noAuth, false))
		r.ping("after")
		if n := r.proxy.Accepted() - accepted; n > 1 {
			r.Errorf("%d connections were made", n)
		}
		if s := r.peer.state(r.T, "/"); s.Transport != "websocket" {
			r.Errorf("connected again: %+v", s)
		}
	}
	r.leave()
}

func authFunction(r *run) {
	auth := func(n int) any { return map[string]any{"try": n} }
	r.connected(socketOptions{Auths: []any{auth(1), auth(2), auth(3)}})
	for n := 2; n <= 3; n++ {
		r.drop(faultproxy.Reset)
		r.disconnected(r.lost())
		r.back(auth(n))
	}
	r.ping("after")
	r.leave()
}

func withRecovery(o *peerOptions, s *serverOptions) { o.DropOffset, s.Recovery = true, true }

func recoveryMissing(t *testing.T, _ kind, sd side) {
	if !sd.official {
		t.Skip("our server does not restore the state of a connection yet; the official one shows that the client can")
	}
}

func recovery(r *run) {
	r.connected(socketOptions{Auth: map[string]any{"user": "ada"}})
	first := r.peer.state(r.T, "/")
	for lost := range 3 { // what was restored can be lost and restored again
		r.srv.emit(r.T, "/", "tick", 10*lost)
		r.expect("/", fmt.Sprintf("tick %d", 10*lost))
		r.idle()
		r.proxy.Shut()
		r.drop(faultproxy.Reset)
		r.disconnected(r.lost())
		r.gone("/")
		for i := 1; i <= 3; i++ {
			r.srv.emit(r.T, "/", "tick", 10*lost+i)
		}
		r.srv.emit(r.T, "/chat", "tick", "elsewhere")
		r.peer.emit(r.T, "/", "note", lost)
		r.failing(1, r.unreachable(), func() {
			if err := r.proxy.Reopen(); err != nil {
				r.Fatal(err)
			}
		})
		missed := every("tick", 10*lost+1, 10*lost+3)
		if r.kind.ours {
			r.expect("/", "connect")
			r.expect("/", missed...)
		} else {
			r.expect("/", missed...)
			r.expect("/", "connect")
		}
		r.received("/", entry("connect", map[string]any{"user": "ada"}, true), entry("note", lost))
		r.upgraded()
		if s := r.peer.state(r.T, "/"); !s.Recovered || s.ID != first.ID {
			r.Errorf("restored: %+v; first id %s", s, first.ID)
		}
	}
	r.leave()
}

func recoveryFails(r *run) {
	r.connected(socketOptions{})
	first := r.peer.state(r.T, "/")
	r.srv.emit(r.T, "/", "tick", 1)
	r.expect("/", "tick 1")
	r.srv.stop(r.T, false)
	r.disconnected(r.lost())
	r.failing(1, r.unreachable(), r.restart) // the new one knows nothing
	r.expect("/", "connect")
	r.received("/", entry("connect", noAuth, false))
	r.upgraded()
	if s := r.peer.state(r.T, "/"); s.Recovered || s.ID == first.ID {
		r.Errorf("not restored: %+v; first id %s", s, first.ID)
	}
	r.srv.emit(r.T, "/", "tick", 2)
	r.expect("/", "tick 2")
	r.leave()
}
