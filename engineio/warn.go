package engineio

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/internal/journal"
	"sio.example/socketio/internal/websocket"
)

// What is wrong with a set-up shows in requests that are refused, and nowhere else: the clients stay on polling, or try
// again for ever. So each cause is logged with the setting that cures it.

// warn logs a cause, once an hour.
func (s *Server) warn(cause, msg string, attrs ...any) {
	s.limiter.Log(context.Background(), s.options.Logger, journal.Once, cause, slog.LevelWarn, msg, attrs...)
}

// The texts of cures. Options.Engine is how package socketio calls these options.
const (
	cureOrigin = "list the origin in Options.Engine.CORS.Origins; if it is the server's own, have the proxy pass Host " +
		"on (nginx: proxy_set_header Host $http_host)"
	cureUpgrade = "have the proxy pass the headers Upgrade and Connection on, by HTTP/1.1"
	cureSession = "several servers need sticky sessions, or clients that use WebSocket only; " +
		"after a restart this is as it should be"
	cureMethod = "mount the handler for all methods, without one in the pattern"
	curePath   = "set the client's path, or Options.Engine.Path"
	cureHijack = "give the http.ResponseWriter of the middleware a method Unwrap or Hijack"
)

// explain logs why a request was refused, if that may be the set-up's fault.
func (s *Server) explain(r *http.Request, q *query, e *refusal) {
	if !s.options.Logger.Enabled(context.Background(), slog.LevelWarn) {
		return
	}
	host, origin := journal.Plain(r.Host), journal.Plain(r.Header.Get("Origin"))
	switch e {
	case errOrigin:
		kind := "WebSocket"
		if q != nil && q.transport == transportStream {
			kind = "WebTransport"
		}
		s.warn("origin "+origin+" "+host, "engineio: "+kind+" of another origin refused",
			"origin", origin, "host", host, "cure", cureOrigin)
	case errNoUpgrade, errNoUpgradeOfSession:
		s.warn("upgrade "+host, "engineio: transport=websocket without an Upgrade header: does a proxy not pass it on?",
			"host", host, "http", r.Proto, "via", journal.Plain(r.Header.Get("Via")), "cure", cureUpgrade)
	case errHandshakeMethod:
		s.warn("method "+r.Method, "engineio: handshake with another method than GET refused",
			"method", journal.Plain(r.Method), "host", host, "origin", origin, "cure", cureMethod)
	case errTransport:
		t := q.transport
		if t == transportPolling || t == transportWebSocket || t == transportStream && r.Method == http.MethodConnect {
			s.warn("transport "+t, "engineio: transport that is not enabled refused",
				"transport", t, "host", host, "origin", origin, "cure", "list it in Options.Engine.Transports")
		}
	case errProtocol:
		if q.eio == "3" {
			s.warn("protocol 3", "engineio: client of Engine.IO 3 (Socket.IO 2 and older) refused",
				"host", host, "origin", origin, "cure", "clients since Socket.IO 3.0")
		}
	case errSession:
		if n, often := s.strangers.add(q.sid, s.counters.opened.Load()); often {
			s.warn("session", "engineio: unknown session ids: several servers without sticky sessions?",
				"requests", n, "host", host, "cure", cureSession)
		}
	}
}

// explainPath answers a request for another path. One that is meant for a server of this kind is told the right one.
func (s *Server) explainPath(w http.ResponseWriter, r *http.Request) {
	if websocket.IsUpgrade(r) {
		hangUp(w)
	}
	if parseQuery(r.URL.RawQuery).eio == "" {
		http.NotFound(w, r)
		return
	}
	s.warn("path", "engineio: request for another path refused",
		"path", journal.Plain(r.URL.Path), "served", s.options.Path, "host", journal.Plain(r.Host), "cure", curePath)
	http.Error(w, "404 page not found: the path here is "+s.options.Path+" (Options.Engine.Path; after http.StripPrefix)",
		http.StatusNotFound)
}

// explainHandshake logs a handshake that is none by RFC 6455. That it comes by HTTP/1.0 is a proxy's fault, all else
// that of a client.
func (s *Server) explainHandshake(r *http.Request, err error) {
	level, cure := slog.LevelDebug, "a client that follows RFC 6455"
	if !r.ProtoAtLeast(1, 1) {
		level, cure = slog.LevelWarn, cureUpgrade
	}
	s.limiter.Log(context.Background(), s.options.Logger, journal.Once, "handshake "+err.Error(), level,
		"engineio: WebSocket handshake refused", "error", err.Error(), "http", r.Proto,
		"host", journal.Plain(r.Host), "origin", journal.Plain(r.Header.Get("Origin")), "cure", cure)
}

// explainHijack logs a ResponseWriter that cannot be hijacked.
func (s *Server) explainHijack(r *http.Request, err error) {
	s.warn("hijack "+err.Error(), "engineio: no WebSocket: the connection cannot be taken over", "error", err.Error(),
		"http", r.Proto, "host", journal.Plain(r.Host), "origin", journal.Plain(r.Header.Get("Origin")), "cure", cureHijack)
}

// explainCORS logs a handshake by polling whose answer the browser will not show to the page.
func (s *Server) explainCORS(h http.Header, r *http.Request) {
	lines := r.Header["Origin"]
	if len(lines) == 0 || h["Access-Control-Allow-Origin"] != nil || sameHost(lines[0], r.Host) {
		return
	}
	origin := journal.Plain(lines[0])
	s.warn("cors "+origin, "engineio: handshake of another origin without CORS: its browser refuses the answer",
		"origin", origin, "host", journal.Plain(r.Host), "cure", cureOrigin)
}

// strangers are requests with session ids that this server has not given out, as far as it remembers, in the present
// minute.
type strangers struct {
	mu     sync.Mutex
	since  time.Time
	n      int
	opened uint64 // sessions, when it began

	ended [256]atomic.Uint64 // hashes of the ids of the sessions that ended last
	next  atomic.Uint32
}

var idSeed = maphash.MakeSeed()

// forget remembers the id of a session that ends: its client may not know yet.
func (s *strangers) forget(id string) {
	s.ended[s.next.Add(1)%uint32(len(s.ended))].Store(maphash.String(idSeed, id))
}

// add reports how many there were, and whether these are more than clients that come back late make: at least three,
// and one for two sessions that were opened.
func (s *strangers) add(id string, opened uint64) (n int, often bool) {
	hash := maphash.String(idSeed, id)
	for i := range s.ended {
		if s.ended[i].Load() == hash {
			return 0, false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.since.IsZero() || now.Sub(s.since) > time.Minute {
		s.since, s.n, s.opened = now, 0, opened
	}
	s.n++
	return s.n, s.n >= 3 && 2*uint64(s.n) >= opened-s.opened
}
