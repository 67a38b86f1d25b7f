package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser"
)

// The texts of the official client for acknowledgements that don't come.
const (
	timedOut = "operation has timed out"
	lost     = "socket has been disconnected"
)

// program is what the commands work on. They are carried out one at a time, in their order.
type program struct {
	out *printer
	log *slog.Logger

	sockets  map[string]*socket
	managers []*manager
	cache    map[string]*manager // by address.key
}

// manager is a connection and the namespaces that are open on it.
type manager struct {
	*client.Manager
	namespaces  map[string]bool
	autoConnect bool
}

// socket is what open made.
type socket struct {
	*client.Socket
	id string
}

// command is one line of the input.
type command struct {
	Cmd  string        `json:"cmd"`
	ID   string        `json:"id"`
	URL  string        `json:"url"`
	Opts socketOptions `json:"opts"`

	Event    string          `json:"event"`
	Args     []any           `json:"args"`
	Ack      any             `json:"ack"`
	Timeout  float64         `json:"timeout"` // milliseconds
	Volatile bool            `json:"volatile"`
	Compress *bool           `json:"compress"`
	Auth     json.RawMessage `json:"auth"`
	Tag      any             `json:"tag"`
}

func newProgram(out *printer, log *slog.Logger) *program {
	return &program{out: out, log: log, sockets: map[string]*socket{}, cache: map[string]*manager{}}
}

// do carries out one line, and reports whether it was exit. What can't be done is printed.
func (p *program) do(line []byte) (exit bool) {
	if strings.TrimSpace(string(line)) == "" {
		return false
	}
	var c command
	err := json.Unmarshal(line, &c)
	if err == nil {
		if c.Cmd == "exit" {
			return true
		}
		err = p.carryOut(&c)
	}
	if err != nil {
		p.out.print(failure{Type: "error", Cmd: c.Cmd, ID: c.ID, Message: err.Error()})
	}
	return false
}

func (p *program) carryOut(c *command) error {
	if c.Cmd == "open" {
		return p.open(c)
	}
	do, ok := map[string]func(*socket, *command) error{
		"emit":       p.emit,
		"connect":    func(s *socket, _ *command) error { s.Open(); return nil },
		"disconnect": func(s *socket, _ *command) error { s.Disconnect(); return nil },
		"setAuth":    setAuth,
		"state":      p.state,
	}[c.Cmd]
	if !ok {
		return fmt.Errorf("there is no command %q", c.Cmd)
	}
	s := p.sockets[c.ID]
	if s == nil {
		return fmt.Errorf("there is no socket %q", c.ID)
	}
	return do(s, c)
}

// open makes a socket, on a Manager that it shares if that can be.
func (p *program) open(c *command) error {
	if p.sockets[c.ID] != nil {
		return fmt.Errorf("there is a socket %q", c.ID)
	}
	at, err := readAddress(c.URL, &c.Opts)
	if err != nil {
		return err
	}
	opts, err := c.Opts.socket()
	if err != nil {
		return err
	}
	m := p.cache[at.key]
	if m == nil || c.Opts.ForceNew || m.namespaces[at.namespace] {
		if m, err = p.newManager(c, at); err != nil {
			return err
		}
	}
	m.namespaces[at.namespace] = true
	s := &socket{Socket: m.Socket(at.namespace, opts), id: c.ID}
	p.sockets[c.ID] = s
	p.listen(s)
	if m.autoConnect {
		s.Open()
	}
	return nil
}

// newManager makes a Manager, which others find unless this socket wants one of its own.
func (p *program) newManager(c *command, at *address) (*manager, error) {
	opts, err := c.Opts.manager()
	if err != nil {
		return nil, err
	}
	opts.Logger = p.log
	m := &manager{
		Manager:     client.NewManager(at.server, opts),
		namespaces:  map[string]bool{},
		autoConnect: c.Opts.AutoConnect == nil || *c.Opts.AutoConnect,
	}
	line := func(event string, args ...int) {
		p.out.print(managed{Type: "manager", ID: c.ID, Event: event, Args: append([]int{}, args...)})
	}
	m.OnReconnectAttempt(func(n int) { line("reconnect_attempt", n) })
	m.OnReconnect(func(n int) { line("reconnect", n) })
	m.OnReconnectError(func(error) { line("reconnect_error") })
	m.OnReconnectFailed(func() { line("reconnect_failed") })
	p.managers = append(p.managers, m)
	if p.cache[at.key] == nil && !c.Opts.ForceNew {
		p.cache[at.key] = m
	}
	return m, nil
}

// listen prints what happens to a socket.
func (p *program) listen(s *socket) {
	s.OnConnect(func() {
		line := connected{Type: "connect", ID: s.id, SID: s.ID(), Recovered: s.Recovered()}
		if e := s.Manager().Engine(); e != nil {
			line.Transport = e.Transport()
		}
		p.out.print(line)
	})
	s.OnDisconnect(func(reason client.DisconnectReason) {
		p.out.print(disconnected{Type: "disconnect", ID: s.id, Reason: string(reason)})
	})
	s.OnConnectError(func(err error) {
		message, data := describe(err)
		p.out.print(connectError{Type: "connect_error", ID: s.id, Message: message, Data: data})
	})
	s.OnAny(func(_ context.Context, e *client.Event) {
		args, err := plainArgs(e.Args)
		if err != nil {
			p.log.Error("event", "event", e.Name, "err", err)
			return
		}
		p.out.print(received{Type: "event", ID: s.id, Event: e.Name, Args: args})
		if e.WantsAck() && !strings.HasPrefix(e.Name, "noack") {
			_ = e.Ack(e.Args) // fails only if the connection is gone
		}
	})
}

// describe names an error of connecting as the official client does.
func describe(err error) (message string, data any) {
	var refused *client.ConnectError
	var transport *engineio.ClientError
	switch {
	case errors.As(err, &refused):
		if refused.Bind(&data) != nil {
			data = nil
		}
		return refused.Message, plain(data)
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout", nil
	case errors.As(err, &transport):
		return transport.Message, nil
	}
	return err.Error(), nil
}

func (p *program) emit(s *socket, c *command) error {
	if parser.IsReserved(c.Event) {
		return fmt.Errorf("%q is a reserved event name", c.Event)
	}
	args := make([]any, len(c.Args))
	for i, v := range c.Args {
		var err error
		if args[i], err = withBinary(v); err != nil {
			return err
		}
	}
	switch {
	case c.Ack != nil && c.Volatile && !s.Connected():
		return p.emitNowhere(s, c)
	case c.Ack != nil:
		return p.emitAck(s, c, args)
	case c.Volatile:
		return s.Volatile().Emit(c.Event, args...)
	case c.Compress != nil:
		return s.Compress(*c.Compress).Emit(c.Event, args...)
	}
	return s.Emit(c.Event, args...)
}

// emitAck emits, and prints the acknowledgement with its tag.
func (p *program) emitAck(s *socket, c *command, args []any) error {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if c.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, milliseconds(c.Timeout))
	}
	err := s.EmitFunc(ctx, c.Event, func(values parser.Args, err error) {
		cancel()
		p.printAck(s, c.Ack, values, err)
	}, args...)
	if err != nil {
		cancel()
	}
	return err
}

// emitNowhere is a volatile emit without a connection: the official client drops the event, and its timeout passes.
func (p *program) emitNowhere(s *socket, c *command) error {
	if c.Timeout > 0 {
		time.AfterFunc(milliseconds(c.Timeout),
			func() { p.printAck(s, c.Ack, parser.Args{}, context.DeadlineExceeded) })
	}
	return nil
}

func (p *program) printAck(s *socket, tag any, values parser.Args, err error) {
	line := acked{Type: "ack", ID: s.id, Ack: tag, Args: []any{}}
	if err == nil {
		line.Args, err = plainArgs(values)
	}
	if err != nil {
		text := err.Error()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			text = timedOut
		case errors.Is(err, client.ErrDisconnected):
			text = lost
		}
		line.Err, line.Args = &text, []any{}
	}
	p.out.print(line)
}

func setAuth(s *socket, c *command) error {
	auth, fn, err := readAuth(c.Auth)
	switch {
	case err != nil:
		return err
	case fn != nil:
		s.SetAuthFunc(fn)
	default:
		s.SetAuth(auth)
	}
	return nil
}

func (p *program) state(s *socket, c *command) error {
	line := state{
		Type: "state", ID: s.id, Tag: c.Tag,
		Connected: s.Connected(), Active: s.Active(), Recovered: s.Recovered(),
	}
	if sid := s.ID(); sid != "" {
		line.SID = &sid
	}
	if e := s.Manager().Engine(); e != nil {
		transport := e.Transport()
		line.Transport = &transport
	}
	p.out.print(line)
	return nil
}

// close ends all connections.
func (p *program) close(ctx context.Context) {
	var all sync.WaitGroup
	for _, m := range p.managers {
		all.Go(func() { _ = m.Shutdown(ctx) }) // owned by close, which waits for it; ends with ctx at the latest
	}
	all.Wait()
}
