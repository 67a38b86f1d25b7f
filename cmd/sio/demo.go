package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/examples/chat"
)

// demos are the importable demos: each adds itself to a server and returns its page.
var demos = map[string]func(io *socketio.Server) http.Handler{
	"chat": chat.New,
}

const demoUsage = `Usage: sio demo [chat] [flags]

Runs a demo and prints the address of its page. Open it in two browser windows, or on a
phone: with --addr 0.0.0.0 other machines can reach it. Ctrl-C ends the demo.

  sio demo
  sio demo chat --port 8080
  sio demo chat --addr 0.0.0.0
`

// defaultPort is where the page is, unless something else is there already: then a free port is taken.
const defaultPort = 3000

// shutdownTime is how long clients have to take what is still queued for them when the demo ends. It is waited for in
// full only if one of them is gone without a word.
const shutdownTime = 2 * time.Second

func runDemo(ctx context.Context, args []string, std stdio) error {
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	addr := fs.String("addr", "localhost", "`ADDR` to listen on; 0.0.0.0 is all of this machine's (default localhost)")
	port := fs.Int("port", -1,
		fmt.Sprintf("`PORT` to listen on; 0 is any free one (default %d, or a free one)", defaultPort))
	verbose := fs.Bool("verbose", false, "log what happens")
	rest, done, err := parseFlags(fs, args, std.out, demoUsage)
	if err != nil || done {
		return err
	}
	name := "chat"
	if len(rest) > 0 {
		name = rest[0]
	}
	demo := demos[name]
	switch {
	case len(rest) > 1:
		return usagef("demo", "too many arguments: %s", strings.Join(rest[1:], " "))
	case demo == nil:
		return usagef("demo", "there is no demo %q, but: %s", name, strings.Join(slices.Sorted(maps.Keys(demos)), ", "))
	case *port < -1 || *port > 65535:
		return usagef("demo", "there is no port %d", *port)
	}

	lns, err := listen(ctx, *addr, *port)
	if err != nil {
		return err
	}
	var log *slog.Logger
	if *verbose {
		log = slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	printAddresses(std.out, name, lns[0].Addr().(*net.TCPAddr), *addr)
	return serve(ctx, lns, demo, log, std)
}

// listen opens the port. A negative port is the default one, or a free one if that is taken.
func listen(ctx context.Context, addr string, port int) ([]net.Listener, error) {
	if port >= 0 {
		return listenPort(ctx, addr, port)
	}
	lns, err := listenPort(ctx, addr, defaultPort)
	if errors.Is(err, syscall.EADDRINUSE) {
		return listenPort(ctx, addr, 0)
	}
	return lns, err
}

// listenPort opens one port. The name localhost has two addresses, and browsers try one of them first: without both,
// the page could be that of another server, which has the other address.
func listenPort(ctx context.Context, addr string, port int) ([]net.Listener, error) {
	var lc net.ListenConfig
	if addr != "localhost" {
		ln, err := lc.Listen(ctx, "tcp", net.JoinHostPort(addr, strconv.Itoa(port)))
		return []net.Listener{ln}, err
	}
	var err error
	for range 10 { // a port that is free on one address need not be free on the other
		var v4, v6 net.Listener
		if v4, err = lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
			return nil, err
		}
		at := strconv.Itoa(v4.Addr().(*net.TCPAddr).Port)
		if v6, err = lc.Listen(ctx, "tcp6", net.JoinHostPort("::1", at)); err == nil {
			return []net.Listener{v4, v6}, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return []net.Listener{v4}, nil // a machine without IPv6
		}
		v4.Close()
		if port != 0 {
			break
		}
	}
	return nil, err
}

// serve runs the demo on lns until ctx is done, and returns when nothing of it is left.
func serve(
	ctx context.Context, lns []net.Listener, demo func(*socketio.Server) http.Handler, log *slog.Logger, std stdio,
) error {
	io := socketio.NewServer(&socketio.Options{Logger: log})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/", demo(io))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	if log != nil {
		srv.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	} else {
		srv.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	}

	failed := make(chan error, len(lns))
	for _, ln := range lns {
		go func() { failed <- srv.Serve(ln) }() // owned by serve, ends when srv is shut down, and is waited for below
	}
	var err error
	running := len(lns)
	select {
	case err = <-failed:
		running--
	case <-ctx.Done():
		fmt.Fprintln(std.out, "Stopping.")
	}

	// The sessions first: http.Server does not know of WebSockets, and would wait for the polls.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	ioErr := inTime(io.Shutdown(end))
	srvErr := srv.Shutdown(end)
	if srvErr != nil {
		srv.Close()
	}
	srvErr = inTime(srvErr)
	for range running {
		<-failed // http.ErrServerClosed
	}
	return errors.Join(err, ioErr, srvErr)
}

// inTime takes away the error that some client was too slow to say goodbye: it was cut off, and that is all.
func inTime(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// printAddresses tells where the page is.
func printAddresses(w io.Writer, name string, at *net.TCPAddr, addr string) {
	host := addr
	if addr == "" || at.IP.IsLoopback() || at.IP.IsUnspecified() {
		host = "localhost"
	}
	port := strconv.Itoa(at.Port)
	fmt.Fprintf(w, "The %s demo is at\n\n  http://%s\n", name, net.JoinHostPort(host, port))
	if at.IP.IsUnspecified() {
		for _, ip := range machineAddresses() {
			fmt.Fprintf(w, "  http://%s\n", net.JoinHostPort(ip, port))
		}
	}
	fmt.Fprint(w, "\nOpen it in two browser windows. Ctrl-C stops it.\n")
}

// machineAddresses are the addresses by which other machines may reach this one.
func machineAddresses() []string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var ips []string
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP.String())
		}
	}
	return ips
}
