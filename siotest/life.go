package siotest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	socketio "sio.example/socketio"
	"sio.example/socketio/internal/memnet"
)

// A life is what runs between Start and Stop.
type life struct {
	io       *socketio.Server
	http     *http.Server
	listener *memnet.Listener
	served   chan struct{} // closed when http.Serve has returned
	requests requests
	stopped  bool // guarded by Server.mu
}

func (s *Server) newLife() *life {
	l := &life{listener: memnet.Listen(), served: make(chan struct{})}
	l.requests.none = closedChan()
	if s.opts.NewServer != nil {
		l.io = s.opts.NewServer()
	} else {
		var o socketio.Options
		if s.opts.Server != nil {
			o = *s.opts.Server
		}
		if o.Logger == nil {
			o.Logger = s.logger
		}
		l.io = socketio.NewServer(&o)
	}
	if s.opts.Setup != nil {
		s.opts.Setup(l.io)
	}
	var h http.Handler = l.io
	if s.opts.Handler != nil {
		h = s.opts.Handler(l.io)
	}
	l.http = &http.Server{
		Handler:  l.requests.track(h),
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	go func() { // owned by the life, ends when its listener is closed
		defer close(l.served)
		_ = l.http.Serve(l.listener) // always returns an error
	}()
	return l
}

// wait waits until nothing is left of a life whose Socket.IO server was closed.
func (l *life) wait(ctx context.Context) error {
	err := l.io.Shutdown(ctx)
	err = errors.Join(err, l.http.Close())
	<-l.served
	return errors.Join(err, l.requests.wait(ctx))
}

// requests are those whose handlers have not returned.
type requests struct {
	mu   sync.Mutex
	open map[*http.Request]struct{}
	none chan struct{} // closed while there are none
}

func closedChan() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}

func (q *requests) track(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q.add(r)
		defer q.remove(r)
		h.ServeHTTP(w, r)
	})
}

func (q *requests) add(r *http.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.open) == 0 {
		q.none, q.open = make(chan struct{}), make(map[*http.Request]struct{})
	}
	q.open[r] = struct{}{}
}

func (q *requests) remove(r *http.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if delete(q.open, r); len(q.open) == 0 {
		close(q.none)
	}
}

func (q *requests) wait(ctx context.Context) error {
	q.mu.Lock()
	none := q.none
	q.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.open) == 0 {
		return nil
	}
	var names []string
	for r := range q.open {
		names = append(names, r.Method+" "+r.URL.Path)
	}
	slices.Sort(names)
	return fmt.Errorf("handlers of HTTP requests that have not returned: %s", strings.Join(names, ", "))
}
