// Command server is what the benchmark measures: a server on the public API alone, with default options.
//
//	server PORT
//
// It listens on 127.0.0.1:PORT, prints "ready", and ends on SIGTERM. SIGUSR2 makes it collect its garbage and give the
// memory back. BENCH_HANDLERS chooses how its handlers take their arguments: "typed" (the default) decodes into
// declared types, "any" into what JSON happens to hold, as a port of a JavaScript server would. BENCH_PARSER=msgpack
// has packets in MessagePack. With BENCH_DEFLATE it compresses messages on WebSockets for clients that want that.
// BENCH_CPUPROFILE and BENCH_HEAPPROFILE name files to write profiles to; that of the heap is taken at the first
// SIGUSR2, or at the end.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"syscall"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser/msgpack"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: server PORT")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func run(port string) error {
	// Go raises the limit for itself; this raises it also where the environment asked Go not to.
	limit := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // the load says so if there are too few
	}
	var profiles profiles
	if err := profiles.start(); err != nil {
		return err
	}
	defer profiles.stop()

	options := &socketio.Options{}
	switch name := os.Getenv("BENCH_PARSER"); name {
	case "":
	case "msgpack":
		options.Parser = msgpack.Parser(nil)
	default:
		return fmt.Errorf("BENCH_PARSER=%s: want msgpack or nothing", name)
	}
	if os.Getenv("BENCH_DEFLATE") != "" {
		options.Engine.Deflate = new(engineio.DeflateOptions)
	}
	io := socketio.NewServer(options)
	switch handlers := os.Getenv("BENCH_HANDLERS"); handlers {
	case "", "typed":
		typed(io)
	case "any":
		untyped(io)
	default:
		return fmt.Errorf("BENCH_HANDLERS=%s: want typed or any", handlers)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: io, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }() // ends when the listener is closed, with the process

	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	collect := make(chan os.Signal, 1)
	signal.Notify(collect, syscall.SIGUSR2)
	fmt.Println("ready")
	for {
		select {
		case <-collect:
			runtime.GC()
			debug.FreeOSMemory()
			profiles.heap()
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// profiles are those that the environment asks for.
type profiles struct {
	cpu    *os.File
	heaped bool
}

func (p *profiles) start() (err error) {
	name := os.Getenv("BENCH_CPUPROFILE")
	if name == "" {
		return nil
	}
	if p.cpu, err = os.Create(name); err != nil {
		return err
	}
	return pprof.StartCPUProfile(p.cpu)
}

func (p *profiles) stop() {
	if p.cpu != nil {
		pprof.StopCPUProfile()
		report(p.cpu.Close())
	}
	p.heap()
}

// heap writes the profile of the heap, once: when a collection is asked for, since then there is something in it, or at
// the end.
func (p *profiles) heap() {
	name := os.Getenv("BENCH_HEAPPROFILE")
	if name == "" || p.heaped {
		return
	}
	p.heaped = true
	runtime.GC() // the profile is of the last collection
	f, err := os.Create(name)
	if err != nil {
		report(err)
		return
	}
	report(errors.Join(pprof.WriteHeapProfile(f), f.Close()))
}

func report(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "server: profile:", err)
	}
}
