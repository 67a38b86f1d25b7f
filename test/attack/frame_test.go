package attack

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// The rows of the WebSocket frames.
//
// Not here: F-17 and F-20 (the Autobahn groups, a model decoder) and the fuzzing half of F-18 are tests of
// internal/websocket, with the deadlines of 10 and 30 seconds of F-26 and F-28, and the bytes that F-14 and F-25 may
// allocate. F-30 to F-33 are in deflate_test.go; without Engine.Deflate nothing of theirs is inflated, which is shown
// here. The half of F-1 about clients belongs to a client.

// frameMask is one that changes the payload.
var frameMask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// frameOf is a whole message, or with wire.Part a part of one.
func frameOf(opcode byte, payload string) wire.Frame {
	return wire.Frame{Opcode: opcode, Payload: []byte(payload), Mask: frameMask}
}

func frameUnmasked(f wire.Frame) wire.Frame { f.Unmasked = true; return f }

// frameHello is an event that must not reach a handler when something is wrong with its frames.
const frameHello = `42["hello"]`

// frameViolation is a row in which each of the cases, on a connection of its own, is closed with the status.
func frameViolation(id string, status int, reject string, cases ...[]wire.Frame) row {
	return row{id: id, run: func(e *env) {
		for _, frames := range cases {
			s := e.connect("websocket")
			e.frameSend(s, frames...)
			e.frameClosed(s, status)
		}
		e.frameSilence()
	}, reject: reject, times: len(cases), reason: socketio.ReasonTransportError}
}

func frameBroken(id string, cases ...[]wire.Frame) row {
	return frameViolation(id, 1002, engineio.RejectWebSocket, cases...)
}

// frameSend sends frames with one call. That works even when the server has objections to the first: it reads on until
// the peer knows.
func (e *env) frameSend(s *wire.Session, frames ...wire.Frame) {
	e.Helper()
	if err := s.WebSocket().Write(frames...); err != nil {
		e.Fatal(err)
	}
}

// frameClosed reads up to the server's close frame, which must have the status and a short text of the server's own
// (1009 has none, as officially), and on to the end of the connection.
func (e *env) frameClosed(s *wire.Session, status int) {
	e.Helper()
	f, err := s.WebSocket().ReadClose()
	if err != nil {
		e.Fatalf("instead of a close frame: %v", err)
	}
	if got, text := f.CloseStatus(); got != status || (text == "") != (status == 1009) || len(text) > 40 {
		e.Errorf("closed with %d %q, want %d and a short text", got, text, status)
	}
	e.frameOver(s)
}

// frameOver checks that the connection ends with nothing more.
func (e *env) frameOver(s *wire.Session) {
	e.Helper()
	if f, err := s.WebSocket().Read(); !errors.Is(err, io.EOF) {
		e.Errorf("after the close frame: %v, %v", f, err)
	}
	s.Abort()
}

// frameCounted waits for a refusal to be counted: the peer hears of it a moment earlier.
func (e *env) frameCounted(label string, n uint64) {
	e.Helper()
	e.settle(func() bool { return e.io.Stats().Rejected[label] == n })
}

// frameSilence checks that no handler has heard anything.
func (e *env) frameSilence() {
	e.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.heard) != 0 {
		e.Errorf("handlers heard %v", e.heard)
	}
}

// frameBlameless checks that nothing was held against anybody.
func (e *env) frameBlameless() {
	e.Helper()
	if st := e.io.Stats(); len(st.Rejected) != 0 {
		e.Errorf("counted %v", st.Rejected)
	}
}

// frameEchoes waits for the answer to an echo with one text argument.
func (e *env) frameEchoes(s *wire.Session, arg string) {
	e.Helper()
	rest, err := s.Expect(`42["echo",`)
	if err != nil {
		e.Fatal(err)
	}
	var got string
	if err := json.Unmarshal([]byte(strings.TrimSuffix(rest, "]")), &got); err != nil || got != arg {
		e.Fatalf("echo %.200q, %v; want %.200q", got, err, arg)
	}
}

// frameFragments cuts a text message into fragments of the size.
func frameFragments(text string, size int) []wire.Frame { return wire.Fragments(frameOf, text, size) }

// frameStatuses is a case for each status.
func frameStatuses(status ...uint16) (cases [][]wire.Frame) {
	for _, s := range status {
		cases = append(cases, []wire.Frame{wire.CloseWith(s, "")})
	}
	return cases
}

// frameOverflow is the first frame of CVE-2026-27889: a length with the top bit set, a mask and one byte.
var frameOverflow = []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0x37, 0xfa, 0x21, 0x3d, 0}

var frameRows = slices.Concat([]row{
	frameBroken("F-1a", wire.Each(
		frameUnmasked(frameOf(wire.Text, frameHello)), frameUnmasked(frameOf(wire.Binary, "x")),
		frameUnmasked(frameOf(wire.Ping, "")),
	)...),
	// On a WebSocket that upgrades it costs only that one.
	{id: "F-1b", run: func(e *env) {
		s := e.connect("polling")
		ws, err := e.WebSocket(e.URL("websocket", s.SID), nil)
		if err != nil {
			e.Fatal(err)
		}
		defer ws.Close()
		if err := ws.Write(frameUnmasked(frameOf(wire.Text, "2probe"))); err != nil {
			e.Fatal(err)
		}
		f, err := ws.ReadClose()
		if status, _ := f.CloseStatus(); err != nil || status != 1002 {
			e.Errorf("closed with %d, %v", status, err)
		}
		e.frameCounted(engineio.RejectUpgradeLost, 1)
		e.alive(s)
	}, reject: engineio.RejectUpgradeLost},
	frameBroken("F-2", wire.Each(
		wire.RSV(1, frameOf(wire.Text, frameHello)), wire.RSV(2, frameOf(wire.Text, frameHello)),
		wire.RSV(4, frameOf(wire.Text, frameHello)), wire.RSV(7, frameOf(wire.Binary, "x")),
	)...),
	frameBroken("F-3", wire.Each(
		frameOf(3, frameHello), frameOf(4, frameHello), frameOf(5, frameHello),
		frameOf(6, frameHello), frameOf(7, frameHello),
		frameOf(11, ""), frameOf(12, ""), frameOf(13, ""), frameOf(14, ""), frameOf(15, ""),
	)...),
	frameBroken("F-4a", wire.Controls(func(opcode byte) wire.Frame { return wire.Part(frameOf(opcode, "")) })...),
	frameBroken("F-4b", wire.Controls(func(opcode byte) wire.Frame {
		return frameOf(opcode,
			strings.Repeat("\x03", 126))
	})...),
	frameBroken("F-4c", wire.Controls(func(opcode byte) wire.Frame {
		return wire.Claims(1<<40,
			frameOf(opcode, ""))
	})...),
	frameBroken("F-5a", wire.Each(frameOf(wire.Continuation, frameHello),
		wire.Part(frameOf(wire.Continuation, frameHello)))...),
	frameBroken("F-5b",
		[]wire.Frame{wire.Part(frameOf(wire.Text, "42")), frameOf(wire.Text, frameHello)},
		[]wire.Frame{wire.Part(frameOf(wire.Text, "42")), frameOf(wire.Ping, ""), frameOf(wire.Binary, "x")},
		[]wire.Frame{wire.Part(frameOf(wire.Binary, "x")),
			wire.Part(frameOf(wire.Continuation, "x")), frameOf(wire.Text, frameHello)},
	),
	frameBroken("F-6a", wire.Each(frameOf(wire.CloseFrame, "\x03"))...),
	frameBroken("F-6b", frameStatuses(0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)...),
	frameViolation("F-7", 1007, engineio.RejectWebSocket, wire.Each(
		wire.CloseWith(1000, "\xff"), wire.CloseWith(1000, "\xed\xa0\x80"), wire.CloseWith(4000, "cut \xe2\x82"),
	)...),
}, frameCloseRows, frameLengthRows, frameTextRows, frameControlRows, frameFragmentRows, frameDeflateRows)

var frameCloseRows = []row{
	{id: "F-8", run: func(e *env) {
		for _, status := range []uint16{1000, 1001, 1011, 3000, 4999} {
			s := e.connect("websocket")
			e.frameSend(s, wire.CloseWith(status, "reason"))
			f, err := s.WebSocket().ReadClose()
			if got, _ := f.CloseStatus(); err != nil || got != int(status) {
				e.Errorf("closed with %d, %v; want %d", got, err, status)
			}
			e.frameOver(s)
		}
		s := e.connect("websocket")
		e.frameSend(s, frameOf(wire.CloseFrame, ""))
		f, err := s.WebSocket().ReadClose()
		if err != nil || len(f.Payload) != 0 {
			e.Errorf("closed with %q, %v; want the same without a status", f.Payload, err)
		}
		e.frameOver(s)
		e.frameBlameless()
	}, reason: socketio.ReasonTransportClose},
	{id: "F-10a", run: func(e *env) {
		s := e.connect("websocket")
		e.frameSend(s, wire.CloseWith(1000, ""), frameOf(wire.Text, frameHello), frameUnmasked(frameOf(3, "garbage")))
		e.frameClosedBy(s, 1000)
		e.frameSilence()
		e.frameBlameless()
	}, reason: socketio.ReasonTransportClose},
	{id: "F-10b", run: func(e *env) {
		s := e.connect("websocket")
		e.frameSend(s, wire.CloseWith(1000, ""), wire.CloseWith(1002, ""), frameOf(wire.CloseFrame, "\x03"))
		e.frameClosedBy(s, 1000)
		e.frameBlameless()
	}, reason: socketio.ReasonTransportClose},
	// The server closes, and the peer neither answers nor hangs up: the connection is cut after five seconds. What it
	// goes on sending is read over.
	{id: "F-10c", run: func(e *env) {
		s := e.connect("websocket")
		for sock := range e.io.Sockets() {
			sock.Disconnect(true)
		}
		f, err := s.WebSocket().ReadClose()
		if status, _ := f.CloseStatus(); err != nil || status != 1000 {
			e.Errorf("closed with %d, %v", status, err)
		}
		e.frameSend(s, frameOf(wire.Text, frameHello), frameOf(wire.Ping, "still there"))
		if f, err := s.WebSocket().Read(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			e.Errorf("after the close frame: %v, %v", f, err)
		}
		e.frameSilence()
		e.frameBlameless()
	}, reason: socketio.ReasonServerDisconnect},
}

// frameClosedBy reads the answer to the client's own close frame.
func (e *env) frameClosedBy(s *wire.Session, status int) {
	e.Helper()
	f, err := s.WebSocket().ReadClose()
	if got, _ := f.CloseStatus(); err != nil || got != status {
		e.Errorf("closed with %d, %v; want %d", got, err, status)
	}
	e.frameOver(s)
}

var frameLengthRows = []row{
	// Lengths that are not minimal are accepted, as package websocket documents.
	{id: "F-9", run: func(e *env) {
		s := e.connect("websocket")
		for _, n := range []int{0, 200} {
			arg := strings.Repeat("x", n)
			for _, size := range []int{2, 8} {
				f := frameOf(wire.Text, `42["echo","`+arg+`"]`)
				f.LengthBytes = size
				e.frameSend(s, f)
				e.frameEchoes(s, arg)
			}
		}
		ping := frameOf(wire.Ping, "short")
		ping.LengthBytes = 8
		// A control frame says its length in seven bits (RFC 6455 5.5).
		e.frameSend(s, ping)
		e.frameClosed(s, 1002)
	}, reject: engineio.RejectWebSocket, reason: socketio.ReasonTransportError},
	// Before any CONNECT, whole and split at each place.
	{id: "F-11", run: func(e *env) {
		for i := range frameOverflow {
			s := e.session("websocket")
			for _, part := range [][]byte{frameOverflow[:i], frameOverflow[i:]} {
				if err := s.WebSocket().WriteRaw(part); err != nil {
					e.Fatal(err)
				}
			}
			e.frameClosed(s, 1002)
		}
		for _, n := range []uint64{1 << 63, 1<<63 + 1, math.MaxUint64} {
			s := e.session("websocket")
			e.frameSend(s, wire.Claims(n, frameOf(wire.Text, "")))
			e.frameClosed(s, 1002)
		}
		e.frameCounted(engineio.RejectWebSocket, uint64(len(frameOverflow)+3))
	}, reject: engineio.RejectWebSocket, times: len(frameOverflow) + 3},
	frameViolation("F-12", 1009, engineio.RejectMessageSize, wire.Each(
		wire.Claims(math.MaxInt64, frameOf(wire.Text, "4")),
		wire.Claims(1<<40, frameOf(wire.Binary, "x")), wire.Claims(1<<32, frameOf(wire.Text, "")),
	)...),
	frameViolation("F-13a", 1009, engineio.RejectMessageSize,
		[]wire.Frame{wire.Part(frameOf(wire.Text, "4")), wire.Claims(math.MaxInt64, frameOf(wire.Continuation, ""))},
		[]wire.Frame{
			wire.Part(frameOf(wire.Text, "42")), frameOf(wire.Ping, ""),
			wire.Claims(math.MaxInt64-1, wire.Part(frameOf(wire.Continuation, ""))),
		},
	),
	// The frame that crosses the limit is refused by its header alone.
	{id: "F-13b", run: func(e *env) {
		s := e.connect("websocket")
		frames := frameFragments(event(1_000_000), 100_000)
		frames[9].NotFinal = true
		e.frameSend(s, frames...)
		e.frameSend(s, wire.Claims(1, wire.Part(frameOf(wire.Continuation, ""))))
		e.frameClosed(s, 1009)
		e.frameSilence()
	}, reject: engineio.RejectMessageSize, reason: socketio.ReasonTransportError},
	frameViolation("F-14a", 1009, engineio.RejectMessageSize, wire.Each(
		wire.Claims(1_000_001, frameOf(wire.Text, "")), wire.Claims(1_000_001, wire.Part(frameOf(wire.Binary, ""))),
	)...),
	{id: "F-14b", run: func(e *env) {
		s := e.connect("websocket")
		e.frameSend(s, frameOf(wire.Text, event(1_000_000)))
		e.until("the event", func() bool { return len(e.heard) == 1 && len(e.heard[0].args) > 999_000 })
		e.alive(s)
		e.frameBlameless()
	}},
	frameViolation("F-27", 1009, engineio.RejectMessageSize, frameFragments(event(1_200_000), 600_000)),
}

var frameTextRows = []row{
	frameViolation("F-15a", 1007, engineio.RejectWebSocket, wire.Each(
		frameOf(wire.Text, "42[\"hello\",\"\xff\"]"),
		frameOf(wire.Text, "42[\"hello\",\"\xc0\xaf\"]"),         // overlong
		frameOf(wire.Text, "42[\"hello\",\"\xe0\x80\xaf\"]"),     // overlong
		frameOf(wire.Text, "42[\"hello\",\"\xed\xa0\x80\"]"),     // a surrogate
		frameOf(wire.Text, "42[\"hello\",\"\xf4\x90\x80\x80\"]"), // above U+10FFFF
		frameOf(wire.Text, frameHello+"\xe2\x82"),                // cut
	)...),
	// Within fragments it is the first byte that can't be right any more that is refused, and nothing follows.
	frameViolation("F-15b", 1007, engineio.RejectWebSocket, wire.Each(
		wire.Part(frameOf(wire.Text, "42[\"\xff")),
		wire.Part(frameOf(wire.Text, "42[\"\xed\xa0")),
		wire.Claims(900_000, frameOf(wire.Text, "42[\"\xc0")),
	)...),
	frameViolation("F-15c", 1007, engineio.RejectWebSocket,
		[]wire.Frame{wire.Part(frameOf(wire.Text, "42[\"\xe2")),
			frameOf(wire.Ping, ""), wire.Part(frameOf(wire.Continuation, "\xe2"))},
		[]wire.Frame{wire.Part(frameOf(wire.Text, frameHello+"\xe2\x82")), frameOf(wire.Continuation, "")},
	),
	{id: "F-16", run: func(e *env) {
		const arg = "é€\U0001f600\u0000\U0010ffff"
		s := e.connect("websocket")
		text, _ := json.Marshal([]string{"echo", arg})
		var frames []wire.Frame
		for _, f := range frameFragments("42"+string(text), 1) {
			frames = append(frames, f, frameOf(wire.Ping, "between"))
		}
		e.frameSend(s, frames...)
		e.frameEchoes(s, arg)
		e.frameBlameless()
	}},
	{id: "F-18", run: func(e *env) {
		const arg = "é€\U0001f600"
		s := e.connect("websocket")
		whole := frameOf(wire.Text, `42["echo","`+arg+`"]`).Append(nil)
		for i := range whole {
			for _, part := range [][]byte{whole[:i], whole[i:]} {
				if err := s.WebSocket().WriteRaw(part); err != nil {
					e.Fatal(err)
				}
			}
			e.frameEchoes(s, arg)
		}
	}},
	{id: "F-19", run: func(e *env) {
		s := e.connect("websocket")
		var frames []wire.Frame
		for i := range 1000 {
			frames = append(frames, frameOf(wire.Text, fmt.Sprintf(`42["echo","%d"]`, i)))
		}
		e.frameSend(s, frames...)
		for i := range 1000 {
			e.frameEchoes(s, fmt.Sprint(i))
		}
	}},
	// One byte in each write; 20,000 of them.
	{id: "F-28", run: func(e *env) {
		arg := strings.Repeat("x", 20_000)
		s := e.connect("websocket")
		for _, b := range frameOf(wire.Text, `42["echo","`+arg+`"]`).Append(nil) {
			if err := s.WebSocket().WriteRaw([]byte{b}); err != nil {
				e.Fatal(err)
			}
		}
		e.frameEchoes(s, arg)
	}},
}

var frameControlRows = []row{
	{id: "F-21", run: func(e *env) {
		s := e.connect("websocket")
		var frames []wire.Frame
		for n := range 126 {
			frames = append(frames, frameOf(wire.Ping, strings.Repeat("\xdb", n)))
		}
		e.frameSend(s, frames...)
		for n := range 126 {
			f, err := s.WebSocket().Read()
			if err != nil || f.Opcode != wire.Pong || f.NotFinal || string(f.Payload) != strings.Repeat("\xdb", n) {
				e.Fatalf("ping of %d bytes: %v, %v", n, f, err)
			}
		}
		e.alive(s)
		e.frameBlameless()
	}},
	// Both are cut down from a million, as the answer does not depend on it.
	{id: "F-22", run: func(e *env) {
		s := e.connect("websocket")
		e.frameSend(s, slices.Repeat([]wire.Frame{frameOf(wire.Pong, "never asked for")}, 20_000)...)
		e.alive(s)
	}, reject: engineio.RejectWebSocketPong, times: 20_000},
	{id: "F-23", run: func(e *env) {
		const most = 20_000
		s := e.connect("websocket")
		sent := make(chan error, 1)
		go func() { // ends when all is written
			var frames []wire.Frame
			for i := range uint32(most) {
				frames = append(frames, frameOf(wire.Ping, string(binary.BigEndian.AppendUint32(nil, i))))
			}
			sent <- s.WebSocket().Write(frames...)
		}()
		// Not each has to be answered (RFC 6455 5.5.3), but the last.
		for next := uint32(0); next < most; {
			f, err := s.WebSocket().Read()
			if err != nil || f.Opcode != wire.Pong || len(f.Payload) != 4 {
				e.Fatalf("instead of a pong: %v, %v", f, err)
			}
			got := binary.BigEndian.Uint32(f.Payload)
			if got < next || got >= most {
				e.Fatalf("pong %d, after %d", got, next)
			}
			next = got + 1
		}
		if err := <-sent; err != nil {
			e.Fatal(err)
		}
		e.alive(s)
		e.frameBlameless()
	}},
	{id: "F-29", run: func(e *env) {
		s := e.connect("websocket")
		done := make(chan struct{})
		go func() { // ends when the server has given up reading, or the row is over
			defer close(done)
			flood := slices.Repeat([]wire.Frame{frameOf(wire.Ping, strings.Repeat("p", 125))}, 1000)
			for s.WebSocket().Write(flood...) == nil && e.io.Stats().Rejected[engineio.RejectWebSocketLimit] == 0 {
			}
		}()
		e.frameCounted(engineio.RejectWebSocketLimit, 1)
		// Some megabytes of pongs, which are taken at once, and the close frame.
		_ = s.WebSocket().Conn().SetReadDeadline(time.Now().Add(patience))
		all, err := io.ReadAll(s.WebSocket().Conn())
		s.Abort()
		<-done
		f, frameErr := wire.ReadFrame(bytes.NewReader(all[max(0, bytes.LastIndexByte(all, 0x80|wire.CloseFrame)):]))
		if status, _ := f.CloseStatus(); err != nil || frameErr != nil || status != 1008 {
			e.Errorf("%d bytes, closed with %d, %v, %v", len(all), status, err, frameErr)
		}
	}, reject: engineio.RejectWebSocketLimit, reason: socketio.ReasonTransportError},
}

var frameFragmentRows = []row{
	frameViolation("F-24", 1008, engineio.RejectWebSocketLimit, append(
		[]wire.Frame{wire.Part(frameOf(wire.Text, ""))},
		slices.Repeat([]wire.Frame{wire.Part(frameOf(wire.Continuation, ""))}, 20_000)...,
	)),
	frameViolation("F-25a", 1008, engineio.RejectWebSocketLimit,
		frameFragments(event(20_000), 1), frameFragments(event(16_385), 1)),
	{id: "F-25b", run: func(e *env) {
		s := e.connect("websocket")
		e.frameSend(s, frameFragments(event(16_384), 1)...)
		e.until("the event", func() bool { return len(e.heard) == 1 && e.heard[0].name == "big" })
		e.alive(s)
		e.frameBlameless()
	}},
	// A message that has begun does not keep a client alive that is silent from then on. It takes 45 seconds with the
	// usual heartbeat; the limit for messages of those that do answer pings is 30.
	{id: "F-26", opts: quick, run: func(e *env) {
		for range 20 {
			s := e.connect("websocket")
			frames := frameFragments(event(16_384), 1)
			e.frameSend(s, frames[:16_383]...)
		}
		e.checkVictims(socketio.ReasonPingTimeout)
		e.frameSilence()
	}, reject: engineio.RejectPingTimeout, times: 20, reason: socketio.ReasonPingTimeout},
}

// frameAfterOffer is a row in which the client offers to compress, is not taken up on it, and does it all the same.
func frameAfterOffer(id string, cases ...[]wire.Frame) row {
	return row{id: id, run: func(e *env) {
		for _, frames := range cases {
			s, err := wire.OpenWebSocket(e.Target, http.Header{"Sec-Websocket-Extensions": {"permessage-deflate"}})
			if err != nil {
				e.Fatal(err)
			}
			e.later(s.Abort)
			e.frameSend(e.join(s), frames...)
			e.frameClosed(s, 1002)
		}
		e.frameSilence()
	}, reject: engineio.RejectWebSocket, times: len(cases), reason: socketio.ReasonTransportError}
}

var frameDeflateRows = []row{
	frameAfterOffer("F-30 not agreed", wire.Each(wire.RSV(4, frameOf(wire.Text, wire.Deflated(64<<20))))...),
	frameAfterOffer("F-31 not agreed", func() []wire.Frame {
		frames := []wire.Frame{wire.RSV(4, wire.Part(frameOf(wire.Text, "")))}
		block := wire.Part(frameOf(wire.Continuation, wire.Deflated(1<<20)))
		return append(frames, slices.Repeat([]wire.Frame{block}, 10)...)
	}()),
	frameAfterOffer("F-32 not agreed",
		[]wire.Frame{wire.Part(frameOf(wire.Text, "42")), wire.RSV(4, frameOf(wire.Continuation, "x"))},
		[]wire.Frame{wire.RSV(4, frameOf(wire.Ping, ""))},
		[]wire.Frame{wire.RSV(4, frameOf(wire.Text, "\xff\xff\xff corrupt"))},
	),
}
