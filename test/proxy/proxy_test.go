package proxy

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/test/internal/program"
)

// patience is how long a client has to connect. Nothing that passes waits for it.
const patience = 5 * time.Minute

// TestDocumentedConfigurations runs each configuration of docs/proxies.md.
func TestDocumentedConfigurations(t *testing.T) {
	node := program.Node(t)
	for _, s := range snippets(t) {
		t.Run(s.title, func(t *testing.T) {
			p := start(t, s, s.text)
			for _, transports := range [][]string{{"polling"}, {"websocket"}, {"polling", "websocket"}} {
				t.Run(strings.Join(transports, " to "), func(t *testing.T) {
					c := p.page(transports)
					if len(transports) > 1 {
						c.Upgrade = "done"
					}
					got := c.run(t, node)
					last := transports[len(transports)-1]
					want := result{Connected: true, Transport: last, Server: last, Got: c.Events, Binary: true}
					if got != want {
						t.Errorf("%+v, want %+v", got, want)
					}
				})
			}
			t.Run("Go client", func(t *testing.T) { p.talk(t) })
			t.Run("foreign origin", func(t *testing.T) {
				c := p.page([]string{"websocket"})
				c.Origin = "https://elsewhere.example"
				if got := c.run(t, node); got.Connected || got.Refused != http.StatusForbidden {
					t.Errorf("%+v, want a refusal with 403", got)
				}
			})
		})
	}
}

// TestEachLineIsNeeded takes away what docs/proxies.md calls necessary: the page then sees what its table says.
func TestEachLineIsNeeded(t *testing.T) {
	node := program.Node(t)
	all := snippets(t)
	nginx := all[slices.IndexFunc(all, func(s snippet) bool { return s.title == "nginx" })]
	for _, row := range []struct {
		name, old, new string
		status         int
	}{
		{"no Host", "proxy_set_header Host       $http_host;", "", http.StatusForbidden},
		{"Host without its port", "$http_host", "$host", http.StatusForbidden},
		{"HTTP/1.0", "proxy_http_version 1.1;", "", http.StatusBadRequest},
		{"no Connection", "proxy_set_header Connection $connection_upgrade;", "", http.StatusBadRequest},
		{"no Upgrade", "proxy_set_header Upgrade    $http_upgrade;", "", http.StatusBadRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := strings.Replace(nginx.text, row.old, row.new, 1)
			if text == nginx.text {
				t.Fatalf("the configuration of the document has no %q", row.old)
			}
			p := start(t, nginx, text)
			if got := p.page([]string{"websocket"}).run(t, node); got.Connected || got.Refused != row.status {
				t.Errorf("by WebSocket: %+v, want status %d", got, row.status)
			}
			c := p.page([]string{"polling", "websocket"})
			c.Upgrade = "refused"
			if got := c.run(t, node); !got.Connected || got.Transport != "polling" || got.Got != c.Events {
				t.Errorf("with both: %+v, want polling", got)
			}
		})
	}
}

// TestDocumentsAgree: what SECURITY.md says of nginx is what the tested configuration says.
func TestDocumentsAgree(t *testing.T) {
	security, err := os.ReadFile(filepath.Join(program.Root(), "..", "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	const header = "proxy_set_header Host $http_host"
	if !strings.Contains(strings.Join(strings.Fields(string(security)), " "), header) {
		t.Errorf("SECURITY.md does not say %s", header)
	}
	if !strings.Contains(string(security), "docs/proxies.md") {
		t.Error("SECURITY.md does not lead to docs/proxies.md")
	}
	for _, s := range snippets(t) {
		if s.language == "nginx" && !strings.Contains(strings.Join(strings.Fields(s.text), " "), header) {
			t.Errorf("%s: without %s", s.title, header)
		}
	}
}

// serve starts a server for each address that a configuration names.
func serve(t *testing.T, n int) []string {
	var addrs []string
	for range n {
		io := socketio.NewServer(nil)
		io.OnConnection(func(s *socketio.Socket) {
			s.On("n", func(_ context.Context, e *socketio.Event) error { return s.Emit("n", e.Args) })
			s.On("binary", func(_ context.Context, e *socketio.Event) error { return e.Ack(e.Args) })
			s.On("transport", func(_ context.Context, e *socketio.Event) error { return e.Ack(s.Conn().Transport()) })
		})
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: io, ReadHeaderTimeout: patience}
		var serving sync.WaitGroup
		serving.Go(func() { _ = srv.Serve(ln) })
		t.Cleanup(func() {
			_ = io.Close()
			_ = srv.Close()
			serving.Wait()
		})
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs
}

// A visitor is the official client, as client.js takes it.
type visitor struct {
	URL        string   `json:"url"`
	Origin     string   `json:"origin"`
	CA         string   `json:"ca"`
	Transports []string `json:"transports"`
	Upgrade    string   `json:"upgrade"` // what becomes of it: "done", "refused", or "" if there is none
	Events     int      `json:"events"`
	Binary     int      `json:"binary"`
	Patience   int64    `json:"patience"`
}

type result struct {
	Connected   bool
	Transport   string
	Server      string // the transport as the server sees it
	Refused     int
	Got         int
	Wrong       string
	Binary      bool
	Disconnects int
}

// page is a client in a page that the proxy has served.
func (p *proxy) page(transports []string) visitor {
	return visitor{
		URL: p.url, Origin: p.url, CA: p.ca, Transports: transports,
		Events: 1000, Binary: 700_000, Patience: patience.Milliseconds(),
	}
}

func (v visitor) run(t *testing.T, node string) result {
	t.Helper()
	var r result
	env := []string{"NODE_PATH=" + program.Modules(), program.Env(t, "SIO_PROXY", v)}
	program.Run(t, env, func(line []byte) {
		if err := json.Unmarshal(line, &r); err != nil {
			t.Errorf("the client printed %q: %v", line, err)
		}
	}, node, filepath.Join(program.Root(), "proxy", "client.js"))
	return r
}

// talk is the Go client with default options: it upgrades, and keeps the cookies of a proxy without being asked.
func (p *proxy) talk(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	opts := &client.Options{}
	opts.Engine.TLS = p.trust
	s, err := client.Dial(ctx, p.url, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	args, err := s.EmitWithAck(ctx, "binary", []byte{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	var back []byte
	if err := args.Decode(0, &back); err != nil || string(back) != "\x01\x02\x03" {
		t.Errorf("came back as %v, %v", back, err)
	}
	if err := s.Manager().Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
