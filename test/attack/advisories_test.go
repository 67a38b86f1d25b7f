package attack

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// TestAdvisories does to this server what the published advisories about others describe. Those that are exactly a row
// of the table are done by TestAttacks:
//
//	T-7, T-31, T-32  lengths of frames: F-11 to F-14, F-27
//	T-11             unknown transports: H-2 to H-4, W-7, W-8
//	T-13             the event "error": P-12
//	T-14             placeholders: B-13 to B-18
//	T-15             names of events: P-5 to P-9
//	T-16, T-17       numbers of attachments: B-4 to B-6, B-23, B-24, B-31
//	T-21             another protocol revision: H-13, U-9
//	T-22, T-23       fragments and pings: F-22 to F-29
//	T-33             compressed messages, which are not spoken here: F-30 to F-32
//	T-35             upgrades: U-10, U-15
//	T-39             bodies for unknown sessions: H-27
//
// and by tests of packages: T-4 (parser), T-27 (engineio, Options.Validate), T-29 and T-30 (the server, adaptertest).
// The others are about what is not here: clients (T-24, T-25), WebTransport (T-19, T-20, T-42), MessagePack (T-40) and
// clusters (T-41).
func TestAdvisories(t *testing.T) {
	for _, r := range slices.Concat(guessRows, memoryRows, headRows, resetRows, originRows, hookRows) {
		t.Run(r.id, func(t *testing.T) { runRow(t, r) })
	}
}

// Guessed ids: CVE-2017-16031.
var guessRows = []row{
	// 100,000 ids, cut down from a million, or 10,000 in short mode: all differ, and each of their 15 bytes is spread
	// evenly.
	{id: "T-1a", run: func(e *env) {
		n := 100_000
		if testing.Short() {
			n = 10_000
		}
		seen := make(map[string]bool, n)
		var count [15][256]float64
		s := engineio.NewServer(func(s *engineio.Socket, _ *http.Request) engineio.Handler {
			raw, err := base64.RawURLEncoding.DecodeString(s.ID())
			if err != nil || len(raw) != len(count) || seen[s.ID()] {
				e.Errorf("the id %q, %v", s.ID(), err)
			}
			seen[s.ID()] = true
			for i, b := range raw {
				count[i%len(count)][b]++
			}
			return nil // closes the session
		}, nil)
		r := httptest.NewRequest("GET", "/engine.io/"+polling, nil)
		for range n {
			s.ServeHTTP(advisoryNowhere{}, r)
		}
		if len(seen) != n || s.Count() != 0 {
			e.Fatalf("%d ids, %d sessions", len(seen), s.Count())
		}
		for i := range count {
			chi, mean := 0.0, float64(n)/256
			for _, c := range count[i] {
				chi += (c - mean) * (c - mean) / mean
			}
			// 255 degrees of freedom: a good source is above 420 less than once in a million tests.
			if chi > 420 || chi < 130 {
				e.Errorf("byte %d: chi-square %.0f", i, chi)
			}
		}
	}},
	// Without randomness there is no session and no socket, and nothing weaker is fallen back on.
	{id: "T-1b", run: func(e *env) {
		s := e.session("websocket")
		source := rand.Reader
		defer func() { rand.Reader = source }()
		rand.Reader = iotest.ErrReader(errors.New("no entropy"))
		e.request("GET", e.URL("polling", ""), nil, nil, 400, code3)
		e.request("GET", e.URL("websocket", ""), wire.UpgradeHeader(), nil, 400, "Bad request")
		if err := s.Send(wire.Txt("40")); err != nil {
			e.Fatal(err)
		}
		if _, err := s.Expect(`44{"message":"internal error"}`); err != nil {
			e.Error(err)
		}
	}, reject: engineio.RejectID, times: 2, warns: true},
	// Who shows a socket's id shows nothing of the session's.
	{id: "T-1c", run: func(e *env) {
		seen := make(map[string]bool)
		for range 100 {
			s := e.session("websocket")
			id, err := s.Connect("/", "")
			if err != nil {
				e.Fatal(err)
			}
			if len(id) != 20 || len(s.SID) != 20 || id == s.SID || seen[id] || seen[s.SID] {
				e.Errorf("socket %q of session %q", id, s.SID)
			}
			seen[id], seen[s.SID] = true, true
			s.Abort()
		}
	}},
	{id: "T-1d", run: func(e *env) {
		advisoryImports(e, map[string]string{
			"math/rand": "ids", "math/rand/v2": "ids",
		}, "", "engineio", filepath.Join("internal", "sid"))
	}},
	// T-26, T-37: nothing that came over the network becomes a program, or a value of a type that it names itself.
	{id: "T-26", run: func(e *env) {
		advisoryImports(e, map[string]string{
			"os/exec": "programs", "plugin": "programs", "text/template": "programs", "html/template": "programs",
			"encoding/gob": "types", "net/rpc": "types",
		}, "", "adapter", "browser", "engineio", "event", "internal", "parser")
	}},
}

// advisoryNowhere is where answers go that nobody wants.
type advisoryNowhere struct{}

func (advisoryNowhere) Header() http.Header         { return make(http.Header) }
func (advisoryNowhere) Write(p []byte) (int, error) { return len(p), nil }
func (advisoryNowhere) WriteHeader(int)             {}

// advisoryImports fails when a package of the core in one of the folders, or below those that are not the root, imports
// one of the packages.
func advisoryImports(e *env, banned map[string]string, folders ...string) {
	e.Helper()
	root := filepath.Join("..", "..")
	files := 0
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (folder == "" && path != root || d.Name() == "testdata" || d.Name() == "archtest"):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			files++
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, spec := range f.Imports {
				name, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
				if why, ok := banned[name]; ok {
					e.Errorf("%s imports %s: %s", path, name, why)
				}
			}
			return nil
		})
		if err != nil {
			e.Fatal(err)
		}
	}
	if files < 5 {
		e.Errorf("only %d files were looked at", files)
	}
}

// Memory that is held for what was only announced, or that was somebody else's.
var memoryRows = []row{
	// CVE-2020-36048: bodies that are refused by their length, or because nobody waits for them, cost next to nothing.
	// The bound includes what the client here allocates.
	{id: "T-3a", run: func(e *env) {
		var urls []string // of sessions that each end
		for range 20 {
			urls = append(urls, e.URL("polling", e.connect("polling").SID))
		}
		for status, length := range map[int]string{413: "1000001", 400: "900000"} {
			n := allocated(20, func() {
				url := e.URL("polling", "unknown")
				if status == 413 {
					url, urls = urls[0], urls[1:]
				}
				e.request("POST", url, http.Header{"Content-Length": {length}}, []byte("42"), status, "")
			})
			if n > 64<<10 {
				e.Errorf("%d: %d bytes allocated for a refused body", status, n)
			}
		}
	}, reason: socketio.ReasonTransportError},
	// Nor is a body kept that was refused only when it went on and on.
	{id: "T-3b", run: func(e *env) {
		body := advisoryChunks(event(1_000_001), 64<<10)
		header := http.Header{"Transfer-Encoding": {"chunked"}}
		send := func() { e.request("POST", e.URL("polling", e.connect("polling").SID), header, body, 413, "") }
		send()
		grown := e.growth()
		for range 5 {
			send()
		}
		if n := grown(); n > 5*64<<10 {
			e.Errorf("the heap has grown by %d bytes for 5 refused bodies", n)
		}
	}, reject: engineio.RejectBodySize, times: 6, reason: socketio.ReasonTransportError},
	// What comes in chunks of one byte is not copied again for each. Fifty times the bytes, those included that the
	// client here allocates for the request, is far from what that would take: some thousand times.
	{id: "T-3c", run: func(e *env) {
		s := e.connect("polling")
		header := http.Header{"Transfer-Encoding": {"chunked"}}
		for _, size := range []int{1, 50_000} {
			body := advisoryChunks(event(50_000), size)
			n := allocated(3, func() { e.request("POST", e.URL("polling", s.SID), header, body, 200, "ok") })
			if n > 50*50_000 {
				e.Errorf("%d bytes allocated for a body in chunks of %d", n, size)
			}
		}
		e.alive(s)
	}},
	// CVE-2016-10518, CVE-2026-45736: what buffers held before is not sent. They are filled with something else first.
	{id: "T-8", run: advisoryStaleBytes},
	// RustSec CVE-2022-35922 and others: 200 connections, cut down from 1,000, announce a megabyte each and send a
	// byte.
	{id: "T-34a", run: func(e *env) {
		sessions := make([]*wire.Session, 200)
		for i := range sessions {
			sessions[i] = e.connect("websocket")
		}
		grown := e.growth()
		for _, s := range sessions {
			e.frameSend(s, frameOf(wire.Ping, ""), wire.Claims(1_000_000, frameOf(wire.Binary, "x")))
		}
		for _, s := range sessions { // the pong follows what came in one piece with the ping
			if f, err := s.WebSocket().Read(); err != nil || f.Opcode != wire.Pong {
				e.Fatalf("instead of a pong: %v, %v", f, err)
			}
		}
		if n := grown(); n > 4<<20 {
			e.Errorf("the heap has grown by %d bytes", n)
		}
	}},
	{id: "T-34b", run: func(e *env) {
		sessions := make([]*wire.Session, 200)
		for i := range sessions {
			sessions[i] = e.connect("polling")
		}
		grown := e.growth()
		for _, s := range sessions {
			c, err := e.Dial()
			if err != nil {
				e.Fatal(err)
			}
			e.later(func() { _ = c.Close() })
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n4",
				e.URL("polling", s.SID))
			// That is said when the body is waited for.
			answer := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
			if _, err := io.ReadFull(c, answer); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 100")) {
				e.Fatalf("answer %q, %v", answer, err)
			}
		}
		if n := grown(); n > 8<<20 {
			e.Errorf("the heap has grown by %d bytes", n)
		}
		e.hangUp()
		e.settle(func() bool { return e.io.Stats().Rejected[engineio.RejectPostAborted] == 200 })
	}, reason: socketio.ReasonTransportError},
	// CVE-2026-48802: pongs nobody asked for, of both protocols, cut down to 100,000 each. No goroutine and no timer
	// comes of them: the heap would show timers.
	{id: "T-38", run: func(e *env) {
		s := e.connect("websocket")
		e.alive(s)
		goroutines := runtime.NumGoroutine()
		grown := e.growth()
		flood := []wire.Frame{frameOf(wire.Text, "3"), frameOf(wire.Pong, "")}
		flood = slices.Repeat(flood, 1000)
		for range 100 {
			e.frameSend(s, flood...)
		}
		e.alive(s)
		flood = nil
		if n := grown(); n > 1<<20 {
			e.Errorf("the heap has grown by %d bytes", n)
		}
		wait(e.T, "the goroutines", func() bool { return runtime.NumGoroutine() <= goroutines },
			func() string { return "" })
		if n := e.io.Stats().Rejected[engineio.RejectWebSocketPong]; n != 100_000 {
			e.Errorf("%d pong frames counted", n)
		}
	}, reject: engineio.RejectPong, times: 100_000},
}

// allocated is how many bytes the process allocates when f is called, on average.
func allocated(times int, f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / uint64(times)
}

// advisoryChunks is a body in the chunked coding.
func advisoryChunks(body string, size int) []byte {
	var b bytes.Buffer
	for part := range slices.Chunk([]byte(body), size) {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
	}
	b.WriteString("0\r\n\r\n")
	return b.Bytes()
}

// advisoryStaleBytes fills the buffers that may be used again with the byte 0xdb, and then looks at all that is sent.
func advisoryStaleBytes(e *env) {
	fill := strings.Repeat("\u06c0", 30_000) // 0xdb 0x80
	for _, transport := range []string{"websocket", "polling"} {
		for range 10 {
			s := e.connect(transport)
			if err := s.Emit("echo", fill); err != nil {
				e.Fatal(err)
			}
			e.frameEchoes(s, fill)
			if transport == "websocket" {
				e.frameSend(s, slices.Repeat([]wire.Frame{frameOf(wire.Ping, strings.Repeat("\xdb", 125))}, 50)...)
				for range 50 {
					if _, err := s.WebSocket().Read(); err != nil {
						e.Fatal(err)
					}
				}
			}
		}
	}
	s := e.connect("websocket")
	for n := range 126 {
		arg := strings.Repeat("p", n)
		e.frameSend(s, frameOf(wire.Ping, arg), frameOf(wire.Text, `42["echo","`+arg+`"]`))
		pong, err := s.WebSocket().Read()
		if err != nil || pong.Opcode != wire.Pong || string(pong.Payload) != arg {
			e.Fatalf("pong of %d bytes: %v, %v", n, pong, err)
		}
		answer, err := s.WebSocket().Read()
		if err != nil || string(answer.Payload) != `42["echo","`+arg+`"]` {
			e.Fatalf("echo of %d bytes: %v, %v", n, answer, err)
		}
	}
	p := e.connect("polling")
	for n := range 126 {
		arg := strings.Repeat("p", 16*n)
		if err := p.Emit("echo", arg); err != nil {
			e.Fatal(err)
		}
		e.request("GET", e.URL("polling", p.SID), nil, nil, 200, `42["echo","`+arg+`"]`)
	}
	for n := range 124 { // a close frame is answered with its status
		c := e.session("websocket")
		e.frameSend(c, wire.CloseWith(4000, strings.Repeat("r", n)))
		f, err := c.WebSocket().ReadClose()
		if err != nil || string(f.Payload) != "\x0f\xa0" {
			e.Fatalf("close with a reason of %d bytes: %q, %v", n, f.Payload, err)
		}
		e.frameOver(c)
	}
}

// Headers and names that others took too long for, or misunderstood.
var headRows = []row{
	// CVE-2021-32640. Subprotocols are not negotiated, so that of two names with only blanks between, which are not
	// even a list, nothing is made. Time that grew with the square would not pass: 200,000 blanks are just below the
	// limit of this http.Server, and of MaxAuth, a million above.
	{id: "T-5", opts: func(o *socketio.Options) { o.MaxAuth = 1 << 20 }, run: func(e *env) {
		for _, n := range []int{8 << 10, 200_000} {
			header := e.handshakeAccepted(handshakeHeader(http.Header{"Sec-Websocket-Protocol": {"a" +
				strings.Repeat(" ", n) + "b"}}))
			if got, ok := header["Sec-Websocket-Protocol"]; ok {
				e.Errorf("answered with %q", got)
			}
		}
		lines := handshakeLines + "Sec-WebSocket-Protocol: a" + strings.Repeat(" ", 1<<20) + "b\r\n"
		if line := e.raw("GET /socket.io/" + webSocket + " HTTP/1.1\r\nHost: x\r\n" +
			lines + "\r\n"); !strings.HasPrefix(line, "HTTP/1.1 431") {
			e.Errorf("answer %q", line)
		}
	}},
	// GHSA-5v72-xg48-5rpm, and what browsers' and servers' parsers of extensions have failed on since.
	{id: "T-6", run: func(e *env) {
		for _, offer := range []string{
			"constructor", "__proto__", "constructor; __proto__=1, toString", "hasOwnProperty; valueOf",
			"permessage-deflate" + strings.Repeat("; a=b", 10_000), strings.Repeat("permessage-deflate, ", 5000) + "x",
			`permessage-deflate; a="`, `permessage-deflate; a="\`, `permessage-deflate; a="""`, `"permessage-deflate`,
			"permessage-deflate; server_max_window_bits=99", "permessage-deflate; server_max_window_bits=7",
			"permessage-deflate; server_max_window_bits=-1", `permessage-deflate; server_max_window_bits=""`,
			"permessage-deflate; client_max_window_bits=1e1", "permessage-deflate; =; ==; \xff\xfe",
		} {
			e.offer("Sec-Websocket-Extensions", offer)
		}
	}},
	// CVE-2024-37890: however many headers there are, the upgrade is the one that was asked for, or refused. How many
	// may come is for the http.Server to say: in bytes, and since Go 1.27 in number too, 500 by default.
	{id: "T-12a", run: func(e *env) {
		for _, n := range []int{400, 1000, 5000} {
			many := strings.Repeat("X-Header: a\r\n", n)
			for _, lines := range []string{many + handshakeLines, handshakeLines + many} {
				if line := e.raw("GET /socket.io/" + webSocket + " HTTP/1.1\r\nHost: x\r\n" +
					lines + "\r\n"); !strings.HasPrefix(line, "HTTP/1.1 101") &&
					!(n > 500 && strings.HasPrefix(line, "HTTP/1.1 431")) {
					e.Errorf("%d headers: answer %q", n, line)
				}
			}
		}
	}},
	{id: "T-12b", run: func(e *env) {
		many := strings.Repeat("X-Header: a\r\n", 50_000)
		for _, lines := range []string{many + handshakeLines, handshakeLines + many,
			handshakeLines + "X: " + strings.Repeat("x", 1<<20) + "\r\n"} {
			if line := e.raw("GET /socket.io/" + webSocket + " HTTP/1.1\r\nHost: x\r\n" +
				lines + "\r\n"); !strings.HasPrefix(line, "HTTP/1.1 431") {
				e.Errorf("answer %q", line)
			}
		}
		if n := e.io.Stats().Engine.Opened; n != 1 {
			e.Errorf("%d sessions were opened", n-1)
		}
	}},
	// CVE-2023-43669: one byte in each write.
	{id: "T-12c", run: func(e *env) {
		c, err := e.Dial()
		if err != nil {
			e.Fatal(err)
		}
		defer c.Close()
		text := "GET /socket.io/" + webSocket + " HTTP/1.1\r\nHost: x\r\n" +
			strings.Repeat("X-Header: a\r\n", 400) + handshakeLines + "\r\n"
		for _, b := range []byte(text) {
			if _, err := c.Write([]byte{b}); err != nil {
				e.Fatal(err)
			}
		}
		status := make([]byte, len("HTTP/1.1 101"))
		if _, err := io.ReadFull(c, status); err != nil || string(status) != "HTTP/1.1 101" {
			e.Errorf("answer %q, %v", status, err)
		}
	}},
	// CVE-2017-16113, CVE-2017-16137: names that patterns of the nested kind take exponential time for elsewhere. A
	// name above the limit is not matched at all.
	{id: "T-28", run: func(e *env) {
		var asked atomic.Int64
		for i := range 100 {
			pattern := regexp.MustCompile(fmt.Sprintf(`^/(a+)+(a|aa)+%d$`, i))
			e.io.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool {
				asked.Add(1)
				return pattern.MatchString(name)
			})
		}
		s := e.connect("websocket")
		name := "/" + strings.Repeat("a", 1000) + "!"
		if err := s.Send(wire.Txt("40" + name + ",")); err != nil {
			e.Fatal(err)
		}
		if _, err := s.Expect("44" + name + `,{"message":"Invalid namespace"}`); err != nil {
			e.Error(err)
		}
		before := asked.Load()
		if before != 100 {
			e.Errorf("%d patterns were asked", before)
		}
		if err := s.Send(wire.Txt("40/" + strings.Repeat("a", 900_000) + "!,")); err != nil {
			e.Fatal(err)
		}
		e.closes(s, 1002, "parse error")
		if n := asked.Load() - before; n != 0 {
			e.Errorf("%d patterns were asked about a name of 900,000 bytes", n)
		}
	}, reject: socketio.RejectParse, reason: socketio.ReasonParseError},
}

// Connections that end, or go on, when nobody expects it.
var resetRows = []row{
	// CVE-2022-21676: "test" behind the request for an upgrade is a frame with reserved bits set.
	{id: "T-9a", run: func(e *env) {
		advisoryPipelined(e, e.URL("websocket", ""), "test")
		e.frameCounted(engineio.RejectWebSocket, 1)
	}, reject: engineio.RejectWebSocket},
	{id: "T-9b", run: func(e *env) {
		s := e.connect("polling")
		advisoryPipelined(e, e.URL("websocket", s.SID), "test")
		e.frameCounted(engineio.RejectUpgradeLost, 1)
		e.alive(s)
	}, reject: engineio.RejectUpgradeLost},
	{id: "T-9c", run: func(e *env) {
		s := e.connect("polling")
		advisoryPipelined(e, e.URL("websocket", s.SID), string(frameOf(wire.Text, "4garbage").Append(nil)))
		e.frameCounted(engineio.RejectUpgradeViolation, 1)
		e.alive(s)
	}, reject: engineio.RejectUpgradeViolation},
	// CVE-2022-41940: invalid upgrades whose connection is reset while they are refused, cut down from 10,000.
	{id: "T-10", run: func(e *env) {
		s := e.connect("polling")
		version := handshakeHeader(http.Header{"Sec-Websocket-Version": {"8"}})
		noKey := handshakeHeader(http.Header{"Sec-Websocket-Key": nil})
		requests := [][]byte{
			wire.Request("GET", "/socket.io/?EIO=4&transport=foobar", e.Addr, wire.UpgradeHeader(), nil),
			wire.Request("GET", e.URL("websocket", "unknown"), e.Addr, wire.UpgradeHeader(), nil),
			wire.Request("GET", e.URL("websocket", ""), e.Addr, noKey, nil),
			wire.Request("GET", e.URL("websocket", s.SID), e.Addr, version, nil),
			wire.Request("GET", strings.Replace(e.URL("websocket", s.SID), "EIO=4", "EIO=3", 1),
				e.Addr, wire.UpgradeHeader(), nil),
			wire.Request("POST", e.URL("websocket", ""), e.Addr, wire.UpgradeHeader(), make([]byte, 8<<10)),
			wire.Request("GET", e.URL("polling", s.SID), e.Addr, wire.UpgradeHeader(), nil),
		}
		handshakeResets(e, 1000, func(i int) []byte { return requests[i%len(requests)] })
		e.alive(s)
		if n := e.io.Stats().Engine.Opened; n != 2 {
			e.Errorf("%d sessions were opened", n-2)
		}
	}},
	// CVE-2026-59725: what closes its session is answered all the same.
	{id: "T-18", run: func(e *env) {
		sessions := make([]*wire.Session, 200)
		for i := range sessions {
			sessions[i] = e.connect("polling")
		}
		var wg sync.WaitGroup
		for _, s := range sessions {
			wg.Go(func() {
				res, err := s.Post("POST", http.Header{"Content-Type": {"application/octet-stream"}}, []byte("4x"))
				if err != nil || res.Status != 400 {
					e.Errorf("answer %v, %v", res, err)
				}
			})
		}
		wg.Wait()
		for _, s := range sessions {
			s.Abort()
		}
	}, reject: engineio.RejectContentType, times: 200, reason: socketio.ReasonTransportError},
}

// advisoryPipelined sends bytes in one piece with an upgrade, and wants them to be taken for frames that end it.
func advisoryPipelined(e *env, url, behind string) {
	e.Helper()
	in := e.pipelined("GET " + url + " HTTP/1.1\r\nHost: x\r\n" + handshakeLines + "\r\n" + behind)
	for {
		f, err := wire.ReadFrame(in)
		if err != nil {
			e.Fatalf("instead of a close frame: %v", err)
		}
		if f.Opcode != wire.CloseFrame {
			continue
		}
		if status, _ := f.CloseStatus(); status != 1002 {
			e.Errorf("closed with %d", status)
		}
		return
	}
}
