package interop

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"sio.example/socketio/test/internal/program"
)

const contractServer = "sio.example/socketio/test/contract/server"

// A mode is a version of the official client, and a parser; "" is the default.
type mode struct {
	client int
	parser string
}

// TestClients runs every scenario with both official clients on each way of transport, against the contract server and
// against the official one.
func TestClients(t *testing.T) {
	node := program.Node(t)
	here := filepath.Join(program.Root(), "interop")
	modes := []mode{{client: 3}, {client: 4}, {client: 4, parser: "msgpack"}}
	for _, server := range []struct {
		name    string
		command []string
	}{
		{"ours", []string{program.Build(t, contractServer)}},
		{"reference", []string{node, filepath.Join(here, "reference_server.js")}},
	} {
		for _, m := range modes {
			for _, transport := range []string{"polling", "websocket", "upgrade"} {
				name := fmt.Sprintf("%s/client%d%s/%s", server.name, m.client, m.parser, transport)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					drive(t, node, filepath.Join(here, "driver.js"), map[string]any{
						"server": server.command, "client": m.client, "parser": m.parser,
						"transport": transport, "ours": server.name == "ours",
					})
				})
			}
		}
	}
}

// drive runs the driver and makes a sub-test of each line it prints.
func drive(t *testing.T, node, driver string, config map[string]any) {
	scenarios, done := 0, false
	env := []string{"NODE_PATH=" + program.Modules(), program.Env(t, "SIO_INTEROP", config)}
	program.Run(t, env, func(text []byte) {
		var line struct {
			Group, Title, Error string
			OK, Done            bool
		}
		if err := json.Unmarshal(text, &line); err != nil {
			t.Errorf("the driver printed %q: %v", text, err)
			return
		}
		if line.Done {
			done = true
			return
		}
		t.Run(line.Group+"/"+line.Title, func(t *testing.T) {
			if !line.OK {
				t.Error(line.Error)
			}
		})
		scenarios++
	}, node, driver)
	if !done || scenarios == 0 {
		t.Errorf("the driver ended early, after %d scenarios", scenarios)
	}
}
