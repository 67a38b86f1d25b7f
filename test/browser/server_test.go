package browser

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/test/internal/program"
)

//go:embed static
var static embed.FS

// clients are what pages get at /socket.io/socket.io.js: with an empty name our own client.
var clients = []struct{ name, file string }{
	{"ours", ""},
	{"official", "socket.io-client/dist/socket.io.min.js"},
}

// A site is a server with pages, which can be ended and started anew on the same port.
type site struct {
	t       *testing.T
	client  string // file of the official client, or empty
	options *socketio.Options
	install func(io *socketio.Server) http.Handler
	addr    string

	io     *socketio.Server
	http   *http.Server
	served chan error
}

// newSite serves the pages that install returns; install is called at each start.
func newSite(t *testing.T, client string, install func(io *socketio.Server) http.Handler) *site {
	t.Helper()
	return newSiteWith(t, client, nil, install)
}

// newSiteWith is newSite with options of the server.
func newSiteWith(t *testing.T, client string, o *socketio.Options,
	install func(io *socketio.Server) http.Handler) *site {
	t.Helper()
	if client != "" {
		program.Node(t) // the packages are there
		client = filepath.Join(program.Modules(), client)
	}
	s := &site{t: t, client: client, options: o, install: install, addr: "127.0.0.1:0"}
	s.start()
	t.Cleanup(func() {
		if s.io != nil {
			s.end()
		}
	})
	return s
}

func (s *site) url() string { return "http://" + s.addr + "/" }

func (s *site) start() {
	s.t.Helper()
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.io = socketio.NewServer(s.options)
	mux := http.NewServeMux()
	mux.Handle("/", s.install(s.io))
	mux.Handle("/socket.io/", s.io)
	if s.client != "" {
		mux.HandleFunc("/socket.io/socket.io.js", func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, s.client)
		})
	}
	s.http, s.served = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, make(chan error, 1)
	srv, served := s.http, s.served
	go func() { served <- srv.Serve(ln) }() // owned by site; end waits for it
}

// end stops the server the hard way, as far as clients can tell.
func (s *site) end() {
	s.t.Helper()
	if err := errors.Join(s.http.Close(), s.io.Close()); err != nil {
		s.t.Error(err)
	}
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
		s.t.Error(err)
	}
	s.io = nil
}

// scenarioPages is the application behind the page of scenarios.
func scenarioPages(io *socketio.Server) http.Handler {
	gated := io.Of("/gated")
	gated.Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct {
			Token string `json:"token"`
		}
		if err := s.Handshake().Auth.Bind(&auth); err == nil && auth.Token == "letmein" {
			return nil
		}
		return &socketio.ConnectError{Message: "not allowed", Data: map[string]string{"code": "E_DENIED"}}
	})
	for _, ns := range []*socketio.Namespace{io.Of("/"), gated} {
		ns.Handle("echo", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
			if e.WantsAck() {
				return e.Ack(e.Args)
			}
			return s.Emit("echo", e.Args)
		})
		ns.Handle("ask-ack", func(ctx context.Context, s *socketio.Socket, e *socketio.Event) error {
			held, err := s.EmitWithAck(ctx, "please-ack", e.Args)
			if err != nil {
				return err
			}
			return s.Emit("acked", held)
		})
		ns.Handle("kick-all", func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
			s.Disconnect(true)
			return nil
		})
	}
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // can't be: the folder is embedded
	}
	return http.FileServerFS(files)
}
