package socketio_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
)

// Middleware that is none lets nothing pass.
func TestNilEventMiddlewareStopsEvents(t *testing.T) {
	reported := 0
	opts := &socketio.Options{OnError: func(_ context.Context, _ *socketio.Socket, _ *socketio.Event, err error) {
		var p *socketio.PanicError
		if errors.As(err, &p) {
			reported++
		}
	}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		reported = 0
		f.Handle("a", func(context.Context, *socketio.Socket, *socketio.Event) error { t.Error("handled"); return nil })
		f.UseEvents(func(socketio.Handler) socketio.Handler { return nil })
		c, _ := f.join("/")
		c.send(`42["a"]`, `42["a"]`)
		synctest.Wait()
		if reported != 2 {
			t.Errorf("reported %d times", reported)
		}
	})
}

// With DisableRecover a panic ends the process, whatever the other callbacks do, and is no error of a handler.
func TestDisableRecoverEndsTheProcess(t *testing.T) {
	const name = "SIO_TEST_PANIC"
	if os.Getenv(name) != "" {
		opts := &socketio.Options{DisableRecover: true,
			OnError: func(_ context.Context, _ *socketio.Socket, _ *socketio.Event, err error) {
				println("OnError:", err.Error())
			}}
		bubble(t, opts, func(t *testing.T, f *fixture) {
			f.OnConnection(func(*socketio.Socket) { panic("boom") })
			f.OnConnection(func(*socketio.Socket) { select {} })
			f.join("/")
			synctest.Wait()
			println("still here")
			os.Exit(0)
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestDisableRecoverEndsTheProcess$")
	cmd.Env = append(os.Environ(), name+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "panic: boom") ||
		strings.Contains(string(out), "OnError") {
		t.Errorf("%v\n%s", err, out)
	}
}
