package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sio.example/socketio/test/internal/program"
)

const suitesServer = "sio.example/socketio/test/contract/suites"

// nodeImports is what the suites need to run in Node. WebSocket events must not be synchronous: the suites wait for one
// message at a time, and would lose the second of two frames that arrive together.
const nodeImports = `import fetch from "node-fetch";
import { WebSocket } from "ws";
import chai from "chai";
import chaiString from "chai-string";

chai.use(chaiString);
globalThis.fetch = fetch;
globalThis.chai = chai;
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { allowSynchronousEvents: false });
  }
};
`

// TestProtocolSuites runs the official protocol suites, which are not part of this project. SIO_PROTOCOL_SUITES names a
// folder that holds checkouts of the two repositories, engine.io-protocol and socket.io-protocol (or their test-suite
// folders as eio/test-suite and sio/test-suite); SIO_PROTOCOL_RUNS is how often to run each, one by default.
func TestProtocolSuites(t *testing.T) {
	folder := os.Getenv("SIO_PROTOCOL_SUITES")
	if folder == "" {
		t.Skip("SIO_PROTOCOL_SUITES does not name the folder of the official suites")
	}
	runs, err := strconv.Atoi(os.Getenv("SIO_PROTOCOL_RUNS"))
	if err != nil {
		runs = 1
	}
	node, suites := program.Node(t), program.Build(t, suitesServer)
	for _, suite := range []struct {
		mode, repository, short string
		checks                  int
	}{
		{"eio-protocol", "engine.io-protocol", "eio", 24},
		{"sio-protocol", "socket.io-protocol", "sio", 32},
	} {
		t.Run(suite.mode, func(t *testing.T) {
			source := filepath.Join(folder, suite.repository, "test-suite", "test-suite.js")
			if _, err := os.Stat(source); err != nil {
				source = filepath.Join(folder, suite.short, "test-suite", "test-suite.js")
			}
			server := program.Start(t, nil, suites, suite.mode)
			here := lay(t, source, server.Addr())
			for run := range runs {
				t.Run(fmt.Sprintf("run%d", run+1), func(t *testing.T) { runMocha(t, node, here, suite.checks) })
			}
		})
	}
}

// lay copies a suite into a folder of its own, with the server's address in place of the one it expects.
func lay(t *testing.T, source, addr string) string {
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	here := t.TempDir()
	for name, content := range map[string]string{
		"test-suite.js":   strings.ReplaceAll(string(text), "localhost:3000", addr),
		"node-imports.js": nodeImports,
		"package.json":    `{"type":"module"}`,
	} {
		if err := os.WriteFile(filepath.Join(here, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(program.Modules(), filepath.Join(here, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return here
}

// runMocha runs the suite in a folder and makes a sub-test of each check.
func runMocha(t *testing.T, node, here string, checks int) {
	mocha := filepath.Join(program.Modules(), "mocha", "bin", "mocha.js")
	var report []byte
	program.Run(t, nil, func(line []byte) { report = append(append(report, line...), '\n') },
		"sh", "-c", `cd "$1" && "$2" "$3" --retries 2 --reporter json test-suite.js || true`, "sh", here, node, mocha)
	var result struct {
		Tests []struct {
			FullTitle string
			Err       struct{ Message, Stack string }
		}
	}
	if err := json.Unmarshal(report, &result); err != nil {
		t.Fatalf("mocha's report: %v\n%s", err, report)
	}
	for _, check := range result.Tests {
		t.Run(check.FullTitle, func(t *testing.T) {
			if check.Err.Message != "" {
				t.Errorf("%s\n%s", check.Err.Message, check.Err.Stack)
			}
		})
	}
	if len(result.Tests) != checks {
		t.Errorf("%d checks were run instead of %d", len(result.Tests), checks)
	}
}
