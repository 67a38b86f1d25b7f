package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// namespaceRows are about many namespaces, and odd ones.
var namespaceRows = []row{
	{id: "P-35", run: func(e *env) {
		e.both(func(s *wire.Session) {
			for _, name := range oddNamespaces {
				e.says(s, txts(`40`+name+`,`), txts(`44`+name+`,{"message":"Invalid namespace"}`)...)
			}
			e.alive(s)
		})
	}, reject: socketio.RejectNamespace, times: 2 * len(oddNamespaces)},
	{id: "P-37", run: func(e *env) { // 1,000 instead of 5,000
		e.both(func(s *wire.Session) {
			base := e.io.Stats().Namespaces
			for i := range 1000 {
				name := fmt.Sprintf(`/dyn-%d`, i)
				e.says(s, txts(`40`+name+`,`))
				want := `40` + name + `,{"sid":"`
				if i >= 99 { // the main namespace is one of the hundred
					want = `44` + name + `,{"message":"Too many namespaces"}`
				}
				if _, err := s.Expect(want); err != nil {
					e.Fatal(err)
				}
			}
			if n := e.io.Stats().Namespaces - base; n != 99 {
				e.Errorf("%d namespaces were made", n)
			}
			e.alive(s)
			e.leaves(s)
			e.settle(func() bool { return e.io.Stats().Namespaces == base })
		})
	}, reject: socketio.RejectNamespaces, times: 2 * 901, reason: socketio.ReasonTransportClose},
	{id: "P-38a", run: func(e *env) { // 3,000 instead of 1,000,000
		overTime(e, 30, func(s *wire.Session, names []string) {
			for i, name := range names {
				if _, err := s.Connect(name, ""); err != nil {
					e.Fatal(err)
				}
				if i%2 == 0 { // it leaves the other half without a word
					e.says(s, txts(`41`+name+`,`))
				}
			}
		})
	}},
	{id: "P-38b", run: func(e *env) { // middleware refuses; 1,000
		e.io.OfFunc(func(context.Context, string,
			socketio.Args) bool {
			return true
		}).Use(func(context.Context, *socketio.Socket) error {
			return &socketio.ConnectError{Message: "no"}
		})
		overTime(e, 10, func(s *wire.Session, names []string) {
			for _, name := range names {
				name = "/gated" + name
				e.says(s, txts(`40`+name+`,`), txts(`44`+name+`,{"message":"no"}`)...)
			}
		})
	}, reject: socketio.RejectMiddleware, times: 1000},
	{id: "P-38c", run: func(e *env) { // the client goes while middleware hangs; 1,000
		e.io.OfFunc(func(context.Context, string,
			socketio.Args) bool {
			return true
		}).Use(func(ctx context.Context, _ *socketio.Socket) error {
			<-ctx.Done()
			return ctx.Err()
		})
		overTime(e, 10, func(s *wire.Session, names []string) {
			for _, name := range names {
				e.says(s, txts(`40/hangs`+name+`,`))
			}
			e.settle(func() bool { return e.io.Stats().Namespaces > 100 })
		})
	}},
	{id: "P-39", run: func(e *env) { // 500 times instead of 100,000
		e.io.Of("/plain")
		e.both(func(s *wire.Session) {
			grown := e.growth()
			for _, name := range []string{"/plain", "/dyn-one"} {
				for range 500 {
					if _, err := s.Connect(name, ""); err != nil {
						e.Fatal(err)
					}
					e.says(s, txts(`41`+name+`,`))
				}
			}
			e.alive(s)
			e.settle(func() bool { return e.io.Stats().Namespaces == 4 })
			if n := grown(); n > 128<<10 {
				e.Errorf("the heap has grown by %d bytes", n)
			}
		})
	}},
}

// oddNamespaces are none of ours.
var oddNamespaces = []string{
	"/a b", `/"quoted"`, `/\`, "/%0a", "/%61dmin", "/..", "/../admin",
	"/admin/", "/ADMIN", "/admin?a=b", "/?a=b", "/#", "//", "/a/../admin",
	"/admin\x00", "/a\r\nlevel=ERROR", "/\x1b[31m", "/\x7f", "/\u202e\u2028",
	"/__proto__", "/ünï", "/" + strings.Repeat("n", 1023),
}

// overTime has clients, one after the other, do something with a hundred names each, and go. Nothing may be left.
func overTime(e *env, clients int, run func(s *wire.Session, names []string)) {
	e.Helper()
	base := e.io.Stats().Namespaces
	var grown func() int64
	for c := range clients {
		if c == 2 { // what is made once is made
			grown = e.growth()
		}
		var names []string
		for i := range 100 {
			names = append(names, fmt.Sprintf("/dyn-%d", c*100+i))
		}
		s := e.session("websocket")
		run(s, names)
		s.Abort()
		e.settle(func() bool {
			st := e.io.Stats()
			return st.Namespaces == base && st.Sockets == 0 && st.Engine.Sessions == 0
		})
	}
	if n := grown(); n > 512<<10 {
		e.Errorf("the heap has grown by %d bytes", n)
	}
}

// growth returns what tells how much the heap has grown since, the test's own log excepted.
func (e *env) growth() func() int64 {
	size := func() int64 {
		runtime.GC()
		runtime.GC() // what pools held
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		e.mu.Lock()
		defer e.mu.Unlock()
		return int64(m.HeapAlloc) - int64(e.logs.Cap())
	}
	before := size()
	return func() int64 { return size() - before }
}

// timeoutRows: nobody joins.
var timeoutRows = []row{
	{id: "P-40", opts: func(o *socketio.Options) { o.ConnectTimeout = 4 * time.Second }, run: func(e *env) {
		var sessions []*wire.Session
		for _, transport := range transports {
			for _, text := range []string{"", `40/nope,`, `40/slow,`} {
				s := e.session(transport)
				switch text {
				case `40/nope,`:
					e.says(s, txts(text), txts(`44/nope,{"message":"Invalid namespace"}`)...)
				case `40/slow,`:
					e.says(s, txts(text))
				}
				if transport == "polling" {
					if err := s.StartPoll(); err != nil {
						e.Fatal(err)
					}
				}
				sessions = append(sessions, s)
			}
		}
		for _, s := range sessions {
			e.closes(s, 1008, "connect timeout")
			e.gone(s.SID)
		}
	}, reject: socketio.RejectConnectTimeout, times: 6},
}

// What a log must not show as it is.
const evilText = "a\r\nlevel=FATAL \x1b[31mred\x00\u202e\u2028\"\\"

// logRows are about what gets into logs.
var logRows = []row{
	{id: "P-42a", run: func(e *env) {
		fail := func(_ context.Context, _ *socketio.Socket, ev *socketio.Event) error {
			var text string
			_ = ev.Bind(&text)
			return errors.New(text)
		}
		names := []string{evilText, evilText + strings.Repeat("n", 900_000)}
		for _, name := range names {
			e.io.Handle(name, fail)
		}
		e.io.Handle("fits", func(_ context.Context, _ *socketio.Socket, ev *socketio.Event) error {
			return ev.Bind(new(struct{ A int }))
		})
		e.both(func(s *wire.Session) {
			for _, text := range []string{evilText,
				evilText + strings.Repeat("x", 900_000), strings.Repeat("\x1b\n", 50_000)} {
				if err := s.Emit(names[0], text); err != nil {
					e.Fatal(err)
				}
			}
			if err := s.Emit(names[1], evilText); err != nil {
				e.Fatal(err)
			}
			// Arguments that do not fit are quoted by the error, in part.
			quoted, _ := json.Marshal(map[string]string{"a": evilText})
			e.says(s, txts(`42["fits",`+string(quoted)+`]`))
			e.alive(s)
		})
		e.checkLines("socketio: error", 10)
	}, warns: true},
	{id: "P-42b", run: func(e *env) {
		parent := e.io.OfFunc(func(_ context.Context, name string,
			_ socketio.Args) bool {
			return strings.HasPrefix(name, "/evil")
		})
		parent.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error { return errors.New("no") })
		e.both(func(s *wire.Session) {
			name := "/evil" + evilText
			if _, err := s.Connect(name, ""); err != nil {
				e.Fatal(err)
			}
			e.says(s, txts(`42`+name+`,["x"]`))
			e.alive(s)
		})
		e.checkLines("socketio: error", 2)
	}, warns: true},
	{id: "P-42c", run: func(e *env) { // on WebSocket the frame itself is refused: F-
		s := e.connect("polling")
		res, err := s.Post("POST", nil, []byte("42[\"x\",\"\xff\x1b\"]"))
		if err != nil {
			e.Fatal(err)
		}
		e.answer(res, 400, "")
		e.gone(s.SID)
		e.hears()
	}, reject: engineio.RejectPayload, reason: socketio.ReasonParseError},
}

// checkLines wants n log lines of this message, none of them long, and nothing but printable ASCII in them.
func (e *env) checkLines(msg string, n int) {
	e.Helper()
	var lines []string
	e.until("the log", func() bool {
		lines = nil
		for line := range strings.Lines(e.logs.String()) {
			if strings.Contains(line, msg) {
				lines = append(lines, strings.TrimSuffix(line, "\n"))
			}
		}
		return len(lines) >= n
	})
	if len(lines) != n {
		e.Errorf("%d lines, want %d", len(lines), n)
	}
	for _, line := range lines {
		odd := strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' })
		if odd || len(line) > 1500 || !strings.HasPrefix(line, "time=") {
			e.Errorf("log line of %d bytes: %q", len(line), line)
		}
	}
}
