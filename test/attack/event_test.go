package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	socketio "sio.example/socketio"
	"sio.example/socketio/test/internal/wire"
)

// What is tested elsewhere: P-19 and P-20 in figures by the parser's TestMemoryOfDecodedValues and
// TestHostileTextsTakeLinearTime, P-25's single answer by TestAckOnceFromManyGoroutines of package event, P-38 in
// numbers by TestManyNamespacesOverTime of the root, P-41 by test/parser. There is no limit on the rate of P-39; what
// it may cost is bounded.
var eventRows = slices.Concat(
	refusedEarly("P-1", socketio.RejectViolation, `42["x"]`, `430[]`, `43`, `41`, `41/admin,`, `44{"message":"x"}`),
	refusedEarly("P-2-main-", socketio.RejectParse, `40[]`, `40"x"`, `40{`, `40null`),
	refusedEach("P-2-admin-", socketio.RejectParse, `40/admin,[]`,
		`40/admin,"x"`, `40/admin,{`, `40/admin,null`, `40/admin,1{}`),
	refusedEach("P-5", socketio.RejectParse, `42{}`, `42"x"`, `42[]`, `42[null]`, `42[true]`, `42[{}]`, `42[["x"]]`),
	refusedEach("P-6", socketio.RejectParse, `42`, `420`, `42/,`, `42 `),
	refusedEach("P-7-infinite", socketio.RejectParse, `42[1e400]`), // there is no such name
	refusedEach("P-8", socketio.RejectParse, `42[{"toString":"x"}]`),
	refusedEach("P-9", socketio.RejectParse, `42["connect"]`,
		`42["connect_error"]`, `42["disconnect"]`, `42["disconnecting"]`,
		`42["newListener"]`, `42["removeListener"]`, `42["\u0063onnect"]`,
		`451-["disconnect",{"_placeholder":true,"num":0}]`),
	refusedEach("P-13", socketio.RejectParse, `42["x"]trailing`,
		`42["x"],`, `42["x"`, `42["x",`, `42["x",]`, `42[`, `42["x`,
		`42["x",NaN]`, `42["x",Infinity]`, `42["x",undefined]`, `42["x",nul]`, `42['x']`, `42["x",'y']`, `42["x"/**/]`,
		"42[\"x\",//\n]", "42[\"x\",\"a\nb\"]", `42["x","\x41"]`,
		`42["x","\u12"]`, `42["x",01]`, `42["x",+1]`, `42["x",.5]`,
		`42["x",0x10]`, `42["x",{a:1}]`, "42\ufeff[\"x\"]", `40/admin,{}{}`),
	refusedEach("P-17", socketio.RejectParse,
		`42["x",`+nested(1000, `[`, `]`)+`]`, `42["x",`+nested(9_000, `[`, `]`)+`]`,
		`42["x",`+nested(100_000, `[`, `]`)+`]`,
		`42["x",`+nested(499_990, `[`, `]`)+`]`, `42["x",`+strings.Repeat(`[`, 900_000),
		`42["x",`+nested(1000, `{"a":`, `}`)+`]`, `42["x",`+nested(9_000, `{"a":`, `}`)+`]`,
		`42["x",`+nested(100_000, `{"a":`, `}`)+`]`,
		`40/admin,`+nested(1001, `{"a":`, `}`), `430[`+nested(1000, `[`, `]`)+`]`),
	refusedEach("P-18", socketio.RejectParse, `42["x"`+strings.Repeat(`,1`, 10_001)+`]`,
		`42["x"`+strings.Repeat(`,1`, 50_000)+`]`,
		`42["x"`+strings.Repeat(`,1`, 400_000)+`]`, `430[1`+strings.Repeat(`,1`, 10_000)+`]`),
	refusedEach("P-22", socketio.RejectParse, `42`+strings.Repeat("9", 20)+`["x"]`,
		`42`+strings.Repeat("9", 400)+`["x"]`,
		`429007199254740992["x"]`, `42`+strings.Repeat("0", 16)+`1["x"]`, `43`+strings.Repeat("9", 20)+`[]`),
	refusedEach("P-23", socketio.RejectParse, `42-1["x"]`, `421.5["x"]`,
		`42 1["x"]`, `421 2["x"]`, `421e1["x"]`, `42+1["x"]`),
	refusedEach("P-28", socketio.RejectParse, `430{}`, `430"x"`, `430null`, `43{}`, `430[`),
	refusedEach("P-30", socketio.RejectParse, `41{}`, `41[]`, `41null`, `41 `, `415`),
	refusedEach("P-32", socketio.RejectViolation, `42/admin,["x"]`, `41/admin,`, `43/admin,0[]`, `42/nope,["x"]`,
		`451-/admin,["x",{"_placeholder":true,"num":0}]`, `461-/admin,0[{"_placeholder":true,"num":0}]`),
	refusedPackets("P-33", socketio.RejectViolation, txts(`40/slow,`, `42/slow,["x"]`), txts(`40/slow,`, `41/slow,`),
		txts(`40/slow,`, `43/slow,0[]`), txts(`40/slow,`, `451-/slow,["x",{"_placeholder":true,"num":0}]`)),
	refusedEach("P-34-error-", socketio.RejectViolation,
		`44{"message":"x"}`, `44"x"`, `44`, `44/admin,{"message":"x"}`),
	refusedEach("P-34", socketio.RejectParse, `47`, `48["x"]`, `4x`, `4`, `4 2["x"]`, `44[]`),
	refusedEach("P-35-long-", socketio.RejectParse,
		`40/`+strings.Repeat("n", 1024)+`,`, `40/`+strings.Repeat("n", 100_000)+`,`,
		`42/`+strings.Repeat("n", 100_000)+`,["x"]`),
	connectRows, eventNameRows, valueRows, ackRows, namespaceRows, timeoutRows, logRows,
)

var transports = []string{"polling", "websocket"}

// refusedEach are rows in which a connected client sends one text packet that closes its connection.
func refusedEach(id, label string, texts ...string) []row {
	var lists [][]wire.Packet
	for _, text := range texts {
		lists = append(lists, txts(text))
	}
	return refusedPackets(id, label, lists...)
}

// refusedPackets are the same with several packets, of which the last one is wrong.
func refusedPackets(id, label string, lists ...[]wire.Packet) []row {
	return numbered(id, lists, row{reject: label, times: 2, reason: violationReason(label)},
		func(e *env, send []wire.Packet) {
			for _, transport := range transports {
				e.refuses(e.connect(transport), label, send...)
			}
			e.checkVictims(violationReason(label))
			e.hears()
		})
}

// refusedEarly are rows in which a client that is in no namespace does so; it never has a socket.
func refusedEarly(id, label string, texts ...string) []row {
	return numbered(id, texts, row{reject: label, times: 2}, func(e *env, text string) {
		connects := e.io.Stats().Connects
		for _, transport := range transports {
			e.refuses(e.session(transport), label, wire.Txt(text))
		}
		if n := e.io.Stats().Connects; n != connects {
			e.Errorf("%d sockets were connected", n-connects)
		}
	})
}

// numbered makes one row of each input: P-1a, P-1b and so on.
func numbered[T any](id string, inputs []T, like row, run func(e *env, input T)) []row {
	var all []row
	for i, input := range inputs {
		r := like
		r.id = id
		if len(inputs) > 1 {
			r.id += string(rune('a' + i))
		}
		r.run = func(e *env) { run(e, input) }
		all = append(all, r)
	}
	return all
}

func violationReason(label string) socketio.DisconnectReason {
	if label == socketio.RejectParse {
		return socketio.ReasonParseError
	}
	return socketio.ReasonForcedServerClose
}

// refuses sends packets that close the connection, and wants nothing but that.
func (e *env) refuses(s *wire.Session, label string, send ...wire.Packet) {
	e.Helper()
	if s.WebSocket() == nil {
		poll(e, s)
	}
	before := e.io.Stats().Rejected[label]
	if err := s.Send(send...); err != nil {
		e.Fatal(err)
	}
	text := "protocol error"
	if label == socketio.RejectParse {
		text = "parse error"
	}
	e.closes(s, 1002, text)
	if n := e.io.Stats().Rejected[label] - before; n != 1 {
		e.Errorf("counted %d times as %q", n, label)
	}
	e.gone(s.SID)
}

// closes wants the connection to be closed as the next thing. The status and its text are those of WebSocket; on
// polling there is a close packet.
func (e *env) closes(s *wire.Session, status int, text string) {
	e.Helper()
	want := wire.ClosedError{Status: status, Reason: text}
	if s.WebSocket() == nil {
		want = wire.ClosedError{}
	}
	p, err := s.Next()
	var closed *wire.ClosedError
	if !errors.As(err, &closed) || *closed != want {
		e.Errorf("answer %.100v, %v; want %v", p, err, &want)
	}
}

// hears wants handlers to have heard of this, in order, and of nothing else but e.alive.
func (e *env) hears(want ...heard) {
	e.Helper()
	alive := heard{"echo", `["alive"]`}
	var got []heard
	e.until(fmt.Sprintf("%d events", len(want)), func() bool {
		got = slices.DeleteFunc(slices.Clone(e.heard), func(h heard) bool { return h == alive })
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		e.Errorf("heard %.300v, want %.300v", got, want)
	}
}

// says sends packets and wants exactly these as the next ones.
func (e *env) says(s *wire.Session, send []wire.Packet, want ...wire.Packet) {
	e.Helper()
	if len(send) > 0 {
		if err := s.Send(send...); err != nil {
			e.Fatal(err)
		}
	}
	for _, w := range want {
		if p, err := s.Next(); err != nil || p.String() != w.String() {
			e.Fatalf("answer %.300v, %v; want %.300v", p, err, w)
		}
	}
}

// leaves closes a session politely.
func (e *env) leaves(s *wire.Session) {
	e.Helper()
	if err := s.Close(); err != nil {
		e.Fatal(err)
	}
}

func txts(texts ...string) []wire.Packet {
	var ps []wire.Packet
	for _, text := range texts {
		ps = append(ps, wire.Txt(text))
	}
	return ps
}

func nested(n int, open, close string) string {
	return strings.Repeat(open, n) + "0" + strings.Repeat(close, n)
}

// serverSocket is the socket of a session in the main namespace.
func (e *env) serverSocket(s *wire.Session) *socketio.Socket {
	e.Helper()
	for sock := range e.io.Sockets() {
		if sock.Conn().ID() == s.SID {
			return sock
		}
	}
	e.Fatal("no such socket")
	return nil
}

// connectRows are about CONNECT and DISCONNECT.
var connectRows = []row{
	{id: "P-3", run: func(e *env) {
		e.both(func(s *wire.Session) {
			for _, text := range []string{`40/nope,`, `40/nope,{"token":1}`, `40/nope`} {
				e.says(s, txts(text), txts(`44/nope,{"message":"Invalid namespace"}`)...)
			}
			e.alive(s)
		})
	}, reject: socketio.RejectNamespace, times: 6},
	{id: "P-4a", run: func(e *env) { // the first one has no answer before the second one comes; it never gets one
		connects := e.io.Stats().Connects
		e.both(func(s *wire.Session) {
			e.says(s, txts(`40/slow,`, `40/slow,`))
			e.alive(s)
		})
		if n := e.io.Stats().Connects - connects; n != 2 { // of the main namespace
			e.Errorf("%d sockets were connected", n)
		}
	}},
	{id: "P-4b", run: func(e *env) { // the first one may be faster, or not
		connects := e.io.Stats().Connects
		const clients = 20
		var wg sync.WaitGroup
		sessions := make([]*wire.Session, clients)
		for i := range clients {
			s := e.session(transports[i%2])
			sessions[i] = s
			wg.Go(func() { // ends with its one packet
				if err := s.Send(txts(`40`, `40`)...); err != nil {
					e.Error(err)
				}
			})
		}
		wg.Wait()
		e.settle(func() bool { return e.io.Stats().Connects-connects == clients })
		for _, s := range sessions {
			if _, err := s.Expect(`40{"sid"`); err != nil {
				e.Error(err)
			}
			e.alive(s)
		}
		if n := e.io.Stats().Connects - connects; n != clients {
			e.Errorf("%d sockets of %d clients", n, clients)
		}
	}},
	{id: "P-4c", run: func(e *env) { // long after the first one, and a great many
		connects := e.io.Stats().Connects
		e.both(func(s *wire.Session) {
			e.says(s, slices.Repeat(txts(`40`), 1000))
			e.alive(s)
		})
		if n := e.io.Stats().Connects - connects; n != 2 {
			e.Errorf("%d sockets of 2 clients", n)
		}
	}},
	{id: "P-31a", run: func(e *env) {
		e.both(func(s *wire.Session) {
			left := e.io.Stats().Disconnects[socketio.ReasonClientDisconnect]
			if _, err := s.Connect("/admin", ""); err != nil {
				e.Fatal(err)
			}
			e.says(s, txts(`41/admin,`, `42/admin,["x"]`, `42/admin,1["echo"]`, `43/admin,1[]`, `41/admin,`))
			e.says(s, []wire.Packet{wire.Txt(`451-/admin,["x",{"_placeholder":true,"num":0}]`), wire.Bin([]byte("x"))})
			e.alive(s)
			e.settle(func() bool { return e.io.Stats().Disconnects[socketio.ReasonClientDisconnect] == left+1 })
		})
		e.hears()
	}},
	{id: "P-31b", run: func(e *env) { // the last namespace, and back again
		e.both(func(s *wire.Session) {
			e.says(s, txts(`41`, `42["x"]`, `421["echo"]`, `41`))
			if _, err := s.Connect("/", ""); err != nil {
				e.Fatal(err)
			}
			e.alive(s)
			e.leaves(s)
		})
		e.hears()
	}, reason: socketio.ReasonClientDisconnect},
	{id: "P-36", run: func(e *env) {
		for _, transport := range transports {
			for _, text := range []string{`40/,`, `40/`, `40/,{}`} {
				s := e.session(transport)
				e.says(s, txts(text))
				if _, err := s.Expect(`40{"sid":"`); err != nil {
					e.Errorf("%s: %v", text, err)
				}
				e.says(s, txts(`42/,["echo",1]`, `42/,7["echo",2]`), txts(`42["echo",1]`, `437[2]`)...)
				e.says(s, txts(`40/admin`))
				if _, err := s.Expect(`40/admin,{"sid":"`); err != nil {
					e.Errorf("%s: %v", text, err)
				}
				e.says(s, txts(`42/admin,["echo",1]`), txts(`42/admin,["echo",1]`)...)
				e.says(s, txts(`41/admin`))
				e.alive(s)
			}
		}
	}},
}

// eventNameRows are about names that are no danger in Go, and must not become one.
var eventNameRows = []row{
	{id: "P-7", run: func(e *env) {
		e.both(func(s *wire.Session) {
			e.update(func() { e.heard = nil })
			e.says(s, txts(`42[1,2]`, `42[-1.50]`, `42[1e21]`, `42[0.0000001]`, `42[-0]`))
			e.hears(heard{"1", `[2]`}, heard{"-1.5", `[]`}, heard{"1e+21", `[]`}, heard{"1e-7", `[]`}, heard{"0", `[]`})
			e.alive(s)
		})
	}},
	{id: "P-10", run: func(e *env) {
		names := []string{"__proto__", "constructor", "hasOwnProperty",
			"toString", "", "a\x00b", strings.Repeat("n", 900_000)}
		calls := make(map[string]string) // of the handler, the last character of the events' names
		for _, name := range append(names, "a", "*", "n", "echo\x00") {
			e.io.Handle(name, func(_ context.Context, _ *socketio.Socket, ev *socketio.Event) error {
				e.update(func() { calls[name] += fmt.Sprint(len(ev.Name), " ") })
				return nil
			})
		}
		e.both(func(s *wire.Session) {
			for _, name := range names {
				if err := s.Emit(name); err != nil {
					e.Fatal(err)
				}
			}
			e.alive(s)
		})
		e.mu.Lock()
		defer e.mu.Unlock()
		if len(calls) != len(names) {
			e.Errorf("%d handlers were called, want %d", len(calls), len(names))
		}
		for _, name := range names {
			if want := strings.Repeat(fmt.Sprint(len(name), " "), 2); calls[name] != want {
				e.Errorf("%.20q: called with %q, want %q", name, calls[name], want)
			}
		}
	}},
	{id: "P-12", run: func(e *env) {
		e.both(func(s *wire.Session) {
			e.update(func() { e.heard = nil })
			e.says(s, txts(`42["error",{"message":"x"}]`, `427["error"]`))
			e.alive(s)
			e.hears(heard{"error", `[{"message":"x"}]`}, heard{"error", `[]`})
		})
	}},
}

// valueRows are about arguments.
var valueRows = []row{
	{id: "P-11a", run: func(e *env) {
		e.io.Handle("decode", func(_ context.Context, s *socketio.Socket, ev *socketio.Event) error {
			var user struct{ Name, Admin string }
			if err := ev.Bind(&user); err != nil || user.Admin != "" || user.Name != "x" {
				e.Errorf("%+v, %v", user, err)
			}
			values, err := ev.Args.Values()
			if err != nil {
				return err
			}
			return s.Emit("decoded", values...)
		})
		e.both(func(s *wire.Session) {
			const evil = `{"__proto__":{"admin":"yes"},"constructor":{"prototype":{"admin":"yes"}},"name":"x"}`
			e.says(s, txts(`42["echo",`+evil+`]`), txts(`42["echo",`+evil+`]`)...)
			e.says(s, txts(`42["decode",`+evil+`]`))
			var got, want any // the order of keys is any
			text, err := s.Expect(`42["decoded",`)
			if err != nil {
				e.Fatal(err)
			}
			_ = json.Unmarshal([]byte(strings.TrimSuffix(text, "]")), &got)
			_ = json.Unmarshal([]byte(evil), &want)
			if !reflect.DeepEqual(got, want) {
				e.Errorf("relayed %s", text)
			}
			e.says(s, txts(`427["echo",`+evil+`]`), txts(`437[`+evil+`]`)...)
		})
	}},
	{id: "P-11b", run: func(e *env) {
		const evil = `{"__proto__":{"admin":true},"token":"x"}`
		e.io.Of("/auth").Use(func(_ context.Context, s *socketio.Socket) error {
			var auth struct {
				Token string
				Admin bool
			}
			if err := s.Handshake().Auth.Bind(&auth); err != nil || auth.Admin || auth.Token != "x" {
				e.Errorf("%+v, %v", auth, err)
			}
			return &socketio.ConnectError{Message: "seen", Data: s.Handshake().Auth}
		})
		e.both(func(s *wire.Session) {
			e.says(s, txts(`40/auth,`+evil), txts(`44/auth,{"message":"seen","data":[`+evil+`]}`)...)
			e.alive(s)
		})
	}, reject: socketio.RejectMiddleware, times: 2},
	{id: "P-14", run: func(e *env) {
		numbers := `1e400,-1e400,-0,9007199254740993,` + strings.Repeat("9", 400) + `,1e-400`
		e.io.Handle("numbers", func(_ context.Context, _ *socketio.Socket, ev *socketio.Event) error {
			values, err := ev.Args.Values()
			if err != nil {
				return err
			}
			var big int64
			var float float64
			var fits [4]bool
			for i, dst := range []any{&big, &float} {
				fits[i] = ev.Args.Decode(0, dst) == nil
			}
			fits[2] = ev.Args.Decode(4, &big) == nil
			fits[3] = ev.Args.Decode(3, &big) == nil
			return ev.Ack(fmt.Sprint(values), fits, big)
		})
		e.both(func(s *wire.Session) {
			e.says(s, txts(`42["echo",`+numbers+`]`), txts(`42["echo",`+numbers+`]`)...)
			e.says(s, txts(`427["numbers",`+numbers+`]`),
				wire.Txt(`437["[+Inf -Inf -0 9.007199254740992e+15 +Inf 0]",[false,false,false,true],`+
					`9007199254740993]`))
		})
	}},
	{id: "P-15", run: func(e *env) {
		e.both(func(s *wire.Session) {
			e.update(func() { e.heard = nil })
			e.says(s, txts(`42["x","a\ud800b","\udc00","\ud83d\ude00"]`))
			e.hears(heard{"x", `["a` + "\ufffd" + `b","` + "\ufffd" + `","😀"]`})
			e.says(s, txts(`42["echo","\ud800"]`), txts(`42["echo","\ud800"]`)...) // what is sent on keeps its text
		})
	}},
	{id: "P-16", run: func(e *env) {
		e.both(func(s *wire.Session) {
			e.update(func() { e.heard = nil })
			e.says(s, txts(`42["x",{"a":1,"b":0,"a":{"c":2}}]`))
			e.hears(heard{"x", `[{"a":{"c":2},"b":0}]`})
			e.alive(s)
		})
	}},
	{id: "P-17-relayed", run: func(e *env) {
		e.io.Handle("decode", func(_ context.Context, s *socketio.Socket, ev *socketio.Event) error {
			values, err := ev.Args.Values()
			if err != nil {
				return err
			}
			return s.Emit("decoded", values...)
		})
		e.both(func(s *wire.Session) {
			for _, deep := range []string{nested(999, `[`, `]`),
				nested(999, `{"a":`, `}`), nested(499, `[{"a":`, `}]`)} {
				e.says(s, txts(`42["echo",`+deep+`]`), txts(`42["echo",`+deep+`]`)...)
				e.says(s, txts(`42["decode",`+deep+`]`), txts(`42["decoded",`+deep+`]`)...)
				e.says(s, txts(`427["echo",`+deep+`]`), txts(`437[`+deep+`]`)...)
			}
			e.says(s, txts(`40/dyn-deep,`+nested(1000, `{"a":`, `}`)))
			if _, err := s.Expect(`40/dyn-deep,{"sid"`); err != nil {
				e.Error(err)
			}
		})
	}},
	{id: "P-18-accepted", run: func(e *env) {
		var calls atomic.Int64
		e.io.Handle("ignore", func(context.Context, *socketio.Socket, *socketio.Event) error {
			calls.Add(1)
			return nil
		})
		e.both(func(s *wire.Session) {
			for _, n := range []int{100, 10_000} {
				e.says(s, txts(`42["ignore"`+strings.Repeat(`,1`, n)+`]`))
			}
			e.alive(s)
		})
		if n := calls.Load(); n != 4 {
			e.Errorf("%d events of 4", n)
		}
	}},
	{id: "P-19", run: func(e *env) { // both take much more memory than text, and less than they may
		e.both(func(s *wire.Session) {
			e.update(func() { e.heard = nil })
			list := `[` + strings.Repeat(`[],`, 100_000) + `0]`
			e.says(s, txts(`42["x",`+list+`]`))
			e.hears(heard{"x", `[` + list + `]`})
			maps := `[` + strings.Repeat(`{"a":{}},`, 40_000) + `0]`
			e.says(s, txts(`42["x",`+maps+`]`))
			e.hears(heard{"x", `[` + list + `]`}, heard{"x", `[` + maps + `]`})
			e.alive(s)
		})
	}},
}
