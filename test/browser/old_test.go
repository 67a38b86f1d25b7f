package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/program"
)

// oldPage has a client of Socket.IO 2, and a function that echoes with it.
const oldPage = `<!DOCTYPE html><meta charset="utf-8"><body><script src="/client.js"></script><script>
	function echo(url, opts) {
		return new Promise((resolve) => {
			const socket = io(url, { forceNew: true, reconnection: false, ...opts });
			for (const name of ["error", "connect_error"]) socket.on(name, (err) => resolve(name + ": " + (err.message || err)));
			socket.on("disconnect", (reason) => resolve("disconnect: " + reason));
			const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
			const text = "é😀\u2028\\n\n\"" + "x".repeat(5000);
			socket.on("echo", (...got) => {
				const bytes = new Uint8Array(got[1].b);
				const same = got[0] === text && bytes.length === 1000 && bytes.every((v, i) => v === i % 256);
				const { transport } = socket.io.engine;
				if (opts.transports.length > 1 && transport.name !== "websocket") return socket.io.engine.once("upgrade", again);
				socket.emit("echo", 7, (n) => resolve(n === 7 && same ? transport.name : "other data"));
			});
			const again = () => socket.emit("echo", text, { b: bytes.buffer });
			again();
		});
	}
</script>`

// TestOldClient has a page use the client of Socket.IO 2 on each way of transport that a browser has.
func TestOldClient(t *testing.T) {
	program.Node(t) // the packages are there
	browser := chromium(t)
	for _, c := range []struct {
		name, opts, want, kind string
		opt                    engineio.Options
		elsewhere              bool // the page is of another origin
	}{
		{"polling", `{transports: ["polling"]}`, "polling", "application/octet-stream", engineio.Options{}, false},
		{"base64", `{transports: ["polling"], forceBase64: true}`, "polling", "text/plain;charset=UTF-8",
			engineio.Options{}, false},
		{"JSONP", `{transports: ["polling"], forceJSONP: true}`, "polling", "application/x-www-form-urlencoded",
			engineio.Options{JSONP: true}, false},
		{"websocket", `{transports: ["websocket"]}`, "websocket", "", engineio.Options{}, false},
		{"upgrade", `{transports: ["polling", "websocket"]}`, "websocket", "", engineio.Options{}, false},
		{"JSONP elsewhere", `{transports: ["polling"], forceJSONP: true}`, "connect_error: jsonp poll error", "",
			engineio.Options{JSONP: true}, true},
		{"JSONP elsewhere, let in", `{transports: ["polling"], forceJSONP: true}`, "polling",
			"application/x-www-form-urlencoded", engineio.Options{JSONP: true, AllowAnyOrigin: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			var kinds []string
			c.opt.AllowEIO3 = true
			io := socketio.NewServer(&socketio.Options{Engine: c.opt})
			io.Handle("echo", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
				if e.WantsAck() {
					return e.Ack(e.Args)
				}
				return s.Emit("echo", e.Args)
			})
			mux := http.NewServeMux()
			mux.HandleFunc("/socket.io/", func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					mu.Lock()
					kinds = append(kinds, r.Header.Get("Content-Type"))
					mu.Unlock()
				}
				io.ServeHTTP(w, r)
			})
			mux.HandleFunc("/client.js", func(w http.ResponseWriter, r *http.Request) {
				http.ServeFile(w, r, filepath.Join(program.Modules(), "socket.io-client-v2", "dist", "socket.io.js"))
			})
			mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, oldPage) })
			server := httptest.NewServer(mux)
			defer server.Close()
			defer io.Close() // polls that are pending
			page := server.URL
			if c.elsewhere {
				page = strings.Replace(page, "127.0.0.1", "localhost", 1)
			}
			p := newPage(t, browser, "old "+c.name, page+"/")
			if got := eval[string](p, fmt.Sprintf("echo(%q, %s)", server.URL, c.opts)); got != c.want {
				t.Errorf("the page says %q, want %q", got, c.want)
			}
			mu.Lock()
			defer mu.Unlock()
			if c.kind != "" && !slices.Contains(kinds, c.kind) {
				t.Errorf("what was posted is %q, and never %s", kinds, c.kind)
			}
		})
	}
}
