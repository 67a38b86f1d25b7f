package client

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"sio.example/socketio/test/internal/faultproxy"
)

// talking are the scenarios in which no connection breaks.
var talking = []scenario{
	{name: "connect, talk and leave", play: connectTalkLeave},
	{name: "values of all types", play: valuesOfAllTypes},
	{name: "in order through the upgrade", play: inOrder},
	{name: "in order over a slow network", play: inOrderSlowly,
		only: func(m mode) bool { return m.upgrades || m.name == "polling" }},
	{name: "namespaces", play: namespaces},
	{name: "gate", play: gate},
	{name: "gate alone", play: gateAlone},
	{name: "connect twice", play: connectTwice, skip: func(t *testing.T, k kind, _ side) {
		if !k.ours {
			t.Skip("the official client sends CONNECT once more if told to connect while it does, which ends the " +
				"session")
		}
	}},
	{name: "close of the manager", play: closeManager},
	{name: "disconnected by the server", play: kicked},
	{name: "disconnected by the server, all namespaces", play: kickedAll},
	{name: "acknowledgement timeout", play: ackTimeout},
}

func connectTalkLeave(r *run) {
	r.connected(socketOptions{Auth: map[string]any{"user": "ada"}})
	if s := r.peer.state(r.T, "/"); s.ID == "" || !s.Connected || !s.Active || s.Recovered || s.Transport != r.lands {
		r.Errorf("connected: %+v", s)
	}
	r.peer.ask(r.T, "/", "where", "transport")
	r.expect("/ acks", entry("where", []any{r.lands}))
	r.received("/", "transport")
	r.peer.emit(r.T, "/", "echo", "hi", 1, nil)
	r.expect("/", "echo hi 1 null")
	r.received("/", "echo hi 1 null")
	r.ping("last")
	if n := r.srv.sessions(r.T); n != 1 {
		r.Errorf("the server has %d sessions", n)
	}

	r.leave()
	r.received("/ gone", "client namespace disconnect")
	if s := r.peer.state(r.T, "/"); s != (state{}) {
		r.Errorf("after leaving: %+v", s)
	}

	r.peer.connect(r.T, "/")
	r.expect("manager", "open")
	r.expect("/", "connect")
	r.received("/", entry("connect", map[string]any{"user": "ada"}, false))
	r.upgraded()
	r.ping("again")
	r.leave()
}

func valuesOfAllTypes(r *run) {
	r.connected(socketOptions{})
	for i, args := range [][]any{
		{},
		{nil, true, false, 0, -1.5, 1e21, "", "Grüße \u2028 \x00\x1e\"\\ 👩‍👩‍👧", []any{}, map[string]any{}},
		{map[string]any{"a": []any{map[string]any{"b": nil}, 2}, "": "empty"}},
		{[]byte{0, 1, 2, 0x1e, 255}},
		{[]byte{}},
		{"between", []byte("one"), map[string]any{"deep": []any{1, map[string]any{"two": []byte("two")}}},
			[]byte("three"), nil},
		{bytes.Repeat([]byte{7}, 70_000), strings.Repeat("text ", 14_000)},
	} {
		tag := fmt.Sprintf("acked%d", i)
		r.peer.ask(r.T, "/", tag, "echo", args...)
		r.expect("/ acks", entry(tag, append([]any{}, args...)))
		r.peer.emit(r.T, "/", "echo", args...)
		r.expect("/", entry("echo", args...))
		r.received("/", entry("echo", args...), entry("echo", args...))
		r.peer.emit(r.T, "/", "ask", args...) // the server asks, the client acknowledges
		r.expect("/", entry("question", args...), entry("answered", args...))
		r.received("/", entry("ask", args...))
	}
	r.leave()
}

func inOrder(r *run) {
	const count = 300
	r.peer.open(r.T, "/", socketOptions{})
	r.peer.connect(r.T, "/")
	r.expect("manager", "open") // the upgrade begins
	r.peer.emit(r.T, "/", "push", count)
	r.peer.count(r.T, "/", "note", 1, count)
	r.expect("/", "connect")
	r.expect("/", every("tick", 1, count)...)
	r.received("/", entry("connect", noAuth, false), fmt.Sprintf("push %d", count))
	r.received("/", every("note", 1, count)...)
	r.upgraded()
	r.leave()
}

func inOrderSlowly(r *run) {
	const count = 20
	r.proxy.Delay(faultproxy.Up, milliseconds(5))
	r.proxy.Delay(faultproxy.Down, milliseconds(5))
	r.peer.open(r.T, "/", socketOptions{})
	r.peer.connect(r.T, "/")
	r.peer.emit(r.T, "/", "push", count)
	for i := 1; i <= count; i++ {
		r.peer.ask(r.T, "/", "ack", "note", i)
		r.expect("/ acks", entry("ack", []any{"noted", i}))
	}
	r.expect("manager", "open")
	r.expect("/", "connect")
	r.expect("/", every("tick", 1, count)...)
	r.received("/", entry("connect", noAuth, false), fmt.Sprintf("push %d", count))
	r.received("/", every("note", 1, count)...)
	r.upgraded()
	r.leave()
}

func namespaces(r *run) {
	r.connected(socketOptions{})
	r.peer.open(r.T, "/chat", socketOptions{Auth: map[string]any{"room": 1}})
	r.peer.connect(r.T, "/chat")
	r.expect("/chat", "connect")
	r.received("/chat", entry("connect", map[string]any{"room": 1}, false))
	if a, b := r.peer.state(r.T, "/"), r.peer.state(r.T, "/chat"); a.ID == b.ID || b.ID == "" {
		r.Errorf("ids %q and %q", a.ID, b.ID)
	}
	if n := r.srv.sessions(r.T); n != 1 {
		r.Errorf("two namespaces have %d sessions", n)
	}
	r.ping("main")
	r.peer.ask(r.T, "/chat", "there", "note", []byte("there"))
	r.expect("/chat acks", entry("there", []any{"noted", []byte("there")}))
	r.received("/chat", entry("note", []byte("there")))
	r.srv.emit(r.T, "/chat", "news", 1)
	r.expect("/chat", "news 1")

	r.peer.disconnect(r.T, "/chat")
	r.expect("/chat", "disconnect io client disconnect")
	r.received("/chat gone", "client namespace disconnect")
	r.ping("alone")
	r.peer.connect(r.T, "/chat")
	r.expect("/chat", "connect")
	r.received("/chat", entry("connect", map[string]any{"room": 1}, false))

	r.drop(faultproxy.Reset)
	r.disconnected(r.lost())
	r.expect("/chat", "disconnect "+r.lost())
	r.back(noAuth)
	r.expect("/chat", "connect")
	r.received("/chat", entry("connect", map[string]any{"room": 1}, false))
	r.ping("both are back")

	r.peer.disconnect(r.T, "/chat")
	r.expect("/chat", "disconnect io client disconnect")
	r.ping("one left")
	r.leave()
}

func gate(r *run) {
	const refusal = `connect_error not allowed {"code":7,"why":["token"]}`
	r.connected(socketOptions{})
	r.peer.open(r.T, "/gate", socketOptions{Auth: map[string]any{"token": "wrong"}})
	r.peer.connect(r.T, "/gate")
	r.expect("/gate", refusal)
	if s := r.peer.state(r.T, "/gate"); s.Connected || s.Active || s.ID != "" {
		r.Errorf("refused: %+v", s)
	}
	r.peer.open(r.T, "/nowhere", socketOptions{})
	r.peer.connect(r.T, "/nowhere")
	r.expect("/nowhere", "connect_error Invalid namespace")
	r.ping("the session lives on")

	r.peer.setAuth(r.T, "/gate", map[string]any{"token": "letmein"})
	r.peer.connect(r.T, "/gate")
	r.expect("/gate", "connect")
	r.received("/gate", entry("connect", map[string]any{"token": "letmein"}, false))
	r.peer.disconnect(r.T, "/")
	r.expect("/", "disconnect io client disconnect")
	r.peer.disconnect(r.T, "/gate")
	r.expect("/gate", "disconnect io client disconnect")
	r.expect("manager", "close forced close")
}

func gateAlone(r *run) {
	r.peer.open(r.T, "/gate", socketOptions{})
	for range 2 { // what is refused comes back only when told to
		r.peer.connect(r.T, "/gate")
		r.expect("manager", "open", "close forced close")
		r.expect("/gate", `connect_error not allowed {"code":7,"why":["token"]}`)
	}
	r.peer.setAuth(r.T, "/gate", map[string]any{"token": "letmein"})
	r.peer.connect(r.T, "/gate")
	r.expect("manager", "open")
	r.expect("/gate", "connect")
	r.received("/gate", entry("connect", map[string]any{"token": "letmein"}, false))
	r.ignore("engine") // upgrades of those that were refused may have begun, and failed
	r.peer.disconnect(r.T, "/gate")
	r.expect("/gate", "disconnect io client disconnect")
	r.expect("manager", "close forced close")
}

func connectTwice(r *run) {
	r.peer.open(r.T, "/", socketOptions{})
	r.peer.connect(r.T, "/")
	r.peer.connect(r.T, "/")
	r.expect("/", "connect")
	r.peer.connect(r.T, "/")
	r.expect("manager", "open")
	r.received("/", entry("connect", noAuth, false))
	r.upgraded()
	r.ping("once")
	r.leave()
}

func closeManager(r *run) {
	r.connected(socketOptions{})
	r.peer.open(r.T, "/chat", socketOptions{})
	r.peer.connect(r.T, "/chat")
	r.expect("/chat", "connect")
	r.received("/chat", entry("connect", noAuth, false))
	r.peer.close(r.T)
	r.disconnected("forced close")
	r.expect("/chat", "disconnect forced close")
}

func kicked(r *run) {
	r.connected(socketOptions{})
	r.peer.open(r.T, "/chat", socketOptions{})
	r.peer.connect(r.T, "/chat")
	r.expect("/chat", "connect")
	r.received("/chat", entry("connect", noAuth, false))
	r.peer.emit(r.T, "/chat", "kick")
	r.received("/chat", "kick")
	r.expect("/chat", "disconnect io server disconnect")
	r.received("/chat gone", "server namespace disconnect")
	r.ping("the other lives on")
	if s := r.peer.state(r.T, "/chat"); s.Connected || s.Active || s.ID != "" {
		r.Errorf("kicked: %+v", s)
	}
	r.peer.connect(r.T, "/chat")
	r.expect("/chat", "connect")
	r.received("/chat", entry("connect", noAuth, false))
	r.peer.disconnect(r.T, "/chat")
	r.expect("/chat", "disconnect io client disconnect")

	r.peer.emit(r.T, "/", "kick") // from its last namespace: the connection ends
	r.received("/", "kick")
	r.expect("/", "disconnect io server disconnect")
	r.expect("manager", "close forced close")
	r.peer.connect(r.T, "/")
	r.expect("manager", "open")
	r.expect("/", "connect")
	r.received("/", entry("connect", noAuth, false))
	r.upgraded()
	r.leave()
}

func kickedAll(r *run) {
	r.connected(socketOptions{})
	r.peer.open(r.T, "/chat", socketOptions{})
	r.peer.connect(r.T, "/chat")
	r.expect("/chat", "connect")
	r.received("/chat", entry("connect", noAuth, false))
	r.peer.emit(r.T, "/chat", "kick-all")
	r.received("/chat", "kick-all")
	r.expect("/chat", "disconnect io server disconnect")
	r.expect("/", "disconnect io server disconnect")
	r.expect("manager", "close forced close")
}

func ackTimeout(r *run) {
	r.srv.acks(r.T, 0, true)
	r.connected(socketOptions{AckTimeout: 150})
	r.peer.ask(r.T, "/", "late", "note", 1)
	r.received("/", "note 1")
	r.expect("/ acks", "late timeout")
	r.srv.release(r.T)
	r.peer.emit(r.T, "/", "echo", "after it") // comes after the late acknowledgement, which nobody gets
	r.expect("/", "echo after it")
	r.received("/", "echo after it")
	r.leave()
}
