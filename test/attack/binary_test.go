package attack

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser"
	"sio.example/socketio/test/internal/wire"
)

// Placeholders of the first two attachments, and a header with one of them.
const (
	mark0 = `{"_placeholder":true,"num":0}`
	mark1 = `{"_placeholder":true,"num":1}`
	head1 = `451-["x",` + mark0 + `]`
)

// What is tested elsewhere: B-23's allocations by the parser's TestHeaderAllocatesNothingForWhatItAnnounces, B-24's
// budget to the byte by its TestBytesOfAttachments. The client's side of B-33 belongs to the client.
//
// Attachment numbers are judged at the header (B-13 to B-18): one that is wrong will not become right, so no attachment
// is waited for.
var binaryRows = slices.Concat(
	refusedPackets("B-2", socketio.RejectParse, txts(head1, `42["x"]`),
		txts(head1, `42/admin,["x"]`), txts(head1, `430[]`), txts(head1, head1)),
	refusedPackets("B-3", socketio.RejectParse, []wire.Packet{wire.Bin([]byte("a"))}, []wire.Packet{wire.Bin(nil)},
		withBins(`461-9[`+mark0+`]`, "a", "one too many")),
	refusedEach("B-4", socketio.RejectParse, `450-["x"]`, `460-1["x"]`, `450-["x",`+mark0+`]`),
	refusedEach("B-6", socketio.RejectParse, `4511-["x"]`, `451000000000-["x"]`,
		`45`+strings.Repeat("9", 400)+`-["x"]`, `4611-1[]`),
	refusedEach("B-7", socketio.RejectParse, `45-1-["x"]`, `451.5-["x"]`,
		`45["x"]`, `45-["x"]`, `451`, `45`, `451["x"]`, `46`),
	refusedEach("B-8", socketio.RejectParse, `451e1-["x"]`, `450x1-["x"]`,
		`45 1-["x"]`, `451 -["x"]`, `4501-["x"]`, `45+1-["x"]`),
	refusedEach("B-12", socketio.RejectParse, `451-`, `451-/admin,`, `451-1`, `461-1`, `451-{}`, `451-[]`, `451- `),
	refusedEach("B-13", socketio.RejectParse, `451-["x",{"_placeholder":true,"num":1}]`,
		`452-["x",`+mark0+`,{"_placeholder":true,"num":2}]`,
		`451-["x",{"_placeholder":true,"num":4294967296}]`,
		`451-["x",{"_placeholder":true,"num":1e400}]`, `461-1[{"_placeholder":true,"num":9}]`),
	refusedEach("B-14", socketio.RejectParse, `451-["x",{"_placeholder":true,"num":-1}]`),
	refusedEach("B-15", socketio.RejectParse, `451-["x",{"_placeholder":true,"num":"splice"}]`,
		`451-["x",{"_placeholder":true,"num":"0"}]`),
	refusedEach("B-16", socketio.RejectParse, `451-["x",{"_placeholder":true,"num":0.5}]`),
	refusedEach("B-17", socketio.RejectParse, `451-["x",{"_placeholder":true,"num":null}]`,
		`451-["x",{"_placeholder":true,"num":[0]}]`),
	refusedEach("B-18", socketio.RejectParse, `451-["x",{"_placeholder":true}]`,
		`451-["x",[1,{"a":{"_placeholder":true}}]]`),
	refusedEach("B-22", socketio.RejectParse, `451-[`+mark0+`]`, `451-[`+mark0+`,"x"]`),
	refusedPackets("B-25", socketio.RejectParse, txts(head1, `41`), txts(head1, `41/admin,`), txts(head1, `40/admin,`)),
	refusedEach("B-29", socketio.RejectParse, `451-["x",`+strings.Repeat(`[`, 5000)+mark0+strings.Repeat(`]`, 5000)+`]`,
		`451-["x",`+strings.Repeat(`{"a":`, 999)+mark0+strings.Repeat(`}`, 999)+`]`),
	refusedEarly("B-31", socketio.RejectViolation, head1,
		`461-0[`+mark0+`]`, `451-/admin,["x",`+mark0+`]`, `4510-["x"]`),
	binaryValueRows, binaryBudgetRows, binaryOutRows,
)

// withBins is a header and its attachments.
func withBins(header string, attachments ...string) []wire.Packet {
	ps := txts(header)
	for _, a := range attachments {
		ps = append(ps, wire.Bin([]byte(a)))
	}
	return ps
}

// binaryValueRows are about packets that are taken, though some look odd.
var binaryValueRows = []row{
	{id: "B-1", run: func(e *env) {
		hearBytes(e)
		e.both(func(s *wire.Session) {
			all := make([]byte, 256)
			for i := range all {
				all[i] = byte(i)
			}
			e.says(s, withBins(`451-["echo",`+mark0+`]`, string(all)),
				withBins(`451-["echo",`+mark0+`]`, string(all))...)
			e.says(s, withBins(`451-7["echo",`+mark0+`]`, "a"), withBins(`461-7[`+mark0+`]`, "a")...)
			e.says(s, withBins(`451-7["bytes",`+mark0+`]`, string(all)),
				txts(`437["`+base64.StdEncoding.EncodeToString(all)+`"]`)...)
			e.alive(s)
		})
	}},
	{id: "B-1-order", run: func(e *env) { // the members may come in any order, with others among them, and escaped
		e.both(func(s *wire.Session) {
			for _, mark := range []string{
				`{"num":0,"_placeholder":true}`, `{"_placeholder":true,"num":0,"more":[` + mark1 + `]}`,
				`{"\u005fplaceholder":true,"n\u0075m":0}`,
				`{ "_placeholder" : true , "num" : 0.0e1 }`,
				`{"_placeholder":false,"_placeholder":true,"num":5,"num":0}`,
			} {
				e.says(s, withBins(`451-["echo",`+mark+`]`, "a"), withBins(`451-["echo",`+mark0+`]`, "a")...)
			}
		})
	}},
	{id: "B-5", run: func(e *env) {
		var marks, files []string
		for i := range 10 {
			marks = append(marks, fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i))
			files = append(files, strings.Repeat(string(rune('a'+i)), i))
		}
		header := `4510-["echo",` + strings.Join(marks, ",") + `]`
		e.both(func(s *wire.Session) {
			e.says(s, withBins(header, files...), withBins(header, files...)...)
			e.alive(s)
		})
	}},
	{id: "B-19", run: func(e *env) {
		e.io.Handle("twice", func(_ context.Context, _ *socketio.Socket, ev *socketio.Event) error {
			var a, b []byte
			if err := ev.Bind(&a, &b); err != nil {
				return err
			}
			// Both are the same bytes, not to be written to; what is appended to one is not seen by the other.
			_ = append(a, '!')
			return ev.Ack(string(a), string(b), len(b))
		})
		e.both(func(s *wire.Session) {
			e.says(s, withBins(`451-7["twice",`+mark0+`,`+mark0+`]`, "abc"), txts(`437["abc","abc",3]`)...)
			e.alive(s)
		})
	}},
	{id: "B-19-relayed", run: func(e *env) { // the bytes go out once, too
		e.both(func(s *wire.Session) {
			e.says(s, withBins(`451-["echo",`+mark0+`,[`+mark0+`]]`, "abc"),
				withBins(`451-["echo",`+mark0+`,[`+mark0+`]]`, "abc")...)
			e.alive(s)
		})
	}},
	{id: "B-20", run: func(e *env) {
		e.both(func(s *wire.Session) {
			e.update(func() { e.heard = nil })
			e.says(s, withBins(`451-["x",1]`, "dropped"))
			e.says(s, withBins(`452-["echo",`+mark1+`]`, "dropped", "kept"),
				withBins(`451-["echo",`+mark0+`]`, "kept")...)
			e.hears(heard{"x", `[1]`}, heard{"echo", "binary"})
			e.alive(s)
		})
	}},
	{id: "B-21", run: func(e *env) {
		e.both(func(s *wire.Session) {
			e.update(func() { e.heard = nil })
			e.says(s, txts(`42["x",`+mark0+`]`))
			e.hears(heard{"x", `[{"_placeholder":true,"num":0}]`})
			e.says(s, txts(`42["echo",`+mark0+`]`), txts(`42["echo",`+mark0+`]`)...)
			e.says(s, txts(`427["echo",{"_placeholder":true,"num":"splice"}]`),
				txts(`437[{"_placeholder":true,"num":"splice"}]`)...)
		})
	}},
	{id: "B-26a", run: func(e *env) { // what is no message may come between
		e.both(func(s *wire.Session) {
			ps := withBins(`452-["echo",`+mark0+`,`+mark1+`]`, "a", "b")
			e.says(s, []wire.Packet{ps[0], wire.Txt(`3`), ps[1], wire.Txt(`6`), wire.Txt(`3`), ps[2]}, ps...)
			e.alive(s)
		})
	}},
	{id: "B-26b", opts: func(o *socketio.Options) { o.Engine.PingInterval = 100 * time.Millisecond },
		run: func(e *env) {
			e.both(func(s *wire.Session) {
				s.NoPong = true
				ps := withBins(`452-["echo",`+mark0+`,`+mark1+`]`, "a", "b")
				for i := range ps {
					if err := s.Send(ps[i]); err != nil {
						e.Fatal(err)
					}
					if i == len(ps)-1 {
						break
					}
					if _, err := s.Expect(`2`); err != nil {
						e.Fatal(err)
					}
					e.says(s, txts(`3`))
				}
				s.NoPong = false
				e.says(s, nil, ps...)
			})
		}},
	{id: "B-27", run: func(e *env) {
		hearBytes(e)
		e.both(func(s *wire.Session) {
			e.says(s, withBins(`451-["echo",`+mark0+`]`, ""), withBins(`451-["echo",`+mark0+`]`, "")...)
			e.says(s, withBins(`451-7["bytes",`+mark0+`]`, ""), txts(`437[""]`)...)
		})
	}},
	{id: "B-28", run: func(e *env) {
		e.both(func(s *wire.Session) {
			id, ask := e.ask(s, "pending")
			e.says(s, withBins(`461-999[`+mark0+`]`, "a"))
			e.says(s, withBins(`461-[`+mark0+`]`, "a"))
			e.alive(s)
			ask("answer")
			e.says(s, withBins(`461-`+id+`[`+mark0+`]`, "too late"))
			e.alive(s)
		})
		e.hears()
	}},
	{id: "B-28-known", run: func(e *env) {
		e.both(func(s *wire.Session) {
			sock, done := e.serverSocket(s), make(chan string, 1)
			go func() { // ends with its call: the row answers, or closes the session
				args, err := sock.EmitWithAck(context.Background(), "ask", []byte("question"))
				var got []byte
				if err == nil {
					err = args.Bind(&got)
				}
				done <- fmt.Sprintf("%s %v", got, err)
			}()
			p, err := s.Next()
			if err != nil {
				e.Fatal(err)
			}
			id := strings.TrimSuffix(strings.TrimPrefix(p.String(), `451-`), `["ask",`+mark0+`]`)
			e.says(s, nil, wire.Bin([]byte("question")))
			e.says(s, withBins(`461-`+id+`[`+mark0+`]`, "answer"))
			if got := <-done; got != "answer <nil>" {
				e.Errorf("%v: answer %s", p, got)
			}
		})
	}},
	{id: "B-29-accepted", run: func(e *env) {
		e.both(func(s *wire.Session) {
			header := `451-["echo",` + strings.Repeat(`[`, 998) + mark0 + strings.Repeat(`]`, 998) + `]`
			e.says(s, withBins(header, "deep"), withBins(header, "deep")...)
			e.alive(s)
		})
	}},
	{id: "B-30", run: func(e *env) {
		e.both(func(s *wire.Session) {
			e.update(func() { e.heard = nil })
			for _, mark := range []string{
				`{"_placeholder":1,"num":0}`, `{"_placeholder":"true","num":"splice"}`, `{"_placeholder":null,"num":0}`,
				`{"_placeholder":{},"num":9}`, `{"_placeholder":true,"_placeholder":false,"num":9}`,
				`{"_Placeholder":true,"num":9}`,
			} {
				e.says(s, withBins(`451-["echo",`+mark+`]`, "a"), txts(`42["echo",`+mark+`]`)...)
			}
		})
	}},
}

// hearBytes handles "bytes": it acknowledges the base64 form of its argument.
func hearBytes(e *env) {
	e.io.Handle("bytes", func(_ context.Context, _ *socketio.Socket, ev *socketio.Event) error {
		var b []byte
		if err := ev.Bind(&b); err != nil {
			return err
		}
		if b == nil {
			return ev.Ack("null")
		}
		return ev.Ack(base64.StdEncoding.EncodeToString(b))
	})
}

// binaryBudgetRows are about what is held for a packet that is not complete.
var binaryBudgetRows = []row{
	{id: "B-23", run: func(e *env) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e.both(func(s *wire.Session) { e.refuses(s, socketio.RejectParse, wire.Txt(`451000000000-["x",`+mark0+`]`)) })
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
			e.Errorf("%d bytes were allocated", n)
		}
	}, reject: socketio.RejectParse, times: 2, reason: socketio.ReasonParseError},
	{id: "B-24a", opts: func(o *socketio.Options) {
		o.Parser = parser.JSON(&parser.JSONOptions{MaxBytes: 200_000})
	}, run: func(e *env) {
		part := strings.Repeat("a", 70_000)
		for _, transport := range transports {
			s := e.connect(transport)
			for _, p := range withBins(`4510-["x"]`, part, part) {
				e.says(s, []wire.Packet{p})
			}
			e.refuses(s, socketio.RejectParse, wire.Bin([]byte(part)))
		}
		e.hears()
	}, reject: socketio.RejectParse, times: 2, reason: socketio.ReasonParseError, warns: true},
	{id: "B-24b", opts: func(o *socketio.Options) { o.AttachmentTimeout = 4 * time.Second }, run: func(e *env) {
		var sessions []*wire.Session
		for i := range 4 {
			s := e.connect(transports[i%2])
			ps := withBins(`452-["x",`+mark0+`,`+mark1+`]`, "a")
			e.says(s, ps[:1+i/2]) // with, and without, the first one
			if s.WebSocket() == nil {
				if err := s.StartPoll(); err != nil {
					e.Fatal(err)
				}
			}
			e.says(s, txts(`3`)) // that is no attachment
			sessions = append(sessions, s)
		}
		for _, s := range sessions {
			e.closes(s, 1008, "attachment timeout")
			e.gone(s.SID)
		}
		e.checkVictims(socketio.ReasonForcedServerClose)
		e.hears()
	}, reject: socketio.RejectAttachments, times: 4, reason: socketio.ReasonForcedServerClose},
	{id: "B-24c", opts: func(o *socketio.Options) { o.AttachmentTimeout = 4 * time.Second }, run: func(e *env) {
		// 6 clients instead of 1,000
		grown := e.growth()
		var sessions []*wire.Session
		part := strings.Repeat("a", 400_000)
		for i := range 6 {
			s := e.connect(transports[i%2])
			e.says(s, withBins(`4510-["x"]`, part))
			if s.WebSocket() == nil {
				if err := s.StartPoll(); err != nil {
					e.Fatal(err)
				}
			}
			sessions = append(sessions, s)
		}
		if n := grown(); n > 8<<20 {
			e.Errorf("%d bytes are held", n)
		}
		for _, s := range sessions {
			e.closes(s, 1008, "attachment timeout")
		}
		e.settle(func() bool { return e.io.Stats().Engine.Sessions == 0 && grown() < 1<<20 })
	}, reject: socketio.RejectAttachments, times: 6, reason: socketio.ReasonForcedServerClose},
	{id: "B-24d", run: func(e *env) { // the client goes; what was held goes with it
		grown := e.growth()
		for range 5 {
			s := e.connect("websocket")
			e.says(s, withBins(`4510-["x"]`, strings.Repeat("a", 900_000)))
			e.leaves(s)
		}
		e.settle(func() bool { return e.io.Stats().Engine.Sessions == 0 && grown() < 2<<20 })
		e.hears()
	}, reason: socketio.ReasonTransportClose},
}

func smallPayload(o *socketio.Options) { o.Engine.MaxPayload = 100_000 }

// binaryOutRows are about what the server sends, and about text and binary on polling.
var binaryOutRows = []row{
	{id: "B-32", run: func(e *env) { // 400 packets instead of 1,000,000
		e.both(func(s *wire.Session) {
			sock := e.serverSocket(s)
			for range 10 {
				const each = 20
				var wg sync.WaitGroup
				for g := range 2 {
					wg.Go(func() { // ends with its events
						for i := range each {
							id := byte(g*each + i)
							if err := sock.Emit("b", id, []byte{id, 0}, []byte{id, 1}); err != nil {
								e.Errorf("Emit: %v", err)
							}
							if err := sock.Emit("t", id); err != nil {
								e.Errorf("Emit: %v", err)
							}
						}
					})
				}
				last := [2]int{-1, -1} // of each goroutine
				for range 2 * 2 * each {
					adjacent(e, s, each, &last)
				}
				wg.Wait()
			}
		})
	}},
	{id: "B-33a", run: func(e *env) { // a payload of text and binary that is exactly as long as it may be
		s := e.connect("polling")
		file := strings.Repeat("a", 600_000)
		body := func(n int) string {
			begin := string(wire.EncodePayload(append(withBins(head1, file), txts(`3`)...))) + "\x1e" + `42["y","`
			return begin + strings.Repeat("b", n-len(begin)-2) + `"]`
		}
		e.post(s, nil, body(1_000_000), 200)
		e.until("the events", func() bool {
			return len(e.heard) == 2 &&
				e.heard[0] == heard{"x", "binary"} && e.heard[1].name == "y"
		})
		e.request("POST", e.URL("polling", s.SID), nil, []byte(body(1_000_001)), 413, "")
	}, reject: engineio.RejectBodySize, reason: socketio.ReasonTransportError},
	{id: "B-33b", run: func(e *env) { // what the server answers keeps to it too, though base64 is longer
		s := e.connect("polling")
		sock := e.serverSocket(s)
		file := bytes.Repeat([]byte{0xff}, 200_000)
		for range 4 {
			if err := sock.Emit("x", file); err != nil {
				e.Fatal(err)
			}
		}
		h, err := e.HTTP()
		if err != nil {
			e.Fatal(err)
		}
		defer h.Close()
		var ps []wire.Packet
		for n := 0; len(ps) < 8; n++ {
			res, err := h.Do("GET", e.URL("polling", s.SID), nil, nil)
			if err != nil || res.Status != 200 || len(res.Body) > 1_000_000 || n > 8 {
				e.Fatalf("answer of %d bytes, %v", len(res.Body), err)
			}
			some, err := wire.DecodePayload(res.Body)
			if err != nil {
				e.Fatal(err)
			}
			ps = append(ps, some...)
		}
		for i, p := range ps {
			if want := i%2 == 1; p.Binary != want || want && !bytes.Equal(p.Data, file) {
				e.Errorf("packet %d: %.50v", i, p)
			}
		}
	}},
	{id: "B-33c", run: func(e *env) { // text and binary take turns
		e.both(func(s *wire.Session) {
			var send []wire.Packet
			for i := range 20 {
				send = append(send, withBins(fmt.Sprintf(`451-["echo",%d,%s]`, i, mark0),
					strings.Repeat(string(rune('a'+i)), i))...)
				send = append(send, wire.Txt(fmt.Sprintf(`42["echo",%d]`, i)))
			}
			e.says(s, send, send...)
		})
	}},
}

// adjacent reads one event of B-32: attachments follow their header, and events of a goroutine each other.
func adjacent(e *env, s *wire.Session, each int, last *[2]int) {
	e.Helper()
	p, err := s.Next()
	if err != nil {
		e.Fatal(err)
	}
	var id, half int
	if _, err := fmt.Sscanf(p.String(), `452-["b",%d,`, &id); err == nil {
		e.says(s, nil, wire.Bin([]byte{byte(id), 0}), wire.Bin([]byte{byte(id), 1}))
	} else if _, err := fmt.Sscanf(p.String(), `42["t",%d]`, &id); err == nil {
		half = 1
	} else {
		e.Fatalf("%v instead of a header", p)
	}
	g := id / each
	if n := 2*(id%each) + half; n != last[g]+1 {
		e.Errorf("event %d of goroutine %d after %d", n, g, last[g])
	}
	last[g] = 2*(id%each) + half
}
