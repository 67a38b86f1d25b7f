package admin

import (
	"context"
	"errors"
	"fmt"

	socketio "sio.example/socketio"
)

var errNoNamespace = errors.New("admin: no such namespace")

// find returns a namespace that exists: one that is asked for by Server.Of would be made.
func (p *panel) find(name string) (*socketio.Namespace, error) {
	for n := range p.io.Namespaces() {
		if n.Name() == name {
			return n, nil
		}
	}
	return nil, errNoNamespace
}

// A command is an event of the UI: what it is about, and the rest of its arguments. The filter is a room, or the id
// of a socket, which has a room of that name; none is all sockets of the namespace.
type command struct {
	args   socketio.Args
	filter string
	ns     *socketio.Namespace
}

// filterAt is where the filter is, behind the namespace.
func (p *panel) command(e *socketio.Event, filterAt int) (*command, error) {
	var name string
	if e.Args.Len() == 0 {
		return nil, errNoNamespace
	}
	if err := e.Args.Slice(0, 1).Bind(&name); err != nil {
		return nil, err
	}
	c := &command{args: e.Args}
	if e.Args.Len() > filterAt {
		var filter *string
		if err := e.Args.Slice(filterAt, filterAt+1).Bind(&filter); err != nil {
			return nil, err
		}
		if filter != nil {
			c.filter = *filter
		}
	}
	var err error
	c.ns, err = p.find(name)
	return c, err
}

func (c *command) target() socketio.BroadcastOperator {
	if c.filter == "" {
		return c.ns.To()
	}
	return c.ns.To(c.filter)
}

// obey has the UI at s act on the server.
func (p *panel) obey(s *socketio.Socket) {
	on := func(name string, filterAt int, do func(ctx context.Context, c *command) error) {
		s.On(name, func(ctx context.Context, e *socketio.Event) error {
			c, err := p.command(e, filterAt)
			if err == nil {
				err = do(ctx, c)
			}
			if err != nil {
				return fmt.Errorf("admin: %s: %w", name, err)
			}
			return nil
		})
	}
	on("emit", 1, func(_ context.Context, c *command) error { // namespace, filter, event, arguments
		var event string
		if c.args.Len() < 3 {
			return errors.New("no event")
		}
		if err := c.args.Slice(2, 3).Bind(&event); err != nil {
			return err
		}
		return c.target().Emit(event, c.args.Slice(3, c.args.Len()))
	})
	on("join", 2, func(ctx context.Context, c *command) error { // namespace, room, filter
		room, err := c.room()
		if err != nil {
			return err
		}
		return c.target().SocketsJoin(ctx, room)
	})
	on("leave", 2, func(ctx context.Context, c *command) error {
		room, err := c.room()
		if err != nil {
			return err
		}
		return c.target().SocketsLeave(ctx, room)
	})
	on("_disconnect", 2, func(ctx context.Context, c *command) error { // namespace, close, filter
		var close bool
		if c.args.Len() < 2 {
			return errors.New("nothing says whether to close the connection")
		}
		if err := c.args.Slice(1, 2).Bind(&close); err != nil {
			return err
		}
		return c.target().DisconnectSockets(ctx, close)
	})
}

func (c *command) room() (room string, err error) {
	if c.args.Len() < 2 {
		return "", errors.New("no room")
	}
	return room, c.args.Slice(1, 2).Bind(&room)
}
