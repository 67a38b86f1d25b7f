package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/parser/msgpack"
	"sio.example/socketio/test/internal/program"
)

// TestMsgpack is the client with socket.io-msgpack-parser at the official server, and with parser/msgpack at ours.
func TestMsgpack(t *testing.T) {
	options := program.Env(t, "SIO_OPTIONS", map[string]string{"parser": "msgpack"})
	reference := filepath.Join(program.Root(), "interop", "reference_server.js")
	for name, command := range map[string][]string{
		"official": {program.Node(t), reference},
		"ours":     {program.Build(t, "sio.example/socketio/test/contract/server")},
	} {
		t.Run(name, func(t *testing.T) {
			srv := program.Start(t, []string{options, "NODE_ID=n1", "NODE_PATH=" + program.Modules()}, command[0],
				command[1:]...)
			for _, m := range modes[:3] {
				t.Run(m.name, func(t *testing.T) { talkMsgpack(t, srv.URL, m, name == "official") })
			}
		})
	}
}

func talkMsgpack(t *testing.T, url string, m mode, official bool) {
	ctx, cancel := context.WithTimeout(t.Context(), program.Deadline)
	defer cancel()
	opts := &client.Options{Parser: msgpack.Parser(nil)}
	opts.Engine.Transports = m.client
	manager := client.NewManager(url, opts)
	defer manager.Close()
	auth := map[string]string{"token": "x"}
	s := manager.Socket("/", &client.SocketOptions{Auth: auth})
	hello := make(chan client.Args, 1)
	s.On("hello", func(_ context.Context, e *client.Event) error { hello <- e.Args; return nil })
	s.On("please-ack", func(_ context.Context, e *client.Event) error { return e.Ack(e.Args) })
	acked := make(chan client.Args, 1)
	s.On("acked", func(_ context.Context, e *client.Event) error { acked <- e.Args; return nil })
	if err := s.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	var greeted struct {
		Nsp  string
		Auth struct {
			Token string
		}
	}
	if err := (<-hello).Bind(&greeted); err != nil || greeted.Nsp != "/" || greeted.Auth.Token != "x" {
		t.Errorf("%+v, %v", greeted, err)
	}

	at := time.Date(2026, 11, 28, 5, 0, 0, 123_000_000, time.UTC)
	values := []any{nil, true, "é😀", 1.5, math.Inf(1), -7.0, float64(1<<53 - 1), []byte{0, 255}, at,
		map[string]any{"deep": []any{[]byte("x"), at, map[string]any{}}}, []any{}}
	want := fmt.Sprint(values)
	args, err := s.EmitWithAck(ctx, "echo", values...)
	if got := fmt.Sprint(asValues(t, args)); err != nil || got != want {
		t.Errorf("echo: %s, %v, want %s", got, err, want)
	}
	if err := s.Emit("ask-ack", values...); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(asValues(t, <-acked)); got != want {
		t.Errorf("acknowledged: %s, want %s", got, want)
	}
	var huge uint64
	args, err = s.EmitWithAck(ctx, "echo", uint64(math.MaxUint64))
	if err := errors.Join(err, args.Bind(&huge)); !official && (err != nil || huge != math.MaxUint64) {
		t.Errorf("%d, %v", huge, err)
	}

	var refused *client.ConnectError
	err = manager.Socket("/denied", nil).Connect(ctx)
	var data struct{ Code string }
	if !errors.As(err, &refused) || refused.Message != "not allowed" || refused.Bind(&data) != nil ||
		data.Code != "E_DENIED" {
		t.Errorf("refused: %v, %+v", err, data)
	}
	gone := make(chan client.DisconnectReason, 1)
	s.OnDisconnect(func(reason client.DisconnectReason) { gone <- reason })
	if err := s.Emit("kick"); err != nil {
		t.Fatal(err)
	}
	if why := <-gone; why != client.ReasonServerDisconnect {
		t.Errorf("kicked: %s", why)
	}
}

func asValues(t *testing.T, args client.Args) []any {
	t.Helper()
	values, err := args.Values()
	if err != nil {
		t.Fatal(err)
	}
	return values
}
