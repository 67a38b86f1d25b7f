package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sio.example/socketio/test/internal/program"
)

// driver is the program under test, as a process.
type driver struct {
	t     *testing.T
	stdin io.WriteCloser
	lines chan map[string]any
	kept  []map[string]any // read and not asked for yet
	ended chan error
}

// drive starts the program and waits for its first line.
func drive(t *testing.T, path string) *driver {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path)
	var errs syncBuilder
	cmd.Stderr = &errs
	d := &driver{t: t, lines: make(chan map[string]any, 1000), ended: make(chan error, 1)}
	var err error
	if d.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process, which Cleanup waits for
		defer close(d.ended)
		defer close(d.lines)
		r := bufio.NewScanner(stdout)
		for r.Scan() {
			var line map[string]any
			if err := json.Unmarshal(r.Bytes(), &line); err != nil {
				t.Errorf("the line %q is not JSON: %v", r.Text(), err)
			}
			d.lines <- line
		}
		d.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		d.stdin.Close()
		<-d.ended
		if text := errs.String(); strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic") {
			t.Errorf("stderr:\n%s", text)
		}
	})
	d.want(`{"type":"ready","impl":"sio","caps":["msgpack"]}`)
	return d
}

// syncBuilder is a strings.Builder for two goroutines.
type syncBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuilder) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// do sends a command.
func (d *driver) do(format string, args ...any) {
	d.t.Helper()
	if _, err := fmt.Fprintf(d.stdin, format+"\n", args...); err != nil {
		d.t.Fatal(err)
	}
}

// want waits for a line that holds at least what pattern does, and returns it. Lines before it are kept for other
// calls.
func (d *driver) want(pattern string) map[string]any {
	d.t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(pattern), &want); err != nil {
		d.t.Fatal(err)
	}
	for i, line := range d.kept {
		if holds(line, want) {
			d.kept = append(d.kept[:i:i], d.kept[i+1:]...)
			return line
		}
	}
	timeout := time.After(program.Deadline)
	for {
		select {
		case line, ok := <-d.lines:
			switch {
			case !ok:
				d.t.Fatalf("the program ended without %s; it had printed %v", pattern, d.kept)
			case holds(line, want):
				return line
			}
			d.kept = append(d.kept, line)
		case <-timeout:
			d.t.Fatalf("no line holds %s, but there are %v", pattern, d.kept)
		}
	}
}

func holds(line, want map[string]any) bool {
	for k, v := range want {
		if got, ok := line[k]; !ok || !reflect.DeepEqual(got, v) {
			return false
		}
	}
	return true
}

// forget drops the lines that nobody asked for, and fails if one of them is of a type in unwanted.
func (d *driver) forget(unwanted ...string) {
	d.t.Helper()
	for _, line := range d.kept {
		for _, u := range unwanted {
			if line["type"] == u {
				d.t.Errorf("there is a line %v", line)
			}
		}
	}
	d.kept = nil
}

// end checks that the program ended by itself.
func (d *driver) end() {
	d.t.Helper()
	select {
	case err := <-d.ended:
		if err != nil {
			d.t.Errorf("the program ended with %v", err)
		}
	case <-time.After(program.Deadline):
		d.t.Error("the program does not end")
	}
}

// servers are the commands that start a server of the contract: ours, and one made of the official packages.
func servers(t *testing.T) map[string][]string {
	t.Helper()
	node := program.Node(t)
	return map[string][]string{
		"ours":      {program.Build(t, "sio.example/socketio/test/contract/server")},
		"reference": {node, filepath.Join(program.Root(), "interop", "reference_server.js")},
	}
}

func start(t *testing.T, command []string) *program.Server {
	t.Helper()
	return program.Start(t, []string{"NODE_PATH=" + program.Modules()}, command[0], command[1:]...)
}

func TestProgram(t *testing.T) {
	client := program.Build(t, "sio.example/socketio/test/contract/client")
	for name, command := range servers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t, command)
			t.Run("events", func(t *testing.T) { events(t, drive(t, client), server.URL) })
			t.Run("connections", func(t *testing.T) { connections(t, drive(t, client), server.URL) })
			t.Run("errors", func(t *testing.T) { failures(t, drive(t, client), server.URL) })
			t.Run("end", func(t *testing.T) { serverEnds(t, drive(t, client), server) })
		})
	}
}

// events: emitting and receiving, with acknowledgements, binary values and timeouts.
func events(t *testing.T, d *driver, url string) {
	d.do(`{"cmd":"open","id":"a","url":"%s/","opts":{"auth":{"user":"x"},"transports":["websocket"]}}`, url)
	line := d.want(`{"type":"connect","id":"a","recovered":false,"transport":"websocket"}`)
	if sid, _ := line["sid"].(string); sid == "" {
		t.Errorf("the connect line is %v", line)
	}
	d.forget("event") // none comes before the connect line
	d.want(`{"type":"event","id":"a","event":"hello","args":[{"nsp":"/","auth":{"user":"x"}}]}`)

	d.do(`{"cmd":"emit","id":"a","event":"echo","args":[1,"x",null,true,{"b":[{"$bin":"AQID"}]},{"$bin":"/w=="}],` +
		`"ack":"t1"}`)
	d.want(`{"type":"ack","id":"a","ack":"t1","err":null,"args":[1,"x",null,true,{"b":[{"$bin":"AQID"}]},` +
		`{"$bin":"/w=="}]}`)
	d.do(`{"cmd":"emit","id":"a","event":"echo","args":[{"$bin":""}]}`)
	d.want(`{"type":"event","id":"a","event":"echo","args":[{"$bin":""}]}`)
	d.do(`{"cmd":"emit","id":"a","event":"echo","compress":false}`)
	d.want(`{"type":"event","id":"a","event":"echo","args":[]}`)
	d.do(`{"cmd":"emit","id":"a","event":"echo","args":["v"],"volatile":true}`)
	d.want(`{"type":"event","id":"a","event":"echo","args":["v"]}`)
	d.do(`{"cmd":"emit","id":"a","event":"ask-ack","args":[{"$bin":"AA=="},2]}`)
	d.want(`{"type":"event","id":"a","event":"please-ack","args":[{"$bin":"AA=="},2]}`)
	d.want(`{"type":"event","id":"a","event":"acked","args":[{"$bin":"AA=="},2]}`)

	d.do(`{"cmd":"emit","id":"a","event":"nobody-acks","ack":7,"timeout":20}`)
	d.want(`{"type":"ack","id":"a","ack":7,"err":"operation has timed out","args":[]}`)
	d.do(`{"cmd":"emit","id":"a","event":"nobody-acks","ack":"t8"}`)
	d.do(`{"cmd":"emit","id":"a","event":"drop"}`)
	d.want(`{"type":"ack","id":"a","ack":"t8","err":"socket has been disconnected","args":[]}`)

	// Emits with acknowledgements keep their order.
	for i := range 50 {
		d.do(`{"cmd":"emit","id":"a","event":"echo","args":[%d],"ack":"o%d"}`, i, i)
	}
	for i := range 50 {
		d.want(fmt.Sprintf(`{"type":"ack","id":"a","ack":"o%d","err":null,"args":[%d]}`, i, i))
		for _, kept := range d.kept {
			if kept["type"] == "ack" {
				t.Fatalf("%v came before the acknowledgement of %d", kept, i)
			}
		}
	}
	d.forget("error")
	d.do(`{"cmd":"exit"}`)
	d.end()
}

// connections: namespaces, sharing, auth, reconnection, by hand.
func connections(t *testing.T, d *driver, url string) {
	d.do(`{"cmd":"open","id":"m","url":"%s","opts":{"transports":["polling"],"reconnectionDelay":10,`+
		`"randomizationFactor":0,"auth":{"$fn":"counter","prefix":"k"}}}`, url)
	d.want(`{"type":"connect","id":"m","transport":"polling"}`)
	d.want(`{"type":"event","id":"m","event":"hello","args":[{"nsp":"/","auth":{"token":"k1"}}]}`)
	d.do(`{"cmd":"open","id":"n","url":"%s/admin"}`, url)
	d.want(`{"type":"connect","id":"n","transport":"polling"}`) // the options of m count: it is the same connection
	d.do(`{"cmd":"emit","id":"m","event":"count","ack":1}`)
	d.want(`{"type":"ack","ack":1,"args":[1]}`)
	for i, more := range []string{`"url":"%s"`,
		`"url":"%s/dyn-1","opts":{"forceNew":true}`} { // the same namespace; forceNew
		d.do(`{"cmd":"open","id":"more%d",`+more+`}`, i, url)
		d.want(fmt.Sprintf(`{"type":"connect","id":"more%d"}`, i))
		d.do(`{"cmd":"emit","id":"m","event":"count","ack":"more%d"}`, i)
		d.want(fmt.Sprintf(`{"type":"ack","ack":"more%d","args":[%d]}`, i, i+2))
	}

	d.do(`{"cmd":"emit","id":"n","event":"drop"}`)
	d.want(`{"type":"disconnect","id":"m","reason":"transport close"}`)
	d.want(`{"type":"disconnect","id":"n","reason":"transport close"}`)
	d.want(`{"type":"manager","id":"m","event":"reconnect_attempt","args":[1]}`)
	d.want(`{"type":"manager","id":"m","event":"reconnect","args":[1]}`)
	d.want(`{"type":"connect","id":"m"}`)
	d.want(`{"type":"event","id":"m","event":"hello","args":[{"nsp":"/","auth":{"token":"k2"}}]}`)
	d.want(`{"type":"connect","id":"n"}`)

	d.do(`{"cmd":"emit","id":"n","event":"kick"}`)
	d.want(`{"type":"disconnect","id":"n","reason":"io server disconnect"}`)
	d.do(`{"cmd":"state","id":"n","tag":"s1"}`)
	d.want(`{"type":"state","id":"n","tag":"s1","connected":false,"active":false,"sid":null,"transport":"polling"}`)
	d.do(`{"cmd":"emit","id":"n","event":"echo","args":["offline"],"ack":"later"}`)
	d.do(`{"cmd":"connect","id":"n"}`)
	d.want(`{"type":"connect","id":"n"}`)
	d.want(`{"type":"ack","id":"n","ack":"later","err":null,"args":["offline"]}`)
	d.do(`{"cmd":"disconnect","id":"n"}`)
	d.want(`{"type":"disconnect","id":"n","reason":"io client disconnect"}`)
	d.do(`{"cmd":"state","id":"m","tag":2}`)
	line := d.want(`{"type":"state","id":"m","tag":2,"connected":true,"active":true,"recovered":false,` +
		`"transport":"polling"}`)
	if sid, _ := line["sid"].(string); sid == "" {
		t.Errorf("the state line is %v", line)
	}
	d.do(`{"cmd":"disconnect","id":"m"}`)
	d.want(`{"type":"disconnect","id":"m","reason":"io client disconnect"}`)
	d.forget("error", "connect_error")
	d.stdin.Close() // the end of stdin ends it, too
	d.end()
}

// failures: refusals, no server, commands that can't be done.
func failures(t *testing.T, d *driver, url string) {
	d.do(`{"cmd":"open","id":"d","url":"%s/denied","opts":{"auth":{"token":"wrong"}}}`, url)
	d.want(`{"type":"connect_error","id":"d","message":"not allowed","data":{"code":"E_DENIED"}}`)
	d.do(`{"cmd":"state","id":"d","tag":"s"}`)
	d.want(`{"type":"state","id":"d","connected":false,"active":false}`)
	d.do(`{"cmd":"setAuth","id":"d","auth":{"token":"letmein"}}`)
	d.do(`{"cmd":"connect","id":"d"}`)
	d.want(`{"type":"connect","id":"d"}`)
	d.do(`{"cmd":"open","id":"i","url":"%s/nowhere"}`, url)
	d.want(`{"type":"connect_error","id":"i","message":"Invalid namespace","data":null}`)

	d.do(`{"cmd":"open","id":"x","url":"http://127.0.0.1:1","opts":{"reconnectionAttempts":2,"reconnectionDelay":1}}`)
	d.want(`{"type":"connect_error","id":"x","message":"xhr poll error","data":null}`)
	d.want(`{"type":"manager","id":"x","event":"reconnect_attempt","args":[1]}`)
	d.want(`{"type":"manager","id":"x","event":"reconnect_error","args":[]}`)
	d.want(`{"type":"manager","id":"x","event":"reconnect_attempt","args":[2]}`)
	d.want(`{"type":"manager","id":"x","event":"reconnect_failed","args":[]}`)
	d.do(`{"cmd":"state","id":"x","tag":"s"}`)
	d.want(`{"type":"state","id":"x","connected":false,"sid":null,"transport":null}`)

	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections are made, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	d.do(`{"cmd":"open","id":"s","url":"http://%s","opts":{"timeout":20,"reconnection":false}}`, silent.Addr())
	d.want(`{"type":"connect_error","id":"s","message":"timeout","data":null}`)

	d.do(`{"cmd":"open","id":"later","url":"%s","opts":{"autoConnect":false,"forceNew":true,"auth":{"$fn":"counter",`+
		`"prefix":"k"}}}`, url)
	d.do(`{"cmd":"emit","id":"later","event":"connect_error","args":[]}`)
	d.want(`{"type":"error","cmd":"emit","id":"later"}`)
	d.do(`{"cmd":"emit","id":"later","event":"x","args":[{"$bin":"?"}]}`)
	d.want(`{"type":"error","cmd":"emit","id":"later"}`)
	d.do(`{"cmd":"open","id":"later","url":"%s"}`, url)
	d.want(`{"type":"error","cmd":"open","id":"later"}`)
	d.do(`{"cmd":"state","id":"later","tag":null}`)
	d.want(`{"type":"state","id":"later","tag":null,"connected":false,"active":false,"sid":null,"transport":null}`)
	d.do(`{"cmd":"emit","id":"later","event":"echo","args":[1],"ack":"v","volatile":true,"timeout":20}`)
	d.want(`{"type":"ack","id":"later","ack":"v","err":"operation has timed out","args":[]}`)
	d.do(`{"cmd":"setAuth","id":"later","auth":{"token":"set"}}`)
	d.do(`{"cmd":"connect","id":"later"}`)
	d.want(`{"type":"event","id":"later","event":"hello","args":[{"nsp":"/","auth":{"token":"set"}}]}`)
	d.do(`{"cmd":"exit"}`)
	d.end()
}

// serverEnds: a server that is gone for good; the reason, the attempts, and their end.
func serverEnds(t *testing.T, d *driver, server *program.Server) {
	d.do(`{"cmd":"open","id":"a","url":"%s","opts":{"reconnectionAttempts":1,"reconnectionDelay":1}}`, server.URL)
	d.want(`{"type":"connect","id":"a"}`)
	server.End(t, syscall.SIGKILL)
	line := d.want(`{"type":"disconnect","id":"a"}`)
	if r := line["reason"]; r != "transport close" && r != "transport error" {
		t.Errorf("the reason is %v", r)
	}
	d.want(`{"type":"manager","id":"a","event":"reconnect_attempt","args":[1]}`)
	d.want(`{"type":"manager","id":"a","event":"reconnect_error","args":[]}`)
	d.want(`{"type":"manager","id":"a","event":"reconnect_failed","args":[]}`)
	d.do(`{"cmd":"exit"}`)
	d.end()
}
