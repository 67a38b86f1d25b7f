package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
	"sio.example/socketio/test/contract/process"
)

// protocolEngine are the timings both protocol suites expect.
func protocolEngine(log *slog.Logger) engineio.Options {
	return engineio.Options{
		PingInterval: 300 * time.Millisecond,
		PingTimeout:  200 * time.Millisecond,
		MaxPayload:   1_000_000,
		CORS:         &engineio.CORSOptions{Origins: []string{"*"}},
		Logger:       log,
	}
}

func eioProtocol(log *slog.Logger) process.Service {
	opts := protocolEngine(log)
	eio := engineio.NewServer(func(s *engineio.Socket, _ *http.Request) engineio.Handler {
		return echoSession{s}
	}, &opts)
	mux := http.NewServeMux()
	mux.Handle("/engine.io/", eio)
	return process.Service{Handler: mux, Shutdown: eio.Shutdown}
}

// echoSession sends every message back as it came.
type echoSession struct{ s *engineio.Socket }

func (e echoSession) HandleMessage(m engineio.Message) {
	_ = e.s.Send(engineio.SendOptions{}, engineio.Prepare(m)) // fails only if the session is gone
}

func (e echoSession) HandleClose(engineio.Reason, error) {}

func sioProtocol(log *slog.Logger) process.Service { return sioProtocolWith(log, nil) }

func sioProtocolMsgpack(log *slog.Logger) process.Service {
	return sioProtocolWith(log, msgpack.Parser(nil))
}

func sioProtocolWith(log *slog.Logger, p parser.Parser) process.Service {
	io := socketio.NewServer(&socketio.Options{
		Parser:         p,
		Engine:         protocolEngine(log),
		ConnectTimeout: time.Second,
		Logger:         log,
	})
	for _, name := range []string{"/", "/custom"} {
		io.Of(name).OnConnection(func(s *socketio.Socket) {
			auth := authOf(s)
			if p != nil && s.Handshake().Auth.Len() == 0 {
				auth = nil // as that suite wants it
			}
			_ = s.Emit("auth", auth) // fails only if the socket is gone
		})
	}
	io.Handle("message", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		return s.Emit("message-back", e.Args)
	})
	io.Handle("message-with-ack", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		return reply(e, e.Args)
	})
	io.Handle("emit-with-ack", func(ctx context.Context, s *socketio.Socket, e *socketio.Event) error {
		args, err := s.EmitWithAck(ctx, "emit-with-ack", e.Args)
		if err != nil {
			return err
		}
		return s.Emit("emit-with-ack", args)
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	return process.Service{Handler: mux, Shutdown: io.Shutdown}
}

// authOf is the handshake's auth, or an empty object.
func authOf(s *socketio.Socket) any {
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
