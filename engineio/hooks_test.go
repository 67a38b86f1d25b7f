package engineio

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// logHook is a slog.Handler that does with each record what the test wants.
type logHook struct {
	slog.Handler
	do func(r slog.Record)
}

func (logHook) Enabled(context.Context, slog.Level) bool { return true }

func (h logHook) Handle(_ context.Context, r slog.Record) error {
	h.do(r)
	return nil
}

func logTo(do func(r slog.Record)) *slog.Logger { return slog.New(logHook{slog.DiscardHandler, do}) }

// A slog.Handler that blocks when the ping timeout of one session is logged holds up nobody: the others get their
// pings, and time out, too.
func TestLoggerThatBlocksHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		unblock := sync.OnceFunc(func() { close(goOn) })
		e := newEnv(t, &Options{PingInterval: time.Second,
			PingTimeout: time.Second, Logger: logTo(func(slog.Record) { <-goOn })})
		defer e.stop()
		defer unblock()
		_, silent := e.ws()
		p, alive := e.ws()
		for range 10 {
			p.want("2")
			p.send("3")
		}
		alive.alive()
		silent.want(PingTimeout) // though its record is not written yet
		_, rec := e.open()
		<-time.After(3 * time.Second)
		p.conn.Close()
		rec.want(PingTimeout)
		alive.want(PingTimeout)
	})
}

// exiting is a Handler that ends its goroutine.
type exiting struct {
	*recorder
	message, close bool
}

func (h exiting) HandleMessage(m Message) {
	h.recorder.HandleMessage(m)
	if h.message {
		runtime.Goexit()
	}
}

func (h exiting) HandleClose(reason Reason, err error) {
	h.recorder.HandleClose(reason, err)
	if h.close {
		runtime.Goexit()
	}
}

// A Handler that calls runtime.Goexit takes the reader, the request or the flusher along. Its session ends all the
// same, is told so once, and holds up no Shutdown, which env.stop sees to.
func TestHandlerThatEndsItsGoroutine(t *testing.T) {
	ends := map[string]struct {
		do     func(e *env, rec *recorder, p *peer, query string)
		reason Reason
	}{
		"message": {func(e *env, _ *recorder, p *peer, query string) {
			if p != nil {
				p.send("4a")
			} else {
				e.later("POST", query, "4a")
			}
		}, TransportError},
		"violation": {func(e *env, _ *recorder, p *peer, query string) {
			if p != nil {
				p.send("?")
			} else {
				e.later("POST", query, "?")
			}
		}, ParseError},
		"close packet": {func(e *env, _ *recorder, p *peer, query string) {
			if p != nil {
				p.send("1")
			} else {
				e.later("POST", query, "1")
			}
		}, TransportClose},
		"lost": {func(e *env, _ *recorder, p *peer, query string) {
			if p != nil {
				p.conn.Close()
				return
			}
			ctx, cancel := context.WithCancel(context.Background())
			go e.doContext(ctx, "GET", query, http.NoBody) // ends with ctx
			synctest.Wait()
			cancel()
		}, ""},
		"Close": {func(e *env, rec *recorder, p *peer,
			query string) {
			e.later("GET", query, "")
			rec.socket.Close()
		}, ForcedClose},
		"CloseWith": {func(_ *env, rec *recorder, _ *peer, _ string) { rec.socket.CloseWith(ParseError, false, "") },
			ParseError},
		"timeout": {func(*env, *recorder, *peer, string) {}, PingTimeout},
	}
	for name, c := range ends {
		for _, ws := range []bool{false, true} {
			t.Run(name+map[bool]string{false: "/polling", true: "/websocket"}[ws], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var logged strings.Builder
					o := &Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))}
					var e *env
					e = newEnv(t, o)
					e.Server.accept = func(s *Socket, r *http.Request) Handler {
						rec := newRecorder(e, s)
						e.sessions = append(e.sessions, rec)
						return exiting{rec, name == "message", true}
					}
					var p *peer
					var rec *recorder
					var query string
					if ws {
						p, rec = e.ws()
					} else {
						query, rec = e.open()
					}
					c.do(e, rec, p, query)
					want := c.reason
					if want == "" {
						want = map[bool]Reason{false: TransportError, true: TransportClose}[ws]
					}
					rec.want(want)
					if n := strings.Count(logged.String(), "runtime.Goexit in"); n < 1 ||
						n != int(e.Stats().Rejected[RejectPanic]) {
						t.Errorf("logged %s", &logged)
					}
					if p != nil {
						p.conn.Close()
					}
					e.stop()
				})
			})
		}
	}
}

// A hook that calls runtime.Goexit costs its request, and a session that it was about.
func TestHookThatEndsItsGoroutine(t *testing.T) {
	for name, o := range map[string]*Options{
		"AllowRequest": {AllowRequest: func(*http.Request) error { runtime.Goexit(); return nil }},
		"NewID":        {NewID: func(*http.Request) (string, error) { runtime.Goexit(); return "", nil }},
		"Headers":      {Headers: func(http.Header, *http.Request, bool) { runtime.Goexit() }},
		"accept":       {},
		"Logger":       {Logger: logTo(func(slog.Record) { runtime.Goexit() })},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, o, func(t *testing.T, e *env) {
				if name == "accept" {
					e.onOpen = func(*Socket, *http.Request) { runtime.Goexit() }
				}
				if name == "Logger" { // which no session notices
					p, rec := e.ws()
					p.send("?")
					p.wantClose("close 1002 malformed packet")
					rec.want(ParseError)
					return
				}
				for _, q := range []string{handshakeQuery, "EIO=4&transport=websocket"} {
					if a := e.do("GET", q, ""); a.err == nil && a.status == 200 {
						t.Errorf("%s: %+v", q, a)
					}
				}
				if _, a := e.dial("EIO=4&transport=websocket"); a.err == nil {
					t.Errorf("%+v", a)
				}
				if n := e.Count(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		})
	}
}
