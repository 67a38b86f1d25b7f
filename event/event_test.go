package event_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

type move struct {
	_    parser.Tuple
	X, Y int
}

type user struct {
	Name string `json:"name"`
	Age  int    `json:"age"`
}

// mark is the key of a value in the context of handlers.
type mark struct{}

// loop is both ends: what is emitted goes through the wire form to its own listeners.
type loop struct {
	handlers map[string]event.Handler
	sent     []string // the text frames
	handled  error    // what the last handler returned
	ctx      context.Context
	fail     error
}

func (l *loop) On(name string, h event.Handler) func() {
	if l.handlers == nil {
		l.handlers = make(map[string]event.Handler)
	}
	l.handlers[name] = h
	return func() { delete(l.handlers, name) }
}

// pass encodes and decodes a packet.
func (l *loop) pass(p *parser.Packet) (*parser.Packet, error) {
	frames, err := parser.JSON(nil).Encode(nil, p)
	if err != nil {
		return nil, err
	}
	l.sent = append(l.sent, string(frames[0].Data))
	d := parser.JSON(nil).NewDecoder()
	for _, f := range frames {
		p, err = d.Add(f)
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (l *loop) deliver(name string, args []any, reply func(args []any) error) error {
	if l.fail != nil {
		return l.fail
	}
	p, err := l.pass(&parser.Packet{Type: parser.Event, Name: name, HasID: reply != nil, Args: parser.NewArgs(args...)})
	if err != nil {
		return err
	}
	if h := l.handlers[p.Name]; h != nil {
		l.handled = h(context.WithValue(context.Background(), mark{}, "value"), event.New(p.Name, p.Args, reply))
	}
	return nil
}

func (l *loop) Emit(name string, args ...any) error { return l.deliver(name, args, nil) }

func (l *loop) EmitWithAck(ctx context.Context, name string, args ...any) (parser.Args, error) {
	l.ctx = ctx
	var got *parser.Packet
	err := l.deliver(name, args, func(values []any) (err error) {
		got, err = l.pass(&parser.Packet{Type: parser.Ack, HasID: true, Args: parser.NewArgs(values...)})
		return err
	})
	if err != nil || got == nil {
		return parser.Args{}, errors.Join(err, l.handled)
	}
	return got.Args, nil
}

// many answers with what it holds.
type many struct {
	acks []parser.Args
	err  error
}

func (m many) EmitWithAck(context.Context, string, ...any) ([]parser.Args, error) {
	return m.acks, m.err
}

const (
	sayHello event.Of[string]                        = "hello"
	sayUser  event.Of[user]                          = "user"
	sayMove  event.Of[move]                          = "move"
	sayPing  event.Of[parser.None]                   = "ping"
	sayAll   event.Of[parser.Args]                   = "all"
	sayBytes event.Of[[]byte]                        = "bytes"
	sayAny   event.Of[any]                           = "any"
	find     event.WithAck[string, user]             = "find"
	step     event.WithAck[move, move]               = "step"
	nothing  event.WithAck[parser.None, parser.None] = "nothing"
	number   event.WithAck[int, int]                 = "number"
	object   event.WithAck[int, map[string]any]      = "object"
	channel  event.WithAck[int, chan int]            = "channel"
)

func on[T any](t *testing.T, l *loop, n event.Of[T], v T, wire string) (got T) {
	t.Helper()
	calls := 0
	off := n.On(l, func(ctx context.Context, v T) error {
		if ctx.Value(mark{}) != "value" {
			t.Error("another context")
		}
		got = v
		calls++
		return nil
	})
	defer off()
	l.sent = nil
	if err := n.Emit(l, v); err != nil || l.handled != nil || calls != 1 {
		t.Fatalf("%s: %v, %v, %d calls", n, err, l.handled, calls)
	}
	if l.sent[0] != wire {
		t.Errorf("%s: sent %s, want %s", n, l.sent[0], wire)
	}
	return got
}

func TestOf(t *testing.T) {
	l := new(loop)
	if v := on(t, l, sayHello, "you", `2["hello","you"]`); v != "you" {
		t.Errorf("got %q", v)
	}
	if v := on(t, l, sayUser, user{"a", 1}, `2["user",{"name":"a","age":1}]`); v != (user{"a", 1}) {
		t.Errorf("got %+v", v)
	}
	if v := on(t, l, sayMove, move{X: 1, Y: 2}, `2["move",1,2]`); v != (move{X: 1, Y: 2}) {
		t.Errorf("got %+v", v)
	}
	on(t, l, sayPing, parser.None{}, `2["ping"]`)
	if v := on(t, l, sayAll, parser.NewArgs(1, "b"), `2["all",1,"b"]`); v.String() != `[1,"b"]` {
		t.Errorf("got %v", v)
	}
	if v := on(t, l, sayBytes, []byte("abc"), `51-["bytes",{"_placeholder":true,"num":0}]`); string(v) != "abc" {
		t.Errorf("got %q", v)
	}
	if v := on(t, l, sayAny, nil, `2["any",null]`); v != nil {
		t.Errorf("got %v", v)
	}
	if v := on(t, l, sayAny, any([]any{1.5}), `2["any",[1.5]]`); !reflect.DeepEqual(v, []any{1.5}) {
		t.Errorf("got %v", v)
	}
}

func TestOfPassesErrorsOn(t *testing.T) {
	l := &loop{fail: errors.New("gone")}
	if err := sayHello.Emit(l, "x"); err != l.fail {
		t.Errorf("Emit: %v", err)
	}
	l = new(loop)
	own := errors.New("own")
	off := sayHello.On(l, func(context.Context, string) error { return own })
	if sayHello.Emit(l, "x"); l.handled != own {
		t.Errorf("handler: %v", l.handled)
	}
	off()
	l.handled = nil
	if sayHello.Emit(l, "x"); l.handled != nil {
		t.Error("called after off")
	}
}

func TestOfArgumentsThatDoNotFit(t *testing.T) {
	l := new(loop)
	sayMove.On(l, func(context.Context, move) error { t.Error("called"); return nil })
	if err := l.Emit("move", 1, "two"); err != nil {
		t.Fatal(err)
	}
	var argument *parser.ArgumentError
	if !errors.As(l.handled, &argument) || argument.Index != 1 ||
		!strings.HasPrefix(l.handled.Error(), "event: argument 1: ") {
		t.Errorf("%v", l.handled)
	}
}

func TestOfMissingAndFurtherArguments(t *testing.T) {
	l := new(loop)
	var got move
	sayMove.On(l, func(_ context.Context, v move) error { got = v; return nil })
	if l.Emit("move", 1); got != (move{X: 1}) || l.handled != nil {
		t.Errorf("%+v, %v", got, l.handled)
	}
	if l.Emit("move", 1, 2, "three"); got != (move{X: 1, Y: 2}) || l.handled != nil {
		t.Errorf("%+v, %v", got, l.handled)
	}
}

func TestWithAck(t *testing.T) {
	l := new(loop)
	type key struct{}
	ctx := context.WithValue(context.Background(), key{}, 1)
	find.On(l, func(_ context.Context, name string) (user, error) { return user{name, 3}, nil })
	step.On(l, func(_ context.Context, m move) (move, error) { return move{X: m.Y, Y: m.X}, nil })
	nothing.On(l, func(context.Context, parser.None) (parser.None, error) { return parser.None{}, nil })
	if u, err := find.Emit(ctx, l, "ann"); u != (user{"ann", 3}) || err != nil {
		t.Errorf("%+v, %v", u, err)
	}
	if l.ctx != ctx {
		t.Error("another context")
	}
	if m, err := step.Emit(ctx, l, move{X: 1, Y: 2}); m != (move{X: 2, Y: 1}) || err != nil {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := nothing.Emit(ctx, l, parser.None{}); err != nil {
		t.Error(err)
	}
	want := []string{`20["find","ann"]`, `30[{"name":"ann","age":3}]`,
		`20["step",1,2]`, `30[2,1]`, `20["nothing"]`, `30[]`}
	if !reflect.DeepEqual(l.sent, want) {
		t.Errorf("sent %q", l.sent)
	}
}

func TestWithAckErrors(t *testing.T) {
	hidden := errors.New("password is 1234")
	for _, c := range []struct {
		name    string
		err     error
		ack     string
		message string
	}{
		{"shown", &event.Error{Message: `try "later"`}, `30[{"error":"try \"later\""}]`, `try "later"`},
		{"wrapped", fmt.Errorf("wrapped: %w", &event.Error{Message: "later"}), `30[{"error":"later"}]`, "later"},
		{"hidden", hidden, `30[{"error":"internal error"}]`, "internal error"},
	} {
		l := new(loop)
		number.On(l, func(context.Context, int) (int, error) { return 7, c.err })
		n, err := number.Emit(t.Context(), l, 1)
		var shown *event.Error
		if n != 0 || !errors.As(err, &shown) || l.sent[1] != c.ack || shown.Message != c.message {
			t.Errorf("%s: %d, %v, sent %q", c.name, n, err, l.sent)
		}
		if l.handled != c.err {
			t.Errorf("%s: the dispatcher gets %v", c.name, l.handled)
		}
	}
}

func TestWithAckArgumentsThatDoNotFit(t *testing.T) {
	l := new(loop)
	number.On(l, func(context.Context, int) (int, error) { t.Error("called"); return 0, nil })
	args, err := l.EmitWithAck(t.Context(), "number", "one")
	if err != nil || args.String() != `[{"error":"invalid arguments"}]` {
		t.Errorf("%v, %v", args, err)
	}
	var argument *parser.ArgumentError
	if !errors.As(l.handled, &argument) {
		t.Errorf("%v", l.handled)
	}
	if l.Emit("number", "one"); !errors.As(l.handled, &argument) {
		t.Errorf("without acknowledgement: %v", l.handled)
	}
}

func TestWithAckNobodyAsked(t *testing.T) {
	l := new(loop)
	calls := 0
	number.On(l, func(context.Context, int) (int, error) { calls++; return 0, nil })
	if err := l.Emit("number", 1); err != nil || l.handled != nil || calls != 1 || len(l.sent) != 1 {
		t.Errorf("%v, %v, %d calls, sent %q", err, l.handled, calls, l.sent)
	}
}

func TestWithAckResultThatCannotBeSent(t *testing.T) {
	l := new(loop)
	channel.On(l, func(context.Context, int) (chan int, error) { return make(chan int), nil })
	args, err := l.EmitWithAck(t.Context(), "channel", 1)
	if err != nil || args.String() != `[{"error":"internal error"}]` || l.handled == nil {
		t.Errorf("%v, %v, %v", args, err, l.handled)
	}
}

func TestWithAckAnswersThatDoNotFit(t *testing.T) {
	l := new(loop)
	l.On("number", func(_ context.Context, e *event.Event) error { return e.Ack("no number") })
	_, err := number.Emit(t.Context(), l, 1)
	var argument *parser.ArgumentError
	if !errors.As(err, &argument) {
		t.Errorf("%v", err)
	}
	l.fail = errors.New("gone")
	if _, err := number.Emit(t.Context(), l, 1); !errors.Is(err, l.fail) {
		t.Errorf("%v", err)
	}
}

func TestWhatAnErrorLooksLike(t *testing.T) {
	for _, c := range []struct {
		ack   []any
		error bool
	}{
		{[]any{map[string]any{"error": "x"}}, true},
		{[]any{map[string]any{"error": ""}}, true},
		{[]any{map[string]any{"error": "x"}, 1}, false},
		{[]any{map[string]any{"error": "x", "more": 1}}, false},
		{[]any{map[string]any{"error": 1}}, false},
		{[]any{map[string]any{"error": nil}}, false},
		{[]any{map[string]any{"error": []byte("x")}}, false},
		{[]any{map[string]any{"Error": "x"}}, false},
		{[]any{map[string]any{"x": "error"}}, false},
		{[]any{map[string]any{}}, false},
	} {
		l := new(loop)
		l.On("object", func(_ context.Context, e *event.Event) error { return e.Ack(c.ack...) })
		_, err := object.Emit(t.Context(), l, 1)
		var shown *event.Error
		if errors.As(err, &shown) != c.error || !c.error && err != nil {
			t.Errorf("%v: %v", c.ack, err)
		}
	}
}

func TestEmitAll(t *testing.T) {
	gone := errors.New("gone")
	good, bad, misfit := parser.NewArgs(1), parser.NewArgs(map[string]any{"error": "no"}), parser.NewArgs("x")
	for _, c := range []struct {
		m     many
		want  []int
		shown bool
		gone  bool
	}{
		{many{}, []int{}, false, false},
		{many{acks: []parser.Args{good, good}}, []int{1, 1}, false, false},
		{many{acks: []parser.Args{good}, err: gone}, []int{1}, false, true},
		{many{acks: []parser.Args{bad, good, misfit}}, []int{1}, true, false},
		{many{acks: []parser.Args{bad, good}, err: gone}, []int{1}, true, true},
	} {
		got, err := number.EmitAll(t.Context(), c.m, 1)
		var shown *event.Error
		if !reflect.DeepEqual(got, c.want) || errors.As(err, &shown) != c.shown || errors.Is(err, gone) != c.gone {
			t.Errorf("%v: %v, %v", c.m.acks, got, err)
		}
	}
}

func TestEvent(t *testing.T) {
	e := event.New("x", parser.NewArgs(1, "two"), nil)
	var n int
	var s string
	if err := e.Bind(&n, &s); err != nil || n != 1 || s != "two" {
		t.Errorf("%d %q %v", n, s, err)
	}
	if e.WantsAck() || e.Acked() || e.Ack(1) != event.ErrNoAck || e.Acked() {
		t.Error("an event that asked for no acknowledgement")
	}
	var got []any
	e = event.New("x", parser.Args{}, func(args []any) error { got = args; return nil })
	if !e.WantsAck() || e.Acked() {
		t.Error("before Ack")
	}
	if err := e.Ack(1, "a"); err != nil || !e.Acked() || !reflect.DeepEqual(got, []any{1, "a"}) {
		t.Errorf("%v, %v", got, err)
	}
	if err := e.Ack(2); err != event.ErrAcked || len(got) != 2 {
		t.Errorf("the second time: %v, %v", got, err)
	}
}

func TestAckThatFailsDoesNotCount(t *testing.T) {
	bad, calls := errors.New("bad value"), 0
	e := event.New("x", parser.Args{}, func([]any) error {
		if calls++; calls == 1 {
			return bad
		}
		return nil
	})
	if err := e.Ack(1); err != bad || e.Acked() {
		t.Errorf("%v, %v", err, e.Acked())
	}
	if err := e.Ack(2); err != nil || !e.Acked() || e.Ack(3) != event.ErrAcked || calls != 2 {
		t.Errorf("%v, %v, %d calls", err, e.Acked(), calls)
	}
}

func TestAckOnceFromManyGoroutines(t *testing.T) { // P-25
	for range 50 {
		var replies, acked atomic.Int32
		e := event.New("x", parser.Args{}, func([]any) error { replies.Add(1); return nil })
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { // ends with its one call
				switch err := e.Ack(); err {
				case nil:
					acked.Add(1)
				case event.ErrAcked:
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if replies.Load() != 1 || acked.Load() != 1 {
			t.Fatalf("%d replies, %d calls that succeeded", replies.Load(), acked.Load())
		}
	}
}
