package hostile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/test/internal/wire"
)

// Socket.IO packets. P-19 in figures is TestMemoryOfDecodedValues of the parser.
var eventRows = slices.Concat(
	refused("P-5", `42{}`, `42"x"`, `42[]`, `42[null]`, `42[true]`, `42[{}]`, `42[["x"]]`),
	refused("P-6", `42`, `420`, `42/,`, `42 `),
	refused("P-7-infinite", `42[1e400]`), // there is no such name
	refused("P-8", `42[{"toString":"x"}]`),
	refused("P-9", `42["connect"]`, `42["connect_error"]`, `42["disconnect"]`, `42["disconnecting"]`,
		`42["newListener"]`, `42["removeListener"]`, `42["\u0063onnect"]`, `451-["disconnect",`+mark0+`]`),
	refused("P-13", `42["x"]trailing`, `42["x"],`, `42["x"`, `42["x",`, `42["x",]`, `42[`, `42["x`,
		`42["x",NaN]`, `42["x",Infinity]`, `42["x",undefined]`, `42["x",nul]`, `42['x']`, `42["x",'y']`, `42["x"/**/]`,
		"42[\"x\",//\n]", "42[\"x\",\"a\nb\"]", `42["x","\x41"]`,
		`42["x","\u12"]`, `42["x",01]`, `42["x",+1]`, `42["x",.5]`,
		`42["x",0x10]`, `42["x",{a:1}]`, "42\ufeff[\"x\"]", `40{"sid":"a"}{}`),
	refused("P-17",
		`42["x",`+nested(1000, `[`, `]`)+`]`, `42["x",`+nested(9_000, `[`, `]`)+`]`,
		`42["x",`+nested(100_000, `[`, `]`)+`]`,
		`42["x",`+nested(499_990, `[`, `]`)+`]`, `42["x",`+strings.Repeat(`[`, 900_000),
		`42["x",`+nested(1000, `{"a":`, `}`)+`]`, `42["x",`+nested(9_000, `{"a":`, `}`)+`]`,
		`42["x",`+nested(100_000, `{"a":`, `}`)+`]`,
		`40/admin,`+nested(1001, `{"a":`, `}`), `430[`+nested(1000, `[`, `]`)+`]`, `44`+nested(1001, `{"a":`, `}`)),
	refused("P-18", `42["x"`+strings.Repeat(`,1`, 10_001)+`]`,
		`42["x"`+strings.Repeat(`,1`, 400_000)+`]`, `430[1`+strings.Repeat(`,1`, 10_000)+`]`),
	refused("P-22", `42`+strings.Repeat("9", 20)+`["x"]`, `42`+strings.Repeat("9", 400)+`["x"]`,
		`429007199254740992["x"]`, `42`+strings.Repeat("0", 16)+`1["x"]`, `43`+strings.Repeat("9", 20)+`[]`),
	refused("P-23", `42-1["x"]`, `421.5["x"]`, `42 1["x"]`, `421 2["x"]`, `421e1["x"]`, `42+1["x"]`),
	refused("P-28", `430{}`, `430"x"`, `430null`, `43{}`, `430[`),
	refused("P-30", `41{}`, `41[]`, `41null`, `41 `, `415`),
	refused("P-34", `47`, `48["x"]`, `4x`, `4`, `4 2["x"]`, `44[]`, `44null`, `44{`),
	refused("P-35", `40/`+strings.Repeat("n", 1024)+`,`,
		`40/`+strings.Repeat("n", 100_000)+`,`, `42/`+strings.Repeat("n", 100_000)+`,["x"]`),
	earlyRows, ignoredRows, nameRows, valueRows, ackRows, disconnectRows,
)

func nested(n int, open, close string) string {
	return strings.Repeat(open, n) + "0" + strings.Repeat(close, n)
}

// refused are rows in which the server sends one text packet that no client takes, and an event behind it.
func refused(id string, texts ...string) []row {
	var lists [][]wire.Packet
	for _, text := range texts {
		lists = append(lists, txts(text))
	}
	return refusedPackets(id, lists...)
}

// refusedPackets are the same with several packets, of which the last one is wrong.
func refusedPackets(id string, lists ...[]wire.Packet) []row {
	like := row{reason: client.ReasonParseError, status: 1002, text: "parse error"}
	return lettered(id, like, func(_ *env, s *session, ps []wire.Packet) {
		s.say(append(slices.Clone(ps), txts(`42["after"]`)...)...)
	}, lists...)
}

// ignored are rows in which the server says what means nothing to this client.
func ignored(id string, lists ...[]wire.Packet) []row {
	return lettered(id, row{heard: []heard{{"x", "[]"}}}, func(_ *env, s *session, ps []wire.Packet) {
		s.say(append(slices.Clone(ps), txts(`42["x"]`)...)...)
	}, lists...)
}

// early are rows in which the server answers CONNECT with the packets; like says what comes of it.
func early(id string, like row, lists ...[]wire.Packet) []row {
	var all []row
	for i, r := range lettered(id, like, nil, lists...) {
		r.run, r.begin = nil, func(e *env) {
			e.srv.hostile = 1
			e.srv.wg.Go(func() { // ends with what it has to say
				s := e.srv.first()
				s.expect("40")
				s.say(lists[i]...)
				s.echo()
			})
		}
		all = append(all, r)
	}
	return all
}

// earlyRows are about what comes before the answer to CONNECT, or instead of it.
var earlyRows = slices.Concat(
	// What a client can't know of is not for it; events wait for the connection, as in the official client.
	early("P-1", row{}, txts(`430[]`, `43`, `4399["x"]`, `40{"sid":"a"}`),
		txts(`41/admin,`, `40/admin,{"sid":"b"}`, `40{"sid":"a"}`),
		append(withBins(`461-0[`+mark0+`]`, "a"), txts(`40{"sid":"a"}`)...)),
	early("P-1-event", row{any: true}, txts(`42["x"]`, `40{"sid":"a"}`),
		append(withBins(head1, "a"), txts(`40{"sid":"a"}`)...)),
	early("P-2", row{any: true, lenient: true, warns: true}, txts(`40[]`),
		txts(`40"x"`), txts(`40{`), txts(`40null`), txts(`40/admin,[]`)),
	early("P-2-no-id", row{says: true, refuse: "no id"}, txts(`40`), txts(`40{}`),
		txts(`40{"sid":5}`), txts(`40{"sid":""}`), txts(`40{"sid":null}`)),
	early("P-2-pid", row{}, txts(`40{"sid":"a","pid":5}`),
		txts(`40{"sid":"a","pid":{}}`), txts(`40{"sid":"a","pid":null,"more":[]}`)),
	early("P-34-refused", row{says: true, refuse: "no"}, txts(`44{"message":"no"}`),
		txts(`44"no"`), txts(`44{"message":"no","data":`+nested(900, `[`, `]`)+`}`)),
	early("P-34-odd", row{says: true, refused: true}, txts(`44{}`), txts(`44{"message":5}`),
		txts(`44{"message":null}`), txts(`44{"message":{"a":1}}`), txts(`44`)),
	early("P-34-bad", row{lenient: true, warns: true}, txts(`44[]`), txts(`44null`), txts(`44{`)),
	early("P-42", row{says: true, refuse: "m"}, txts(`44{"message":"\u001b[31m\r\nlevel=ERROR\u0000 m"}`),
		txts(`44{"message":"`+strings.Repeat("m", 1_000_000)+`"}`)),
)

// ignoredRows are about other namespaces, and about what can't be meant.
var ignoredRows = slices.Concat(
	ignored("P-3", txts(`40/nope,{"sid":"x"}`), txts(`44/nope,{"message":"Invalid namespace"}`),
		txts(`40/nope`), txts(`44/nope,"x"`), txts(`44{"message":"x"}`), txts(`44"x"`)),
	ignored("P-26", txts(`4399[]`), txts(`43[]`), txts(`43`), txts(`4399`)),
	ignored("P-32", txts(`42/admin,["y"]`), txts(`41/admin,`),
		txts(`43/admin,0[]`), withBins(`451-/admin,["y",`+mark0+`]`, "a"),
		withBins(`461-/admin,0[`+mark0+`]`, "a")),
	ignored("P-35-odd", txts("42/\x1b[31m\r\n\x00,[\"y\"]"),
		txts(`42/"%0a..?a=b,["y"]`), txts(`41/`+strings.Repeat("n", 1000)+`,`)),
	[]row{
		// The first answer counts; there is one connection, whatever the server says.
		{id: "P-4", run: func(e *env, s *session) {
			id := e.s.ID()
			s.say(txts(`40{"sid":"again"}`, `40{"sid":"again"}`, `42["x"]`)...)
			e.until("the event", func() bool { return len(e.heard) == 1 })
			if e.s.ID() != id || e.connects != 1 {
				e.Errorf("id %q, connected %d times", e.s.ID(), e.connects)
			}
		}, heard: []heard{{"x", "[]"}}},
		{id: "P-37", run: func(_ *env, s *session) {
			var all []wire.Packet
			for i := range 5000 {
				all = append(all, txts(fmt.Sprintf(`40/n%d,{"sid":"x"}`, i), fmt.Sprintf(`42/n%d,["y"]`, i))...)
			}
			s.say(all...)
		}},
		{id: "P-39", run: func(e *env, s *session) { // 10,000 times, not 100,000
			admin := e.join(s, "/admin")
			var calls atomic.Int64
			admin.OnDisconnect(func(client.DisconnectReason) { calls.Add(1) })
			s.say(slices.Repeat(txts(`41/admin,`, `40/admin,{"sid":"x"}`), 10_000)...)
			s.say(txts(`42["x"]`)...)
			e.until("the event", func() bool { return len(e.heard) == 1 })
			if calls.Load() != 1 || admin.Connected() || admin.Active() {
				e.Errorf("disconnected %d times, connected %v, active %v",
					calls.Load(), admin.Connected(), admin.Active())
			}
		}, heard: []heard{{"x", "[]"}}},
	},
)

// nameRows are about the names of events.
var nameRows = []row{
	{id: "P-7", run: func(_ *env, s *session) { s.say(txts(`42[1,2]`)...) }, heard: []heard{{"1", "[2]"}}},
	{id: "P-10", run: func(e *env, s *session) {
		names := []string{`__proto__`, `constructor`, `hasOwnProperty`, ``,
			`a\u0000b`, `\u001b[31m\r\nlevel=ERROR`, strings.Repeat("n", 900_000)}
		for _, name := range names {
			s.say(txts(`42["` + name + `"]`)...)
		}
		e.until("the events", func() bool { return len(e.heard) == len(names) })
		if n := len(e.heard[6].name); n != 900_000 || e.heard[3].name != "" || e.heard[0].name != "__proto__" {
			e.Errorf("heard %.1000v", e.heard)
		}
		e.update(func() { e.heard = nil })
	}},
	{id: "P-12", run: func(_ *env, s *session) { s.say(txts(`42["error",1]`)...) }, heard: []heard{{"error", "[1]"}}},
	{id: "P-36", run: func(_ *env, s *session) { s.say(txts(`42/,["x"]`)...) }, heard: []heard{{"x", "[]"}}},
	{id: "P-42-handler", warns: true, run: func(e *env, s *session) { // what a handler fails with is logged in one line
		name := "\x1b[31m\r\nlevel=ERROR"
		e.s.On(name, func(context.Context, *client.Event) error { return errors.New("no\r\nlevel=ERROR") })
		s.say(txts(`42["\u001b[31m\r\nlevel=ERROR"]`)...)
		e.until("the fault", func() bool { return len(e.faults) == 1 })
		e.update(func() { e.faults, e.heard = nil, nil })
	}, failed: true},
}

// valueRows are about what events carry.
var valueRows = []row{
	{id: "P-11", run: func(_ *env, s *session) {
		const evil = `{"__proto__":{"admin":true},"constructor":{"prototype":{"a":1}}}`
		s.say(txts(`427["echo",` + evil + `]`)...)
		if got := s.expect(`437`); got != `[`+evil+`]` {
			s.srv.Errorf("relayed %s", got)
		}
	}, any: true},
	{id: "P-14", run: func(_ *env, s *session) {
		numbers := `[1e400,-1e400,-0,9007199254740993,` + strings.Repeat("9", 400) + `,1e-400]`
		s.say(txts(`427["echo",` + numbers[1:])...)
		if got := s.expect(`437`); got != numbers {
			s.srv.Errorf("relayed %s", got)
		}
	}, any: true},
	{id: "P-15", run: func(_ *env, s *session) { s.say(txts(`42["x","a\ud800b","\udc00","\ud83d\ude00"]`)...) },
		heard: []heard{{"x", `["a` + "\ufffd" + `b","` + "\ufffd" + `","😀"]`}}},
	{id: "P-16", run: func(_ *env, s *session) { s.say(txts(`42["x",{"a":1,"b":0,"a":{"c":2}}]`)...) },
		heard: []heard{{"x", `[{"a":{"c":2},"b":0}]`}}},
	{id: "P-17-relayed", run: func(_ *env, s *session) {
		for _, deep := range []string{nested(999, `[`, `]`), nested(999, `{"a":`, `}`), nested(499, `[{"a":`, `}]`)} {
			s.say(txts(`427["echo",` + deep + `]`)...)
			if got := s.expect(`437[`); got != deep+`]` {
				s.srv.Errorf("relayed %d bytes of %d", len(got), len(deep)+1)
			}
		}
	}, any: true},
	{id: "P-18-accepted", run: func(_ *env, s *session) {
		s.say(txts(`42["x"` + strings.Repeat(`,1`, 10_000) + `]`)...)
	}, heard: []heard{{"x", `[1` + strings.Repeat(`,1`, 9_999) + `]`}}},
	{id: "P-19", alloc: 128 << 20, run: func(e *env,
		s *session) { // both take much more memory than text, and less than they may
		list := `[` + strings.Repeat(`[],`, 100_000) + `0]`
		maps := `[` + strings.Repeat(`{"a":{}},`, 40_000) + `0]`
		s.say(txts(`42["x",`+list+`]`, `42["x",`+maps+`]`)...)
		e.until("the events", func() bool { return len(e.heard) == 2 })
		if e.heard[0].args != `[`+list+`]` || e.heard[1].args != `[`+maps+`]` {
			e.Errorf("heard %.200v", e.heard)
		}
	}, any: true},
}

// ask emits an event and returns the id it wants the acknowledgement by, and what comes of it.
func (e *env) ask(ctx context.Context, s *session, sock *client.Socket,
	prefix string, args ...any) (id string, settled *settled) {
	e.Helper()
	settled = newSettled()
	if err := sock.EmitFunc(ctx, "ask", settled.settle, args...); err != nil {
		e.Fatal(err)
	}
	return strings.SplitN(s.expect(prefix), "[", 2)[0], settled
}

// A settled counts what a callback is called with.
type settled struct{ calls chan string }

func newSettled() *settled { return &settled{make(chan string, 100)} }

func (s *settled) settle(args client.Args, err error) {
	var got []any
	if err == nil {
		got, err = args.Values()
	}
	s.calls <- fmt.Sprint(got, err)
}

// wants waits for the one call.
func (s *settled) wants(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-s.calls:
		if !strings.Contains(got, want) {
			t.Errorf("acknowledged with %s, want %s", got, want)
		}
	case <-time.After(patience):
		t.Errorf("not acknowledged")
	}
}

// once is wants, and checks that there was no other call; other things must have been heard since.
func (s *settled) once(t *testing.T) {
	t.Helper()
	select {
	case got := <-s.calls:
		t.Errorf("acknowledged again, with %s", got)
	default:
	}
}

// ackRows are about acknowledgements, in both directions.
var ackRows = []row{
	{id: "P-21", run: func(_ *env, s *session) {
		for _, id := range []string{"0", "7", "9007199254740991"} {
			s.say(txts(`42` + id + `["echo",1]`)...)
			if got := s.expect("43"); got != id+"[1]" {
				s.srv.Errorf("answer %s to %s", got, id)
			}
		}
	}, any: true},
	{id: "P-24", run: func(_ *env, s *session) {
		s.say(txts(`427["echo",1]`, `427["echo",2]`)...)
		if a, b := s.expect("437"), s.expect("437"); a != "[1]" || b != "[2]" {
			s.srv.Errorf("answers %s, %s", a, b)
		}
	}, any: true},
	{id: "P-27", run: func(e *env, s *session) {
		admin := e.join(s, "/admin")
		id, done := e.ask(context.Background(), s, e.s, "42")
		other, theirs := e.ask(context.Background(), s, admin, "42/admin,")
		s.say(txts(`43/nope,`+id+`["stolen"]`, `42["x"]`)...)
		e.until("the event", func() bool { return len(e.heard) == 1 })
		done.once(e.T)
		s.say(txts(`43/admin,`+other+`["theirs"]`, `43`+id+`["mine"]`)...)
		done.wants(e.T, "[mine] <nil>")
		theirs.wants(e.T, "[theirs] <nil>")
	}, heard: []heard{{"x", "[]"}}},
	{id: "P-29", run: func(e *env, s *session) {
		id, done := e.ask(context.Background(), s, e.s, "42")
		s.say(txts(`43`+id+`[1]`, `43`+id+`[2]`, `42["x"]`)...)
		done.wants(e.T, "[1] <nil>")
		e.until("the event", func() bool { return len(e.heard) == 1 })
		done.once(e.T)
	}, heard: []heard{{"x", "[]"}}},
	{id: "P-29-late", run: func(e *env, s *session) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		id, done := e.ask(ctx, s, e.s, "42")
		done.wants(e.T, context.DeadlineExceeded.Error())
		s.say(txts(`43`+id+`[1]`, `42["x"]`)...)
		e.until("the event", func() bool { return len(e.heard) == 1 })
		done.once(e.T)
	}, heard: []heard{{"x", "[]"}}},
	{id: "P-29-lost", run: func(e *env, s *session) { // the connection ends first
		id, done := e.ask(context.Background(), s, e.s, "42")
		s.say(txts(`41`, `43`+id+`[1]`)...)
		done.wants(e.T, client.ErrDisconnected.Error())
		done.once(e.T)
	}, reason: client.ReasonServerDisconnect},
	{id: "P-29-wrong", run: func(e *env,
		s *session) { // and an acknowledgement that is none settles nothing but by that
		id, done := e.ask(context.Background(), s, e.s, "42")
		s.say(txts(`43` + id + `{}`)...)
		done.wants(e.T, client.ErrDisconnected.Error())
		done.once(e.T)
	}, reason: client.ReasonParseError, status: 1002},
}

// disconnectRows are about DISCONNECT, and about CONNECT_ERROR where there is a connection.
var disconnectRows = []row{
	{id: "P-31", run: func(e *env, s *session) {
		admin := e.join(s, "/admin")
		s.say(txts(`42["before"]`, `41`, `42["after"]`, `42/admin,["theirs"]`, `41`)...)
		e.until("the disconnection", func() bool { return len(e.disconnects) == 1 && len(e.heard) == 2 })
		e.srv.wg.Go(s.echo)
		if err := echo(admin); err != nil {
			e.Errorf("the other namespace is not served: %v", err)
		}
		if e.m.Engine().ID() != s.sid {
			e.Error("the connection has not stayed")
		}
		if !slices.Contains(e.heard, heard{"before", "[]"}) ||
			!slices.Contains(e.heard, heard{"theirs", "[]"}) || len(e.heard) != 2 {
			e.Errorf("heard %v", e.heard)
		}
	}, reason: client.ReasonServerDisconnect, any: true},
	{id: "P-31-alone", run: func(_ *env, s *session) { s.say(txts(`41`, `42["after"]`)...) },
		reason: client.ReasonServerDisconnect},
}

// TestNoAnswerToConnect is row P-40: the server says nothing to CONNECT.
func TestNoAnswerToConnect(t *testing.T) {
	for _, transport := range both {
		e := start(t, row{}, transport)
		e.srv.hostile = 1
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := e.s.Connect(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: Connect: %v", transport, err)
		}
		e.srv.first().expect("40")
		if !e.s.Active() || e.s.Connected() {
			t.Errorf("%s: active %v, connected %v", transport, e.s.Active(), e.s.Connected())
		}
		e.s.Disconnect()
		shutdown(t, e.m)
		e.srv.close()
	}
}
