package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
)

// A nil pointer in an error is an error of its author's, and not the end of the process.
func TestTypedNilErrors(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		mw := func() error { var e *socketio.ConnectError; return e }
		f.Of("/middleware").Use(func(context.Context, *socketio.Socket) error { return mw() })
		f.Of("/wrapped").Use(func(context.Context,
			*socketio.Socket) error {
			return fmt.Errorf("middleware: %w", mw())
		})
		handler := func() error { var e *event.Error; return e }
		f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error { return handler() })
		f.Handle("y", func(context.Context, *socketio.Socket,
			*socketio.Event) error {
			return fmt.Errorf("y: %w", handler())
		})
		c, _ := f.join("/")
		c.send(`421["x"]`, `422["y"]`)
		c.expect(`431[{"error":"internal error"}]`, `432[{"error":"internal error"}]`)
		c.send("40/middleware,", "40/wrapped,")
		got := []string{c.read(), c.read()}
		slices.Sort(got)
		if !slices.Equal(got, []string{`44/middleware,{"message":"internal error"}`,
			`44/wrapped,{"message":"internal error"}`}) {
			t.Errorf("got %q", got)
		}
	})
}

// An error that a handler made of others stays one.
func TestJoinedErrorIsReportedOnce(t *testing.T) {
	var got []string
	opts := &socketio.Options{OnError: func(_ context.Context, _ *socketio.Socket, _ *socketio.Event, err error) {
		got = append(got, err.Error())
	}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		got = nil
		f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error {
			return fmt.Errorf("saving: %w; cleaning up: %w", errors.New("a"), errors.New("b"))
		})
		c, _ := f.join("/")
		c.send(`42["x"]`)
		synctest.Wait()
		if !slices.Equal(got, []string{"saving: a; cleaning up: b"}) {
			t.Errorf("reports are %q", got)
		}
		if n := f.Stats().HandlerErrors; n != 1 {
			t.Errorf("%d errors were counted", n)
		}
	})
}

// Arguments that do not fit are told apart from errors of ours, whatever kind of handler finds out.
func TestInvalidArgumentsAreAcknowledged(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		socketio.Handle(f.Of("/"), event.Of[int]("typed"),
			func(context.Context, *socketio.Socket, int) error { return nil })
		f.Handle("bound", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
			var n int
			return e.Bind(&n)
		})
		c, _ := f.join("/")
		c.send(`421["typed","no"]`, `422["bound","no"]`)
		c.expect(`431[{"error":"invalid arguments"}]`, `432[{"error":"invalid arguments"}]`)
	})
}

// Whatever OnError does, the client is answered, and Shutdown does not wait for ever.
func TestOnErrorExits(t *testing.T) {
	opts := &socketio.Options{OnError: func(context.Context,
		*socketio.Socket, *socketio.Event, error) {
		runtime.Goexit()
	}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		f.Of("/middleware").Use(func(context.Context, *socketio.Socket) error { return errors.New("no") })
		f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error { return errors.New("no") })
		c, _ := f.join("/")
		c.send("40/middleware,")
		c.expect(`44/middleware,{"message":"internal error"}`)
		c.send(`421["x"]`, `422["x"]`)
		c.expect(`431[{"error":"internal error"}]`, `432[{"error":"internal error"}]`)
		c.close()
		if err := f.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

type exits struct{}

func (exits) MarshalJSON() ([]byte, error) {
	runtime.Goexit()
	return nil, nil
}

// A socket that was refused is gone, also if it could not be told why.
func TestConnectErrorExits(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		parent := f.OfFunc(matcher("^/dyn$"))
		parent.Use(func(context.Context, *socketio.Socket) error { return &socketio.ConnectError{Data: exits{}} })
		c := f.dial()
		c.send("40/dyn,")
		synctest.Wait()
		for n := range parent.Children() {
			t.Errorf("%s is still there", n.Name())
		}
	})
}

// The logger of the sessions is guarded like that of the server.
func TestEngineLoggerPanics(t *testing.T) {
	l := slog.New(panicLog{slog.DiscardHandler})
	bubble(t, &socketio.Options{Engine: engineio.Options{Logger: l}}, func(t *testing.T, f *fixture) {
		c, _ := f.join("/")
		c.close()
		synctest.Wait()
		f.join("/")
	})
}
