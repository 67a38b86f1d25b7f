package main

import (
	"context"
	"encoding/base64"
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
	"time"

	"sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/examples/chat"
)

// demos are the importable demos: each adds itself to a server and returns its page, which trusts a certificate with
// that hash, if there is one.
var demos = map[string]func(io *socketio.Server, certificate []byte) http.Handler{
	"chat": chat.NewTrusting,
}

const demoUsage = `Usage: sio demo [chat] [flags]

Runs a demo and prints the address of its page. Open it in two browser windows, or on a
phone: with --addr 0.0.0.0 other machines can reach it. Ctrl-C ends the demo.

  sio demo
  sio demo chat --port 8080
  sio demo chat --addr 0.0.0.0
  sio demo --webtransport
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
	webTransport := fs.Bool("webtransport", false,
		"serve WebTransport, too, at the port of the same number of UDP, with a certificate of its own")
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

	at, err := openPorts(ctx, *addr, *port, *webTransport)
	if err != nil {
		return err
	}
	var log *slog.Logger
	if *verbose {
		log = slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	printAddresses(std.out, name, at, *addr)
	return serve(ctx, at, demo, log, std)
}

// serve runs the demo on its ports until ctx is done, and returns when nothing of it is left.
func serve(
	ctx context.Context, at *ports, demo func(*socketio.Server, []byte) http.Handler, log *slog.Logger, std stdio,
) error {
	io := socketio.NewServer(&socketio.Options{Logger: log, Engine: engineio.Options{Transports: at.transports()}})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/", demo(io, at.certificateHash()))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	if log != nil {
		srv.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	} else {
		srv.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	}
	wt := at.webTransport(mux, log)

	running := len(at.tcp) + len(at.udp)
	failed := make(chan error, running)
	for _, ln := range at.tcp {
		go func() { failed <- srv.Serve(ln) }() // owned by serve, ends when srv is shut down, and is waited for below
	}
	for _, packets := range at.udp {
		go func() { failed <- wt.Serve(packets) }() // likewise, with wt
	}
	var err error
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
	wtErr := inTime(wt.Shutdown(end))
	srvErr := srv.Shutdown(end)
	if srvErr != nil {
		srv.Close()
	}
	srvErr = inTime(srvErr)
	for range running {
		<-failed // http.ErrServerClosed
	}
	return errors.Join(err, ioErr, wtErr, srvErr)
}

// inTime takes away the error that some client was too slow to say goodbye: it was cut off, and that is all.
func inTime(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// printAddresses tells where the page is.
func printAddresses(w io.Writer, name string, ports *ports, addr string) {
	at := ports.tcp[0].Addr().(*net.TCPAddr)
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
	if hash := ports.certificateHash(); hash != nil {
		fmt.Fprintf(w, "\nWebTransport is at https://%s, by UDP. "+
			"SHA-256 of its certificate, for serverCertificateHashes:\n\n  %s\n",
			net.JoinHostPort(host, port), base64.StdEncoding.EncodeToString(hash))
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
