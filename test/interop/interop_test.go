package interop

import (
	"encoding/json"
	"path"
	"path/filepath"
	"testing"

	"sio.example/socketio/test/internal/program"
)

const contractServer = "sio.example/socketio/test/contract/server"

// TestClients runs every scenario with the official clients of each major version on each way of transport, against the
// contract server and against the official one; the newest client with compressed messages and with MessagePack as
// well.
func TestClients(t *testing.T) {
	node := program.Node(t)
	here := filepath.Join(program.Root(), "interop")
	for _, server := range []struct {
		name    string
		command []string
	}{
		{"ours", []string{program.Build(t, contractServer)}},
		{"reference", []string{node, filepath.Join(here, "reference_server.js")}},
	} {
		for _, client := range clients {
			for _, transport := range client.transports {
				for _, how := range []string{"", "deflate", "msgpack"} {
					if how != "" && client.major < 4 {
						continue
					}
					name := path.Join(server.name, client.name, transport, how)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						config := map[string]any{
							"server": server.command, "client": client.major, "package": client.module,
							"transport": transport, "ours": server.name == "ours", "deflate": how == "deflate",
						}
						if how == "msgpack" {
							config["parser"] = how
						}
						drive(t, node, filepath.Join(here, "driver.js"), config)
					})
				}
			}
		}
	}
}

var (
	transports    = []string{"polling", "websocket", "upgrade"}
	oldTransports = []string{"polling", "base64", "jsonp", "websocket", "upgrade"}

	clients = []struct {
		name       string
		major      int
		module     string
		transports []string
	}{
		{"client2.0", 2, "socket.io-client-v20", []string{"polling", "upgrade"}},
		{"client2", 2, "socket.io-client-v2", oldTransports},
		{"client3", 3, "socket.io-client-3", transports},
		{"client4", 4, "socket.io-client", transports},
	}
)

// TestRecoveryOfTheBrowserClient runs the scenarios of recovery with our client for browsers.
func TestRecoveryOfTheBrowserClient(t *testing.T) {
	node := program.Node(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			drive(t, node, filepath.Join(program.Root(), "interop", "driver.js"), map[string]any{
				"server": []string{program.Build(t, contractServer)}, "client": "browser", "ours": true,
				"bundle": filepath.Join(program.Root(), "..", "browser", "dist", "socket.io.js"),
				"groups": []string{"recovery"}, "transport": transport,
			})
		})
	}
}

// TestMsgpackOfTheBrowserClient is our client for browsers that speaks MessagePack, as it is served, at our server with
// parser/msgpack; recovery too, whose offsets are in the bytes of packets.
func TestMsgpackOfTheBrowserClient(t *testing.T) {
	node := program.Node(t)
	for _, transport := range transports {
		groups := []string{"bundle"}
		if transport == "websocket" { // what is lost by polling is found out by a time limit of a minute
			groups = append(groups, "recovery")
		}
		t.Run(transport, func(t *testing.T) {
			drive(t, node, filepath.Join(program.Root(), "interop", "driver.js"), map[string]any{
				"server": []string{program.Build(t, contractServer)}, "client": "browser", "ours": true,
				"bundle": filepath.Join(program.Root(), "..", "browser", "dist", "socket.io.msgpack.min.js"),
				"groups": groups, "transport": transport, "parser": "msgpack",
			})
		})
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
