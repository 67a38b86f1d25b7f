// Command bot takes part in the chat demo and answers who calls: !help, !time, !roll 2d6.
//
//	go run ./cmd/sio demo
//	go run ./examples/bot localhost:3000
//
// It shows what a client of some use has to think of: who it is on each connection, what was said while it was away,
// and that nothing is answered twice.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"sio.example/socketio/client"
)

func main() {
	name := flag.String("name", "bot", "nickname")
	room := flag.String("room", "Lobby", "room to be in")
	verbose := flag.Bool("v", false, "log what happens to the connection")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: bot [flags] [URL of the chat, default localhost:3000]")
		flag.PrintDefaults()
	}
	flag.Parse()
	url := "localhost:3000"
	if flag.NArg() > 0 {
		url = flag.Arg(0)
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	manager := client.NewManager(url, &client.Options{Logger: logger})
	newBot(manager, *name, *room, logger).socket.Open() // comes back whenever the connection is lost
	<-ctx.Done()

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := manager.Shutdown(ctx); err != nil {
		log.Print(err)
	}
}
