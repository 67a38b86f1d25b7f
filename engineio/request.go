package engineio

import (
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"sio.example/socketio/internal/websocket"
)

// A refusal is an answer to a request that does not become what it asked for, with the codes of the official server.
type refusal struct {
	status  int // by plain HTTP
	code    int
	message string
	reject  string
	reason  string // said too, if it is one of the set-up's; the official server says nothing more
	cause   error  // of the user's, or what is wrong with a handshake
}

// In the order in which they are checked.
var (
	errTransport         = &refusal{400, 0, "Transport unknown", RejectTransport, "", nil}
	errOriginSyntax      = &refusal{400, 3, "Bad request", RejectOriginSyntax, "", nil}
	errSession           = &refusal{400, 1, "Session ID unknown", RejectSession, "", nil}
	errTransportMismatch = &refusal{400, 3, "Bad request", RejectTransportMismatch, "", nil}
	errProtocolMismatch  = &refusal{400, 3, "Bad request", RejectProtocolMismatch, "", nil}
	errHandshakeMethod   = &refusal{400, 2, "Bad handshake method", RejectHandshakeMethod, "", nil}
	errHandshake         = &refusal{400, 3, "Bad request", RejectHandshake, "", nil}
	errOrigin            = &refusal{403, 4, "Forbidden", RejectOrigin, noOrigin, nil}
	errShutdown          = &refusal{503, 3, "Service unavailable", RejectShutdown, "", nil}
	errForbidden         = &refusal{403, 4, "Forbidden", RejectForbidden, "", nil}
	errProtocol          = &refusal{400, 5, "Unsupported protocol version", RejectProtocol, "", nil}
	errOldProtocol       = &refusal{400, 5, "Unsupported protocol version", RejectProtocol, noOldProtocol, nil}
	errMethod            = &refusal{405, 2, "Bad handshake method", RejectMethod, "", nil}
	errID                = &refusal{400, 3, "Bad request", RejectID, "", nil}

	errNoUpgrade          = &refusal{400, 3, "Bad request", RejectHandshake, noUpgrade, nil}
	errNoUpgradeOfSession = &refusal{400, 3, "Bad request", RejectTransportMismatch, noUpgrade, nil}
)

const (
	noOldProtocol = "clients of Socket.IO 2 need Options.Engine.AllowEIO3"

	noUpgrade = "transport=websocket without an Upgrade header: does a proxy not pass it on?"
	noOrigin  = "this origin is not allowed: is it in CORS.Origins, does a proxy pass Host on?"
)

// query is what the server wants to know of a query string. Of a parameter that comes twice the last one counts.
type query struct {
	transport string
	eio       string
	sid       string
	base64    bool
	script    bool   // the client wants answers by JSONP
	index     string // the digits of the function that they call
}

// kind is the transport that the query asks for, one that is enabled.
func (q *query) kind() transportKind {
	if q.transport == transportWebSocket {
		return kindWebSocket
	}
	return kindPolling
}

// parseQuery takes what it knows and skips the rest, bad escapes included: other parameters are the application's.
func parseQuery(raw string) (q query) {
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		switch unescape(key) {
		case "transport":
			q.transport = unescape(value)
		case "EIO":
			q.eio = unescape(value)
		case "sid":
			q.sid = unescape(value)
		case "b64":
			q.base64 = value != ""
		case "j":
			q.script, q.index = true, digits(value)
		}
	}
	return q
}

// unescape leaves alone what is not well-formed.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// ServeHTTP serves handshakes, polls, posts, preflights and upgrades, and answers 404 to other paths. A CONNECT becomes
// a session on a stream of bytes if its ResponseWriter is a [StreamAcceptor].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.matches(r.URL.Path) {
		s.counters.reject(RejectPath)
		s.explainPath(w, r)
		return
	}
	if r.Method == http.MethodConnect {
		s.serveConnect(w, r)
		return
	}
	cors := s.SetCORS(w.Header(), r)
	if s.options.CORS != nil && r.Method == http.MethodOptions {
		answerEmpty(w, s.options.CORS.PreflightStatus)
		return
	}
	q := parseQuery(r.URL.RawQuery)
	upgrade := websocket.IsUpgrade(r)
	switch {
	case !(q.transport == transportPolling && s.polling || q.transport == transportWebSocket && s.webSock):
		s.explain(r, &q, errTransport)
		s.refuse(w, r, upgrade, errTransport)
	case !validOrigin(r.Header["Origin"]):
		s.refuse(w, r, upgrade, errOriginSyntax)
	case q.script && !upgrade && !s.takesScripts(w, r, &q):
	case q.sid != "":
		s.serveSession(w, r, q, upgrade, cors)
	default:
		if s.checkHandshake(w, r, &q, upgrade, cors) {
			s.open(w, r, &q)
		}
	}
}

// matches compares the path with and without its final slash.
func (s *Server) matches(path string) bool {
	p := s.options.Path
	return path == p || path == p[:len(p)-1] || s.options.MatchPrefix && strings.HasPrefix(path, p)
}

// serveSession serves a request of a session that exists, before anything of its body is read.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, q query, upgrade, cors bool) {
	sock := s.socket(q.sid)
	if sock == nil || !sock.ref() {
		s.explain(r, &q, errSession)
		s.refuse(w, r, upgrade, errSession)
		return
	}
	defer sock.unref()
	switch {
	case upgrade != (q.transport == transportWebSocket), !upgrade && sock.Transport() != q.transport:
		if r.Method == http.MethodGet && !upgrade {
			pause(r, grace) // it may have raced with an upgrade, see getState.answer
		}
		e := errTransportMismatch
		if !upgrade && q.transport == transportWebSocket {
			e = errNoUpgradeOfSession
			s.explain(r, &q, e)
		}
		s.refuse(w, r, upgrade, e)
		return
	case !sock.codec().named(q.eio):
		s.refuse(w, r, upgrade, errProtocolMismatch)
		return
	case upgrade && r.Method != http.MethodGet:
		s.explain(r, &q, errHandshakeMethod)
		s.refuse(w, r, true, errHandshakeMethod)
		return
	case !upgrade && r.Method != http.MethodGet && r.Method != http.MethodPost:
		s.counters.reject(RejectMethod)
		s.traceRefused(r, errMethod)
		w.Header().Set("Allow", "GET, POST, OPTIONS")
		hangUpOnBody(w, r)
		answerEmpty(w, http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	if upgrade {
		if !s.checkWebSocket(w, r, cors) {
			return
		}
		h = s.headersOf(h)
	}
	if s.options.Headers != nil && !s.hook("Headers", func() { s.options.Headers(h, r, false) }) {
		s.fail(w, upgrade)
		return
	}
	switch {
	case upgrade:
		s.openProbe(w, r, &q, sock, h)
	case r.Method == http.MethodGet:
		sock.servePoll(w, r, q.index)
	default:
		sock.servePost(w, r, q.index)
	}
}

// checkHandshake answers what must not open a session. Here and in what opens one, the calls do not nest more deeply
// than they have to: on the stack of net/http's goroutine, which is small, there are 1,500 bytes already.
func (s *Server) checkHandshake(w http.ResponseWriter, r *http.Request, q *query, upgrade, cors bool) bool {
	switch {
	case r.Method != http.MethodGet:
		s.explain(r, q, errHandshakeMethod)
		s.refuse(w, r, upgrade, errHandshakeMethod)
		return false
	case upgrade && q.transport != transportWebSocket:
		s.refuse(w, r, upgrade, errHandshake)
		return false
	case !upgrade && q.transport == transportWebSocket:
		s.explain(r, q, errNoUpgrade)
		s.refuse(w, r, upgrade, errNoUpgrade)
		return false
	case upgrade && !s.checkWebSocket(w, r, cors):
		return false
	}
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		s.refuse(w, r, upgrade, errShutdown)
		return false
	}
	if s.options.AllowRequest != nil && !s.allowed(w, r, upgrade) {
		return false
	}
	if n, ok := codecNamed(q.eio); !ok || !s.serves(n) {
		e := errProtocol
		if ok {
			e = errOldProtocol
		}
		s.explain(r, q, e)
		s.refuse(w, r, upgrade, e)
		return false
	}
	if !upgrade {
		s.explainCORS(w.Header(), r)
	}
	return true
}

// allowed asks AllowRequest.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request, upgrade bool) bool {
	switch e := s.askAllowRequest(r); e {
	case nil:
		return true
	case errHook:
		s.fail(w, upgrade)
	default:
		s.refuse(w, r, upgrade, e)
	}
	return false
}

// errHook is what askAllowRequest returns when the function did not return. It is counted already.
var errHook = &refusal{message: "Bad request"}

// askAllowRequest is why AllowRequest refuses r, or nil.
func (s *Server) askAllowRequest(r *http.Request) *refusal {
	var err error
	if !s.hook("AllowRequest", func() { err = s.options.AllowRequest(r) }) {
		return errHook
	}
	if err == nil {
		return nil
	}
	e := *errForbidden
	e.cause = err
	var told *RequestError
	if errors.As(err, &told) {
		e.message = told.Message
	}
	return &e
}

// checkWebSocket answers requests that cannot become a WebSocket, or must not.
func (s *Server) checkWebSocket(w http.ResponseWriter, r *http.Request, cors bool) bool {
	err := websocket.Check(r)
	if err == nil && s.options.Deflate != nil {
		err = websocket.CheckExtensions(r)
	}
	if err != nil {
		s.counters.reject(RejectHandshake)
		s.explainHandshake(r, err)
		e := *errHandshake
		e.status, e.cause = err.Code, err
		s.traceRefused(r, &e)
		s.refuseHandshake(w, err)
		return false
	}
	if !s.originAllowed(r, cors) {
		s.explain(r, nil, errOrigin)
		s.refuse(w, r, true, errOrigin)
		return false
	}
	return true
}

func (s *Server) refuseHandshake(w http.ResponseWriter, err *websocket.HandshakeError) {
	for k, v := range err.Header {
		w.Header()[k] = v
	}
	message := errHandshake.message
	if err.Code != http.StatusBadRequest {
		message = err.Msg
	}
	s.answerUpgrade(w, err.Code, message)
}

// refuse counts and answers. Upgrades get what the official server sends them: status 400, whatever the code, and the
// message as text; but a foreign origin, which it does not refuse, and a server that is shut down keep their status.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, upgrade bool, e *refusal) {
	s.counters.reject(e.reject)
	s.traceRefused(r, e)
	hangUpOnBody(w, r)
	if e == errShutdown {
		w.Header().Set("Retry-After", retryAfter)
	}
	if upgrade {
		status := e.status
		if e.reject == RejectForbidden {
			status = http.StatusBadRequest
		}
		message := e.message
		if e.reason != "" {
			message += ": " + e.reason
		}
		s.answerUpgrade(w, status, message)
		return
	}
	body, _ := json.Marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Reason  string `json:"reason,omitempty"`
	}{e.code, e.message, e.reason}) // of these types, always possible
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.status)
	w.Write(body)
}

// answerUpgrade ends a request for an upgrade, and the connection.
func (s *Server) answerUpgrade(w http.ResponseWriter, status int, message string) {
	body := html.EscapeString(message)
	h := w.Header()
	hangUp(w)
	if h.Get("Upgrade") != "" { // RFC 9110 7.8; it goes second, as net/http looks at the first only
		h.Add("Connection", "Upgrade")
	}
	h.Set("Content-Type", "text/html")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write([]byte(body))
}

// fail answers when a hook has panicked: 500, to upgrades 400.
func (s *Server) fail(w http.ResponseWriter, upgrade bool) {
	if upgrade {
		s.answerUpgrade(w, http.StatusBadRequest, errHandshake.message)
		return
	}
	answerEmpty(w, http.StatusInternalServerError)
}

// hangUpOnBody is hangUp for requests with a body that nobody reads and that is too long to skip.
func hangUpOnBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 0 || r.ContentLength > 4<<10 {
		hangUp(w)
	}
}
