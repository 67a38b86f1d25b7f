// Command suites serves what the official test suites expect to find: the two protocol suites (eio-protocol,
// sio-protocol; sio-protocol-msgpack is the latter with packets in MessagePack) and the suites of the two JavaScript
// clients (sio-client, eio-client). It uses nothing but the public API. The suites themselves are not part of this
// project.
//
//	suites MODE
//
// PORT (default: what the suite expects), HOST and STDIN_GUARD are as for the contract server; so is the ready line.
package main

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"sio.example/socketio/test/contract/process"
)

// mode is one way to run the program.
type mode struct {
	port  string
	serve func(log *slog.Logger) process.Service
}

var modes = map[string]mode{
	"eio-protocol":         {"3000", eioProtocol},
	"sio-protocol":         {"3000", sioProtocol},
	"sio-protocol-msgpack": {"3000", sioProtocolMsgpack},
	"sio-client":           {"3210", sioClient},
	"eio-client":           {"3000", eioClient},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "suites:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	usage := "usage: suites " + strings.Join(slices.Sorted(maps.Keys(modes)), "|")
	if len(args) != 1 {
		return fmt.Errorf("%s", usage)
	}
	m, ok := modes[args[0]]
	if !ok {
		return fmt.Errorf("unknown mode %q; %s", args[0], usage)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return process.Run(m.port, m.serve(log))
}
