// Package loadtest runs the scenarios against a handler in the test's own process, small and short, to see that its
// answers are right.
package loadtest

import (
	"net"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"sio.example/socketio/bench/internal/load"
)

// Run runs all scenarios but those named in without.
func Run(t *testing.T, handler http.Handler, without ...string) { run(t, handler, false, without) }

// RunMsgpack is Run for a server whose packets are MessagePack.
func RunMsgpack(t *testing.T, handler http.Handler) { run(t, handler, true, []string{"polling"}) }

func run(t *testing.T, handler http.Handler, packed bool, without []string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() { // ends when the test closes the server
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	target := load.Target{Port: listener.Addr().(*net.TCPAddr).Port, PID: os.Getpid()}
	for _, s := range load.Scenarios {
		if slices.Contains(without, s.Name) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			s.Connections = min(s.Connections, 20)
			r, err := load.Run(t.Context(), target, load.Config{
				Scenario: s, Msgpack: packed, Warm: 50 * time.Millisecond, Duration: 500 * time.Millisecond,
				Rest:  50 * time.Millisecond,
				Drain: 5 * time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.Faults.Total() != 0 || r.Messages == 0 {
				t.Errorf("%d messages, %s: %q", r.Messages, r.Faults.String(), r.Faults.First)
			}
		})
	}
}
