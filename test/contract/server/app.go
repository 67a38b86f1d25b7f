package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	socketio "sio.example/socketio"
)

// app is the application behind the namespaces of the contract.
type app struct {
	io       *socketio.Server
	node     string
	adapter  string // its name
	adapters *adapters
	dynamic  *socketio.ParentNamespace

	mu    sync.Mutex
	notes []note
}

// note is one recorded server-side event.
type note struct {
	Namespace string `json:"nsp"`
	Event     string `json:"event"`
	Args      []any  `json:"args"`
}

// place is what the handlers are put in: a namespace, or the parent of dynamic ones.
type place interface {
	OnConnection(fn func(s *socketio.Socket)) (off func())
	Handle(name string, h socketio.SocketHandler) (off func())
}

var dynamic = regexp.MustCompile(`^/dyn-[0-9]+$`)

func newApp(io *socketio.Server, c *config) *app {
	return &app{io: io, node: c.node, adapter: c.adapter, adapters: c.adapters}
}

func (a *app) install() {
	for _, name := range []string{"/", "/admin"} {
		ns := a.io.Of(name)
		a.handlers(ns)
		a.serverSide(ns)
	}
	denied := a.io.Of("/denied")
	denied.Use(letMeIn)
	a.handlers(denied)
	a.dynamic = a.io.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool {
		return dynamic.MatchString(name)
	})
	a.handlers(a.dynamic)
	a.installControl()
}

// letMeIn is the middleware of /denied.
func letMeIn(_ context.Context, s *socketio.Socket) error {
	var auth struct {
		Token any `json:"token"`
	}
	if err := s.Handshake().Auth.Bind(&auth); err == nil && auth.Token == "letmein" {
		return nil
	}
	return &socketio.ConnectError{Message: "not allowed", Data: map[string]any{"code": "E_DENIED"}}
}

func (a *app) handlers(p place) {
	for name, h := range map[string]socketio.SocketHandler{
		"echo":      echo,
		"ask-ack":   askAck,
		"whoami":    a.whoami,
		"handshake": handshake,
		"transport": transport,
		"join":      join,
		"leave":     leave,
		"to-room":   toRoom,
		"broadcast": broadcast,
		"ask-room":  askRoom,
		"drop": func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
			s.Conn().Close()
			return nil
		},
		"kick": func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
			s.Disconnect(false)
			return nil
		},
		"kick-all": func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
			s.Disconnect(true)
			return nil
		},
		"count": func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
			return reply(e, a.io.Engine().Count())
		},
	} {
		p.Handle(name, h)
	}
	p.OnConnection(func(s *socketio.Socket) {
		s.SetData(map[string]any{"node": a.node})
		_ = s.Emit("hello", map[string]any{"nsp": s.Namespace().Name(), "auth": auth(s)}) // fails only if it is gone
	})
}

// auth is the handshake's auth, or an empty object.
func auth(s *socketio.Socket) any {
	values, err := s.Handshake().Auth.Values()
	if err != nil || len(values) == 0 || values[0] == nil {
		return map[string]any{}
	}
	return values[0]
}

// reply acknowledges, if that was asked for.
func reply(e *socketio.Event, args ...any) error {
	if !e.WantsAck() {
		return nil
	}
	return e.Ack(args...)
}

func echo(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	if e.WantsAck() {
		return e.Ack(e.Args)
	}
	return s.Emit("echo", e.Args)
}

// askAck does not keep the client's next events waiting for its acknowledgement, as a handler in JavaScript would not;
// but it keeps its place before what the next handlers emit.
func askAck(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	ctx := &sendContext{Context: s.Context(), sent: make(chan struct{})}
	go func() { // owned by the socket; ends with the acknowledgement or at its disconnect
		defer ctx.Done() // also if nothing could be sent
		if held, err := s.EmitWithAck(ctx, "please-ack", e.Args); err == nil {
			_ = s.Emit("acked", held) // fails only if the socket is gone
		}
	}()
	<-ctx.sent
	return nil
}

// sendContext tells when somebody begins to wait on it, which EmitWithAck does once the event is on its way.
type sendContext struct {
	context.Context
	once sync.Once
	sent chan struct{}
}

func (c *sendContext) Done() <-chan struct{} {
	c.once.Do(func() { close(c.sent) })
	return c.Context.Done()
}

func (a *app) whoami(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	rooms := s.Rooms()
	slices.Sort(rooms)
	return reply(e, map[string]any{"id": s.ID(), "rooms": rooms, "node": a.node, "recovered": s.Recovered()})
}

func handshake(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	h := s.Handshake()
	query := make(map[string]any, len(h.Query))
	for name, values := range h.Query {
		if len(values) == 1 {
			query[name] = values[0]
		} else {
			query[name] = values
		}
	}
	return reply(e, map[string]any{"query": query, "auth": auth(s), "xdomain": h.Header.Get("Origin") != ""})
}

func transport(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	return reply(e, map[string]any{"name": s.Conn().Transport(), "protocol": s.Conn().Protocol()})
}

// stringOrList is one string, or a list of them.
type stringOrList []string

func (l *stringOrList) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = []string{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

func join(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	var rooms stringOrList
	if err := e.Bind(&rooms); err != nil {
		return fmt.Errorf("server: join: %w", err)
	}
	return errors.Join(s.Join(rooms...), reply(e))
}

func leave(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	var rooms stringOrList
	if err := e.Bind(&rooms); err != nil {
		return fmt.Errorf("server: leave: %w", err)
	}
	return errors.Join(s.Leave(rooms...), reply(e))
}

func toRoom(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	var room string
	if err := e.Bind(&room); err != nil {
		return fmt.Errorf("server: to-room: %w", err)
	}
	return s.To(room).Emit("room-msg", e.Args)
}

func broadcast(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	return s.Broadcast().Emit("broadcast", e.Args)
}

// askRoom asks all members of a room, and answers with the first value of each.
func askRoom(ctx context.Context, s *socketio.Socket, e *socketio.Event) error {
	var room string
	if err := e.Args.Slice(0, 1).Bind(&room); err != nil {
		return fmt.Errorf("server: ask-room: %w", err)
	}
	held, err := s.Namespace().To(room).EmitWithAck(ctx, "please-ack", e.Args.Slice(1, e.Args.Len()))
	if err != nil {
		return fmt.Errorf("server: ask-room: %w", err)
	}
	answers := make([]any, len(held))
	for i, args := range held {
		if err := args.Decode(0, &answers[i]); err != nil {
			return fmt.Errorf("server: ask-room: %w", err)
		}
	}
	return reply(e, answers)
}

// serverSide handles the events of other nodes.
func (a *app) serverSide(ns *socketio.Namespace) {
	ns.OnServerSide("sse:note", func(_ context.Context, e *socketio.Event) error {
		args, err := e.Args.Values()
		if err != nil {
			return fmt.Errorf("server: note: %w", err)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.notes = append(a.notes, note{Namespace: ns.Name(), Event: e.Name, Args: args})
		return nil
	})
	ns.OnServerSide("sse:ping", func(_ context.Context, e *socketio.Event) error {
		args, err := e.Args.Values()
		if err != nil {
			return fmt.Errorf("server: ping: %w", err)
		}
		return reply(e, map[string]any{"from": a.node, "args": args})
	})
}
