package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	socketio "sio.example/socketio"
)

// status is what the server tells of itself.
type status struct {
	Sessions    int64
	Disconnects map[socketio.DisconnectReason]uint64
	Rejected    map[string]uint64
}

// serve is the process under attack: an ordinary application on the public API, with default options.
func serve(ctx context.Context, stdout io.Writer) error {
	server := socketio.NewServer(nil)
	application(server)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server)
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		s := server.Stats()
		_ = json.NewEncoder(w).Encode(status{s.Engine.Sessions, s.Disconnects, s.Rejected}) // who asked may be gone
	})
	mux.HandleFunc("/heap", func(w http.ResponseWriter, _ *http.Request) {
		_ = pprof.WriteHeapProfile(w) // likewise
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }() // ends with the process
	fmt.Fprintln(stdout, listener.Addr().(*net.TCPAddr).Port)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

const (
	asked     = 10                     // acknowledgements that are asked for at each event
	slow      = time.Hour              // what a slow handler takes, unless its socket is gone
	aWhile    = 500 * time.Millisecond // what a handler takes that keeps what it has decoded
	feedEvent = 10_000                 // bytes of an event of the feed
)

// application is what the clients find: a namespace for honest ones, and one for each weakness.
func application(server *socketio.Server) {
	server.Handle("echo", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack(e.Args) })

	server.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool {
		return strings.HasPrefix(name, "/many")
	}).OnConnection(func(s *socketio.Socket) {
		s.On("work", func(ctx context.Context, _ *socketio.Event) error {
			select {
			case <-ctx.Done():
			case <-s.Context().Done():
			case <-time.After(slow):
			}
			return nil
		})
	})
	server.Of("/ask").Handle("ask", func(ctx context.Context, s *socketio.Socket, _ *socketio.Event) error {
		for range asked {
			if err := s.EmitFunc(s.Context(), "question", func(socketio.Args, error) {}); err != nil {
				return nil // the server says that it is enough
			}
		}
		return nil
	})
	server.Of("/rooms").Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Rooms int }
		if err := s.Handshake().Auth.Bind(&auth); err != nil {
			return err
		}
		for i := range auth.Rooms {
			if err := s.Join("room " + strconv.Itoa(i)); err != nil {
				return err
			}
		}
		return nil
	})
	server.Of("/numbers").Handle("numbers", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		_, err := e.Args.Values()
		return err
	})
	server.Of("/values").Handle("values", func(ctx context.Context, s *socketio.Socket, e *socketio.Event) error {
		values, err := e.Args.Values()
		select {
		case <-ctx.Done():
		case <-time.After(aWhile):
		}
		runtime.KeepAlive(values)
		return err
	})
	server.Of("/feed").OnConnection(feed)
}

// feed sends so many bytes a second as the client's auth asks for.
func feed(s *socketio.Socket) {
	var auth struct{ Rate int }
	if err := s.Handshake().Auth.Bind(&auth); err != nil || auth.Rate <= 0 {
		return
	}
	text := strings.Repeat("x", feedEvent)
	go func() { // ends with the socket
		every := time.NewTicker(time.Second * feedEvent / time.Duration(auth.Rate))
		defer every.Stop()
		for {
			select {
			case <-s.Context().Done():
				return
			case <-every.C:
				_ = s.Emit("news", text) // a client that is too slow is cut
			}
		}
	}()
}
