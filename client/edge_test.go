package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/parser"
	"sio.example/socketio/siotest"
)

// A long string at the end of an event is no offset: sent with each CONNECT, it would have the server refuse all of
// them.
func TestLongOffsetIsNone(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		setMute(p, true)
		s := m.Socket("/", nil)
		s.Open()
		expectWire(t, p, `40`)
		recovering(p, "one", "secret")
		p.say(`42["a","offset1"]`)
		p.say(`42["picture","` + strings.Repeat("x", 100_000) + `"]`)
		synctest.Wait()
		p.drop()
		pass(2 * time.Second)
		expectWire(t, p, `40{"pid":"secret","offset":"offset1"}`)
		recovering(p, "two", strings.Repeat("y", 100_000))
		synctest.Wait()
		p.drop()
		pass(3 * time.Second)
		expectWire(t, p, `40`)
	})
}

// What an event of a connection was not taken for lack of room, none behind it is: the offset would skip it.
func TestNoEventIsSkipped(t *testing.T) {
	onWire(t, func(o *client.Options) { o.MaxInbox = 1 }, func(t *testing.T, p *puppet, m *client.Manager) {
		setMute(p, true)
		end := make(chan struct{})
		defer close(end)
		p.after = func(c net.Conn) {
			_, _, _ = puppetRead(bufio.NewReader(c))
			_, _ = c.Write(puppetFrame(1, `40{"sid":"x","pid":"secret"}`))
			<-end // and nothing is read any more
		}
		s := m.Socket("/", nil)
		hold := make(chan struct{})
		var d diary
		s.On("a", func(_ context.Context, e *client.Event) error {
			d.add(e.Args.String())
			<-hold
			return nil
		})
		connect(t, s)
		for range 20 {
			must(t, s.Emit("fill", strings.Repeat("x", 100_000)))
		}
		for i := range 3 { // one is handled, one waits, one waits for room
			p.say(fmt.Sprintf(`42["a","offset%d"]`, i+1))
		}
		synctest.Wait()
		m.Engine().Close() // which goes on receiving until all is sent
		synctest.Wait()
		close(hold)
		d.expect(t, `["offset1"]`, `["offset2"]`)
		p.say(`42["a","offset4"]`)
		d.expect(t)
		p.mu.Lock()
		p.after = nil
		p.mu.Unlock()
		pass(time.Minute)
		expectWire(t, p, `40{"pid":"secret","offset":"offset2"}`)
	})
}

// Who does not read is not told that the server has gone. A handler may be waiting for just that.
func TestFullInboxAndADeadServer(t *testing.T) {
	onWire(t, func(o *client.Options) { o.MaxInbox = 2 }, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		var d diary
		s.OnDisconnect(func(reason client.DisconnectReason) { d.add(string(reason)) })
		off := s.On("a", func(context.Context, *client.Event) error {
			_, err := s.EmitWithAck(context.Background(), "b")
			d.add(fmt.Sprint(err))
			return nil
		})
		connect(t, s)
		for range 10 {
			p.say(`42["a"]`)
		}
		synctest.Wait()
		off()
		p.drop()
		pass(time.Minute)
		d.expect(t, client.ErrDisconnected.Error(), "transport close")
	})
}

// An answer to the CONNECT of before is not one to that of now, which may carry another auth.
func TestAnswerOfBefore(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		wire   []string
	}{
		"welcome": {`40{"sid":"of alice"}`, []string{`41`, `40{"name":"bob"}`}},
		"refusal": {`44{"message":"alice is not wanted"}`, []string{`40{"name":"bob"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
				setMute(p, true)
				m.Socket("/stays", nil).Open()
				s := m.Socket("/", &client.SocketOptions{Auth: map[string]string{"name": "alice"}})
				var d diary
				d.keep(s)
				s.Open()
				synctest.Wait()
				sortWire(p)
				expectWire(t, p, `40/stays,`, `40{"name":"alice"}`)
				s.Disconnect()
				s.SetAuthFunc(func(context.Context) (any, error) { return map[string]string{"name": "bob"}, nil })
				s.Open()
				expectWire(t, p)
				p.say(c.answer)
				if name == "welcome" {
					p.say(`42["for alice"]`)
				}
				expectWire(t, p, c.wire...)
				d.expect(t)
				p.say(`40{"sid":"of bob"}`)
				p.say(`42["for bob"]`)
				d.expect(t, "connect", "for bob []")
				if s.ID() != "of bob" {
					t.Errorf("id %q", s.ID())
				}
			})
		})
	}
}

// What was on its way to the socket that left is not for the one that comes, and neither is an acknowledgement.
func TestComingBackOverTheSameConnection(t *testing.T) {
	for _, again := range []string{"disconnect", "close"} {
		t.Run(again, func(t *testing.T) {
			onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
				connect(t, m.Socket("/stays", nil))
				setMute(p, true)
				var d diary
				s := m.Socket("/", nil)
				s.Open()
				synctest.Wait()
				p.say(`40{"sid":"x"}`)
				must(t, s.EmitFunc(t.Context(), "q", d.answer("first")))
				expectWire(t, p, `40/stays,`, `40`, `420["q"]`)
				if again == "disconnect" {
					s.Disconnect()
				} else {
					must(t, s.Close())
				}
				d.expect(t, "first "+client.ErrDisconnected.Error())
				s = m.Socket("/", nil)
				d.keep(s)
				s.Open()
				expectWire(t, p, `41`, `40`)
				p.say(`42["late"]`)
				p.say(`40{"sid":"y"}`)
				must(t, s.EmitFunc(t.Context(), "q", d.answer("second")))
				expectWire(t, p, `421["q"]`)
				p.say(`430["for the first"]`)
				p.say(`431["for the second"]`)
				p.say(`42["new"]`)
				d.expect(t, "connect", `second ["for the second"]`, "new []")
			})
		})
	}
}

// A slowParser takes its time for the DISCONNECT of one namespace.
type slowParser struct{ parser.Parser }

func (p slowParser) Encode(dst []parser.Frame, packet *parser.Packet) ([]parser.Frame, error) {
	if packet.Type == parser.Disconnect && packet.Namespace == "/slow" {
		synctest.Wait()
	}
	return p.Parser.Encode(dst, packet)
}

// Shutdown does not say that all was sent when it was not.
func TestShutdownOutOfTime(t *testing.T) {
	onWire(t, func(o *client.Options) { o.Parser = slowParser{parser.JSON(nil)} },
		func(t *testing.T, p *puppet, m *client.Manager) {
			p.open = "x"
			s := m.Socket("/", nil)
			m.Socket("/slow", nil)
			must(t, s.Emit("never sent"))
			s.Open()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := m.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v", err)
			}
		})
}

// Close waits a second for a server that does not read, and no more, whatever was closed or left before.
func TestCloseOfADeadConnection(t *testing.T) {
	for name, end := range map[string]func(s *client.Socket){
		"manager":          func(s *client.Socket) { s.Manager().Close() },
		"socket":           func(s *client.Socket) { s.Close() },
		"left, then close": func(s *client.Socket) { s.Disconnect(); s.Manager().Close() },
	} {
		for _, transport := range []string{"polling", "websocket"} {
			t.Run(name+", "+transport, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := siotest.NewServer(t, nil)
					s := srv.Socket("/", &client.Options{Engine: engineOptions(transport)})
					connect(t, s)
					synctest.Wait()
					eng := s.Manager().Engine()
					srv.Freeze(siotest.Both)
					for range 20 {
						must(t, s.Emit("fill", strings.Repeat("x", 100_000)))
					}
					start := time.Now()
					end(s)
					<-eng.Context().Done()
					<-eng.Done()
					if d := time.Since(start); d > 5*time.Second {
						t.Errorf("gone after %v", d)
					}
					srv.Heal()
					srv.Drop()
					pass(time.Minute) // for net/http
				})
			})
		}
	}
}

// The socket of Dial may be closed by those who got it from Setup.
func TestCloseDuringDial(t *testing.T) {
	done := make(chan struct{})
	o := &client.Options{Setup: func(s *client.Socket) {
		go func() { // ends at once
			_ = s.Close()
			close(done)
		}()
	}}
	o.Engine.NetDial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }
	if _, err := client.Dial(t.Context(), puppetURL, o); err == nil {
		t.Error("connected")
	}
	<-done
}

// Setup may close the socket; there can be another one then.
func TestCloseInSetup(t *testing.T) {
	first := true
	change := func(o *client.Options) {
		o.Setup = func(s *client.Socket) {
			if first {
				first = false
				s.Open()
				s.Close()
			}
		}
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		if s.Active() {
			t.Error("closed, and active")
		}
		if err := s.Connect(t.Context()); !errors.Is(err, client.ErrClosed) {
			t.Errorf("Connect: %v", err)
		}
		expectWire(t, p)
		connect(t, m.Socket("/", nil))
	})
}

func TestURLWithoutScheme(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, _ *client.Manager) {
		m := client.NewManager("puppet.example?next=http://example.com/", p.options("websocket"))
		defer m.Close()
		connect(t, m.Socket("/", nil))
	})
}

// The password in a URL is not repeated.
func TestErrorsKeepThePassword(t *testing.T) {
	for _, u := range []string{"http://user:secret@host:port/",
		"http://user:secret@ho st/", "ftp://user:secret@host/", "http://user:secret@/"} {
		err := client.NewManager(u, nil).Socket("/", nil).Connect(t.Context())
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
}

// The id comes from the server, and is logged as what comes from there.
func TestLoggedID(t *testing.T) {
	var out diary
	change := func(o *client.Options) {
		o.Logger = slog.New(slog.NewTextHandler(diaryWriter{&out}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		setMute(p, true)
		s := m.Socket("/", nil)
		s.On("a", func(context.Context, *client.Event) error { return errors.New("no") })
		s.Open()
		synctest.Wait()
		p.say(`40{"sid":"` + strings.Repeat("x", 10_000) + `"}`)
		p.say(`42["a"]`)
		synctest.Wait()
		out.mu.Lock()
		defer out.mu.Unlock()
		for _, line := range out.lines {
			if len(line) > 1000 {
				t.Errorf("a line of %d bytes: %.200s", len(line), line)
			}
		}
		if len(out.lines) < 3 {
			t.Errorf("logged %q", out.lines)
		}
	})
}

type diaryWriter struct{ d *diary }

func (w diaryWriter) Write(b []byte) (int, error) {
	w.d.add(string(b))
	return len(b), nil
}

// An event that has no room beside the one in flight is refused, and costs no other its place.
func TestNoRoomBesideTheFirst(t *testing.T) {
	change := func(o *client.Options) {
		o.Socket = client.SocketOptions{Retries: 1, BufferPolicy: client.BufferDropOldest, MaxBufferBytes: 10_000}
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		must(t, s.Emit("first", strings.Repeat("x", 6_000)))
		must(t, s.Emit("second"))
		if err := s.Emit("third", strings.Repeat("x", 6_000)); !errors.Is(err, client.ErrBufferFull) {
			t.Errorf("third: %v", err)
		}
		if n, _ := s.Buffered(); n != 2 {
			t.Errorf("%d events are left", n)
		}
	})
}

// The longest delay there is means never, and not at once.
func TestLongestDelay(t *testing.T) {
	change := func(o *client.Options) {
		o.ReconnectionDelay, o.ReconnectionDelayMax = math.MaxInt64, math.MaxInt64
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		connect(t, m.Socket("/", nil))
		p.drop()
		pass(time.Hour)
		if n := len(p.times()); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// A callback that has been removed is not called, not even for what happened before.
func TestRemovedCallbacks(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		var d diary
		hold := make(chan struct{})
		var offs []func()
		s.On("a", func(context.Context, *client.Event) error {
			<-hold
			for _, off := range offs {
				off()
			}
			d.add("removed")
			return nil
		})
		connect(t, s)
		offs = append(offs, s.OnDisconnect(func(client.DisconnectReason) { d.add("disconnect") }),
			s.OnConnect(func() { d.add("connect") }), s.OnConnectError(func(error) { d.add("connect_error") }))
		s.OnDisconnect(func(client.DisconnectReason) { d.add("stays") })
		p.say(`42["a"]`)
		synctest.Wait()
		p.open = "x"
		p.drop()
		pass(time.Minute)
		close(hold)
		d.expect(t, "removed", "stays")
	})
}

// What is told to OnAnyOutgoing is what was emitted, even if the sender has gone on writing into its variables.
func TestOnAnyOutgoingAfterAWait(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		var d diary
		s.OnAnyOutgoing(func(name string, args client.Args) { d.add(name + " " + args.String()) })
		numbers := []int{1, 2, 3}
		must(t, s.Emit("numbers", numbers))
		numbers[0] = 4
		connect(t, s)
		expectWire(t, p, `40`, `42["numbers",[1,2,3]]`)
		d.expect(t, "numbers [[1,2,3]]")
	})
}

// Emit has taken what it was given: the sender may write into its buffer again.
func TestEmitTakesACopy(t *testing.T) {
	onWire(t, func(o *client.Options) { o.Engine.ForceBase64 = true },
		func(t *testing.T, p *puppet, m *client.Manager) {
			s := m.Socket("/", nil)
			buf := []byte{1, 2, 3}
			must(t, s.Emit("bytes", buf))
			buf[0] = 4
			connect(t, s)
			expectWire(t, p, `40`, `451-["bytes",{"_placeholder":true,"num":0}]`, `bAQID`)
		})
}
