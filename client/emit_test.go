package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// TestEmitWhileSuspended: a session that has ended, of which the socket does not know yet, takes nothing. So it is
// after a process was suspended: the engine then finds out in Send that the ping is overdue.
func TestEmitWhileSuspended(t *testing.T) {
	var hold chan struct{}
	change := func(o *client.Options) {
		hold = make(chan struct{})
		o.Parser = holdingParser{parser.JSON(nil), hold}
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		var d diary
		p.say(`42["hold"]`)
		synctest.Wait()
		m.Engine().Abort(engineio.PingTimeout, nil)
		must(t, s.Emit("a"))
		must(t, s.Volatile().Emit("lost"))
		must(t, s.EmitFunc(t.Context(), "b", d.answer("b")))
		must(t, s.Emit("c"))
		if n, _ := s.Buffered(); n != 3 || !s.Connected() {
			t.Errorf("%d events wait, connected %v", n, s.Connected())
		}
		close(hold)
		d.expect(t)
		if s.Connected() {
			t.Error("still connected")
		}
		pass(time.Second)
		expectWire(t, p, `40`, `40`, `42["a"]`, `420["b"]`, `42["c"]`)
		p.say(`430[]`)
		d.expect(t, "b []")
	})
}

// A holdingParser holds the reader up at an event called hold, so that it can't notice that the session has ended.
type holdingParser struct {
	parser.Parser
	hold chan struct{}
}

func (p holdingParser) NewDecoder() parser.Decoder {
	return holdingDecoder{p.Parser.NewDecoder(), p.hold}
}

type holdingDecoder struct {
	parser.Decoder
	hold chan struct{}
}

func (d holdingDecoder) Add(f parser.Frame) (*parser.Packet, error) {
	if string(f.Data) == `2["hold"]` {
		<-d.hold
	}
	return d.Decoder.Add(f)
}

func TestEmitErrors(t *testing.T) {
	change := func(o *client.Options) { o.Engine.MaxQueueBytes = 1000 }
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		for _, name := range []string{"connect", "connect_error",
			"disconnect", "disconnecting", "newListener", "removeListener"} {
			if err := s.Emit(name); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := s.EmitWithAck(t.Context(), name); err == nil {
				t.Errorf("%s with an acknowledgement", name)
			}
		}
		var marshal panicking
		for _, v := range []any{make(chan int), func() {}, marshal} {
			never := func(client.Args, error) { t.Error("called") }
			for _, err := range []error{
				s.Emit("a", v), s.Volatile().Emit("a", v), s.EmitFunc(t.Context(), "a", never, v),
			} {
				if err == nil {
					t.Errorf("%T is sent", v)
				}
			}
		}
		expectWire(t, p, `40`)
	})
}

// panicking cannot be encoded.
type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("oops") }

// A queue that is full refuses events, and loses nothing that it has taken.
func TestEmitIntoAFullQueue(t *testing.T) {
	change := func(o *client.Options) { o.Engine.MaxQueuePackets = 10 }
	onPuppet(t, "polling", change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		var taken []string
		refused := 0
		for i := range 1000 {
			switch err := s.Emit("a", i); err {
			case nil:
				taken = append(taken, fmt.Sprintf(`42["a",%d]`, i))
			case client.ErrBufferFull:
				refused++
			default:
				t.Fatal(err)
			}
		}
		if refused == 0 {
			t.Error("nothing was refused")
		}
		expectWire(t, p, append([]string{`40`}, taken...)...)
		if !s.Connected() {
			t.Error("the connection is lost")
		}
	})
}

// The contracts of package event work, and what the server answers as an error comes back as one.
func TestContracts(t *testing.T) {
	const (
		say  event.Of[string]                = "say"
		find event.WithAck[int, string]      = "find"
		add  event.WithAck[pair, int]        = "add"
		none event.WithAck[int, parser.None] = "none"
	)
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		add.On(s, func(_ context.Context, v pair) (int, error) { return v.A + v.B, nil })
		p.say(`421["add",3,4]`)
		expectWire(t, p, `40`, `431[7]`)
		must(t, say.Emit(s, "x"))
		expectWire(t, p, `42["say","x"]`)
		done := make(chan error)
		go func() { // ends with its one call
			name, err := find.Emit(t.Context(), s, 1)
			if name != "ann" {
				t.Errorf("got %q", name)
			}
			done <- err
		}()
		expectWire(t, p, `420["find",1]`)
		p.say(`430["ann"]`)
		must(t, <-done)
		go func() { // as the one above
			_, err := none.Emit(t.Context(), s, 1)
			done <- err
		}()
		synctest.Wait()
		p.say(`431[{"error":"no"}]`)
		var shown *event.Error
		if err := <-done; !errors.As(err, &shown) || shown.Message != "no" {
			t.Errorf("%v", err)
		}
	})
}

type pair struct {
	_    parser.Tuple
	A, B int
}

// What the server should not say is not taken for anything.
func TestServerThatBreaksTheProtocol(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		var d diary
		d.keep(s)
		setMute(p, true)
		s.Open()
		synctest.Wait()
		p.say(`430[]`)
		p.say(`42["early"]`)
		p.say(`42/other,["a"]`)
		p.say(`40/other,{"sid":"x"}`)
		p.say(`41/other,`)
		p.say(`44/other,{"message":"x"}`)
		d.expect(t)
		p.say(`40{"sid":"x"}`)
		d.expect(t, "connect", `early []`)
		must(t, s.EmitFunc(t.Context(), "a", d.answer("a")))
		p.say(`40{"sid":"y"}`)
		p.say(`44{"message":"x"}`)
		p.say(`431[]`)
		p.say(`430[]`)
		d.expect(t, "a []")
		if s.ID() != "x" {
			t.Errorf("id %s", s.ID())
		}
		expectWire(t, p, `40`, `420["a"]`)
		p.say(`46/bad`)
		d.expect(t, "disconnect parse error")
		if !s.Active() {
			t.Error("does not come back")
		}
	})
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ wire, message, data string }{
		{`44{"message":"no","data":{"a":1}}`, "no", "map[a:1]"},
		{`44{"message":"no"}`, "no", "<nil>"},
		{`44"text"`, "text", "<nil>"},
		{`44{}`, "", "<nil>"},
	} {
		onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
			setMute(p, true)
			s := m.Socket("/", nil)
			var d diary
			s.OnConnectError(func(err error) { d.add(err.Error()) })
			done := make(chan error)
			go func() { done <- s.Connect(t.Context()) }() // ends with the refusal
			synctest.Wait()
			p.say(c.wire)
			err := <-done
			var refusal *client.ConnectError
			if !errors.As(err, &refusal) || refusal.Message != c.message || fmt.Sprint(refusal.Data) != c.data {
				t.Errorf("%s: %#v", c.wire, err)
			}
			d.expect(t, c.message)
			if s.Active() || m.Engine() != nil {
				t.Error("still active")
			}
		})
	}
}
