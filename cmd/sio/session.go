package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/parser"
)

const (
	// maxWaiting is how many received events may wait for their acknowledgement by hand; the oldest are forgotten.
	maxWaiting = 100
	// maxAsked is how many acknowledgements may be asked for at a time by lines that nobody types.
	maxAsked = 256
	// maxNames is how many names of events completion knows, and maxName how long they may be, in bytes.
	maxNames, maxName = 500, 100
	// bufferPause is how long a full buffer is waited for, each time.
	bufferPause = 10 * time.Millisecond
	// farewell is how long the connection has at the end to send what is left.
	farewell = 5 * time.Second
)

// A session is one run of sio connect: a connection, the namespaces on it, and what waits there.
type session struct {
	out         *output
	tracer      *tracer
	manager     *client.Manager
	interactive bool
	askAlways   bool
	noReconnect bool
	lineEvent   string // the event whose argument a line is; empty means that it is in the line
	answer      []any  // of events that want an acknowledgement; nil is none
	end         func(err error)

	asks  sync.WaitGroup // acknowledgements that are asked for
	slots chan struct{}  // one for each, unless interactive

	mu        sync.Mutex
	sockets   []*client.Socket // in the order they were opened
	current   *client.Socket   // that what is typed goes to
	number    int              // of the last acknowledgement, in either direction
	waiting   map[int]*client.Event
	order     []int // of waiting
	names     []string
	lost      time.Time // when the connection was, or could not be made
	lastError string
	missed    int // acknowledgements that did not come
}

func newSession(m *client.Manager, out *output, t *tracer) *session {
	s := &session{
		out: out, tracer: t, manager: m,
		slots: make(chan struct{}, maxAsked), waiting: map[int]*client.Event{},
		end: func(error) {},
	}
	m.OnError(s.failed)
	m.OnClose(func(client.DisconnectReason, error) { s.setLost() })
	m.OnReconnectAttempt(s.attempt)
	m.OnReconnectFailed(func() {
		s.out.show(&record{Type: recordGaveUp})
		s.over(&exitError{code: exitNoConnection, text: "gave up reconnecting"})
	})
	return s
}

// over ends the session, unless somebody types who may do something about it.
func (s *session) over(err error) {
	if !s.interactive {
		s.end(err)
	}
}

// The callbacks of the Manager.

func (s *session) failed(err error) {
	s.setLost()
	text, hint := explain(err)
	s.mu.Lock()
	if text == s.lastError {
		hint = ""
	}
	s.lastError = text
	s.mu.Unlock()
	if s.interactive && s.noReconnect {
		hint = strings.TrimSpace(hint + " /connect tries again.")
	}
	s.out.show(&record{Type: recordError, Text: text, Hint: hint})
}

func (s *session) setLost() {
	s.mu.Lock()
	s.lost = time.Now()
	s.mu.Unlock()
	s.prompt()
}

func (s *session) attempt(n int) {
	s.mu.Lock()
	var after time.Duration
	if !s.lost.IsZero() {
		after = time.Since(s.lost)
	}
	s.mu.Unlock()
	s.tracer.begin()
	s.out.show(&record{Type: recordAttempt, Attempt: n, Took: after})
}

// use makes namespace the one that what is typed goes to, and opens it when it is new.
func (s *session) use(namespace string) *client.Socket {
	if namespace == "" || namespace[0] != '/' {
		namespace = "/" + namespace
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.sockets, func(k *client.Socket) bool { return k.Namespace() == namespace })
	if i >= 0 {
		s.current = s.sockets[i]
		k := s.current
		s.mu.Unlock()
		s.prompt()
		return k
	}
	k := s.manager.Socket(namespace, nil)
	s.sockets = append(s.sockets, k)
	s.current = k
	if len(s.sockets) > 1 {
		s.out.manyNamespaces()
	}
	s.mu.Unlock()
	s.listen(k)
	s.prompt()
	return k
}

// listen shows what happens to a socket.
func (s *session) listen(k *client.Socket) {
	nsp := k.Namespace()
	k.OnConnect(func() {
		r := &record{Type: recordConnect, Namespace: nsp, ID: k.ID(), Recovered: k.Recovered(), Transport: "?"}
		if e := s.manager.Engine(); e != nil {
			r.Transport = e.Transport()
		}
		s.mu.Lock()
		s.lastError = ""
		s.mu.Unlock()
		s.out.show(r)
		s.prompt()
	})
	k.OnDisconnect(func(reason client.DisconnectReason) {
		if reason == client.ReasonForcedClose { // by close
			return
		}
		r := &record{Type: recordDisconnect, Namespace: nsp, Text: string(reason)}
		if !k.Active() {
			if s.interactive {
				r.Hint = "/connect connects again."
			}
			defer s.over(&exitError{code: exitNoConnection, text: "disconnected: " + string(reason)})
		}
		s.out.show(r)
		s.prompt()
	})
	k.OnConnectError(func(err error) {
		var refused *client.ConnectError
		if errors.As(err, &refused) {
			r := refusal(nsp, refused)
			switch {
			case refused.Message == invalidNamespace:
				r.Hint = "The server has no such namespace."
			case s.interactive:
				r.Hint = "/connect tries again, after /auth JSON with another auth."
			}
			s.out.show(r)
			s.over(&exitError{code: exitRefused}) // which has just been shown
		}
		s.prompt()
	})
	k.OnAny(func(_ context.Context, e *client.Event) { s.event(nsp, e) })
}

// invalidNamespace is what servers say to a namespace they don't have.
const invalidNamespace = "Invalid namespace"

// refusal is the record of a server's refusal.
func refusal(nsp string, err *client.ConnectError) *record {
	r := &record{Type: recordRefused, Namespace: nsp, Text: err.Message}
	if err.Data != nil {
		r.Args = parser.NewArgs(err.Data)
	}
	return r
}

// event shows a received event, and answers it or keeps it for /ack.
func (s *session) event(nsp string, e *client.Event) {
	r := &record{Type: recordEvent, Namespace: nsp, Event: e.Name, Args: e.Args}
	s.learn(e.Name)
	if e.WantsAck() {
		s.mu.Lock()
		s.number++
		r.Number = s.number
		if s.answer == nil {
			s.waiting[r.Number] = e
			if s.order = append(s.order, r.Number); len(s.order) > maxWaiting {
				delete(s.waiting, s.order[0])
				s.order = slices.Delete(s.order, 0, 1)
			}
		}
		s.mu.Unlock()
	}
	s.out.show(r)
	if e.WantsAck() && s.answer != nil {
		s.reply(nsp, r.Number, e, s.answer)
	}
}

// reply acknowledges a received event.
func (s *session) reply(nsp string, number int, e *client.Event, args []any) {
	if err := e.Ack(args...); err != nil {
		s.out.complain(fmt.Sprintf("ack #%d: %s", number, safe(err.Error())))
		return
	}
	if s.interactive || s.tracer.atLeast(1) {
		s.out.show(&record{Type: recordReply, Namespace: nsp, Number: number, Args: parser.NewArgs(args...)})
	}
}

// learn remembers the name of an event for completion.
func (s *session) learn(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.names) < maxNames && len(name) <= maxName && !slices.Contains(s.names, name) {
		s.names = append(s.names, name)
	}
}

// emit sends an event, and shows it to who typed it.
func (s *session) emit(ctx context.Context, name string, args []any, ask bool) error {
	s.mu.Lock()
	k := s.current
	r := &record{
		Time: time.Now(), Type: recordEmit, Namespace: k.Namespace(), Event: name, Args: parser.NewArgs(args...),
		Offline: !k.Connected(),
	}
	if ask {
		s.number++
		r.Number = s.number
	}
	s.mu.Unlock()
	if s.interactive || s.tracer.atLeast(1) {
		s.out.show(r) // first, so that no answer comes before it
	}
	s.learn(name)
	if ask {
		return s.ask(ctx, k, r, args)
	}
	return s.patiently(ctx, func() error { return k.Emit(name, args...) })
}

// ask sends the event of r, and shows the acknowledgement when it comes.
func (s *session) ask(ctx context.Context, k *client.Socket, r *record, args []any) error {
	if !s.interactive {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.asks.Add(1)
	err := s.patiently(ctx, func() error {
		return k.EmitFunc(context.Background(), r.Event, func(values client.Args, err error) {
			defer s.asks.Done()
			s.acked(r, values, err)
		}, args...)
	})
	if err != nil {
		s.asks.Done()
		if !s.interactive {
			<-s.slots
		}
	}
	return err
}

// patiently calls send, again and again while too much waits to be sent already, unless somebody types, who can be
// told.
func (s *session) patiently(ctx context.Context, send func() error) error {
	for {
		err := send()
		if s.interactive || !errors.Is(err, client.ErrBufferFull) {
			return err
		}
		select {
		case <-time.After(bufferPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// acked shows an acknowledgement, or that there is none.
func (s *session) acked(asked *record, values client.Args, err error) {
	if !s.interactive {
		<-s.slots
	}
	r := &record{
		Type: recordAck, Namespace: asked.Namespace, Event: asked.Event, Number: asked.Number,
		Args: values, Took: time.Since(asked.Time),
	}
	if err != nil {
		r.Type, r.Args, r.Text = recordAckError, client.Args{}, ackError(err)
		s.mu.Lock()
		s.missed++
		s.mu.Unlock()
	}
	s.out.show(r)
}

func ackError(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "did not come in time"
	case errors.Is(err, client.ErrDisconnected):
		return "the connection was lost before it came"
	}
	return err.Error()
}

// prompt brings the prompt up to date.
func (s *session) prompt() {
	if s.out.screen == nil {
		return
	}
	s.mu.Lock()
	k := s.current
	s.mu.Unlock()
	if k == nil {
		return
	}
	p := s.out.style.palette
	mark := p.good
	if !k.Connected() {
		mark = p.bad
	}
	s.out.screen.setPrompt(mark + safe(cutText(k.Namespace(), 30)) + ">" + p.reset + " ")
}

// finish waits for the acknowledgements that were asked for, and then for linger, unless ctx ends. What is left to be
// sent then has timeout to go.
func (s *session) finish(ctx context.Context, linger, timeout time.Duration) error {
	done := make(chan struct{})
	go func() { // ends with the last acknowledgement, each of which is limited in time
		s.asks.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return nil
	}
	var lingered <-chan time.Time // never, if linger is negative
	if linger >= 0 {
		lingered = time.After(linger)
	}
	select {
	case <-lingered:
	case <-ctx.Done():
		return nil
	}
	sending, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.manager.Shutdown(sending); err != nil && ctx.Err() == nil {
		return &exitError{code: exitNoConnection, text: fmt.Sprintf("not everything could be sent within %v", timeout)}
	}
	return nil
}

// close ends the connection, after it has sent what can be sent, and returns how many events could not be. It waits for
// callbacks, so that all there is to say is said.
func (s *session) close() (unsent int) {
	s.mu.Lock()
	sockets := slices.Clone(s.sockets)
	s.mu.Unlock()
	connected := false
	for _, k := range sockets {
		connected = connected || k.Connected()
		if !k.Connected() {
			n, _ := k.Buffered()
			unsent += n
		}
	}
	if !connected { // there is nobody to wait for
		s.manager.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = s.manager.Shutdown(ctx) // in time or not, there is nothing left to do
	return unsent
}
