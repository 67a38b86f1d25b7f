package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/parser"
)

// captureDefault has slog.Default() log into the buffer that is returned, until the test is over.
func captureDefault(t *testing.T, level slog.Level) *logBuffer {
	logs := new(logBuffer)
	was, out, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: level})))
	t.Cleanup(func() {
		slog.SetDefault(was)
		log.SetOutput(out) // which SetDefault has changed
		log.SetFlags(flags)
	})
	return logs
}

// misuse does with a server what leaves a trace.
func misuse(t *testing.T, f *fixture) {
	f.Handle("panic", func(context.Context, *socketio.Socket, *socketio.Event) error { panic("boom") })
	f.Handle("error", func(context.Context, *socketio.Socket, *socketio.Event) error { return errors.New("oh") })
	f.Handle("bind", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Bind(new(int)) })
	closed := f.Of("/closed")
	closed.Use(func(context.Context, *socketio.Socket) error { return &socketio.ConnectError{Message: "no entry"} })
	broken := f.Of("/broken")
	broken.Use(func(context.Context, *socketio.Socket) error { return errors.New("middleware fell down") })
	c := f.dial()
	c.connect("/", "")
	c.send(`42["panic"]`, `42["error"]`, `42["bind","x"]`, `42["nobody\u001b"]`, `40/closed,`, `40/broken,`, `40/nope,`)
	for range 3 {
		c.read()
	}
	c.send(`41`)
	synctest.Wait()
}

// A server without options leaves traces in slog.Default(): of all that is wrong, and with debugging of what happens.
func TestDefaultLogger(t *testing.T) {
	wrong := []string{
		`level=ERROR msg="socketio: panic" sid=`, `event=panic error="panic: boom" stack=`,
		`level=WARN msg="socketio: error" sid=`,
		`event=error error=oh`, `event=bind error="parser: argument 0`, `nsp=/broken error="middleware fell down"`,
	}
	happens := []string{
		`level=DEBUG msg="socketio: connected" sid=`, `nsp=/ address=`,
		`msg="socketio: disconnected"`, `reason="client namespace disconnect"`,
		`msg="socketio: event without a listener"`, `event="\"nobody\\x1b\""`,
		`msg="socketio: refused" nsp=/closed`, `error="no entry"`,
		`msg="socketio: refused" nsp=/broken`, `error="internal error"`,
		`msg="socketio: refused" nsp=/nope`, `error="Invalid namespace"`,
	}
	for _, level := range []slog.Level{slog.LevelWarn, slog.LevelDebug} {
		logs := captureDefault(t, level)
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, nil)
			defer f.close()
			f.Server = socketio.NewServer(nil)
			f.http.Handler = f.Server
			misuse(t, f)
		})
		got := logs.String()
		for _, want := range wrong {
			if !strings.Contains(got, want) {
				t.Errorf("%v: no %s", level, want)
			}
		}
		for _, want := range happens {
			if strings.Contains(got, want) != (level == slog.LevelDebug) {
				t.Errorf("%v: %s is logged: %v", level, want, level != slog.LevelDebug)
			}
		}
		if t.Failed() {
			t.Log(got)
		}
	}
}

// Errors of one cause do not fill the log: those left out are counted, and those of another cause are logged.
func TestErrorsAreLoggedSeldom(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		fail := func(context.Context, *socketio.Socket, *socketio.Event) error { return errors.New("oh") }
		f.Handle("a", fail)
		f.Handle("b", fail)
		c, _ := f.connected("/")
		for range 1000 {
			c.send(`42["a"]`)
		}
		c.send(`42["b"]`)
		synctest.Wait()
		count := func(text string) int { return strings.Count(f.logs.String(), text) }
		if a, b := count("event=a"), count("event=b"); a != 10 || b != 1 {
			t.Errorf("%d records of a, %d of b", a, b)
		}
		<-time.After(11 * time.Second)
		c.send(`42["a"]`)
		if synctest.Wait(); count("skipped=990") != 1 {
			t.Error("those left out are not counted")
		}
		if n := f.Stats().HandlerErrors; n != 1002 {
			t.Errorf("%d errors counted", n)
		}
	})
}

// Names that clients choose make no causes of their own.
func TestClientsChooseNoCauses(t *testing.T) {
	const n = 100
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.UseEvents(func(next socketio.Handler) socketio.Handler {
			return func(context.Context, *socketio.Event) error { return errors.New("not allowed") }
		})
		f.Handle("known", func(context.Context, *socketio.Socket, *socketio.Event) error { return nil })
		p := f.OfFunc(func(context.Context, string, socketio.Args) bool { return true })
		p.Use(func(context.Context, *socketio.Socket) error { return errors.New("middleware fell down") })
		c, _ := f.connected("/")
		for i := range n {
			c.send(fmt.Sprintf(`42["event%d"]`, i), fmt.Sprintf("40/nsp%d,", i))
			c.read() // it is refused
		}
		c.send(`42["known"]`)
		synctest.Wait()
		count := func(text string) int { return strings.Count(f.logs.String(), text) }
		if a, b, c := count("event=event"), count("middleware fell down"),
			count("event=known"); a != 10 || b != 10 || c != 1 {
			t.Errorf("%d records of events, %d of namespaces, %d of an event that is known", a, b, c)
		}
	})
	limited := &socketio.Options{Parser: parser.JSON(&parser.JSONOptions{MaxBytes: 100})}
	bubble(t, limited, func(t *testing.T, f *fixture) {
		for range n {
			c, _ := f.connected("/")
			c.send(`451-["x",{"_placeholder":true,"num":0}]`)
			c.sendBinary(make([]byte, 100))
			c.expectClose("closed: 1002 parse error")
		}
		if n := strings.Count(f.logs.String(), "limit=MaxBytes"); n != 10 {
			t.Errorf("%d records of packets that are too large", n)
		}
	})
}
