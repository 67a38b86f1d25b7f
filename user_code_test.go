package socketio_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// A mischief is a place in user code where something bad happens.
type mischief struct {
	place string
	do    func()
}

func (m mischief) at(place string) {
	if m.place == place {
		m.do()
	}
}

type badError struct{ mischief }

func (e badError) Error() string { e.at("Error"); return "bad" }
func (e badError) Is(error) bool { e.at("Is"); return false }
func (e badError) As(any) bool   { e.at("As"); return false }
func (e badError) Unwrap() error { e.at("Unwrap"); return nil }
func (e badError) asked() bool   { return strings.Contains("Error Is As Unwrap", e.place) }

type badAdapter struct {
	*adapter.Memory
	mischief
}

func (a badAdapter) Join(m adapter.Member, rooms ...string) error {
	a.at("Join")
	return a.Memory.Join(m, rooms...)
}

func (a badAdapter) LeaveAll(m adapter.Member) {
	a.Memory.LeaveAll(m)
	a.at("LeaveAll")
}

func (a badAdapter) Close() error {
	defer a.at("Close")
	return a.Memory.Close()
}

type badParser struct {
	parser.Parser
	mischief
}

func (p badParser) Encode(dst []parser.Frame, packet *parser.Packet) ([]parser.Frame, error) {
	if packet.Namespace != "/dyn" {
		return p.Parser.Encode(dst, packet)
	}
	switch packet.Type {
	case parser.Connect:
		p.at("Encode CONNECT")
	case parser.Disconnect:
		p.at("Encode DISCONNECT")
	case parser.Ack:
		p.at("Encode ACK")
	}
	return p.Parser.Encode(dst, packet)
}

type badData struct{ mischief }

func (d badData) MarshalJSON() ([]byte, error) {
	d.at("MarshalJSON")
	return []byte("1"), nil
}

const typedAnswer event.WithAck[int, int] = "typed"

// User code that panics or ends its goroutine harms nobody else: the client gets an answer, the socket ends once,
// children go, and Shutdown returns.
func TestUserCodeThatMisbehaves(t *testing.T) {
	const refused, let, invalid = `44/dyn,{"message":"internal error"}`,
		`40/dyn,`, `44/dyn,{"message":"Invalid namespace"}`
	for place, want := range map[string][2]string{ // with a panic, and with runtime.Goexit
		"match": {invalid, refused}, "factory": {refused, refused},
		"Use": {refused, refused}, "the error of Use": {refused, refused},
		"Join": {refused, refused}, "Encode CONNECT": {refused, refused}, "OnError": {refused, refused},
		"MarshalJSON": {`44/dyn,{"message":"no"}`, `44/dyn,{"message":"no"}`},
		"Error":       {refused, refused}, "Is": {refused, refused},
		"As": {refused, refused}, "Unwrap": {refused, refused},
		"OnConnection": {let, let}, "handler": {let, let}, "typed": {let, let}, "OnDisconnect": {let, let},
		"OnDisconnecting": {let, let}, "LeaveAll": {let, let}, "Close": {let, let}, "Encode DISCONNECT": {let, let},
		"OnAnyOutgoing": {let, let}, "OnAny": {let, let}, "middleware": {let, let},
		"nothing": {let, let}, "Encode ACK": {let, let},
	} {
		t.Run(place, func(t *testing.T) {
			for i, do := range []func(){func() { panic("boom") }, runtime.Goexit} {
				synctest.Test(t, func(t *testing.T) { misbehave(t, mischief{place, do}, want[i]) })
			}
		})
	}
}

func misbehave(t *testing.T, bad mischief, want string) {
	f := newFixture(t, &socketio.Options{
		Adapter: func(ctx context.Context, l adapter.Local) (adapter.Adapter, error) {
			if l.Name() == "/dyn" {
				bad.at("factory")
				return badAdapter{adapter.New(l), bad}, nil
			}
			return adapter.NewMemory(ctx, l)
		},
		Parser:  badParser{parser.JSON(nil), bad},
		OnError: func(context.Context, *socketio.Socket, *socketio.Event, error) { bad.at("OnError") },
	})
	defer func() {
		_ = f.http.Close()
		_ = f.ln.Close()
	}()
	dyn := f.OfFunc(func(_ context.Context, name string,
		_ socketio.Args) bool {
		bad.at("match")
		return name == "/dyn"
	})
	ended := misbehavingHooks(dyn, bad)

	c := f.dial()
	c.connect("/", "")
	c.send(`40/dyn,`)
	if got := c.read(); !strings.HasPrefix(got, want) {
		t.Errorf("answered with %q, want %q", got, want)
	}
	in := strings.HasPrefix(want, "40")
	for range 2 {
		if in {
			c.send(`42/dyn,1["typed",1]`)
			if bad.place == "Encode ACK" {
				continue
			}
			if got := c.read(); !strings.HasPrefix(got, "43/dyn,1") {
				t.Errorf("acknowledged with %q", got)
			}
		}
	}
	for _, what := range []func(n *socketio.Namespace) error{
		func(n *socketio.Namespace) error { return n.Emit("bye") },
		func(n *socketio.Namespace) error { return n.DisconnectSockets(context.Background(), false) },
	} {
		out := make(chan bool)
		go func() { // ends when all are told, or with user code
			defer close(out)
			for n := range dyn.Children() {
				_ = what(n)
			}
		}()
		<-out
	}
	synctest.Wait()
	for range dyn.Children() {
		t.Error("the namespace is there although nobody is in it")
	}
	if st := f.Stats(); st.Sockets != 1 || in != (*ended == 1) {
		t.Errorf("%d sockets, %d calls of OnDisconnect", st.Sockets, *ended)
	}
	c.send(`42["x"]`, `40/nope,`)
	for got := ""; !strings.HasPrefix(got, `44/nope`) && !t.Failed(); {
		got = c.read() // the connection is served
	}
	c.close()
	done := make(chan bool)
	go func() { // ends with Shutdown
		defer close(done)
		_ = f.Shutdown(context.Background())
	}()
	<-done
}

func misbehavingHooks(dyn *socketio.ParentNamespace, bad mischief) (ended *int) {
	ended = new(int)
	dyn.Use(func(context.Context, *socketio.Socket) error {
		bad.at("Use")
		switch {
		case bad.place == "OnError", badError{bad}.asked():
			return badError{bad}
		case bad.place == "the error of Use":
			return (*socketio.ConnectError)(nil)
		case bad.place == "MarshalJSON":
			return &socketio.ConnectError{Message: "no", Data: badData{bad}}
		}
		return nil
	})
	dyn.UseEvents(func(next socketio.Handler) socketio.Handler {
		return func(ctx context.Context, e *socketio.Event) error {
			bad.at("middleware")
			return next(ctx, e)
		}
	})
	dyn.OnConnection(func(s *socketio.Socket) {
		s.OnDisconnecting(func(socketio.DisconnectReason) { bad.at("OnDisconnecting") })
		s.OnDisconnect(func(socketio.DisconnectReason) { bad.at("OnDisconnect") })
		s.OnDisconnect(func(socketio.DisconnectReason) { *ended++ })
		s.OnAny(func(context.Context, *socketio.Event) { bad.at("OnAny") })
		s.OnAnyOutgoing(func(string, socketio.Args) { bad.at("OnAnyOutgoing") })
		typedAnswer.On(s, func(_ context.Context, p int) (int, error) {
			bad.at("typed")
			return p, nil
		})
		s.On("typed", func(context.Context, *socketio.Event) error {
			bad.at("handler")
			return errors.Join(badError{bad}, errors.New("another"))
		})
		bad.at("OnConnection")
	})
	return ended
}
