package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/event"
	"sio.example/socketio/internal/taggedparser"
	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
	"sio.example/socketio/siotest"
)

// What another parser can say and JSON cannot, from one end to the other.

// measured is a value with all of it.
type measured struct {
	base
	NaN    float64   `json:"nan"`
	Inf    []float64 `json:"inf"`
	Signed int64     `json:"signed"`
	Huge   uint64    `json:"huge"`
	Deep   map[string][]*[]byte
	Empty  []byte     `json:"empty,omitempty"`
	At     time.Time  `json:"at"`
	Maybe  *time.Time `json:"maybe"`
	Any    any        `json:"any"`
	Level  level      `json:"level"`
}

type base struct {
	Name string `json:"name"`
}

// A level makes JSON text of itself.
type level int

func (l level) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "level %d", int(l)), nil }

func (l *level) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "level %d", (*int)(l))
	return err
}

var blob = []byte{0, 1, 0xff}

func exact() measured {
	return measured{
		base: base{"exact"}, NaN: math.NaN(), Inf: []float64{math.Inf(1), math.Inf(-1)},
		Signed: math.MinInt64 + 1, Huge: math.MaxUint64, Deep: map[string][]*[]byte{"a": {nil, &blob}},
		At:  time.Date(2026, 11, 28, 5, 0, 0, 123456789, time.FixedZone("", -3600)),
		Any: []any{int64(1)<<53 + 1, map[string]any{"b": blob, "nil": nil}}, Level: 7,
	}
}

// checkExact compares what arrived with exact.
func checkExact(t *testing.T, where string, m measured) {
	t.Helper()
	list, _ := m.Any.([]any)
	if len(list) != 2 {
		t.Errorf("%s: %+v", where, m)
		return
	}
	members, _ := list[1].(map[string]any)
	data, _ := members["b"].([]byte)
	deep := m.Deep["a"]
	if m.Name != "exact" || m.NaN == m.NaN || !slices.Equal(m.Inf, []float64{math.Inf(1), math.Inf(-1)}) ||
		m.Signed != math.MinInt64+1 || m.Huge != math.MaxUint64 || len(deep) != 2 || deep[0] != nil ||
		!slices.Equal(*deep[1], blob) ||
		m.Empty != nil || !m.At.Equal(exact().At) ||
		m.At.Format(time.RFC3339Nano) != exact().At.Format(time.RFC3339Nano) && m.At.Location() != time.UTC ||
		m.Maybe != nil || list[0] != any(int64(1)<<53+1) || !slices.Equal(data, blob) || m.Level != 7 {
		t.Errorf("%s: %+v", where, m)
	}
}

// Each way that arguments go through a server and a client: bound, typed, passed on, broadcast, acknowledged.
func TestNothingIsLostWithAnotherParser(t *testing.T) {
	const (
		typed event.WithAck[measured, measured] = "typed"
		told  event.Of[measured]                = "told"
	)
	for _, p := range []parser.Parser{taggedparser.New(nil), taggedparser.New(&taggedparser.Options{Inline: true}),
		msgpack.Parser(&msgpack.Options{Timestamps: true})} {
		synctest.Test(t, func(t *testing.T) {
			srv := siotest.NewServer(t, &siotest.Options{
				Server: &socketio.Options{Parser: p},
				Setup: func(io *socketio.Server) {
					io.OnConnection(func(s *socketio.Socket) {
						var auth struct{ Token uint64 }
						if err := s.Handshake().Auth.Bind(&auth); err != nil || auth.Token != math.MaxUint64 {
							t.Errorf("auth %v, %v", auth, err)
						}
						_ = s.Join("room")
					})
					socketio.HandleWithAck(io.Of("/"), typed, func(_ context.Context, _ *socketio.Socket,
						m measured) (measured, error) {
						checkExact(t, "typed", m)
						return m, nil
					})
					io.Handle("relay", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
						return errors.Join(s.To("room").Emit("told", e.Args), e.Ack(e.Args))
					})
					io.Handle("any", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
						var v any
						return errors.Join(e.Bind(&v), io.To("room").Emit("told", v), e.Ack(v))
					})
					io.Handle("fails", func(context.Context, *socketio.Socket, *socketio.Event) error {
						return &event.Error{Message: "as said"}
					})
				},
			})
			auth := &client.SocketOptions{Auth: map[string]any{"token": uint64(math.MaxUint64)}}
			sender := srv.Client(nil).Socket("/", auth)
			hearer := srv.Client(nil).Socket("/", auth)
			heard := make(chan measured, 9)
			told.On(hearer, func(_ context.Context, m measured) error { heard <- m; return nil })
			hearer.On("who", func(_ context.Context, e *client.Event) error { return e.Ack(e.Args) })
			sender.On("who", func(_ context.Context, e *client.Event) error { return e.Ack(e.Args) })
			for _, s := range []*client.Socket{sender, hearer} {
				if err := s.Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
			}

			m, err := typed.Emit(t.Context(), sender, exact())
			if err != nil {
				t.Error(err)
			}
			checkExact(t, "typed acknowledgement", m)
			for _, name := range []string{"relay", "any"} {
				args, err := sender.EmitWithAck(t.Context(), name, exact())
				var m measured
				if err := errors.Join(err, args.Bind(&m)); err != nil {
					t.Error(err)
				}
				checkExact(t, name, m)
				checkExact(t, name+" to a room", <-heard)
			}
			all, err := srv.IO().To("room").EmitWithAck(t.Context(), "who", exact())
			if len(all) != 2 || err != nil {
				t.Errorf("%d answers, %v", len(all), err)
			}
			for _, args := range all {
				var m measured
				if err := args.Bind(&m); err != nil {
					t.Error(err)
				}
				checkExact(t, "broadcast acknowledgement", m)
			}
			answer, err := sender.EmitWithAck(t.Context(), "any", []any{math.NaN(), uint64(math.MaxUint64), blob, nil})
			if diff := siotest.Diff(answer, []any{math.NaN(), uint64(math.MaxUint64), blob, nil}); err != nil ||
				diff != "" {
				t.Error(err, diff)
			}
			if siotest.Diff(answer, []any{math.NaN(), uint64(math.MaxUint64) - 1, blob, nil}) == "" {
				t.Error("the last digit is lost")
			}
			_, err = event.WithAck[parser.None, int]("fails").Emit(t.Context(), sender, parser.None{})
			if e := (*event.Error)(nil); !errors.As(err, &e) || e.Message != "as said" {
				t.Errorf("error %v", err)
			}
			var argument *parser.ArgumentError
			_, err = event.WithAck[measured, struct{ Inf struct{} }]("typed").Emit(t.Context(), sender, exact())
			if !errors.As(err, &argument) || err.Error() !=
				`event: argument 0: cannot decode array into Go struct {} within "/inf"` {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Arguments of one parser are sent on by another as exactly as that can.
func TestArgumentsPassBetweenParsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var other *socketio.Server
		forward := func(io *socketio.Server) {
			io.Handle("x", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
				mu.Lock()
				defer mu.Unlock()
				return other.Emit("y", "first", e.Args)
			})
		}
		tag := siotest.NewServer(t, &siotest.Options{Server: &socketio.Options{Parser: taggedparser.New(nil)},
			Setup: forward})
		text := siotest.NewServer(t, &siotest.Options{Setup: forward})
		for _, c := range []struct {
			from, to *siotest.Server
			nan      any // what becomes of it
		}{{tag, text, nil}, {text, tag, nil}, {tag, tag, math.NaN()}} {
			mu.Lock()
			other = c.to.IO()
			mu.Unlock()
			got := make(chan client.Args, 1)
			to := c.to.Dial("/", nil)
			to.On("y", func(_ context.Context, e *client.Event) error { got <- e.Args; return nil })
			from := c.from.Dial("/", nil)
			err := from.Emit("x", uint64(math.MaxUint64), []any{blob, map[string]any{"deep": [][]byte{blob, {}}}},
				math.NaN(), int64(1)<<60+1)
			if err != nil {
				t.Fatal(err)
			}
			args := <-got
			var first string
			var huge uint64
			var list []any
			var nan any
			var n int64
			if err := args.Bind(&first, &huge, &list, &nan, &n); err != nil {
				t.Fatal(err)
			}
			f, isFloat := nan.(float64)
			deep := fmt.Sprint(list)
			if first != "first" || huge != math.MaxUint64 || n != 1<<60+1 ||
				deep != "[[0 1 255] map[deep:[[0 1 255] []]]]" ||
				isFloat != (c.nan != nil) || isFloat && f == f {
				t.Errorf("%v: %q %d %s %v %d", args, first, huge, deep, nan, n)
			}
			to.Disconnect()
			from.Disconnect()
		}
	})
}

// Frames that are none of the parser's end the connection as a parse error, whatever they are, and nothing else.
func TestFramesThatAnotherParserRefuses(t *testing.T) {
	deep := append([]byte{2, 1, 'x', 1}, slices.Repeat([]byte{10, 1}, 2000)...)
	for name, frame := range map[string][]byte{
		"empty":              {},
		"unknown type":       {9, 0},
		"no arguments":       {2, 1, 'x'},
		"cut":                {2, 1, 'x', 1, 7, 200, 1, 'y'},
		"unknown tag":        {2, 1, 'x', 1, 99},
		"too deep":           deep,
		"too many arguments": {2, 1, 'x', 0xff, 0xff, 0xff, 0xff, 0x0f},
		"huge array":         {2, 1, 'x', 1, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"no UTF-8":           {2, 1, 'x', 1, 7, 1, 0xff},
		"reserved name":      {2, 7, 'c', 'o', 'n', 'n', 'e', 'c', 't', 0},
		"trailing":           {2, 1, 'x', 0, 0},
		"huge id":            {0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 'x', 0},
		"namespace":          {0x22, 1, 'n', 1, 'x', 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubbleOf(t, &socketio.Options{Parser: tagged}, func(t *testing.T, f *fixture) {
				c, _ := f.join("/")
				bystander, _ := f.join("/")
				c.translator = nil
				c.sendBinary(frame)
				c.expectClose("closed: 1002 parse error")
				synctest.Wait()
				if st := f.Stats(); st.Rejected[socketio.RejectParse] != 1 || st.Sockets != 1 {
					t.Errorf("%+v", st)
				}
				_ = f.Emit("still", "here")
				bystander.expect(`42["still","here"]`)
			})
		})
	}
}

// What binding may take is limited for another parser as for the default one.
func TestMaxDecodedOfAnotherParser(t *testing.T) {
	opts := &socketio.Options{Parser: taggedparser.New(&taggedparser.Options{MaxDecoded: 1000})}
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, &siotest.Options{Server: opts, Setup: func(io *socketio.Server) {
			io.Handle("x", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
				var v any
				return e.Ack(e.Bind(&v) == nil)
			})
		}})
		s := srv.Dial("/", nil)
		for n, want := range map[int]bool{1: true, 20: false} {
			args, err := s.EmitWithAck(t.Context(), "x", slices.Repeat([]any{map[string]any{"a": 1}}, n))
			if diff := siotest.Diff(args, want); err != nil || diff != "" {
				t.Errorf("%d maps: %v %s", n, err, diff)
			}
		}
	})
}
