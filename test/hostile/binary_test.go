package hostile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"sio.example/socketio/client"
	"sio.example/socketio/parser"
	"sio.example/socketio/test/internal/wire"
)

// Placeholders of the first two attachments, and a header with one of them.
const (
	mark0 = `{"_placeholder":true,"num":0}`
	mark1 = `{"_placeholder":true,"num":1}`
	head1 = `451-["x",` + mark0 + `]`
)

// Binary attachments. B-23's allocations are tested by the parser's TestHeaderAllocatesNothingForWhatItAnnounces, and
// B-24's budget to the byte by its TestBytesOfAttachments. Attachment numbers are judged at the header (B-13 to B-18).
var binaryRows = slices.Concat(
	refusedPackets("B-2", txts(head1, `42["x"]`), txts(head1, `42/admin,["x"]`),
		txts(head1, `430[]`), txts(head1, head1)),
	refusedPackets("B-3", []wire.Packet{wire.Bin([]byte("a"))},
		[]wire.Packet{wire.Bin(nil)}, withBins(`461-9[`+mark0+`]`, "a", "one too many")),
	refused("B-4", `450-["x"]`, `460-1["x"]`, `450-["x",`+mark0+`]`),
	refused("B-6", `4511-["x"]`, `451000000000-["x"]`, `45`+strings.Repeat("9", 400)+`-["x"]`, `4611-1[]`),
	refused("B-7", `45-1-["x"]`, `451.5-["x"]`, `45["x"]`, `45-["x"]`, `451`, `45`, `451["x"]`, `46`),
	refused("B-8", `451e1-["x"]`, `450x1-["x"]`, `45 1-["x"]`, `451 -["x"]`, `4501-["x"]`, `45+1-["x"]`),
	refused("B-12", `451-`, `451-/admin,`, `451-1`, `461-1`, `451-{}`, `451-[]`, `451- `),
	refused("B-13", `451-["x",{"_placeholder":true,"num":1}]`, `452-["x",`+mark0+`,{"_placeholder":true,"num":2}]`,
		`451-["x",{"_placeholder":true,"num":4294967296}]`,
		`451-["x",{"_placeholder":true,"num":1e400}]`, `461-1[{"_placeholder":true,"num":9}]`),
	refused("B-14", `451-["x",{"_placeholder":true,"num":-1}]`),
	refused("B-15", `451-["x",{"_placeholder":true,"num":"splice"}]`, `451-["x",{"_placeholder":true,"num":"0"}]`),
	refused("B-16", `451-["x",{"_placeholder":true,"num":0.5}]`),
	refused("B-17", `451-["x",{"_placeholder":true,"num":null}]`, `451-["x",{"_placeholder":true,"num":[0]}]`),
	refused("B-18", `451-["x",{"_placeholder":true}]`, `451-["x",[1,{"a":{"_placeholder":true}}]]`),
	refused("B-22", `451-[`+mark0+`]`, `451-[`+mark0+`,"x"]`),
	refused("B-23", `451000000000-["x",`+mark0+`]`),
	refusedPackets("B-25", txts(head1, `41`), txts(head1, `41/admin,`), txts(head1, `40/admin,`)),
	refused("B-29", `451-["x",`+strings.Repeat(`[`, 5000)+mark0+strings.Repeat(`]`, 5000)+`]`,
		`451-["x",`+strings.Repeat(`{"a":`, 999)+mark0+strings.Repeat(`}`, 999)+`]`),
	binaryTaken, binaryBudgetRows,
)

// withBins is a header and its attachments.
func withBins(header string, attachments ...string) []wire.Packet {
	ps := txts(header)
	for _, a := range attachments {
		ps = append(ps, wire.Bin([]byte(a)))
	}
	return ps
}

// relays sends packets, and wants the echo's answer to be these.
func relays(s *session, send []wire.Packet, want ...wire.Packet) {
	s.srv.Helper()
	s.say(send...)
	for _, w := range want {
		if p, err := s.next(); err != nil || p.String() != w.String() {
			s.srv.Fatalf("answer %.300v, %v; want %.300v", p, err, w)
		}
	}
}

// echoed is one event of the echo, there and back.
func echoed(s *session, header string, attachments ...string) {
	s.srv.Helper()
	ps := withBins(header, attachments...)
	relays(s, ps, ps...)
}

// binaryTaken are about packets that are taken, though some look odd.
var binaryTaken = []row{
	{id: "B-1", any: true, run: func(_ *env, s *session) {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		echoed(s, `451-["echo",`+mark0+`]`, string(all))
		relays(s, withBins(`451-7["echo",`+mark0+`]`, "a"), withBins(`461-7[`+mark0+`]`, "a")...)
		for _, mark := range []string{
			`{"num":0,"_placeholder":true}`, `{"_placeholder":true,"num":0,"more":[` + mark1 + `]}`,
			`{"\u005fplaceholder":true,"n\u0075m":0}`,
			`{ "_placeholder" : true , "num" : 0.0e1 }`, `{"_placeholder":false,"_placeholder":true,"num":5,"num":0}`,
		} {
			relays(s, withBins(`451-["echo",`+mark+`]`, "a"), withBins(`451-["echo",`+mark0+`]`, "a")...)
		}
	}},
	{id: "B-5", any: true, run: func(_ *env, s *session) {
		var marks, files []string
		for i := range 10 {
			marks = append(marks, fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i))
			files = append(files, strings.Repeat(string(rune('a'+i)), i))
		}
		echoed(s, `4510-["echo",`+strings.Join(marks, ",")+`]`, files...)
	}},
	{id: "B-19", any: true, run: func(e *env, s *session) {
		e.s.On("twice", func(_ context.Context, ev *client.Event) error {
			var a, b []byte
			if err := ev.Bind(&a, &b); err != nil {
				return err
			}
			_ = append(a, '!') // is not seen by the other, though both are the same bytes
			return ev.Ack(string(a), string(b), len(b))
		})
		relays(s, withBins(`451-7["twice",`+mark0+`,`+mark0+`]`, "abc"), txts(`437["abc","abc",3]`)...)
		echoed(s, `451-["echo",`+mark0+`,[`+mark0+`]]`, "abc")
	}},
	{id: "B-20", run: func(_ *env, s *session) { s.say(withBins(`451-["x",1]`, "dropped")...) },
		heard: []heard{{"x", "[1]"}}},
	{id: "B-21", any: true, run: func(_ *env, s *session) {
		relays(s, txts(`427["echo",{"_placeholder":true,"num":"splice"}]`),
			txts(`437[{"_placeholder":true,"num":"splice"}]`)...)
	}},
	{id: "B-26", any: true, run: func(_ *env, s *session) { // what is no message may come between
		ps := withBins(`452-["echo",`+mark0+`,`+mark1+`]`, "a", "b")
		relays(s, []wire.Packet{ps[0], wire.Txt(`2`)}, wire.Txt(`3`))
		relays(s, []wire.Packet{ps[1], wire.Txt(`6`), wire.Txt(`2`)}, wire.Txt(`3`))
		relays(s, ps[2:], ps...)
	}},
	{id: "B-27", any: true, run: func(_ *env, s *session) { echoed(s, `451-["echo",`+mark0+`]`, "") }},
	{id: "B-28", run: func(e *env, s *session) {
		id, done := e.ask(context.Background(), s, e.s, "42")
		s.say(slices.Concat(withBins(`461-999[`+mark0+`]`, "a"),
			withBins(`461-[`+mark0+`]`, "a"), withBins(`461-`+id+`["x",`+mark0+`]`, "b"),
			withBins(`461-`+id+`[`+mark0+`]`, "too late"), txts(`42["x"]`))...)
		done.wants(e.T, "[x [98]] <nil>")
		e.until("the event", func() bool { return len(e.heard) == 1 })
		done.once(e.T)
	}, heard: []heard{{"x", "[]"}}},
	{id: "B-29-accepted", any: true, run: func(_ *env, s *session) {
		echoed(s, `451-["echo",`+strings.Repeat(`[`, 998)+mark0+strings.Repeat(`]`, 998)+`]`, "deep")
	}},
	{id: "B-30", any: true, run: func(_ *env, s *session) {
		for _, mark := range []string{
			`{"_placeholder":1,"num":0}`, `{"_placeholder":"true","num":"splice"}`, `{"_placeholder":null,"num":0}`,
			`{"_placeholder":{},"num":9}`, `{"_placeholder":true,"_placeholder":false,"num":9}`,
			`{"_Placeholder":true,"num":9}`,
		} {
			relays(s, withBins(`451-["echo",`+mark+`]`, "a"), txts(`42["echo",`+mark+`]`)...)
		}
	}},
	{id: "B-31", any: true, begin: func(e *env) {
		// a packet is put together, whoever it is for, and then is as P-1-event
		e.srv.hostile = 1
		e.srv.wg.Go(func() { // ends with what it has to say
			s := e.srv.first()
			s.expect("40")
			s.say(withBins(head1, "a")...)
			s.say(withBins(`451-/nope,["x",`+mark0+`]`, "a")...)
			s.say(txts(`40{"sid":"a"}`)...)
			s.echo()
		})
	}},
	{id: "B-32", run: func(e *env, s *session) { // 400 packets instead of 1,000,000
		const each = 100
		var wg sync.WaitGroup
		for g := range 2 {
			wg.Go(func() { // ends with its events
				for i := range each {
					if err := e.s.Emit("b", g, i, []byte{byte(g), byte(i)}, []byte("second")); err != nil {
						e.Errorf("Emit: %v", err)
					}
					if err := e.s.Emit("t", g, i); err != nil {
						e.Errorf("Emit: %v", err)
					}
				}
			})
		}
		next := [2]int{}
		for range 2 * 2 * each {
			p, err := s.next()
			if err != nil {
				e.Fatal(err)
			}
			var g, i, half int
			if _, err := fmt.Sscanf(p.String(), `452-["b",%d,%d,`, &g, &i); err == nil {
				a, errA := s.next()
				b, errB := s.next()
				if errA != nil || errB != nil ||
					!bytes.Equal(a.Data, []byte{byte(g), byte(i)}) || string(b.Data) != "second" {
					e.Fatalf("attachments %v %v, %v %v", a, errA, b, errB)
				}
			} else if _, err := fmt.Sscanf(p.String(), `42["t",%d,%d]`, &g, &i); err == nil {
				half = 1
			} else {
				e.Fatalf("%v instead of a header", p)
			}
			if n := 2*i + half; n != next[g] {
				e.Errorf("event %d of goroutine %d instead of %d", n, g, next[g])
			}
			next[g]++
		}
		wg.Wait()
	}},
}

// binaryBudgetRows are about what is held for a packet that is not complete.
var binaryBudgetRows = []row{
	{id: "B-24", opts: func(o *client.Options) { o.Parser = parser.JSON(&parser.JSONOptions{MaxBytes: 200_000}) },
		run: func(_ *env, s *session) {
			part := strings.Repeat("a", 70_000)
			for _, p := range withBins(`4510-["y"]`, part, part, part) {
				s.say(p)
			}
		}, reason: client.ReasonParseError, status: 1002},
	{id: "B-24-goes", run: func(_ *env, s *session) { // what was held goes with the connection
		for _, p := range withBins(`4510-["y"]`, strings.Repeat("a", 500_000), strings.Repeat("a", 500_000)) {
			s.say(p)
		}
		s.say(txts("1")...)
	}, reason: client.ReasonTransportClose},
}

// TestMaxPayload is row B-33: on polling, what the client sends in one request keeps to the server's maxPayload, though
// base64 is longer. A packet that is larger by itself goes alone.
func TestMaxPayload(t *testing.T) {
	e := start(t, row{}, "polling")
	const limit = 10_000
	e.srv.open = func(sid string) string {
		return fmt.Sprintf(`{"sid":"%s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":%d}`,
			sid, limit)
	}
	e.srv.hostile = 1
	var mu sync.Mutex
	var bodies [][]byte
	e.srv.take = func(c *conn, r *http.Request) bool {
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			mu.Lock()
			bodies = append(bodies, body)
			mu.Unlock()
		}
		return false
	}
	s := e.connect()
	file := bytes.Repeat([]byte{0xff}, 3_000) // 4,001 with base64
	for i := range 20 {
		if err := e.s.Emit("x", i, file, strings.Repeat("y", 500)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.s.Emit("large", strings.Repeat("y", 2*limit)); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if rest := s.expect(fmt.Sprintf(`451-["x",%d,`, i)); rest == "" {
			t.Error("no header")
		}
		if p, err := s.next(); err != nil || !p.Binary || !bytes.Equal(p.Data, file) {
			t.Fatalf("attachment %d: %.50v, %v", i, p, err)
		}
	}
	s.expect(`42["large"`)
	mu.Lock()
	for _, body := range bodies {
		if len(body) > limit && bytes.Contains(body, []byte{0x1e}) {
			t.Errorf("a request of %d bytes and several packets", len(body))
		}
	}
	if n := len(bodies); n > 20 {
		t.Errorf("%d requests", n)
	}
	mu.Unlock()
	e.srv.wg.Go(s.echo)
	if err := echo(e.s); err != nil {
		t.Error(err)
	}
	shutdown(t, e.m)
}
