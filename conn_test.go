package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser"
)

func TestConnect(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.Of("/admin")
		c := f.dial()
		main, admin := c.connect("/", ""), c.connect("/admin", `{"token":"x"}`)
		if main == admin || main == c.eid || admin == c.eid {
			t.Errorf("ids %s and %s of connection %s are not three", main, admin, c.eid)
		}
		synctest.Wait()
		s, ok := f.Of("/admin").Socket(admin)
		if !ok || !s.Connected() || s.ID() != admin || s.Namespace().Name() != "/admin" || s.Conn().ID() != c.eid {
			t.Fatalf("socket is %v, %v", s, ok)
		}
		if _, ok := f.Socket(admin); ok {
			t.Error("the main namespace has the socket of another")
		}
		var auth map[string]string
		if err := s.Handshake().Auth.Bind(&auth); err != nil || auth["token"] != "x" {
			t.Errorf("auth is %v, %v", auth, err)
		}
		if !slices.Equal(s.Rooms(), []string{admin}) {
			t.Errorf("rooms are %q", s.Rooms())
		}
	})
}

func TestConnectOverPolling(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.OnConnection(func(s *socketio.Socket) {
			s.On("hi", func(_ context.Context, e *socketio.Event) error { return s.Emit("hello", e.Args) })
		})
		c := f.poll()
		c.send("40")
		if got := c.read(); !strings.HasPrefix(got, `40{"sid":"`) {
			t.Fatalf("got %q", got)
		}
		c.send(`42["hi",1]`, `42["hi",2]`)
		c.expect(`42["hello",1]`, `42["hello",2]`)
	})
}

func TestHandshake(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c := f.dialWith("/socket.io/?EIO=4&transport=websocket&room=a%20b",
			map[string][]string{"Origin": {"http://192.0.2.1"}})
		id := c.connect("/", "")
		synctest.Wait()
		s, _ := f.Socket(id)
		h := s.Handshake()
		const uri = "/socket.io/?EIO=4&transport=websocket&room=a%20b"
		if !strings.HasPrefix(h.RemoteAddr, "192.0.2.2:") || h.TLS != nil || h.URL.String() != uri || h.Host == "" {
			t.Errorf("handshake is %+v", h)
		}
		if q := h.Query["room"]; len(q) != 1 || q[0] != "a b" || h.Query["EIO"][0] != "4" {
			t.Errorf("query is %v", h.Query)
		}
		if h.Header.Get("Upgrade") != "websocket" || h.Header.Get("Origin") == "" || !h.Time.Equal(time.Now()) {
			t.Errorf("header is %v, time %v", h.Header, h.Time)
		}
		if s.Handshake() != h || h.Auth.Len() != 0 {
			t.Error("the handshake changed")
		}
	})
}

// What a client may not send closes its connection, and all of its sockets get the reason.
func TestViolations(t *testing.T) {
	const violation, parse = "closed: 1002 protocol error", "closed: 1002 parse error"
	for _, tt := range []struct {
		name   string
		before bool // nothing is connected
		send   []string
		want   string
	}{
		{"event before connect", true, []string{`42["x"]`}, violation},
		{"ack before connect", true, []string{`430[]`}, violation},
		{"disconnect before connect", true, []string{`41`}, violation},
		{"binary header before connect", true, []string{`451-["x",{"_placeholder":true,"num":0}]`}, violation},
		{"auth is an array", true, []string{`40[]`}, parse},
		{"auth is a string", true, []string{`40"x"`}, parse},
		{"event of another namespace", false, []string{`42/other,["x"]`}, violation},
		{"ack of another namespace", false, []string{`43/other,1[]`}, violation},
		{"disconnect of another namespace", false, []string{`41/other,`}, violation},
		{"binary header of another namespace", false,
			[]string{`451-/other,["x",{"_placeholder":true,"num":0}]`}, violation},
		{"connect error", false, []string{`44{"message":"x"}`}, violation},
		{"event without a name", false, []string{`42[]`}, parse},
		{"event without data", false, []string{`42`}, parse},
		{"reserved name", false, []string{`42["disconnect"]`}, parse},
		{"unknown type", false, []string{`47`}, parse},
		{"ack is no array", false, []string{`430{}`}, parse},
		{"disconnect with payload", false, []string{`41{}`}, parse},
		{"text among attachments", false, []string{`451-["x",{"_placeholder":true,"num":0}]`, `42["x"]`}, parse},
		{"disconnect among attachments", false, []string{`451-["x",{"_placeholder":true,"num":0}]`, `41`}, parse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := bubble
			if strings.HasPrefix(tt.send[0], "45") { // with attachments that are missing
				run = bubbleOf
			}
			run(t, nil, func(t *testing.T, f *fixture) {
				f.Of("/other")
				var reasons []socketio.DisconnectReason
				on := func(s *socketio.Socket) {
					s.OnDisconnect(func(r socketio.DisconnectReason) { reasons = append(reasons, r) })
				}
				f.OnConnection(on)
				latch := make(chan struct{})
				c := f.dial()
				if !tt.before {
					c.connect("/", "")
				} else { // what is connecting must not become a socket
					f.Use(func(ctx context.Context, _ *socketio.Socket) error {
						select {
						case <-latch:
						case <-ctx.Done():
						}
						return nil
					})
				}
				c.send(tt.send...)
				c.expectClose(tt.want)
				close(latch)
				synctest.Wait()

				want, label := socketio.ReasonForcedServerClose, socketio.RejectViolation
				if tt.want == parse {
					want, label = socketio.ReasonParseError, socketio.RejectParse
				}
				if tt.before {
					if len(reasons) != 0 {
						t.Errorf("a socket that never was got %q", reasons)
					}
				} else if !slices.Equal(reasons, []socketio.DisconnectReason{want}) {
					t.Errorf("reasons are %q, want %q once", reasons, want)
				}
				st := f.Stats()
				if st.Rejected[label] != 1 || st.Sockets != 0 || st.Engine.Sessions != 0 {
					t.Errorf("stats are %+v", st)
				}
			})
		})
	}
}

// A page that says connect() twice sends CONNECT twice. There is one socket, one run of the middleware and one answer,
// and the client's other namespaces notice nothing.
func TestConnectTwice(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		runs, sockets := 0, 0
		open := make(chan struct{})
		admin := f.Of("/admin")
		admin.Use(func(context.Context, *socketio.Socket) error {
			runs++
			<-open
			return nil
		})
		admin.OnConnection(func(*socketio.Socket) { sockets++ })
		echo := func(_ context.Context, s *socketio.Socket, e *socketio.Event) error { return s.Emit("echo", e.Args) }
		admin.Handle("echo", echo)
		f.Handle("echo", echo)
		c := f.dial()
		c.connect("/", "")
		c.send(`40/admin,`, `40/admin,{"token":1}`, `40`)
		synctest.Wait()
		close(open)
		if got := c.read(); !strings.HasPrefix(got, `40/admin,{"sid":`) {
			t.Fatalf("answered with %q", got)
		}
		c.send(`40/admin,`, `42/admin,["echo",1]`)
		c.expect(`42/admin,["echo",1]`)
		c.send(`40`, `42["echo",2]`)
		c.expect(`42["echo",2]`)
		synctest.Wait()
		st := f.Stats()
		if runs != 1 || sockets != 1 || st.Sockets != 2 || st.Connects != 2 || len(st.Rejected) != 0 {
			t.Errorf("%d runs of the middleware, %d sockets of /admin, stats %+v", runs, sockets, st)
		}
		// Whoever has left, or was refused, may come again.
		c.send(`41/admin,`, `40/admin,`)
		if got := c.read(); !strings.HasPrefix(got, `40/admin,{"sid":`) || runs != 2 {
			t.Errorf("back again with %q after %d runs of the middleware", got, runs)
		}
	})
}

func TestViolationOnPolling(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c := f.poll()
		c.send(`42["x"]`)
		resp, err := c.http.Get(c.url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if synctest.Wait(); resp.StatusCode != 400 || f.Stats().Engine.Sessions != 0 {
			t.Errorf("status %d, %d sessions", resp.StatusCode, f.Stats().Engine.Sessions)
		}
	})
}

func TestPacketWhileMiddlewareRuns(t *testing.T) {
	for _, packet := range []string{`42["x"]`, `41`, `430[]`, `451-["x",{"_placeholder":true,"num":0}]`} {
		t.Run(packet, func(t *testing.T) {
			run := bubble
			if strings.HasPrefix(packet, "45") { // with attachments that are missing
				run = bubbleOf
			}
			run(t, nil, func(t *testing.T, f *fixture) {
				var cause error
				f.Use(func(ctx context.Context, s *socketio.Socket) error {
					<-ctx.Done()
					cause = context.Cause(ctx)
					return nil
				})
				f.OnConnection(func(*socketio.Socket) { t.Error("connected") })
				c := f.dial()
				c.send("40")
				synctest.Wait()
				c.send(packet)
				c.expectClose("closed: 1002 protocol error")
				synctest.Wait()
				if cause != socketio.ReasonForcedServerClose {
					t.Errorf("cause is %v", cause)
				}
			})
		})
	}
}

func TestUnknownNamespace(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c := f.dial()
		c.send("40/nope,", "40/no\"pe\n,")
		c.expect(`44/nope,{"message":"Invalid namespace"}`, "44/no\"pe\n"+`,{"message":"Invalid namespace"}`)
		c.connect("/", "") // the connection lives
		if n := f.Stats().Rejected[socketio.RejectNamespace]; n != 2 {
			t.Errorf("counted %d", n)
		}
	})
}

func TestTooManyNamespaces(t *testing.T) {
	bubble(t, &socketio.Options{MaxNamespaces: 3}, func(t *testing.T, f *fixture) {
		f.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool { return strings.HasPrefix(name, "/dyn-") })
		c := f.dial()
		for i := range 3 {
			c.connect(fmt.Sprintf("/dyn-%d", i), "")
		}
		c.send("40/dyn-3,")
		c.expect(`44/dyn-3,{"message":"Too many namespaces"}`)
		c.send("41/dyn-0,")
		c.connect("/dyn-3", "")
		if n := f.Stats().Rejected[socketio.RejectNamespaces]; n != 1 {
			t.Errorf("counted %d", n)
		}
	})
}

// A client that comes and goes while its handlers hang does not pile them up.
func TestHandlersDoNotPileUp(t *testing.T) {
	bubble(t, &socketio.Options{MaxNamespaces: 3}, func(t *testing.T, f *fixture) {
		release := make(chan struct{})
		var hanging atomic.Int64
		f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error {
			hanging.Add(1)
			<-release
			return nil
		})
		c := f.dial()
		for range 6 {
			c.connect("/", "")
			c.send(`42["x"]`)
			synctest.Wait()
			c.send("41")
		}
		c.send("40")
		c.expectSilence()
		if n := hanging.Load(); n != 6 {
			t.Errorf("%d handlers hang", n)
		}
		release <- struct{}{}
		if got := c.read(); !strings.HasPrefix(got, "40{") {
			t.Errorf("got %q", got)
		}
		c.send(`42["x"]`)
		synctest.Wait()
		c.send("41", "40") // held up again
		synctest.Wait()
		c.close()
		close(release)
		synctest.Wait()
		// the last one may just have come in
		if st := f.Stats(); st.Sockets != 0 || st.Connects < 7 || st.Connects > 8 {
			t.Errorf("stats are %+v", st)
		}
	})
}

func TestConnectTimeout(t *testing.T) {
	t.Run("nothing", func(t *testing.T) {
		bubble(t, nil, func(t *testing.T, f *fixture) {
			c := f.dial()
			began := time.Now()
			for {
				_, err := c.receive()
				if err == nil {
					continue
				}
				if isTimeout(err) {
					continue
				}
				if err.Error() != "closed: 1008 connect timeout" || time.Since(began) != 45*time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				break
			}
			if n := f.Stats().Rejected[socketio.RejectConnectTimeout]; n != 1 {
				t.Errorf("counted %d", n)
			}
		})
	})
	t.Run("middleware that hangs", func(t *testing.T) {
		bubble(t, &socketio.Options{ConnectTimeout: time.Second}, func(t *testing.T, f *fixture) {
			f.Use(func(ctx context.Context, _ *socketio.Socket) error {
				<-ctx.Done()
				return ctx.Err()
			})
			c := f.dial()
			c.send("40")
			c.expectClose("closed: 1008 connect timeout")
		})
	})
	t.Run("joined and left", func(t *testing.T) {
		bubble(t, &socketio.Options{ConnectTimeout: time.Second}, func(t *testing.T, f *fixture) {
			c, _ := f.join("/")
			c.send("41")
			advance(5 * time.Second)
			c.connect("/", "")
		})
	})
}

// However large a message may be, so may what it carries.
func TestAttachmentsOfUnlimitedSize(t *testing.T) {
	bubble(t, &socketio.Options{Engine: engineio.Options{MaxPayload: math.MaxInt64}}, func(t *testing.T, f *fixture) {
		f.Handle("x", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
			var data []byte
			return errors.Join(e.Bind(&data), s.Emit("size", len(data)))
		})
		c, _ := f.join("/")
		c.send(`451-["x",{"_placeholder":true,"num":0}]`)
		c.sendBinary(make([]byte, 3<<20))
		c.expect(fmt.Sprintf(`42["size",%d]`, 3<<20))
	})
}

func TestAttachmentTimeout(t *testing.T) {
	bubbleOf(t, &socketio.Options{AttachmentTimeout: time.Second}, func(t *testing.T, f *fixture) {
		var got atomic.Int64
		f.OnConnection(func(s *socketio.Socket) {
			s.On("x", func(_ context.Context, e *socketio.Event) error {
				var b []byte
				got.Add(1)
				return e.Bind(&b)
			})
		})
		c, _ := f.join("/")
		c.send(`451-["x",{"_placeholder":true,"num":0}]`)
		advance(900 * time.Millisecond)
		c.sendBinary([]byte{1, 2})
		advance(5 * time.Second) // the timer was stopped
		c.send(`451-["x",{"_placeholder":true,"num":0}]`)
		c.expectClose("closed: 1008 attachment timeout")
		if n := f.Stats().Rejected[socketio.RejectAttachments]; n != 1 || got.Load() != 1 {
			t.Errorf("counted %d, %d events", n, got.Load())
		}
	})
}

// What came of a packet goes with the session, not when the client at last answers the close frame.
func TestAttachmentsGoWithTheSession(t *testing.T) {
	decoders := make(chan weak.Pointer[watchedDecoder], 1)
	p := watchedParser{parser.JSON(nil), decoders}
	bubbleOf(t, &socketio.Options{AttachmentTimeout: time.Second, Parser: p}, func(t *testing.T, f *fixture) {
		c, _ := f.join("/")
		d := <-decoders
		c.send(`451-["x",{"_placeholder":true,"num":0}]`)
		if runtime.GC(); d.Value() == nil {
			t.Fatal("the decoder went before the session")
		}
		advance(time.Second)
		synctest.Wait()
		if runtime.GC(); d.Value() != nil {
			t.Error("the decoder is still held")
		}
		c.expectClose("closed: 1008 attachment timeout")
	})
}

type watchedParser struct {
	parser.Parser
	decoders chan<- weak.Pointer[watchedDecoder]
}

func (p watchedParser) NewDecoder() parser.Decoder {
	d := &watchedDecoder{p.Parser.NewDecoder()}
	p.decoders <- weak.Make(d)
	return d
}

type watchedDecoder struct{ parser.Decoder }

func TestDisconnectThenEvent(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.Of("/a")
		var events atomic.Int64
		for _, n := range []string{"/", "/a"} {
			f.Of(n).Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error {
				events.Add(1)
				return nil
			})
		}
		c := f.dial()
		first := c.connect("/a", "")
		c.connect("/", "")
		// It can't know in time that it is disconnected, so nothing of this is held against it.
		c.send("41/a,", `42/a,["x"]`, `43/a,1[]`, "41/a,", `42["x"]`)
		if second := c.connect("/a", ""); second == first {
			t.Error("the same id again")
		}
		c.send(`42/a,["x"]`)
		synctest.Wait()
		if n := events.Load(); n != 2 {
			t.Errorf("%d events, want 2", n)
		}
	})
}

// A parser that panics is as bad as input that does not parse: the connection ends, the server does not.
func TestDecoderPanics(t *testing.T) {
	bubble(t, &socketio.Options{Parser: panicParser{parser.JSON(nil)}}, func(t *testing.T, f *fixture) {
		var reason socketio.DisconnectReason
		f.OnConnection(func(s *socketio.Socket) {
			s.OnDisconnect(func(r socketio.DisconnectReason) { reason = r })
		})
		c, _ := f.join("/")
		c.send(`42["boom"]`)
		c.expectClose("")
		synctest.Wait()
		if reason == "" {
			t.Error("the socket lives on")
		}
		f.join("/")
	})
}

type panicParser struct{ parser.Parser }

func (p panicParser) NewDecoder() parser.Decoder { return panicDecoder{p.Parser.NewDecoder()} }

type panicDecoder struct{ parser.Decoder }

func (d panicDecoder) Add(f parser.Frame) (*parser.Packet, error) {
	if strings.Contains(string(f.Data), "boom") {
		panic("boom")
	}
	return d.Decoder.Add(f)
}

// Without middleware and callbacks no runner is needed to connect and to leave; nothing else differs.
func TestConnectAndCloseInline(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		for range 3 {
			c := f.dial()
			for range 3 {
				id := c.connect("/", "")
				synctest.Wait()
				s, ok := f.Socket(id)
				if !ok || !slices.Equal(s.Rooms(), []string{id}) {
					t.Fatalf("socket is %v, %v", s, ok)
				}
				c.send("41")
				synctest.Wait()
				if f.Stats().Sockets != 0 || s.Connected() ||
					context.Cause(s.Context()) != socketio.ReasonClientDisconnect {
					t.Fatalf("%v of a socket that has left", context.Cause(s.Context()))
				}
			}
			s, _ := f.Socket(c.connect("/", ""))
			told := make(chan socketio.DisconnectReason, 1)
			s.OnDisconnect(func(reason socketio.DisconnectReason) { told <- reason })
			c.close()
			if reason := <-told; reason != socketio.ReasonTransportClose {
				t.Errorf("told %q", reason)
			}
		}
	})
}
