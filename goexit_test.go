package socketio_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

// exitingParser calls runtime.Goexit in the place of its decoder or its encoder, for packets of some types.
type exitingParser struct {
	parser.Parser
	decode, encode bool
	types          []parser.Type
}

func (p exitingParser) exits(q *parser.Packet) bool {
	for _, t := range p.types {
		if q != nil && q.Type == t {
			return true
		}
	}
	return false
}

func (p exitingParser) NewDecoder() parser.Decoder { return exitingDecoder{p.Parser.NewDecoder(), p} }

func (p exitingParser) Encode(dst []parser.Frame, q *parser.Packet) ([]parser.Frame, error) {
	if p.encode && p.exits(q) {
		runtime.Goexit()
	}
	return p.Parser.Encode(dst, q)
}

type exitingDecoder struct {
	parser.Decoder
	p exitingParser
}

func (d exitingDecoder) Add(f parser.Frame) (*parser.Packet, error) {
	p, err := d.Decoder.Add(f)
	if d.p.decode && d.p.exits(p) {
		runtime.Goexit()
	}
	return p, err
}

// exitingAdapter does so when a socket joins or leaves.
type exitingAdapter struct {
	adapter.Adapter
	join, leave bool
}

func (a exitingAdapter) Join(m adapter.Member, rooms ...string) error {
	if a.join {
		runtime.Goexit()
	}
	return a.Adapter.Join(m, rooms...)
}

func (a exitingAdapter) LeaveAll(m adapter.Member) {
	if a.leave {
		runtime.Goexit()
	}
	a.Adapter.LeaveAll(m)
}

// User code that calls runtime.Goexit takes a reader, a runner or a request of ours along. The sockets are told, the
// session ends where it has to, and Shutdown returns.
func TestGoexitBelowTheHandlers(t *testing.T) {
	inMemory := func(a exitingAdapter) adapter.Factory {
		return func(ctx context.Context, l adapter.Local) (adapter.Adapter, error) {
			m, err := adapter.NewMemory(ctx, l)
			a.Adapter = m
			return a, err
		}
	}
	exiting := func(p exitingParser, types ...parser.Type) parser.Parser {
		p.Parser, p.types = parser.JSON(nil), types
		return p
	}
	for name, tt := range map[string]struct {
		opts   socketio.Options
		enters bool // the client gets in
		ends   bool // by its first event
	}{
		"decoder of CONNECT": {opts: socketio.Options{Parser: exiting(exitingParser{decode: true}, parser.Connect)}},
		"decoder of events": {opts: socketio.Options{Parser: exiting(exitingParser{decode: true}, parser.Event)},
			enters: true, ends: true},
		"encoder of CONNECT": {opts: socketio.Options{Parser: exiting(exitingParser{encode: true}, parser.Connect)}},
		"encoder of refusals": {opts: socketio.Options{Parser: exiting(exitingParser{encode: true},
			parser.Connect, parser.ConnectError)}},
		"logger": {opts: socketio.Options{Logger: slog.New(funcLog{slog.DiscardHandler, func(string) {
			runtime.Goexit()
		}})}, enters: true},
		"join":  {opts: socketio.Options{Adapter: inMemory(exitingAdapter{join: true})}},
		"leave": {opts: socketio.Options{Adapter: inMemory(exitingAdapter{leave: true})}, enters: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, &tt.opts)
				var rec recorder
				f.OnConnection(func(s *socketio.Socket) {
					rec.add("connection")
					s.OnDisconnect(func(socketio.DisconnectReason) { rec.add("disconnect") })
				})
				f.Handle("oh", func(context.Context, *socketio.Socket,
					*socketio.Event) error {
					return errors.New("oh")
				})
				f.Handle("leave", func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
					s.Disconnect(false)
					return nil
				})
				c := f.dial()
				c.send("40")
				synctest.Wait()
				if tt.enters {
					rec.expect(t, "connection")
					c.send(`42["oh"]`)
					synctest.Wait()
					if !tt.ends {
						c.send(`42["leave"]`)
						synctest.Wait()
					}
					rec.expect(t, "disconnect")
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := f.Shutdown(ctx)
				if err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				if n := f.Stats().Sockets; n != 0 {
					t.Errorf("%d sockets left", n)
				}
				_ = c.conn.Close()
				_ = f.http.Close()
				_ = f.ln.Close()
			})
		})
	}
}

// A Logger that blocks holds up nobody whose ConnectTimeout ends, and no handler.
func TestLoggerThatBlocksHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		f := newFixture(t, &socketio.Options{
			ConnectTimeout: time.Second,
			Logger:         slog.New(funcLog{slog.DiscardHandler, func(string) { <-goOn }}),
		})
		f.Handle("x", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
			if e.WantsAck() {
				return e.Ack("still here")
			}
			return errors.New("to be logged")
		})
		begin := time.Now()
		c, _ := f.join("/")
		for range 50 {
			f.dial() // and says nothing
		}
		<-time.After(time.Second + 200*time.Millisecond)
		if n := f.Engine().Count(); n != 1 {
			t.Errorf("%d sessions after the timeout", n)
		}
		c.send(`42["x"]`, `421["x"]`)
		c.expect(`431["still here"]`)
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("it took %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := f.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		close(goOn)
		_ = c.conn.Close()
		_ = f.http.Close()
		_ = f.ln.Close()
		synctest.Wait()
	})
}
