package attack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// Races between the transports. In virtual time, and for the whole server's end (U-17), they are in upgrade_test.go of
// engineio.
var upgradeRows = slices.Concat([]row{
	{id: "U-1a", run: upgradeByTheBook, reject: engineio.RejectTransportMismatch},
	{id: "U-1b", run: func(e *env) { // nothing is waited for
		s := e.connect("polling")
		get := upgradePoll(e, s)
		ws := upgradeOpen(e, s)
		upgradeSend(e, ws, "2probe", "5", `42["echo",1]`, `42["echo",2]`)
		upgradeAnswer(e, get, "6")
		upgradeWant(e, ws, "3probe", `42["echo",1]`, `42["echo",2]`)
		packetHeard(e, heard{"echo", "[1]"}, heard{"echo", "[2]"})
	}},
	{id: "U-1c", run: func(e *env) { // while a POST is held up: what comes by WebSocket does not overtake it
		const n = 20_000
		s := e.connect("polling")
		post, release := packetHeldUp(e, s, n)
		ws := upgradeOpen(e, s)
		upgradeSend(e, ws, "2probe", "5", fmt.Sprintf(`42["n",%d]`, n))
		upgradeWant(e, ws, "3probe")
		e.settle(func() bool { return e.io.Stats().Engine.Upgraded == 1 })
		release()
		res, err := post.Finish(http.MethodPost)
		if err != nil {
			e.Fatal(err)
		}
		e.answer(res, 200, "ok")
		packetInOrder(e, n+1)
		upgradeServed(e, ws)
	}},
	{id: "U-2", run: func(e *env) {
		s := e.connect("polling")
		ws := upgradeOpen(e, s)
		upgradeSend(e, ws, "2probe", "2probe")
		upgradeWant(e, ws, "3probe", "3probe")
		e.alive(s)
		upgradeSend(e, ws, "5")
		upgradeServed(e, ws)
	}},
	{id: "U-3a", run: upgradeViolated(wire.Txt(`42["x"]`)), reject: engineio.RejectUpgradeViolation},
	{id: "U-3b", run: upgradeViolated(wire.Txt("2")), reject: engineio.RejectUpgradeViolation},
	{id: "U-3c", run: upgradeViolated(wire.Txt("1")), reject: engineio.RejectUpgradeViolation},
	{id: "U-3d", run: func(e *env) { // after the probe
		s := e.connect("polling")
		ws := upgradeOpen(e, s)
		upgradeSend(e, ws, "2probe", `42["x"]`)
		upgradeWant(e, ws, "3probe")
		packetCloses(e, ws, 1002, "probe expected")
		upgradeAgain(e, s)
	}, reject: engineio.RejectUpgradeViolation},
	{id: "U-4a", run: upgradeUnasked(false)},
	{id: "U-4b", run: upgradeUnasked(true)},
	{id: "U-5", run: func(e *env) {
		s := e.connect("polling")
		first := upgradeOpen(e, s)
		upgradeSeen(e)
		packetCloses(e, upgradeOpen(e, s), 1002, "no upgrade possible")
		upgradeSend(e, first, "2probe")
		upgradeWant(e, first, "3probe")
		packetCloses(e, upgradeOpen(e, s), 1002, "no upgrade possible")
		upgradeSend(e, first, "5")
		upgradeServed(e, first)
	}, reject: engineio.RejectUpgrade, times: 2},
	{id: "U-6a", run: func(e *env) {
		s := e.connect("polling")
		if err := s.Upgrade(); err != nil {
			e.Fatal(err)
		}
		packetCloses(e, upgradeOpen(e, s), 1002, "no upgrade possible")
		e.alive(s)
	}, reject: engineio.RejectUpgrade},
	{id: "U-6b", run: func(e *env) { // of a session that began there
		s := e.connect("websocket")
		packetCloses(e, upgradeOpen(e, s), 1002, "no upgrade possible")
		e.alive(s)
	}, reject: engineio.RejectUpgrade},
	{id: "U-7a", run: upgradeLost(func(e *env, ws *wire.WebSocket) { _ = ws.Close() }),
		reject: engineio.RejectUpgradeLost},
	{id: "U-7b", run: upgradeLost(func(e *env, ws *wire.WebSocket) { _ = ws.Reset() }),
		reject: engineio.RejectUpgradeLost},
	{id: "U-7c", run: upgradeLost(func(e *env, ws *wire.WebSocket) {
		upgradeSend(e, ws, "2probe")
		upgradeWant(e, ws, "3probe")
		_ = ws.Reset()
	}), reject: engineio.RejectUpgradeLost},
	{id: "U-7d", run: upgradeLost(func(e *env, ws *wire.WebSocket) { // politely
		if err := ws.Write(wire.CloseWith(1000, "")); err != nil {
			e.Fatal(err)
		}
		packetCloses(e, ws, 1000, "")
	}), reject: engineio.RejectUpgradeLost},
	{id: "U-8", run: func(e *env) {
		s := e.connect("polling")
		if err := s.Upgrade(); err != nil {
			e.Fatal(err)
		}
		e.alive(s)
		e.request("POST", e.URL("polling", s.SID), nil, []byte(`42["x"]`), 400, code3)
		e.alive(s)
		packetHeard(e, heard{"echo", `["alive"]`}, heard{"echo", `["alive"]`})
	}, reject: engineio.RejectTransportMismatch},
	{id: "U-9", run: func(e *env) {
		s := e.connect("polling")
		upgradeRefused(e, strings.Replace(e.URL("websocket", s.SID), "EIO=4", "EIO=3", 1), "Bad request")
		upgradeAgain(e, s)
	}, reject: engineio.RejectProtocolMismatch},
	{id: "U-10a", opts: upgradeQuick, run: func(e *env) { // 50 sessions, not 10,000
		var all []*wire.Session
		var silent []*wire.WebSocket
		for range 50 {
			s := e.connect("polling")
			all, silent = append(all, s), append(silent, upgradeOpen(e, s))
		}
		for i, s := range all {
			packetCloses(e, silent[i], 1008, "upgrade timeout")
			e.alive(s)
		}
		upgradeAgain(e, all[0])
	}, reject: engineio.RejectUpgradeTimeout, times: 50},
	{id: "U-10b", opts: upgradeQuick, run: func(e *env) { // after the probe, with a GET pending
		s := e.connect("polling")
		get := upgradePoll(e, s)
		ws := upgradeOpen(e, s)
		upgradeSend(e, ws, "2probe")
		upgradeWant(e, ws, "3probe")
		upgradeAnswer(e, get, "6")
		packetCloses(e, ws, 1008, "upgrade timeout")
		upgradeAgain(e, s)
	}, reject: engineio.RejectUpgradeTimeout},
	{id: "U-11a", run: upgradeClosePacket(false), reason: socketio.ReasonTransportClose},
	{id: "U-11b", run: upgradeClosePacket(true), reason: socketio.ReasonTransportClose},
	{id: "U-12", run: upgradeViolated(wire.Bin([]byte("2probe"))), reject: engineio.RejectUpgradeViolation},
	{id: "U-13a", run: upgradePipelined(func(b []byte) [][]byte { return [][]byte{b} })},
	{id: "U-13b", run: upgradePipelined(func(b []byte) [][]byte { return slices.Collect(slices.Chunk(b, 1)) })},
	{id: "U-13c", run: func(e *env) { // garbage, with sid
		s := e.connect("polling")
		packetCloses(e, upgradeBehind(e, s.SID, []byte("test")), 1002, "reserved bit set")
		// the peer hears of it first
		e.settle(func() bool { return e.io.Stats().Rejected[engineio.RejectUpgradeLost] == 1 })
		upgradeAgain(e, s)
	}, reject: engineio.RejectUpgradeLost},
	{id: "U-13d", run: func(e *env) { // and without
		ws := upgradeBehind(e, "", []byte("test"))
		f, err := ws.ReadClose() // the open packet comes first, or not at all
		if status, reason := f.CloseStatus(); err != nil || status != 1002 || reason != "reserved bit set" {
			e.Errorf("close %d %q, %v", status, reason, err)
		}
	}, reject: engineio.RejectWebSocket},
	{id: "U-14a", run: upgradeRefusedWithMore("?EIO=4&transport=websocket&sid=unknown"),
		reject: engineio.RejectSession},
	{id: "U-14b", run: upgradeRefusedWithMore("?EIO=4&transport=foobar"), reject: engineio.RejectTransport},
	{id: "U-15", run: func(e *env) {
		s := e.connect("polling")
		ws := upgradeOpen(e, s)
		upgradeSend(e, ws, "2probe")
		upgradeWant(e, ws, "3probe")
		for range 5 {
			e.request("GET", e.URL("polling", s.SID), nil, nil, 200, "6")
		}
		upgradeSend(e, ws, "5")
		upgradeServed(e, ws)
	}},
	{id: "U-16", run: upgradeNumbers},
	{id: "U-18", run: func(e *env) {
		upgradeRefused(e, "/socket.io/?EIO=3&transport=websocket",
			"Unsupported protocol version: clients of Socket.IO 2 need Options.Engine.AllowEIO3")
	}, reject: engineio.RejectProtocol},
}, upgradeKicks())

func upgradeQuick(o *socketio.Options) { o.Engine.UpgradeTimeout = 3 * time.Second }

// upgradeOpen opens a second transport for s.
func upgradeOpen(e *env, s *wire.Session) *wire.WebSocket {
	e.Helper()
	ws, err := e.WebSocket(e.URL("websocket", s.SID), nil)
	if err != nil {
		e.Fatal(err)
	}
	e.later(func() { _ = ws.Close() })
	return ws
}

// upgradeSeen waits until the server knows of a second transport, which is a moment after its 101.
func upgradeSeen(e *env) {
	e.Helper()
	e.settle(func() bool { return parked("IO wait", "engineio.(*Socket).probing") })
}

// upgradeSend sends text frames with one write.
func upgradeSend(e *env, ws *wire.WebSocket, texts ...string) {
	e.Helper()
	var frames []wire.Frame
	for _, text := range texts {
		frames = append(frames, wire.Frame{Opcode: wire.Text, Payload: []byte(text)})
	}
	if err := ws.Write(frames...); err != nil {
		e.Fatal(err)
	}
}

// upgradeWant reads text frames.
func upgradeWant(e *env, ws *wire.WebSocket, texts ...string) {
	e.Helper()
	for _, want := range texts {
		f, err := ws.Read()
		if err != nil || f.Opcode != wire.Text || string(f.Payload) != want {
			e.Fatalf("frame %d %q, %v; want %q", f.Opcode, f.Payload, err, want)
		}
	}
}

// upgradePoll makes a GET pending on a connection of its own. After a probe it would not be for long.
func upgradePoll(e *env, s *wire.Session) *wire.HTTP {
	e.Helper()
	h := upgradeStartPoll(e, s)
	e.settle(func() bool { return parked("select", "engineio.(*Socket).servePoll") })
	return h
}

// upgradeStartPoll is upgradePoll without waiting until the server has it.
func upgradeStartPoll(e *env, s *wire.Session) *wire.HTTP {
	e.Helper()
	h, err := e.HTTP()
	if err != nil {
		e.Fatal(err)
	}
	e.later(func() { _ = h.Close() })
	if err := h.Start(http.MethodGet, e.URL("polling", s.SID), nil, nil); err != nil {
		e.Fatal(err)
	}
	return h
}

// upgradeAnswer waits for the answer of a GET.
func upgradeAnswer(e *env, h *wire.HTTP, want string) {
	e.Helper()
	res, err := h.Finish(http.MethodGet)
	if err != nil {
		e.Fatalf("the pending GET: %v", err)
	}
	e.answer(res, 200, want)
}

// upgradeServed checks that the WebSocket is the transport now.
func upgradeServed(e *env, ws *wire.WebSocket) {
	e.Helper()
	upgradeSend(e, ws, `42["echo","upgraded"]`)
	upgradeWant(e, ws, `42["echo","upgraded"]`)
}

// upgradeAgain checks that nothing has happened to the session: it is served by polling, and can upgrade.
func upgradeAgain(e *env, s *wire.Session) {
	e.Helper()
	e.alive(s)
	if err := s.Upgrade(); err != nil {
		e.Fatal(err)
	}
	e.alive(s)
}

func upgradeByTheBook(e *env) {
	s := e.connect("polling")
	packetSend(e, s, wire.Txt(`42["echo",1]`))
	if _, err := s.Expect(`42["echo",1]`); err != nil {
		e.Fatal(err)
	}
	get := upgradePoll(e, s)
	ws := upgradeOpen(e, s)
	packetSend(e, s, wire.Txt(`42["x",2]`))
	upgradeSend(e, ws, "2probe")
	upgradeWant(e, ws, "3probe")
	upgradeAnswer(e, get, "6")
	packetSend(e, s, wire.Txt(`42["echo",3]`)) // its answer waits for the next transport
	upgradeSend(e, ws, "5", `42["echo",4]`)
	upgradeWant(e, ws, `42["echo",3]`, `42["echo",4]`)
	packetHeard(e, heard{"echo", "[1]"}, heard{"x", "[2]"}, heard{"echo", "[3]"}, heard{"echo", "[4]"})
	e.request("GET", e.URL("polling", s.SID), nil, nil, 400, code3)
	upgradeServed(e, ws)
	if st := e.io.Stats().Engine; st.Upgraded != 1 || st.Polling != 0 {
		e.Errorf("stats %+v", st)
	}
}

// upgradeViolated says something that is no probe: it costs the new WebSocket.
func upgradeViolated(p wire.Packet) func(e *env) {
	return func(e *env) {
		s := e.connect("polling")
		ws := upgradeOpen(e, s)
		f := wire.Frame{Opcode: wire.Text, Payload: p.Data}
		if p.Binary {
			f.Opcode = wire.Binary
		}
		if err := ws.Write(f); err != nil {
			e.Fatal(err)
		}
		packetCloses(e, ws, 1002, "probe expected")
		upgradeAgain(e, s)
		packetHeard(e, heard{"echo", `["alive"]`}, heard{"echo", `["alive"]`})
	}
}

// upgradeUnasked commits without a probe: what was on its way by polling is not lost.
func upgradeUnasked(withPoll bool) func(e *env) {
	return func(e *env) {
		const n = 50
		s := e.connect("polling")
		var get *wire.HTTP
		if withPoll {
			get = upgradePoll(e, s)
		}
		var events []wire.Packet
		var want []string
		for i := range n {
			want = append(want, fmt.Sprintf(`42["echo",%d]`, i))
			events = append(events, wire.Txt(want[i]))
		}
		packetSend(e, s, events...)
		ws := upgradeOpen(e, s)
		upgradeSend(e, ws, "5", `42["echo","last"]`)
		if withPoll { // it has taken some of them, or none and been sent away
			res, err := get.Finish(http.MethodGet)
			if err != nil {
				e.Fatal(err)
			}
			for part := range strings.SplitSeq(string(res.Body), "\x1e") {
				if len(want) > 0 && part == want[0] {
					want = want[1:]
				} else if part != "6" {
					e.Errorf("by polling: %d %q, want %q", res.Status, res.Body, want)
				}
			}
		}
		upgradeWant(e, ws, append(want, `42["echo","last"]`)...)
	}
}

// upgradeLost has the new WebSocket go away in the middle of a conversation by polling.
func upgradeLost(lose func(e *env, ws *wire.WebSocket)) func(e *env) {
	return func(e *env) {
		s := e.connect("polling")
		ws := upgradeOpen(e, s)
		packetSend(e, s, wire.Txt(`42["echo",1]`))
		lose(e, ws)
		packetSend(e, s, wire.Txt(`42["echo",2]`))
		e.settle(func() bool { return e.io.Stats().Rejected[engineio.RejectUpgradeLost] == 1 })
		packetSend(e, s, wire.Txt(`42["echo",3]`))
		for i := range 3 {
			if _, err := s.Expect(fmt.Sprintf(`42["echo",%d]`, i+1)); err != nil {
				e.Fatal(err)
			}
		}
		upgradeAgain(e, s)
	}
}

// upgradeRefused wants an upgrade to be refused before the 101.
func upgradeRefused(e *env, url, message string) {
	e.Helper()
	ws, err := e.WebSocket(url, nil)
	if err == nil {
		_ = ws.Close()
	}
	var refused *wire.RefusedError
	if !errors.As(err, &refused) || refused.Status != 400 || string(refused.Body) != message {
		e.Errorf("%v, want a refusal with 400 %q", err, message)
	}
}

// upgradeClosePacket ends the session by polling during the probe: both transports are closed, once.
func upgradeClosePacket(probed bool) func(e *env) {
	return func(e *env) {
		s := e.connect("polling")
		get := upgradePoll(e, s)
		ws := upgradeOpen(e, s)
		upgradeSeen(e)
		if probed {
			upgradeSend(e, ws, "2probe")
			upgradeWant(e, ws, "3probe")
			upgradeAnswer(e, get, "6")
		}
		packetSend(e, s, wire.Txt("1"))
		if !probed {
			upgradeAnswer(e, get, "6")
		}
		packetCloses(e, ws, 1000, "transport close")
		e.gone(s.SID)
	}
}

// upgradeBehind is an upgrade with bytes in the segment of its request.
func upgradeBehind(e *env, sid string, more []byte) *wire.WebSocket {
	e.Helper()
	h, err := e.HTTP()
	if err != nil {
		e.Fatal(err)
	}
	e.later(func() { _ = h.Close() })
	request := wire.Request(http.MethodGet, e.URL("websocket", sid), "x", wire.UpgradeHeader(), nil)
	if err := h.Write(append(request, more...)); err != nil {
		e.Fatal(err)
	}
	ws, err := h.FinishUpgrade()
	if err != nil {
		e.Fatal(err)
	}
	return ws
}

// upgradePipelined sends an upgrade and what follows it without waiting for anything, cut into segments.
func upgradePipelined(cut func(b []byte) [][]byte) func(e *env) {
	return func(e *env) {
		s := e.connect("polling")
		h, err := e.HTTP()
		if err != nil {
			e.Fatal(err)
		}
		e.later(func() { _ = h.Close() })
		b := wire.Request(http.MethodGet, e.URL("websocket", s.SID), "x", wire.UpgradeHeader(), nil)
		for i, text := range []string{"2probe", "5", `42["echo","é"]`} {
			b = wire.Frame{Opcode: wire.Text, Payload: []byte(text), Mask: [4]byte{byte(i), 0x5a, 0xff, 1}}.Append(b)
		}
		for _, segment := range cut(b) {
			if err := h.Write(segment); err != nil {
				e.Fatal(err)
			}
		}
		ws, err := h.FinishUpgrade()
		if err != nil {
			e.Fatal(err)
		}
		upgradeWant(e, ws, "3probe", `42["echo","é"]`)
		upgradeServed(e, ws)
	}
}

// upgradeRefusedWithMore has 64 KiB follow an upgrade that is refused: the refusal comes, and the connection ends.
func upgradeRefusedWithMore(query string) func(e *env) {
	return func(e *env) {
		c, err := e.Dial()
		if err != nil {
			e.Fatal(err)
		}
		defer c.Close()
		request := wire.Request(http.MethodGet, "/socket.io/"+query, "x", wire.UpgradeHeader(), nil)
		if _, err := c.Write(append(request, make([]byte, 64<<10)...)); err != nil {
			e.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
		text, err := io.ReadAll(c)
		if !strings.HasPrefix(string(text), "HTTP/1.1 400 ") || errors.Is(err, os.ErrDeadlineExceeded) {
			e.Errorf("answer %q, %v", text, err)
		}
	}
}

// upgradeKicks are the rows U-17: the application disconnects the client at each state of the upgrade.
func upgradeKicks() (rows []row) {
	for state := range 9 {
		rows = append(rows, row{
			id:     fmt.Sprintf("U-17%c", 'a'+state),
			run:    func(e *env) { upgradeKick(e, state) },
			reason: socketio.ReasonServerDisconnect,
		})
	}
	return rows
}

// upgradeKick: in odd states a GET is pending. From 2 on the WebSocket is open, from 4 on its probe is answered, from 6
// on it has committed, and in the last it has been used.
func upgradeKick(e *env, state int) {
	s := e.connect("polling")
	sock := e.socket(s)
	var get *wire.HTTP
	var ws *wire.WebSocket
	if state%2 == 1 && state < 4 {
		get = upgradePoll(e, s)
	}
	if state >= 2 {
		ws = upgradeOpen(e, s)
		upgradeSeen(e)
	}
	if state >= 4 {
		upgradeSend(e, ws, "2probe")
		upgradeWant(e, ws, "3probe")
	}
	if state%2 == 1 && state >= 4 {
		get = upgradeStartPoll(e, s)
	}
	if state >= 6 {
		upgradeSend(e, ws, "5")
	}
	if state == 8 {
		upgradeServed(e, ws)
	}
	sock.Disconnect(true)
	told := false
	if state < 6 {
		upgradeFetchEnd(e, s, get)
		told = true
	} else if get != nil { // it is answered before the switch, at it, or refused after it
		res, err := get.Finish(http.MethodGet)
		if err != nil || res.Status != 200 && res.Status != 400 {
			e.Fatalf("the pending GET: %v, %v", res, err)
		}
		told = bytes.Contains(res.Body, []byte("41"))
	}
	if !told {
		upgradeWant(e, ws, "41")
	}
	if ws != nil {
		packetCloses(e, ws, 1000, "")
	}
	e.settle(func() bool { return e.io.Stats().Engine.Sessions == 0 })
	e.gone(s.SID)
}

// upgradeFetchEnd polls until the close packet: the client is told to go, and that it may.
func upgradeFetchEnd(e *env, s *wire.Session, get *wire.HTTP) {
	e.Helper()
	var got []string
	for !slices.Contains(got, "1") && len(got) < 10 {
		if get == nil {
			get = upgradeStartPoll(e, s)
		}
		res, err := get.Finish(http.MethodGet)
		if err != nil || res.Status != 200 {
			e.Fatalf("GET after %q: %v, %v", got, res, err)
		}
		for part := range strings.SplitSeq(string(res.Body), "\x1e") {
			if part != "6" {
				got = append(got, part)
			}
		}
		get = nil
	}
	if !slices.Equal(got, []string{"41", "1"}) {
		e.Errorf("got %q", got)
	}
}
