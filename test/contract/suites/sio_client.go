package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/contract/process"
)

// sioClient serves the suite of socket.io-client.
func sioClient(log *slog.Logger) process.Service {
	io := socketio.NewServer(&socketio.Options{
		Engine: engineio.Options{
			PingInterval: 2 * time.Second,
			AllowRequest: holdBack,
			Logger:       log,
		},
		Recovery: &socketio.RecoveryOptions{},
		Logger:   log,
	})
	for _, name := range []string{"/timeout_socket", "/valid", "/asd"} {
		io.Of(name)
	}
	io.Of("/no").Use(func(context.Context, *socketio.Socket) error {
		return &socketio.ConnectError{Message: "Auth failed (custom namespace)"}
	})
	io.Use(func(_ context.Context, s *socketio.Socket) error {
		if fail := s.Handshake().Query["fail"]; len(fail) > 0 && fail[0] != "" {
			return &socketio.ConnectError{Message: "Auth failed (main namespace)"}
		}
		return nil
	})
	io.Of("/foo").Handle("getId", getID)
	io.Of("/abc").OnConnection(func(s *socketio.Socket) {
		_ = s.Emit("handshake", s.Handshake()) // fails only if the socket is gone
	})
	for name, h := range mainHandlers {
		io.Handle(name, h)
	}
	io.OnConnection(ordered)

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	return process.Service{Handler: mux, Shutdown: io.Shutdown}
}

// holdBack keeps every handshake waiting for 10 ms.
func holdBack(r *http.Request) error {
	late := time.NewTimer(10 * time.Millisecond)
	defer late.Stop()
	select {
	case <-late.C:
		return nil
	case <-r.Context().Done():
		return r.Context().Err()
	}
}

var asdf = []byte("asdfasdf")

// mainHandlers are the events of the main namespace that need no memory.
var mainHandlers = map[string]socketio.SocketHandler{
	"hi":      emits("hi"),
	"false":   emits("false", false),
	"doge":    emits("doge", asdf),
	"getbin":  emits("takebin", asdf),
	"getId":   getID,
	"getUtf8": getUTF8,
	"echo": func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		return reply(e, e.Args.Slice(0, min(1, e.Args.Len())))
	},
	"ack": askForAck,
	"getAckDate": func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		return reply(e, date())
	},
	"getDate": func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
		return s.Emit("takeDate", date())
	},
	"getDateObj": func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
		return s.Emit("takeDateObj", map[string]any{"date": date()})
	},
	"getHandshake": func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		return reply(e, s.Handshake())
	},
	"buffa":    answersBytes("buffack"),
	"blob":     answersBytes("back"),
	"jsonbuff": answersMixed("jsonbuff-ack"),
	"jsonblob": answersMixed("jsonblob-ack"),
}

// ordered puts in place the events whose order counts.
func ordered(s *socketio.Socket) {
	var buff, blob1, blob2 bool // handlers of one socket run one at a time
	s.On("abuff1", func(_ context.Context, e *socketio.Event) error {
		buff = isBytes(e)
		return nil
	})
	s.On("abuff2", func(context.Context, *socketio.Event) error {
		if !buff {
			return nil
		}
		return s.Emit("abuff2-ack")
	})
	s.On("blob1", func(_ context.Context, e *socketio.Event) error {
		blob1 = isBytes(e)
		return nil
	})
	s.On("blob2", func(_ context.Context, e *socketio.Event) error {
		var word string
		blob2 = blob1 && e.Bind(&word) == nil && word == "second"
		return nil
	})
	s.On("blob3", func(_ context.Context, e *socketio.Event) error {
		if !blob2 || !isBytes(e) {
			return nil
		}
		return s.Emit("blob3-ack")
	})
}

func emits(name string, args ...any) socketio.SocketHandler {
	return func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
		return s.Emit(name, args...)
	}
}

func getID(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	return reply(e, s.ID())
}

func getUTF8(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
	for _, text := range []string{"てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"} {
		if err := s.Emit("takeUtf8", text); err != nil {
			return err
		}
	}
	return nil
}

// askForAck does not keep the client's next events waiting: one check never acknowledges, and counts what it is asked.
func askForAck(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
	go func() { // owned by the socket; ends with the acknowledgement or at its disconnect
		held, err := s.EmitWithAck(s.Context(), "ack")
		if err != nil || held.Len() != 2 {
			return
		}
		var five float64
		var object struct {
			Test bool `json:"test"`
		}
		if err := held.Bind(&five, &object); err == nil && five == 5 && object.Test {
			_ = s.Emit("got it") // fails only if the socket is gone
		}
	}()
	return nil
}

func isBytes(e *socketio.Event) bool {
	var b []byte
	return e.Args.Len() > 0 && e.Args.HasBinary() && e.Bind(&b) == nil
}

func answersBytes(name string) socketio.SocketHandler {
	return func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		if !isBytes(e) {
			return nil
		}
		return s.Emit(name)
	}
}

func answersMixed(name string) socketio.SocketHandler {
	return func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		var v struct {
			Hello   string `json:"hello"`
			Message []byte `json:"message"`
			Goodbye string `json:"goodbye"`
		}
		if err := e.Bind(&v); err != nil {
			return err
		}
		if v.Hello != "lol" || !e.Args.HasBinary() || v.Goodbye != "gotcha" {
			return nil
		}
		return s.Emit(name)
	}
}

// date is now as JavaScript writes a Date in JSON.
func date() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }
