package hostile

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"sio.example/socketio/client"
	"sio.example/socketio/test/internal/wire"
)

// The rows of the WebSocket frames. internal/websocket tests the role of a client by itself: F-18 at each byte of many
// streams (TestClientSplitAtEveryByte), the deadlines of F-10, F-26 and F-28 that take 5 to 30 seconds, and the bytes
// that F-14 and F-25 may allocate. Compression (RFC 7692) is not offered, so that of F-30 to F-32 it is left to show
// that nothing is inflated.

// frameOf is a whole message, or with wire.Part a part of one.
func frameOf(opcode byte, payload string) wire.Frame {
	return wire.Frame{Opcode: opcode, Payload: []byte(payload), Unmasked: true}
}

func frameMasked(f wire.Frame) wire.Frame {
	f.Unmasked, f.Mask = false, [4]byte{0x37, 0xfa, 0x21, 0x3d}
	return f
}

// frameHello is an event that must not reach a handler when something is wrong with its frames.
const frameHello = `42["hello"]`

// frameViolation are rows in which the frames end the connection with the status.
func frameViolation(id string, status int, cases ...[]wire.Frame) []row {
	like := row{on: sockets, opts: megabyte, reason: client.ReasonTransportError, status: status}
	return lettered(id, like, func(_ *env, s *session, frames []wire.Frame) { s.send(frames...) }, cases...)
}

func frameBroken(id string, cases ...[]wire.Frame) []row { return frameViolation(id, 1002, cases...) }

// megabyte is the limit that a server has by default.
func megabyte(o *client.Options) { o.Engine.MaxPayload = 1_000_000 }

// frameFragments cuts a text message into fragments of the size.
func frameFragments(text string, size int) []wire.Frame { return wire.Fragments(frameOf, text, size) }

// frameClose is a close frame of a server.
func frameClose(status uint16, reason string) wire.Frame {
	f := wire.CloseWith(status, reason)
	f.Unmasked = true
	return f
}

// frameStatuses is a case for each status.
func frameStatuses(status ...uint16) (cases [][]wire.Frame) {
	for _, s := range status {
		cases = append(cases, []wire.Frame{frameClose(s, "")})
	}
	return cases
}

// event is a text message of n bytes: an event with one long argument.
func event(n int) string {
	const begin, end = `42["big","`, `"]`
	return begin + strings.Repeat("x", n-len(begin)-len(end)) + end
}

// bigHeard is what is heard of it.
func bigHeard(n int) heard { return heard{"big", "[" + event(n)[len(`42["big",`):]} }

var frameRows = slices.Concat(
	frameBroken("F-1", wire.Each(
		frameMasked(frameOf(wire.Text, frameHello)),
		frameMasked(frameOf(wire.Binary, "x")), frameMasked(frameOf(wire.Ping, "")),
		frameMasked(frameOf(wire.CloseFrame, "")),
	)...),
	frameBroken("F-2", wire.Each(
		wire.RSV(1, frameOf(wire.Text, frameHello)), wire.RSV(2, frameOf(wire.Text, frameHello)),
		wire.RSV(4, frameOf(wire.Text, frameHello)), wire.RSV(7, frameOf(wire.Binary, "x")),
	)...),
	frameBroken("F-3", wire.Each(
		frameOf(3, frameHello), frameOf(4, frameHello), frameOf(5, frameHello),
		frameOf(6, frameHello), frameOf(7, frameHello),
		frameOf(11, ""), frameOf(12, ""), frameOf(13, ""), frameOf(14, ""), frameOf(15, ""),
	)...),
	frameBroken("F-4-fragment", wire.Controls(func(opcode byte) wire.Frame {
		return wire.Part(frameOf(opcode,
			""))
	})...),
	frameBroken("F-4-long", wire.Controls(func(opcode byte) wire.Frame {
		return frameOf(opcode,
			strings.Repeat("\x03", 126))
	})...),
	frameBroken("F-4-huge", wire.Controls(func(opcode byte) wire.Frame {
		return wire.Claims(1<<40,
			frameOf(opcode, ""))
	})...),
	frameBroken("F-5-start", wire.Each(frameOf(wire.Continuation, frameHello),
		wire.Part(frameOf(wire.Continuation, frameHello)))...),
	frameBroken("F-5-within",
		[]wire.Frame{wire.Part(frameOf(wire.Text, "42")), frameOf(wire.Text, frameHello)},
		[]wire.Frame{wire.Part(frameOf(wire.Text, "42")), frameOf(wire.Ping, ""), frameOf(wire.Binary, "x")},
		[]wire.Frame{wire.Part(frameOf(wire.Binary, "x")),
			wire.Part(frameOf(wire.Continuation, "x")), frameOf(wire.Text, frameHello)},
	),
	frameBroken("F-6-byte", wire.Each(frameOf(wire.CloseFrame, "\x03"))...),
	frameBroken("F-6-status", frameStatuses(0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)...),
	frameViolation("F-7", 1007, wire.Each(
		frameClose(1000, "\xff"), frameClose(1000, "\xed\xa0\x80"), frameClose(4000, "cut \xe2\x82"),
	)...),
	frameCloseRows, frameLengthRows, frameTextRows, frameControlRows, frameFragmentRows, frameDeflateRows,
)

// frameCloses are rows in which the server closes by the book; what follows in frames is nobody's.
func frameCloses(id string, status int, cases ...[]wire.Frame) []row {
	like := row{on: sockets, reason: client.ReasonTransportClose, status: status}
	return lettered(id, like, func(_ *env, s *session, frames []wire.Frame) { s.send(frames...) }, cases...)
}

var frameCloseRows = slices.Concat(
	frameCloses("F-8-1000", 1000, wire.Each(frameClose(1000, "reason"))...),
	frameCloses("F-8-1001", 1001, wire.Each(frameClose(1001, ""))...),
	frameCloses("F-8-1002", 1002, wire.Each(frameClose(1002, "you"))...),
	frameCloses("F-8-1011", 1011, wire.Each(frameClose(1011, "\x1b[31m\r\n"))...),
	frameCloses("F-8-3000", 3000, wire.Each(frameClose(3000, strings.Repeat("r", 123)))...),
	frameCloses("F-8-4999", 4999, wire.Each(frameClose(4999, "reason"))...),
	frameCloses("F-8-none", 0, wire.Each(frameOf(wire.CloseFrame, ""))...),
	frameCloses("F-10", 1000,
		[]wire.Frame{frameClose(1000, ""), frameOf(wire.Text, frameHello), frameMasked(frameOf(3, "garbage"))},
		[]wire.Frame{frameClose(1000, ""), frameClose(1002, ""), frameOf(wire.CloseFrame, "\x03")},
	),
	[]row{
		{id: "F-10-cut", on: sockets, run: func(_ *env, s *session) { _ = s.ws.Close() },
			reason: client.ReasonTransportClose},
		{id: "F-10-within", on: sockets, run: func(_ *env, s *session) { // half a frame is no event
			s.bytes(frameOf(wire.Text, `42["hello","cut"]`).Append(nil)[:12])
			_ = s.ws.Close()
		}, reason: client.ReasonTransportClose},
	},
)

// frameOverflow is the first frame of CVE-2026-27889 without its mask: a length with the top bit set, and one byte.
var frameOverflow = []byte{0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 1, 0}

var frameLengthRows = slices.Concat(
	[]row{
		// Lengths that are not minimal are accepted, as package websocket documents; but a control frame says its
		// length in seven bits (RFC 6455 5.5).
		{id: "F-9", on: sockets, run: func(_ *env, s *session) {
			for _, size := range []int{2, 8} {
				f := frameOf(wire.Text, `42["x"]`)
				f.LengthBytes = size
				s.send(f)
			}
			ping := frameOf(wire.Ping, "short")
			ping.LengthBytes = 8
			s.send(ping)
		}, reason: client.ReasonTransportError, status: 1002, heard: []heard{{"x", "[]"}, {"x", "[]"}}},
	},
	lettered("F-11", row{on: websocket, reason: client.ReasonTransportError, status: 1002},
		func(_ *env, s *session, i int) {
			s.bytes(frameOverflow[:i])
			s.bytes(frameOverflow[i:])
		}, 0, 1, 2, 3, 9, 10),
	frameBroken("F-11-more", wire.Each(
		wire.Claims(1<<63, frameOf(wire.Text, "")), wire.Claims(1<<63+1, frameOf(wire.Text, "")),
		wire.Claims(math.MaxUint64, frameOf(wire.Text, "")),
	)...),
	frameViolation("F-12", 1009, wire.Each(
		wire.Claims(math.MaxInt64, frameOf(wire.Text, "4")),
		wire.Claims(1<<40, frameOf(wire.Binary, "x")), wire.Claims(1<<32, frameOf(wire.Text, "")),
	)...),
	frameViolation("F-13", 1009,
		[]wire.Frame{wire.Part(frameOf(wire.Text, "4")), wire.Claims(math.MaxInt64, frameOf(wire.Continuation, ""))},
		[]wire.Frame{
			wire.Part(frameOf(wire.Text, "42")), frameOf(wire.Ping, ""),
			wire.Claims(math.MaxInt64-1, wire.Part(frameOf(wire.Continuation, ""))),
		},
		frameCrossing(),
	),
	frameViolation("F-14", 1009, wire.Each(
		wire.Claims(1_000_001, frameOf(wire.Text, "")), wire.Claims(1_000_001, wire.Part(frameOf(wire.Binary, ""))),
	)...),
	[]row{
		// The default is 100 MiB, of which nothing is allocated before it comes.
		{id: "F-14-default", on: sockets,
			run:    func(_ *env, s *session) { s.send(wire.Claims(100<<20+1, frameOf(wire.Text, "4"))) },
			reason: client.ReasonTransportError, status: 1009},
		{id: "F-14-waits", on: sockets, run: func(_ *env, s *session) {
			s.send(wire.Claims(99_000_000, frameOf(wire.Text, `42["x"`)))
			_ = s.ws.Close()
		}, reason: client.ReasonTransportClose},
		{id: "F-14-fits", on: sockets, opts: megabyte,
			run:   func(_ *env, s *session) { s.send(frameOf(wire.Text, event(1_000_000))) },
			heard: []heard{bigHeard(1_000_000)}},
	},
	frameViolation("F-27", 1009, frameFragments(event(1_200_000), 600_000)),
)

// frameCrossing is a message of which the last frame crosses the limit by its header alone.
func frameCrossing() []wire.Frame {
	frames := frameFragments(event(1_000_000), 100_000)
	frames[9].NotFinal = true
	return append(frames, wire.Claims(1, wire.Part(frameOf(wire.Continuation, ""))))
}

var frameTextRows = slices.Concat(
	frameViolation("F-15", 1007, wire.Each(
		frameOf(wire.Text, "42[\"hello\",\"\xff\"]"),
		frameOf(wire.Text, "42[\"hello\",\"\xc0\xaf\"]"),         // overlong
		frameOf(wire.Text, "42[\"hello\",\"\xe0\x80\xaf\"]"),     // overlong
		frameOf(wire.Text, "42[\"hello\",\"\xed\xa0\x80\"]"),     // a surrogate
		frameOf(wire.Text, "42[\"hello\",\"\xf4\x90\x80\x80\"]"), // above U+10FFFF
		frameOf(wire.Text, frameHello+"\xe2\x82"),                // cut
		// Within fragments it is the first byte that can't be right any more that is refused, and nothing follows.
		wire.Part(frameOf(wire.Text, "42[\"\xff")),
		wire.Part(frameOf(wire.Text, "42[\"\xed\xa0")),
		wire.Claims(900_000, frameOf(wire.Text, "42[\"\xc0")),
	)...),
	frameViolation("F-15-fragments", 1007,
		[]wire.Frame{wire.Part(frameOf(wire.Text, "42[\"\xe2")),
			frameOf(wire.Ping, ""), wire.Part(frameOf(wire.Continuation, "\xe2"))},
		[]wire.Frame{wire.Part(frameOf(wire.Text, frameHello+"\xe2\x82")), frameOf(wire.Continuation, "")},
	),
	[]row{
		{id: "F-16", on: sockets, run: func(_ *env, s *session) {
			var frames []wire.Frame
			for _, f := range frameFragments(`42["x","é€`+"\U0001f600\U0010ffff"+`"]`, 1) {
				frames = append(frames, f, frameOf(wire.Ping, "between"))
			}
			s.send(frames...)
		}, heard: []heard{{"x", `["é€` + "\U0001f600\U0010ffff" + `"]`}}},
		{id: "F-18", on: websocket, run: func(_ *env, s *session) {
			whole := frameOf(wire.Text, `42["x","é€"]`).Append(nil)
			for i := range whole {
				s.bytes(whole[:i])
				s.bytes(whole[i:])
			}
		}, heard: slices.Repeat([]heard{{"x", `["é€"]`}}, len(frameOf(wire.Text, `42["x","é€"]`).Append(nil)))},
		{id: "F-19", on: sockets, run: func(_ *env, s *session) {
			var frames []wire.Frame
			for i := range 1000 {
				frames = append(frames, message(fmt.Sprintf(`42["n",%d]`, i)))
			}
			s.send(frames...)
		}, heard: packetNumbers(1000)},
		// One byte in each write; 20,000 of them.
		{id: "F-28", on: websocket, run: func(_ *env, s *session) {
			for _, b := range frameOf(wire.Text, event(20_000)).Append(nil) {
				s.bytes([]byte{b})
			}
		}, heard: []heard{bigHeard(20_000)}},
	},
)

var frameControlRows = []row{
	{id: "F-21", on: sockets, run: func(e *env, s *session) {
		for n := range 126 { // not all at once, as some might then not be answered
			payload := strings.Repeat("\xdb", n)
			s.send(frameOf(wire.Ping, payload))
			s.said("a pong", func(control []wire.Frame) bool { return len(control) > n })
			if f := s.control[n]; f.Opcode != wire.Pong || f.NotFinal || string(f.Payload) != payload {
				e.Errorf("ping of %d bytes: %v", n, f)
			}
		}
	}},
	// Both are cut down from a million, as the answer does not depend on it.
	{id: "F-22", on: sockets, run: func(_ *env, s *session) {
		s.send(slices.Repeat([]wire.Frame{frameOf(wire.Pong, "never asked for")}, 20_000)...)
	}},
	{id: "F-23", on: sockets, run: func(e *env, s *session) {
		const most = 20_000
		var frames []wire.Frame
		for i := range uint32(most) {
			frames = append(frames, frameOf(wire.Ping, string(binary.BigEndian.AppendUint32(nil, i))))
		}
		e.alloc = 64 << 20 // what this server notes
		s.send(frames...)
		// Not each has to be answered (RFC 6455 5.5.3), but the last.
		s.said("the last pong", func(control []wire.Frame) bool {
			n := len(control)
			return n > 0 && len(control[n-1].Payload) == 4 && binary.BigEndian.Uint32(control[n-1].Payload) == most-1
		})
		last := -1
		for _, f := range s.control {
			if n := int(binary.BigEndian.Uint32(f.Payload)); n <= last {
				e.Fatalf("pong %d after %d", n, last)
			} else {
				last = n
			}
		}
	}},
	{id: "F-29", on: websocket, begin: frameDeaf, reason: client.ReasonTransportError},
}

// frameDeaf is a server that floods the client with pings and never reads a pong.
func frameDeaf(e *env) {
	flood := []byte{}
	for range 1000 {
		flood = frameOf(wire.Ping, strings.Repeat("p", 125)).Append(flood)
	}
	e.alloc = 1 << 30 // what is sent depends on the kernel's buffers
	first := true
	e.srv.take = func(c *conn, r *http.Request) bool {
		if !first {
			return false
		}
		first = false
		_ = c.say(switching(r))
		_, _ = c.Write(message("0" + lawfulOpening("deaf")).Append(nil))
		if f, err := readFrame(c.in); err != nil || string(f.Payload) != "40" {
			e.Errorf("the client says %q, %v", f.Payload, err)
		}
		_, _ = c.Write(message(`40{"sid":"deaf"}`).Append(nil))
		e.until("the connection", func() bool { return e.connects == 1 })
		for {
			if _, err := c.Write(flood); err != nil {
				return true
			}
		}
	}
}

var frameFragmentRows = slices.Concat(
	frameViolation("F-24", 1008, append(
		[]wire.Frame{wire.Part(frameOf(wire.Text, ""))},
		slices.Repeat([]wire.Frame{wire.Part(frameOf(wire.Continuation, ""))}, 20_000)...,
	)),
	frameViolation("F-25", 1008, frameFragments(event(20_000), 1), frameFragments(event(16_385), 1)),
	[]row{
		{id: "F-25-fits", on: sockets, run: func(_ *env, s *session) { s.send(frameFragments(event(16_384), 1)...) },
			heard: []heard{bigHeard(16_384)}},
		// A message that has begun is no ping.
		{id: "F-26", on: websocket, begin: func(e *env) {
			e.srv.hostile = 1
			e.srv.open = func(sid string) string {
				if sid != "session1" {
					return lawfulOpening(sid)
				}
				return fmt.Sprintf(`{"sid":"%s","upgrades":[],"pingInterval":300,"pingTimeout":200,`+
					`"maxPayload":1000000}`, sid)
			}
			e.srv.wg.Go(func() { // ends with what it has to say
				s := e.srv.first()
				s.join("/")
				s.send(frameFragments(event(16_384), 1)[:16_383]...)
			})
		}, reason: client.ReasonPingTimeout},
	},
)

var frameDeflateRows = slices.Concat(
	frameBroken("F-30", wire.Each(wire.RSV(4, frameOf(wire.Text, wire.Deflated(64<<20))))...),
	frameBroken("F-31", append([]wire.Frame{wire.RSV(4, wire.Part(frameOf(wire.Text, "")))},
		slices.Repeat([]wire.Frame{wire.Part(frameOf(wire.Continuation, wire.Deflated(1<<20)))}, 10)...)),
	frameBroken("F-32",
		[]wire.Frame{wire.Part(frameOf(wire.Text, "42")), wire.RSV(4, frameOf(wire.Continuation, "x"))},
		[]wire.Frame{wire.RSV(4, frameOf(wire.Ping, ""))},
		[]wire.Frame{wire.RSV(4, frameOf(wire.Text, "\xff\xff\xff corrupt"))},
	),
)
