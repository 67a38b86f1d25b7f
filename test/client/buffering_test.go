package client

import (
	"time"

	"sio.example/socketio/test/internal/faultproxy"
)

// buffering are the scenarios about what is emitted without a connection, or lost with one.
var buffering = []scenario{
	{name: "buffered before connecting", play: bufferedBefore},
	{name: "buffered while disconnected", play: bufferedWhile},
	{name: "acknowledgement lost with the connection", play: ackLost},
	{name: "retries", play: retries, only: notTryAll},
	{name: "retries with a lost connection", play: retriesLost},
}

func bufferedBefore(r *run) {
	r.peer.open(r.T, "/", socketOptions{})
	r.peer.count(r.T, "/", "note", 1, 3)
	r.peer.volatile(r.T, "/", "note", "dropped")
	r.peer.ask(r.T, "/", "last", "note", []byte("4"))
	r.peer.connect(r.T, "/")
	r.expect("manager", "open")
	r.expect("/", "connect")
	r.expect("/ acks", entry("last", []any{"noted", []byte("4")}))
	r.received("/", entry("connect", noAuth, false), "note 1", "note 2", "note 3", entry("note", []byte("4")))
	r.upgraded()

	// Once connected, a volatile event is sent if nothing else is under way: not every one, but some of many.
	for i := 0; len(r.srv.record(r.T, "/", r.heard["/"], 1, 20*time.Millisecond)) == 0; i++ {
		if i > 1000 {
			r.Fatal("volatile events are dropped")
		}
		r.peer.volatile(r.T, "/", "note", "volatile")
	}
	r.peer.ask(r.T, "/", "end", "echo", "end")
	r.expect("/ acks", `end ["end"]`)
	for _, got := range r.srv.record(r.T, "/", r.heard["/"], 0, 0) {
		if got != "note volatile" && got != "echo end" {
			r.Errorf("received %q", got)
		}
		r.heard["/"]++
	}
	r.leave()
}

func bufferedWhile(r *run) {
	r.connected(socketOptions{})
	r.ping("before")
	r.idle()
	r.proxy.Shut()
	r.drop(faultproxy.Reset)
	r.disconnected(r.lost())
	r.peer.count(r.T, "/", "note", 1, 50)
	r.peer.ask(r.T, "/", "asked", "note", "with ack")
	r.failing(1, r.unreachable(), func() {
		if err := r.proxy.Reopen(); err != nil {
			r.Fatal(err)
		}
	})
	r.expect("/", "connect")
	r.received("/", entry("connect", noAuth, false))
	r.received("/", every("note", 1, 50)...)
	r.received("/", "note with ack")
	r.expect("/ acks", `asked ["noted","with ack"]`)
	r.upgraded()
	r.ping("after")
	r.leave()
}

func ackLost(r *run) {
	r.srv.acks(r.T, 0, true)
	r.connected(socketOptions{})
	r.peer.ask(r.T, "/", "lost", "note", 1)
	r.received("/", "note 1")
	r.drop(faultproxy.Reset)
	r.disconnected(r.lost())
	r.expect("/ acks", "lost disconnected")
	r.back(noAuth)
	r.srv.acks(r.T, 0, false)
	r.ping("not sent again")
	r.leave()
}

func retries(r *run) {
	r.srv.acks(r.T, 1, false)
	r.connected(socketOptions{Retries: 1, AckTimeout: 2000})
	r.peer.ask(r.T, "/", "first", "note", 1)
	r.peer.emit(r.T, "/", "note", "without an acknowledgement of its own")
	r.peer.ask(r.T, "/", "second", "note", 2)
	r.received("/", "note 1", "note 1", "note without an acknowledgement of its own", "note 2")
	r.expect("/ acks", `first ["noted",1]`, `second ["noted",2]`)

	r.srv.acks(r.T, 2, false)
	r.peer.ask(r.T, "/", "given up", "note", 3)
	r.peer.ask(r.T, "/", "next", "note", 4)
	r.received("/", "note 3", "note 3", "note 4")
	r.expect("/ acks", "given up timeout", `next ["noted",4]`)
	r.leave()
}

func retriesLost(r *run) {
	r.srv.acks(r.T, 0, true)
	r.connected(socketOptions{Retries: 2, AckTimeout: 60000})
	for i := 1; i <= 3; i++ {
		r.peer.ask(r.T, "/", "acked", "note", i)
	}
	r.received("/", "note 1")
	r.drop(faultproxy.Reset)
	r.disconnected(r.lost())
	r.back(noAuth)
	r.received("/", "note 1") // at once, not after AckTimeout
	r.srv.acks(r.T, 0, false)
	r.srv.release(r.T)
	r.received("/", "note 2", "note 3")
	r.expect("/ acks", `acked ["noted",1]`, `acked ["noted",2]`, `acked ["noted",3]`)
	r.leave()
}
