package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
)

// request is what control events have in common, and what some of them have.
type request struct {
	Namespace string       `json:"nsp"`
	Rooms     stringOrList `json:"rooms"`
	Except    stringOrList `json:"except"`
	Local     bool         `json:"local"`

	Event   string         `json:"event"`
	Args    []any          `json:"args"`
	Timeout float64        `json:"timeout"` // milliseconds
	Join    stringOrList   `json:"join"`
	Leave   stringOrList   `json:"leave"`
	Close   bool           `json:"close"`
	ID      string         `json:"id"`
	Data    map[string]any `json:"data"`
	Room    string         `json:"room"`
}

const (
	ackTimeout        = 2 * time.Second // of ctl:emitWithAck
	serverSideTimeout = 5 * time.Second
)

// adapters are those of the namespaces, which the server does not show.
type adapters struct {
	mu  sync.Mutex
	all map[string]adapter.Adapter
}

// keep returns make, and notes what it makes.
func (a *adapters) keep(make adapter.Factory) adapter.Factory {
	return func(ctx context.Context, ns adapter.Local) (adapter.Adapter, error) {
		made, err := make(ctx, ns)
		if err == nil {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.all[ns.Name()] = made
		}
		return made, err
	}
}

func (a *adapters) of(ns *socketio.Namespace) adapter.Adapter {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[ns.Name()]
}

// A control event does something to a namespace, and has a result.
type control func(ctx context.Context, ns *socketio.Namespace, r *request) (any, error)

// installControl makes /ctl. Its events have one object and an acknowledgement each.
func (a *app) installControl() {
	ctl := a.io.Of("/ctl")
	for name, fn := range map[string]control{
		"info":           a.info,
		"emit":           emit,
		"fetchSockets":   fetchSockets,
		"join":           joinAll,
		"leave":          leaveAll,
		"disconnect":     disconnect,
		"serverSideEmit": serverSideEmit,
		"serverCount":    a.serverCount,
		"localIds":       localIDs,
		"setData":        setData,
		"count":          count,
		"presence":       presence,
		"stats":          stats,
		"sse":            a.recorded,
		"reset":          a.reset,
	} {
		ctl.Handle("ctl:"+name, func(ctx context.Context, _ *socketio.Socket, e *socketio.Event) error {
			r, ns, err := a.request(e)
			if err != nil {
				return refuse(e, err)
			}
			return answer(ctx, e, ns, r, fn)
		})
	}
	for name, fn := range map[string]control{"emitWithAck": emitWithAck, "serverSideEmitWithAck": serverSideEmitWithAck} {
		ctl.Handle("ctl:"+name, func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
			r, ns, err := a.request(e)
			if err != nil {
				return refuse(e, err)
			}
			timeout := serverSideTimeout
			if name == "emitWithAck" {
				timeout = cmp.Or(milliseconds(&r.Timeout), ackTimeout)
			}
			limited, cancel := context.WithTimeout(s.Context(), timeout)
			ctx := &sendContext{Context: limited, sent: make(chan struct{})}
			go func() { // owned by the socket; ends with the answers, or after the timeout
				defer cancel()
				defer ctx.Done() // also if nobody was asked
				_ = answer(ctx, e, ns, r, fn)
			}()
			<-ctx.sent // what comes next is carried out behind it, and not kept waiting by the answers
			return nil
		})
	}
}

// request is what an event asks for, and the namespace it is about: nil for a dynamic one that has no sockets.
func (a *app) request(e *socketio.Event) (*request, *socketio.Namespace, error) {
	var r request
	if e.Args.Len() > 0 {
		if err := e.Args.Slice(0, 1).Bind(&r); err != nil {
			return nil, nil, fmt.Errorf("request: %w", err)
		}
	}
	switch name := cmp.Or(r.Namespace, "/"); {
	case slices.Contains([]string{"/", "/admin", "/denied"}, name):
		return &r, a.io.Of(name), nil
	case dynamic.MatchString(name):
		ns, _ := a.dynamic.Child(name)
		return &r, ns, nil
	default:
		return nil, nil, errors.New("no such namespace")
	}
}

// ofNobody are the results of what is asked about a dynamic namespace without sockets.
var ofNobody = map[string]any{
	"ctl:fetchSockets": []any{}, "ctl:localIds": []any{}, "ctl:presence": []any{}, "ctl:count": 0, "ctl:serverCount": 1,
	"ctl:emitWithAck":           map[string]any{"err": nil, "responses": []any{}},
	"ctl:serverSideEmitWithAck": map[string]any{"err": nil, "responses": []any{}},
}

func answer(ctx context.Context, e *socketio.Event, ns *socketio.Namespace, r *request, fn control) error {
	result := ofNobody[e.Name]
	if ns != nil {
		var err error
		if result, err = fn(ctx, ns, r); err != nil {
			return refuse(e, err)
		}
	}
	return reply(e, map[string]any{"ok": true, "result": result})
}

func refuse(e *socketio.Event, err error) error {
	return reply(e, map[string]any{"ok": false, "error": err.Error()})
}

func (r *request) target(ns *socketio.Namespace) socketio.BroadcastOperator {
	to := ns.To(r.Rooms...).Except(r.Except...)
	if r.Local {
		to = to.Local()
	}
	return to
}

func (a *app) info(context.Context, *socketio.Namespace, *request) (any, error) {
	return map[string]any{"impl": "sio", "version": "0.0.0", "node": a.node, "adapter": a.adapter}, nil
}

func emit(_ context.Context, ns *socketio.Namespace, r *request) (any, error) {
	return nil, r.target(ns).Emit(r.Event, r.Args...)
}

// responses are the first values of answers, and what went wrong.
func responses(answers []socketio.Args, failed error) (any, error) {
	values := make([]any, len(answers))
	for i, a := range answers {
		if a.Len() > 0 {
			if err := a.Decode(0, &values[i]); err != nil {
				return nil, err
			}
		}
	}
	var text any
	switch {
	case errors.Is(failed, context.DeadlineExceeded):
		text = "operation has timed out"
	case failed != nil:
		text = failed.Error()
	}
	return map[string]any{"err": text, "responses": values}, nil
}

func emitWithAck(ctx context.Context, ns *socketio.Namespace, r *request) (any, error) {
	return responses(r.target(ns).EmitWithAck(ctx, r.Event, r.Args...))
}

func serverSideEmitWithAck(ctx context.Context, ns *socketio.Namespace, r *request) (any, error) {
	return responses(ns.ServerSideEmitWithAck(ctx, r.Event, r.Args...))
}

func serverSideEmit(_ context.Context, ns *socketio.Namespace, r *request) (any, error) {
	return nil, ns.ServerSideEmit(r.Event, r.Args...)
}

// authOf is what a socket said about itself, or an empty object.
func authOf(s *socketio.RemoteSocket) any {
	if h := s.Handshake(); h != nil {
		if values, err := h.Auth.Values(); err == nil && len(values) > 0 && values[0] != nil {
			return values[0]
		}
	}
	return map[string]any{}
}

func fetchSockets(ctx context.Context, ns *socketio.Namespace, r *request) (any, error) {
	found, err := r.target(ns).FetchSockets(ctx)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, s := range found {
		rooms := slices.Sorted(slices.Values(s.Rooms()))
		data := s.Data()
		if data == nil {
			data = map[string]any{}
		}
		list = append(list, map[string]any{"id": s.ID(), "rooms": rooms, "data": data, "auth": authOf(s)})
	}
	return list, nil
}

func joinAll(ctx context.Context, ns *socketio.Namespace, r *request) (any, error) {
	return nil, r.target(ns).SocketsJoin(ctx, r.Join...)
}

func leaveAll(ctx context.Context, ns *socketio.Namespace, r *request) (any, error) {
	return nil, r.target(ns).SocketsLeave(ctx, r.Leave...)
}

func disconnect(ctx context.Context, ns *socketio.Namespace, r *request) (any, error) {
	return nil, r.target(ns).DisconnectSockets(ctx, r.Close)
}

func (a *app) serverCount(ctx context.Context, ns *socketio.Namespace, _ *request) (any, error) {
	return a.adapters.of(ns).ServerCount(ctx)
}

func localIDs(_ context.Context, ns *socketio.Namespace, _ *request) (any, error) {
	ids := []string{}
	for s := range ns.Sockets() {
		ids = append(ids, s.ID())
	}
	slices.Sort(ids)
	return ids, nil
}

func setData(_ context.Context, ns *socketio.Namespace, r *request) (any, error) {
	s, ok := ns.Socket(r.ID)
	if !ok {
		return nil, errors.New("no such socket")
	}
	old, _ := socketio.Data[map[string]any](s)
	merged := make(map[string]any, len(old)+len(r.Data))
	for _, part := range []map[string]any{old, r.Data} {
		for name, v := range part {
			merged[name] = v
		}
	}
	s.SetData(merged)
	return nil, nil
}

func count(ctx context.Context, ns *socketio.Namespace, r *request) (any, error) {
	found, err := r.target(ns).FetchSockets(ctx)
	return len(found), err
}

func presence(ctx context.Context, ns *socketio.Namespace, r *request) (any, error) {
	found, err := ns.In(r.Room).FetchSockets(ctx)
	users := []string{}
	for _, s := range found {
		if auth, ok := authOf(s).(map[string]any); ok {
			if user, ok := auth["user"].(string); ok {
				users = append(users, user)
			}
		}
	}
	slices.Sort(users)
	return slices.Compact(users), err
}

// stats are those of the traffic between nodes, of which the adapter in memory has none.
func stats(context.Context, *socketio.Namespace, *request) (any, error) {
	return map[string]any{"pendingRequests": 0, "malformed": 0, "queuedBytes": 0, "received": 0}, nil
}

func (a *app) recorded(context.Context, *socketio.Namespace, *request) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]note{}, a.notes...), nil
}

func (a *app) reset(context.Context, *socketio.Namespace, *request) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes = nil
	return nil, nil
}
