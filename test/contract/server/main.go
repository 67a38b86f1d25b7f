// Command server is the contract server: one Socket.IO server that independent drivers, made of the official
// JavaScript clients, judge the project through. It uses nothing but the public API.
//
// It is configured by its environment alone: PORT, HOST, NODE_ID, SIO_OPTIONS, ADAPTER, ADAPTER_OPTIONS, REDIS_URL,
// PG_URL and STDIN_GUARD. When it accepts connections it prints {"ready":true,"port":N} on stdout; SIGTERM ends it.
package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"

	socketio "sio.example/socketio"
	"sio.example/socketio/test/contract/process"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func run() error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	c, err := readConfig(os.Getenv)
	if err != nil {
		return err
	}
	opts, err := c.options(log)
	if err != nil {
		return err
	}
	io := socketio.NewServer(opts)
	newApp(io, c).install()

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	return process.Run("3000", process.Service{
		Handler:  mux,
		Shutdown: io.Shutdown,
		Ready:    map[string]any{"impl": "sio", "node": c.node, "adapter": c.adapter},
	})
}
