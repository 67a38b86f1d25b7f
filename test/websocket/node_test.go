package websocket

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A node is a process that runs peer.js.
type node struct {
	in     io.WriteCloser
	out    *json.Decoder
	stderr bytes.Buffer
}

// startNode runs peer.js until the end of the test. Without Node or its packages the test is skipped, except under CI.
func startNode(t *testing.T, args ...string) *node {
	t.Helper()
	modules, err := filepath.Abs("../js/node_modules")
	if err == nil {
		_, err = os.Stat(filepath.Join(modules, "ws"))
	}
	if err == nil {
		_, err = exec.LookPath("node")
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("ws is needed: %v", err)
		}
		t.Skipf("ws is needed: %v (npm ci in test/js)", err)
	}
	cmd := exec.Command("node", append([]string{"peer.js"}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	n := new(node)
	cmd.Stderr = &n.stderr
	if n.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.out = json.NewDecoder(bufio.NewReaderSize(out, 1<<20))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.in.Close()
		cmd.Process.Kill() // it ends by itself, unless the test has failed
		cmd.Wait()
		if t.Failed() && n.stderr.Len() > 0 {
			t.Logf("node: %s", &n.stderr)
		}
	})
	return n
}

// A nodeEvent is what peer.js reports. The bytes are in base64, as encoding/json has them.
type nodeEvent struct {
	Event  string `json:"event"`
	Binary bool   `json:"binary"`
	Data   []byte `json:"data"`
	Code   int    `json:"code"`
	Text   string `json:"text"`
	Port   int    `json:"port"`
}

func (n *node) next() (e nodeEvent, err error) {
	if err := n.out.Decode(&e); err != nil {
		return e, fmt.Errorf("node: %w", err)
	}
	return e, nil
}

func (n *node) tell(v any) error { return json.NewEncoder(n.in).Encode(v) }

// wsClient is the ws package as a client.
type wsClient struct{ *node }

func dialWS(t *testing.T, url string) client {
	n := startNode(t, "client", url)
	if e, err := n.next(); err != nil || e.Event != "open" {
		t.Fatalf("got %+v, %v", e, err)
	}
	return wsClient{n}
}

func (c wsClient) send(binary bool, parts [][]byte) error {
	return c.tell(struct {
		Op     string   `json:"op"`
		Binary bool     `json:"binary"`
		Parts  [][]byte `json:"parts"`
	}{"send", binary, parts})
}

func (c wsClient) receive() (message, error) {
	e, err := c.next()
	switch {
	case err != nil:
		return message{}, err
	case e.Event == "message":
		return message{e.Binary, e.Data}, nil
	case e.Event == "close":
		return message{}, closed{e.Code, string(e.Data)}
	}
	return message{}, fmt.Errorf("ws: %s %s", e.Event, e.Text)
}

func (c wsClient) ping(payload []byte) error {
	if err := c.tell(map[string]any{"op": "ping", "data": payload}); err != nil {
		return err
	}
	e, err := c.next()
	if err == nil && (e.Event != "pong" || !bytes.Equal(e.Data, payload)) {
		err = fmt.Errorf("ws: %s %q, want a pong with %q", e.Event, e.Data, payload)
	}
	return err
}

func (c wsClient) close(code int, reason string) error {
	return c.tell(map[string]any{"op": "close", "code": code, "reason": reason})
}
