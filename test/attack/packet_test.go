package attack

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// Engine.IO packets. What other tests cover:
//
//	E-8, E-17  fuzzing: FuzzDecodePacket and FuzzDecodePayload of engineio/packet, FuzzServer of engineio
//	E-9        the time: BenchmarkPayloadNoops of engineio/packet
//	E-18       TestRoundTrip and the fuzz tests of engineio/packet
//	E-19       payload_test.go of test/parser, against the official parser
//	E-20..22   old_test.go
var packetRows = []row{
	{id: "E-1a", run: packetRefused("abc"), reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-1b", run: packetRefused("7x"), reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-1c", run: packetRefused(""), reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-1d", run: packetRefused("\x1e\x1e"), reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-1e", run: func(e *env) { // and the pending GET is told
		s := e.connect("polling")
		get := upgradePoll(e, s)
		e.post(s, nil, "abc", 400)
		upgradeAnswer(e, get, "1")
		e.gone(s.SID)
	}, reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-2a", run: packetRefusedAfter(`42["x"]` + "\x1e"),
		reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-2b", run: packetRefusedAfter(`42["x"]` + "\x1e\x1e" + `42["y"]`),
		reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-2c", run: packetRefusedAfter(`42["x"]` + "\x1e9\x1e" + `42["y"]`),
		reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-3a", run: packetNoSocketIO("4"), reject: socketio.RejectParse, reason: socketio.ReasonParseError},
	{id: "E-3b", run: packetClosed(wire.Txt("4"), 1002, "parse error"),
		reject: socketio.RejectParse, reason: socketio.ReasonParseError},
	{id: "E-4a", run: func(e *env) { // 100,000 times, not 10⁶
		packetPongs(e, e.connect("polling"), func(s *wire.Session) {
			e.post(s, nil, strings.Repeat("3\x1e", packetMany-1)+"3", 200)
		})
	}, reject: engineio.RejectPong, times: packetMany},
	{id: "E-4b", run: func(e *env) {
		packetPongs(e, e.connect("websocket"), func(s *wire.Session) {
			if err := s.WebSocket().WriteRaw(bytes.Repeat(wire.Frame{Opcode: wire.Text,
				Payload: []byte("3")}.Append(nil), packetMany)); err != nil {
				e.Fatal(err)
			}
		})
	}, reject: engineio.RejectPong, times: packetMany},
	{id: "E-5a", run: packetRefused("2"), reject: engineio.RejectHeartbeat, reason: socketio.ReasonTransportError},
	{id: "E-5b", run: packetClosed(wire.Txt("2"), 1002, "invalid heartbeat direction"),
		reject: engineio.RejectHeartbeat, reason: socketio.ReasonTransportError},
	{id: "E-6", run: func(e *env) {
		s := e.connect("polling")
		e.post(s, nil, "5\x1e0{\"sid\":\"x\"}\x1e6", 200)
		e.alive(s)
	}, reject: engineio.RejectUnexpected, times: 2}, // a noop is what it is
	{id: "E-7a", run: func(e *env) {
		s := e.connect("polling")
		get := upgradePoll(e, s)
		e.post(s, nil, "1\x1e"+`42["x"]`, 200)
		upgradeAnswer(e, get, "6")
		e.gone(s.SID)
		e.checkVictims(socketio.ReasonTransportClose)
		packetHeard(e)
	}, reject: engineio.RejectSession, reason: socketio.ReasonTransportClose},
	{id: "E-7b", run: func(e *env) {
		s := e.connect("polling")
		e.post(s, nil, `42["before"]`+"\x1e1\x1e"+`42["after"]`, 200)
		e.gone(s.SID)
		e.checkVictims(socketio.ReasonTransportClose)
		packetHeard(e, heard{"before", "[]"})
	}, reject: engineio.RejectSession, reason: socketio.ReasonTransportClose},
	// an empty binary message
	{id: "E-8a", run: packetNoSocketIO("b"), reject: socketio.RejectParse, reason: socketio.ReasonParseError},
	{id: "E-8b", run: packetRefused("b!!!!"), reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-8c", run: packetNoSocketIO("bAQI"), reject: socketio.RejectParse, reason: socketio.ReasonParseError},
	{id: "E-8d", run: packetNoSocketIO("bAR=="), reject: socketio.RejectParse, reason: socketio.ReasonParseError},
	{id: "E-8e", run: packetNoSocketIO("bAQ\nI="), reject: socketio.RejectParse, reason: socketio.ReasonParseError},
	{id: "E-9", run: func(e *env) {
		s := e.connect("polling")
		e.post(s, nil, strings.Repeat("6\x1e", 99_999)+"6", 200)
		e.alive(s)
	}},
	{id: "E-10a", run: func(e *env) { // 20,000, not 500,000
		s := e.connect("polling")
		e.post(s, nil, packetNumbers(20_000), 200)
		packetInOrder(e, 20_000)
		e.alive(s)
	}},
	{id: "E-10b", run: packetFullInbox},
	{id: "E-11a", run: packetRefused(`42["` + "\xff" + `"]`),
		reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-11b", run: packetRefused(`42["` + "\xed\xa0\x80" + `"]`),
		reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-11c", run: packetRefusedAfter(`42["x"]` + "\x1e4\xe2\x1e4\x82\xac"),
		reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
	{id: "E-11d", run: packetClosed(wire.Txt(`42["`+"\xff"+`"]`), 1007, "text is not UTF-8"),
		reject: engineio.RejectWebSocket, reason: socketio.ReasonTransportError},
	{id: "E-12", run: packetChunks},
	{id: "E-13a", run: packetClosed(wire.Txt(""), 1002, "malformed packet"),
		reject: engineio.RejectPacket, reason: socketio.ReasonParseError},
	{id: "E-13b", run: packetClosed(wire.Txt("9"), 1002, "malformed packet"),
		reject: engineio.RejectPacket, reason: socketio.ReasonParseError},
	{id: "E-13c", run: packetClosed(wire.Txt("bAQID"), 1002, "malformed packet"),
		reject: engineio.RejectPacket, reason: socketio.ReasonParseError},
	{id: "E-13d", run: packetBase64}, // a client that asked for text only may send b…
	{id: "E-14", run: packetClosed(wire.Txt("2probe"), 1002, "invalid heartbeat direction"),
		reject: engineio.RejectHeartbeat, reason: socketio.ReasonTransportError},
	{id: "E-15", run: packetClosed(wire.Txt("1"), 1000, "transport close"), reason: socketio.ReasonTransportClose},
	{id: "E-16", run: func(e *env) {
		s := e.connect("websocket")
		packetSend(e, s, wire.Txt("5"), wire.Txt("6"), wire.Txt("0"), wire.Txt(`0{"sid":"x"}`))
		e.alive(s)
	}, reject: engineio.RejectUnexpected, times: 3},
	{id: "E-17a", run: packetRandomPayloads},
	{id: "E-17b", run: packetRandomFrames},
}

const packetMany = 100_000

// packetRefused posts a payload that ends the session: 400, and nothing of it is left.
func packetRefused(body string) func(e *env) {
	return func(e *env) {
		s := e.connect("polling")
		e.post(s, nil, body, 400)
		e.gone(s.SID)
	}
}

// packetRefusedAfter is packetRefused for a payload that begins with the event x. The event gets as far as the inbox: a
// parse error drops events that wait, so whether the handler hears of it depends on who is faster.
func packetRefusedAfter(body string) func(e *env) {
	return func(e *env) {
		s := e.connect("polling")
		before := e.io.Stats().EventsIn
		e.post(s, nil, body, 400)
		if n := e.io.Stats().EventsIn - before; n != 1 {
			e.Errorf("%d events were delivered", n)
		}
		e.gone(s.SID)
		e.checkVictims(socketio.ReasonParseError)
		e.update(func() {
			if len(e.heard) > 1 || len(e.heard) == 1 && e.heard[0].name != "x" {
				e.Errorf("heard %v", e.heard)
			}
		})
	}
}

// packetNoSocketIO posts what is a packet of Engine.IO and none of Socket.IO. The POST has done its work then.
func packetNoSocketIO(body string) func(e *env) {
	return func(e *env) {
		s := e.connect("polling")
		e.post(s, nil, body, 200)
		e.gone(s.SID)
	}
}

// packetClosed sends a packet by WebSocket that ends the session, and another one that nobody may hear.
func packetClosed(p wire.Packet, status int, reason string) func(e *env) {
	return func(e *env) {
		s := e.connect("websocket")
		packetSend(e, s, p, wire.Txt(`42["after"]`))
		packetCloses(e, s.WebSocket(), status, reason)
		// a fault of the frame is told to the peer first
		e.settle(func() bool { return e.io.Stats().Engine.Sessions == 0 })
		e.gone(s.SID)
		e.update(func() {
			if len(e.heard) > 0 {
				e.Errorf("heard %v", e.heard)
			}
		})
	}
}

func packetSend(e *env, s *wire.Session, ps ...wire.Packet) {
	e.Helper()
	if err := s.Send(ps...); err != nil {
		e.Fatal(err)
	}
}

// packetCloses reads a close frame, answers it, and sees the server end the connection.
func packetCloses(e *env, ws *wire.WebSocket, status int, reason string) {
	e.Helper()
	f, err := ws.Read()
	if err != nil {
		e.Fatalf("instead of a close frame: %v", err)
	}
	got, text := f.CloseStatus()
	if f.Opcode != wire.CloseFrame || got != status || text != reason {
		e.Fatalf("frame %d %q, want close %d %q", f.Opcode, f.Payload, status, reason)
	}
	_ = ws.Write(wire.CloseWith(1000, "")) // it may be too late
	if f, err := ws.Read(); err == nil {
		e.Fatalf("after the close frame: %d %q", f.Opcode, f.Payload)
	}
	_ = ws.Close()
}

// packetHeard waits for what the handlers heard.
func packetHeard(e *env, want ...heard) {
	e.Helper()
	e.until(fmt.Sprintf("%d events", len(want)), func() bool { return len(e.heard) >= len(want) })
	e.update(func() {
		if !slices.Equal(e.heard, want) {
			e.Errorf("heard %v, want %v", e.heard, want)
		}
	})
}

// packetPongs sends very many pongs that nobody asked for: no goroutine comes of it.
func packetPongs(e *env, s *wire.Session, send func(s *wire.Session)) {
	e.alive(s)
	before := runtime.NumGoroutine()
	send(s)
	e.alive(s)
	wait(e.T, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= before+1 }, func() string {
		// a flusher, for a moment
		return fmt.Sprintf("%d, %d before", runtime.NumGoroutine(), before)
	})
}

// packetNumbers is a payload of numbered events.
func packetNumbers(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(0x1e)
		}
		fmt.Fprintf(&b, `42["n",%d]`, i)
	}
	return b.String()
}

// packetInOrder waits for the numbered events.
func packetInOrder(e *env, n int) {
	e.Helper()
	e.until("the events", func() bool { return len(e.heard) >= n })
	e.update(func() {
		for i, h := range e.heard {
			if want := (heard{"n", fmt.Sprintf("[%d]", i)}); h != want {
				e.Fatalf("heard %v as number %d", h, i)
			}
		}
		e.heard = nil
	})
}

// packetFullInbox: while a handler hangs, no more events are taken than the inbox holds, and the POST waits.
func packetFullInbox(e *env) {
	const n = 20_000
	s := e.connect("polling")
	h, release := packetHeldUp(e, s, n)
	release()
	res, err := h.Finish(http.MethodPost)
	if err != nil {
		e.Fatal(err)
	}
	e.answer(res, 200, "ok")
	packetInOrder(e, n)
	e.alive(s)
}

// packetHeldUp posts n numbered events, whose handler hangs until release is called, and returns when the inbox is
// full.
func packetHeldUp(e *env, s *wire.Session, n int) (post *wire.HTTP, release func()) {
	e.Helper()
	released := make(chan struct{})
	e.io.Handle("n", func(ctx context.Context, _ *socketio.Socket, _ *socketio.Event) error {
		select {
		case <-released:
		case <-ctx.Done():
		}
		return nil
	})
	before := e.io.Stats().EventsIn
	h, err := e.HTTP()
	if err != nil {
		e.Fatal(err)
	}
	e.later(func() { _ = h.Close() })
	if err := h.Start(http.MethodPost, e.URL("polling", s.SID), nil, []byte(packetNumbers(n))); err != nil {
		e.Fatal(err)
	}
	e.settle(func() bool { return parked("select", "dispatch.(*Inbox[...]).Push") })
	// What one connection may hold by default of a server that holds nothing else.
	if took := e.io.Stats().EventsIn - before; took < 8_000 || took > 12_000 {
		e.Errorf("%d events were taken", took)
	}
	if held := e.io.Stats().Engine.Memory.Held; held < 3<<20 || held > 5<<20 {
		e.Errorf("%d bytes are held", held)
	}
	return h, func() { close(released) }
}

// packetChunks: how a body is cut into chunks and segments changes nothing.
func packetChunks(e *env) {
	body := `42["x","é€𝄞"]` + "\x1e" + `451-["y",{"_placeholder":true,"num":0}]` + "\x1ebAQID\x1e" + `42["z",1]`
	want := []heard{{"x", `["é€𝄞"]`}, {"y", "binary"}, {"z", "[1]"}}
	s := e.connect("polling")
	h, err := e.HTTP()
	if err != nil {
		e.Fatal(err)
	}
	e.later(func() { _ = h.Close() })
	send := func(chunks ...string) {
		e.update(func() { e.heard = nil })
		head := "POST " + e.URL("polling", s.SID) + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		for _, c := range chunks {
			if err := h.Write(fmt.Appendf(nil, "%s%x\r\n%s\r\n", head, len(c), c)); err != nil {
				e.Fatal(err)
			}
			head = ""
		}
		if err := h.Write([]byte("0\r\n\r\n")); err != nil {
			e.Fatal(err)
		}
		res, err := h.Finish(http.MethodPost)
		if err != nil {
			e.Fatal(err)
		}
		e.answer(res, 200, "ok")
		packetHeard(e, want...)
	}
	for i := 1; i < len(body); i++ {
		send(body[:i], body[i:])
	}
	send(strings.Split(body, "")...) // runes
	var single []string
	for i := range len(body) {
		single = append(single, body[i:i+1])
	}
	send(single...)
	e.update(func() { e.heard = nil })
	e.alive(s)
}

// packetBase64: a client that said b64 at its handshake sends and gets binary data as text.
func packetBase64(e *env) {
	ws, err := e.WebSocket(e.URL("websocket", "")+"&b64=1", nil)
	if err != nil {
		e.Fatal(err)
	}
	e.later(func() { _ = ws.Close() })
	if f, err := ws.Read(); err != nil || !bytes.HasPrefix(f.Payload, []byte("0{")) {
		e.Fatalf("open packet: %q, %v", f.Payload, err)
	}
	upgradeSend(e, ws, "40")
	if f, err := ws.Read(); err != nil || !bytes.HasPrefix(f.Payload, []byte("40{")) {
		e.Fatalf("answer to CONNECT: %q, %v", f.Payload, err)
	}
	const head = `451-["echo",{"_placeholder":true,"num":0}]`
	upgradeSend(e, ws, head, "bAQID")
	upgradeWant(e, ws, head, "bAQID")
	if err := ws.Write(wire.Frame{Opcode: wire.Text, Payload: []byte(head)},
		wire.Frame{Opcode: wire.Binary, Payload: []byte{4}}); err != nil {
		e.Fatal(err)
	}
	upgradeWant(e, ws, head, "bBA==")     // a binary frame is understood too
	upgradeSend(e, ws, head, "bA-\r\n_D") // as clients make it
	upgradeWant(e, ws, head, "bA+/D")
	upgradeSend(e, ws, "bAQI*") // and not what is none
	packetCloses(e, ws, 1002, "malformed packet")
	e.settle(func() bool { return e.io.Stats().Rejected[engineio.RejectPacket] == 1 })
}

// packetPieces are what random payloads are made of beside random bytes.
var packetPieces = []string{
	"\x1e", "4", "2", "3", "6", "5", "b", "bAQID", "0{", "\xff", "\xe2\x82",
	"é", `42["x"]`, `40`, `41`, `451-["x",{"_placeholder":true,"num":0}]`,
	"40/admin,", `43[]`, `42/admin,1["echo"]`, "1", "9", "\x00",
}

// packetRandomPayloads: 300, not fuzzing, but through all layers.
func packetRandomPayloads(e *env) {
	r := rand.New(rand.NewPCG(17, 1))
	h, err := e.HTTP()
	if err != nil {
		e.Fatal(err)
	}
	e.later(func() { _ = h.Close() })
	var s *wire.Session
	for i := range 300 {
		if s == nil {
			s = e.session("polling")
			if _, err := s.Connect("/", ""); err != nil {
				e.Fatal(err)
			}
		}
		body := wire.Garbage(r, packetPieces)
		res, err := h.Do(http.MethodPost, e.URL("polling", s.SID), nil, body)
		switch {
		case err != nil:
			e.Fatalf("%q: %v", body, err)
		case res.Status == 400 && len(res.Body) > 0 && strings.TrimSpace(string(res.Body)) != code1:
			e.Errorf("%q: answer %q", body, res.Body)
		case res.Status != 200 && res.Status != 400:
			e.Errorf("payload %d, %q: status %d", i, body, res.Status)
		}
		if res.Status == 400 {
			e.gone(s.SID)
			s = nil
		}
	}
}

// packetRandomFrames: 300 lawful frames with anything in them.
func packetRandomFrames(e *env) {
	r := rand.New(rand.NewPCG(17, 2))
	var s *wire.Session
	for range 300 {
		if s == nil {
			s = e.session("websocket")
			if _, err := s.Connect("/", ""); err != nil {
				e.Fatal(err)
			}
		}
		f := wire.Frame{Opcode: wire.Text + byte(r.IntN(2)), Payload: wire.Garbage(r, packetPieces)}
		// The ping is answered, or the connection is closed with one of the statuses that say whose fault it is.
		if err := s.WebSocket().Write(f, wire.Frame{Opcode: wire.Ping, Payload: []byte("p")}); err != nil {
			e.Fatalf("%q: %v", f.Payload, err)
		}
		for {
			got, err := s.WebSocket().Read()
			if err != nil {
				e.Fatalf("%q: %v", f.Payload, err)
			}
			if got.Opcode == wire.Pong {
				break
			}
			if got.Opcode != wire.CloseFrame {
				continue
			}
			if status, _ := got.CloseStatus(); status != 1000 && status != 1002 && status != 1007 {
				e.Errorf("%q: status %d", f.Payload, status)
			}
			s.Abort()
			s = nil
			break
		}
	}
}
