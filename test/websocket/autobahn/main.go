// Command autobahn echoes WebSocket messages over plain TCP, over TLS and over a connection that hides its descriptor,
// for the fuzzing client of the Autobahn test suite. It prints a test specification for that client; see
// scripts/autobahn.
package main

import (
	"encoding/json"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"sio.example/socketio/internal/websocket"
)

// largest is beyond what the suite sends.
const largest = 64 << 20

// A wrapped listener hands out connections of which only the methods of net.Conn are known.
type wrapped struct{ net.Listener }

func (l wrapped) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ net.Conn }{c}, nil
}

// echo sends back what comes, answers to many messages with one write where they came with one read.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Upgrade(w, r, &websocket.Options{MaxMessage: largest, MaxFragments: 1 << 20})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var out []byte
	for {
		op, data, err := conn.Read()
		if err != nil {
			return
		}
		out = websocket.AppendFrame(out, op, data)
		if !conn.Buffered() {
			if conn.WriteFrames(out) != nil {
				continue // Read tells
			}
			out = nil
		}
	}
}

// serve serves on a free port until the process ends.
func serve(kind string) string {
	s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	switch kind {
	case "tls":
		s.StartTLS()
	case "wrapped":
		s.Listener = wrapped{s.Listener}
		s.Start()
	default:
		s.Start()
	}
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: autobahn REPORTS")
	}
	type server struct {
		Agent string `json:"agent"`
		URL   string `json:"url"`
	}
	spec := struct {
		Outdir  string   `json:"outdir"`
		Servers []server `json:"servers"`
		Cases   []string `json:"cases"`
		Exclude []string `json:"exclude-cases"`
	}{Outdir: os.Args[1], Cases: []string{"*"}, Exclude: []string{"12.*", "13.*"}} // compression, which is not offered
	for _, kind := range []string{"tcp", "tls", "wrapped"} {
		spec.Servers = append(spec.Servers, server{kind, serve(kind)})
	}
	if err := json.NewEncoder(os.Stdout).Encode(spec); err != nil {
		log.Fatal(err)
	}
	select {} // until the process is ended
}
