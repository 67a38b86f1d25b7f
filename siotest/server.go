package siotest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/internal/memnet"
)

// Options of a Server. The zero value of each means its default; nil means all defaults.
type Options struct {
	// Server are the options of the Socket.IO server.
	Server *socketio.Options
	// NewServer makes it instead, and Server does not count: for those who have a function for it. It is called for
	// each Start, and must return a new one each time.
	NewServer func() *socketio.Server
	// Setup adds middleware and handlers to a server that was made, before it is reached by anybody.
	Setup func(io *socketio.Server)
	// Handler makes what HTTP requests go to; default the server itself. It may wrap it in middleware.
	Handler func(io *socketio.Server) http.Handler

	// Client are the options of clients that are made without options. For all clients RandomizationFactor is none by
	// default, so that delays are the same each time, and Parser is that of Server.
	Client *client.Options

	// Logger is what servers and clients without a Logger use; default NewLogger at slog.LevelInfo.
	Logger *slog.Logger
	// Patience is how long Dial, Stop and the end of the test wait before the test fails; default 30 s, on virtual time
	// an hour.
	Patience time.Duration
}

// A Server is a Socket.IO server behind a net/http server in memory, for one test. Its methods, and those of the
// Networks, may be called from any goroutine, but for those that may fail the test at once: they say so.
type Server struct {
	// Network is what all clients of the server share.
	*Network

	// URL is the server's, without a path. Its host exists nowhere else.
	URL string

	tb     testing.TB
	opts   Options
	logger *slog.Logger

	startStop chan struct{} // full while the server starts or ends; no mutex, since those who wait must let time go on

	mu       sync.Mutex
	life     *life
	ended    bool // the test
	managers []*client.Manager
	https    []*http.Client
}

const serverURL = "http://siotest.invalid"

// NewServer starts a server, which ends with the test: then all clients are closed, the server after them. Both must
// end in time and leave nothing behind, or the test fails: no connection, no handler that has not returned. Goroutines
// that handlers have started are noticed on virtual time only.
//
// Called in the bubble of synctest.Test, with the bubble's *testing.T, it runs on virtual time.
func NewServer(tb testing.TB, opts *Options) *Server {
	tb.Helper()
	s := &Server{URL: serverURL, tb: tb, startStop: make(chan struct{}, 1)}
	if opts != nil {
		s.opts = *opts
	}
	if s.opts.Patience <= 0 {
		s.opts.Patience = defaultPatience()
	}
	if s.logger = s.opts.Logger; s.logger == nil {
		s.logger = NewLogger(tb, slog.LevelInfo)
	}
	s.Network = &Network{server: s, link: memnet.NewLink(nil)}
	s.Start()
	tb.Cleanup(s.end)
	return s
}

// IO is the Socket.IO server that runs, or ran last.
func (s *Server) IO() *socketio.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life.io
}

// Start starts a fresh Socket.IO server, made by Options.NewServer and Options.Setup, if none runs and the test has not
// ended.
func (s *Server) Start() {
	defer s.alone()()
	s.start()
}

// Stop ends the server as a crash does: clients are told nothing, their connections are reset, and new ones are refused
// until Start. On the server's side sockets are disconnected with ReasonServerShuttingDown. Stop returns when nothing
// of the server is left, so that a handler must not call it; if that takes longer than Options.Patience, the test
// fails.
//
// For a polite end call Shutdown of IO before it.
func (s *Server) Stop() {
	s.tb.Helper()
	defer s.alone()()
	s.stopOrFail()
}

// Restart is Stop and Start.
func (s *Server) Restart() {
	s.tb.Helper()
	defer s.alone()()
	s.stopOrFail()
	s.start()
}

// alone waits until nobody else starts or ends the server; the caller calls what it returns when it has done so.
func (s *Server) alone() (done func()) {
	s.startStop <- struct{}{}
	return func() { <-s.startStop }
}

// start, and those that follow, are called alone.
func (s *Server) start() {
	s.mu.Lock()
	idle := !s.ended && (s.life == nil || s.life.stopped)
	s.mu.Unlock()
	if !idle {
		return
	}
	l := s.newLife()
	s.mu.Lock()
	s.life = l
	s.mu.Unlock()
	s.link.SetListener(l.listener)
}

func (s *Server) stopOrFail() {
	s.tb.Helper()
	if err := s.stop(); err != nil {
		s.tb.Errorf("siotest: stop: %v", err)
	}
}

func (s *Server) stop() error {
	s.mu.Lock()
	l := s.life
	running := !l.stopped
	l.stopped = true
	s.mu.Unlock()
	if !running {
		return nil
	}
	ctx, cancel := s.patience()
	defer cancel()
	s.link.SetListener(nil)
	_ = l.listener.Close() // never fails
	s.link.Hang()          // what the server still says reaches nobody
	err := l.io.Close()
	s.link.Drop()
	return errors.Join(err, l.wait(ctx))
}

// end is what happens at the end of the test.
func (s *Server) end() {
	s.tb.Helper()
	defer s.alone()()
	s.link.HealAll()
	ctx, cancel := s.patience()
	defer cancel()
	s.mu.Lock()
	l, managers, https := s.life, s.managers, s.https
	l.stopped, s.ended = true, true
	s.mu.Unlock()
	for _, m := range managers {
		_ = m.Close() // all of them at once; Shutdown returns the same error
	}
	var errs []error
	for _, m := range managers {
		if err := m.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("a client does not end: %w", err))
		}
	}
	for _, c := range https {
		c.CloseIdleConnections()
	}
	errs = append(errs, l.io.Close(), l.wait(ctx))
	if s.link.Wait(ctx) != nil {
		_, ends := s.link.Open()
		errs = append(errs, fmt.Errorf("not closed: %s", strings.Join(ends, ", ")))
	}
	if err := errors.Join(errs...); err != nil {
		s.tb.Errorf("siotest: at the end of the test: %v", err)
	}
}

// keep closes a Manager when the test ends.
func (s *Server) keep(m *client.Manager) *client.Manager {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.managers = append(s.managers, m)
	return m
}

func (s *Server) keepHTTP(c *http.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.https = append(s.https, c)
}

// patience returns a context for what the test waits for.
func (s *Server) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.Background(), s.opts.Patience,
		fmt.Errorf("%w after %v", context.DeadlineExceeded, s.opts.Patience))
}

// defaultPatience is long enough for a busy machine, and on virtual time for whatever a test may wait for.
func defaultPatience() time.Duration {
	if virtualTime() {
		return time.Hour
	}
	return 30 * time.Second
}

// virtualTime tells whether the caller is in a bubble, whose clock begins with the year 2000.
func virtualTime() bool { return time.Now().Year() < 2020 }
