package hostile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/test/internal/wire"
)

// Engine.IO packets, in the answers to polls unless said. A ping is lawful from a server (E-5, E-14); that there are
// too many of them is not.
var packetRows = slices.Concat(
	packetRefused("E-1", "abc", "7x", "", "\x1e\x1e", "97:x", "\x00\x04\x01\xff4x", "<html>busy</html>"),
	packetRefusedAfter("E-2", `42["x"]`+"\x1e", `42["x"]`+"\x1e\x1e"+`42["y"]`, `42["x"]`+"\x1e9\x1e"+`42["y"]`),
	refused("E-3", "4", "4 "),
	packetFloods,
	packetRefused("E-8", "b!!!!", "bAQI", "bAR==", "bAQ\nI=", "b===="),
	refusedPackets("E-8-empty", []wire.Packet{wire.Bin(nil)}),
	packetRefused("E-11", `42["`+"\xff"+`"]`, `42["`+"\xed\xa0\x80"+`"]`, "4\xe2\x1e4\x82\xac"),
	packetOddities,
	packetFrames("E-13", "", "9", "bAQID"),
)

const packetMany = 100_000

// packetRefused are rows in which the answer to a poll is no payload.
func packetRefused(id string, bodies ...string) []row {
	return lettered(id, row{on: polling, reason: client.ReasonParseError}, func(_ *env, s *session, body string) {
		s.body(body)
	}, bodies...)
}

// packetRefusedAfter are the same with an event before what is wrong; that is delivered, as the official client does.
func packetRefusedAfter(id string, bodies ...string) []row {
	return lettered(id, row{on: polling, reason: client.ReasonParseError, heard: []heard{{"x", "[]"}}},
		func(_ *env, s *session, body string) {
			s.body(body)
		}, bodies...)
}

// packetFrames are rows in which a text frame holds no packet.
func packetFrames(id string, texts ...string) []row {
	like := row{on: sockets, reason: client.ReasonParseError, status: 1002}
	return lettered(id, like, func(_ *env, s *session, text string) {
		s.send(message(text), message(`42["after"]`))
	}, texts...)
}

// packetFloods are many packets of which none is wrong.
var packetFloods = []row{
	{id: "E-4", run: func(_ *env, s *session) { // 100,000, not 10⁶
		s.say(slices.Repeat(txts("3"), packetMany)...)
	}},
	// Each ping asks for a pong, and a server that does not read them must not fill the client's memory.
	{id: "E-5", alloc: 16 << 20, run: func(_ *env, s *session) { s.say(slices.Repeat(txts("2"), packetMany)...) }},
	{id: "E-9", run: func(_ *env, s *session) { s.say(slices.Repeat(txts("6"), packetMany)...) }},
	{id: "E-10", alloc: 64 << 20, run: func(_ *env, s *session) {
		var all []wire.Packet
		for i := range 20_000 {
			all = append(all, wire.Txt(fmt.Sprintf(`42["n",%d]`, i)))
		}
		s.say(all...)
	}, heard: packetNumbers(20_000)},
}

func packetNumbers(n int) (all []heard) {
	for i := range n {
		all = append(all, heard{"n", fmt.Sprintf("[%d]", i)})
	}
	return all
}

var packetOddities = []row{
	{id: "E-6", run: func(e *env, s *session) { // a second handshake changes nothing
		s.say(txts("5", `0{"sid":"other","upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":1}`,
			"6", "0", "0{", "5probe", "3probe")...)
		s.say(txts(`42["x"]`)...)
		e.until("the event", func() bool { return len(e.heard) == 1 })
		if e.m.Engine().ID() != s.sid || e.m.Engine().Handshake().MaxPayload != 1_000_000 {
			e.Errorf("the session is %+v", e.m.Engine().Handshake())
		}
	}, heard: []heard{{"x", "[]"}}},
	// The server has to be asked no more, and what comes behind its close packet is nobody's.
	{id: "E-7", on: polling, run: func(_ *env, s *session) {
		s.body(`42["before"]` + "\x1e1\x1e" + `42["after"]`)
	}, reason: client.ReasonTransportClose, heard: []heard{{"before", "[]"}}},
	{id: "E-7-bad", on: polling, run: func(_ *env, s *session) { s.body("1\x1ewhatever") },
		reason: client.ReasonTransportClose},
	{id: "E-12", on: polling, run: packetChunks, any: true},
	{id: "E-14", run: func(e *env, s *session) {
		for _, ping := range txts("2probe", "2"+strings.Repeat("x", 100_000)) {
			s.say(ping)
			if rest := s.expect("3"); rest != "" && rest != "probe" {
				e.Errorf("a pong of %d bytes", len(rest))
			}
		}
		s.say(txts(`42["x"]`)...)
	}, heard: []heard{{"x", "[]"}}},
	{id: "E-15", on: sockets, run: func(_ *env, s *session) { s.say(txts("1", `42["after"]`)...) },
		reason: client.ReasonTransportClose},
}

// packetChunks: how an answer is cut into chunks and segments changes nothing.
func packetChunks(e *env, s *session) {
	body := `42["x","é€𝄞"]` + "\x1e" + `451-["y",{"_placeholder":true,"num":0}]` + "\x1ebAQID\x1e" + `42["z",1]`
	want := []heard{{"x", `["é€𝄞"]`}, {"y", "binary"}, {"z", "[1]"}}
	send := func(chunks ...string) {
		var b strings.Builder
		b.WriteString("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for _, c := range chunks {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
		}
		b.WriteString("0\r\n\r\n")
		s.text(b.String())
		e.until("the events", func() bool { return len(e.heard) >= len(want) })
		e.hears(want...)
		e.update(func() { e.heard = nil })
	}
	e.any = false
	for i := 1; i < len(body); i++ {
		send(body[:i], body[i:])
	}
	var single []string
	for i := range len(body) {
		single = append(single, body[i:i+1])
	}
	send(single...)
	e.any = true
}

// packetPieces are what random input is made of beside random bytes.
var packetPieces = []string{
	"\x1e", "4", "2", "3", "6", "5", "b", "bAQID", "0{", "\xff", "\xe2\x82", "é",
	`42["x"]`, `40{"sid":"y"}`, `40`, `451-["x",{"_placeholder":true,"num":0}]`,
	"40/admin,", `43[]`, `430[1]`, `42/admin,1["echo"]`, `427["echo",1]`, `44{"message":"no"}`, "1", "9", "\x00",
}

// TestRandom is row E-17: random payloads and frames, not as fuzzing does it, but through all layers.
func TestRandom(t *testing.T) {
	w := watch(t)
	for _, transport := range []string{"polling", "websocket", "upgraded"} {
		t.Run("E-17/"+transport, func(t *testing.T) {
			goroutines := runtime.NumGoroutine()
			srv := listen(t)
			srv.hostile = 60
			r := rand.New(rand.NewPCG(17, 1))
			for range srv.hostile {
				packetRandom(t, srv, transport, r)
			}
			srv.close()
			wait(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines }, stacks)
			w.unharmed(t)
		})
	}
}

// packetRandom says random things in one session until the client ends it, and at last something that any client ends
// it for.
func packetRandom(t *testing.T, srv *server, transport string, r *rand.Rand) {
	opts := &client.Options{DisableReconnection: true}
	opts.OnError = func(_ context.Context, _ *client.Socket,
		_ *client.Event, err error) {
		t.Errorf("OnError: %v", err)
	}
	if transport != "upgraded" {
		opts.Engine.Transports = []string{transport}
	}
	m := client.NewManager(srv.url(), opts)
	closed := make(chan client.DisconnectReason, 1)
	m.OnClose(func(reason client.DisconnectReason, _ error) { closed <- reason })
	io := m.Socket("/", nil)
	io.On("echo", func(_ context.Context, ev *client.Event) error {
		if ev.WantsAck() {
			return ev.Ack(ev.Args)
		}
		return nil
	})
	io.Open()
	s := srv.first()
	if transport == "upgraded" {
		<-s.upgraded
	}
	s.join("/")
	var said [][]byte
	for range 20 {
		b := wire.Garbage(r, packetPieces)
		said = append(said, b)
		if s.onWebSocket() {
			s.send(wire.Frame{Opcode: wire.Text + byte(r.IntN(2)), Unmasked: true, Payload: b})
		} else {
			s.body(string(b))
		}
	}
	if s.onWebSocket() {
		s.send(message("9"))
	} else {
		s.body("9")
	}
	select {
	case reason := <-closed:
		if reason == client.ReasonPingTimeout {
			t.Errorf("%q: %s", said, reason)
		}
	case <-time.After(patience):
		t.Errorf("%q: the client is still connected", said)
	}
	shutdown(t, m)
}
