package client

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"sio.example/socketio/test/internal/program"
)

// A script is one of the two in JavaScript, as a process, with the port for its commands.
type script struct {
	t    *testing.T // of the test that owns the process
	url  string
	http *http.Client
}

func startScript(t *testing.T, name string) *script {
	t.Helper()
	s := program.Start(t, []string{"NODE_PATH=" + program.Modules()},
		program.Node(t), filepath.Join(program.Root(), "client", name))
	return &script{t: t, url: s.URL, http: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true}, // leaves nothing behind that would be counted
		Timeout:   2 * patience,
	}}
}

type arguments map[string]any

// call gives a command, and decodes the answer into out unless that is nil.
func (s *script) call(t *testing.T, command string, args arguments, out any) {
	t.Helper()
	request := arguments{"command": command}
	for name, value := range args {
		request[name] = value
	}
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.http.Post(s.url, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", command, res.Status, err, answer)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			t.Fatalf("%s: %v: %s", command, err, answer)
		}
	}
}

// record waits for entries of a script's record.
func (s *script) record(t *testing.T, id int, source string, from, count int, limit time.Duration) []string {
	t.Helper()
	var entries [][]any
	s.call(t, "record", arguments{"id": id, "source": source, "from": from, "count": count, "ms": limit.Milliseconds()},
		&entries)
	out := make([]string, len(entries))
	for i, e := range entries {
		what, _ := e[0].(string)
		out[i] = entry(what, e[1:]...)
	}
	return out
}
