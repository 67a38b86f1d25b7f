package engineio

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/budget"
	"sio.example/socketio/internal/deadline"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/index"
	"sio.example/socketio/internal/journal"
	"sio.example/socketio/internal/sid"
	"sio.example/socketio/internal/websocket"
)

// A Server is an http.Handler that opens and serves sessions. Its methods may be called from any goroutine.
type Server struct {
	accept   func(s *Socket, r *http.Request) Handler
	options  Options
	polling  bool // is enabled
	webSock  bool
	upgrades []string // that a session on polling may make
	start    time.Time
	counters counters
	pool     *budget.Pool // of what the sessions hold in memory
	watcher  watcher
	streams  streamLimits
	intake   intake

	limiter   journal.Limiter // of warnings
	strangers strangers

	deadlines [lists]deadline.List[*Socket] // one for each length of time that sessions wait
	phase     atomic.Uint32                 // counts those whose pings are spread

	mu      sync.RWMutex
	sockets index.Index[*Socket] // by id
	closed  bool                 // no new sessions

	running sync.WaitGroup // of sessions; added to under mu while closed is false
}

// NewServer returns a server that calls accept for each new session, on the request's goroutine, before the client can
// have sent anything: for several sessions at the same time. Messages sent inside accept follow the handshake. If
// accept returns nil, the session is closed; if it panics, the handshake is refused. r must not be kept.
//
// Options that cannot be kept (see [Options.Validate]) are left out and logged at error level, those that lower
// security are logged at warning level.
func NewServer(accept func(s *Socket, r *http.Request) Handler, opts *Options) *Server {
	s := &Server{accept: accept, options: opts.withDefaults(), start: time.Now(), sockets: index.New((*Socket).ID)}
	s.pool = budget.New(s.options.MaxMemory, &s.counters.frames.Reading)
	s.counters.frames.Grew = s.lookAtMemory
	s.intake.paced = -intakePace
	s.streams = streamLimits{
		maxMessage: s.options.MaxPayload, messageTimeout: streamMessageTimeout, writeTimeout: streamWriteTimeout,
		closeTimeout: streamCloseTimeout, counters: &s.counters.frames,
		failed: func(method string, panicked any) { s.failed(method+" of a stream", panicked) },
	}
	for i := range s.deadlines {
		s.deadlines[i].Init(s.now, (*Socket).deadlineEntry, (*Socket).onTimer)
	}
	s.polling = slices.Contains(s.options.Transports, transportPolling)
	s.webSock = slices.Contains(s.options.Transports, transportWebSocket)
	for _, t := range []string{transportWebSocket, transportStream} {
		if slices.Contains(s.options.Transports, t) {
			s.upgrades = append(s.upgrades, t)
		}
	}
	if err := opts.Validate(); err != nil {
		s.options.Logger.Error("engineio: options left out", "error", err)
	}
	if c := s.options.CORS; c != nil && c.ReflectOrigin {
		s.options.Logger.Warn("engineio: CORS.ReflectOrigin lets pages of every site act with the user's cookies")
	}
	if s.options.AllowAnyOrigin {
		s.options.Logger.Warn("engineio: AllowAnyOrigin lets pages of every site open sessions with the user's cookies")
	}
	return s
}

// Options returns the options with their defaults filled in.
func (s *Server) Options() Options { return s.options }

// Count is the number of open sessions.
func (s *Server) Count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sockets.Len()
}

// Sockets iterates over the sessions that are open when the iteration begins, in no particular order. Sessions may open
// and close meanwhile.
func (s *Server) Sockets() iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		for _, sock := range s.snapshot() {
			if !yield(sock) {
				return
			}
		}
	}
}

func (s *Server) snapshot() []*Socket {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Socket, 0, s.sockets.Len())
	for sock := range s.sockets.All() {
		all = append(all, sock)
	}
	return all
}

// Shutdown refuses new sessions (503), closes the open ones after their queues are sent, and waits until nothing of
// them is left or ctx is done; then it does what Close does, and returns an error that matches ctx.Err() and its cause.
// Clients on polling that have no request pending have three seconds from their last one to make the next. Handlers are
// told ForcedClose and ErrServerClosed. It leaves the http.Server alone; shut that down afterwards. It may be
// called more than once.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.flushLog(ctx)
	for _, sock := range s.stop() {
		sock.drain(serverClosed)
		sock.shortenDrain()
	}
	done := make(chan struct{})
	go func() { // owned by Shutdown; ends when the last session is gone
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.Close()
		return errtext.Ended(ctx)
	}
}

// Close refuses new sessions (503) and closes the open ones at once, dropping what is queued. It does not wait: what
// remains is handlers that have not returned, and for at most five seconds WebSockets whose peers do not answer the
// close frame. It returns nil, and may be called more than once, also during Shutdown.
func (s *Server) Close() error {
	for _, sock := range s.stop() {
		sock.close(serverClosed, false)
	}
	return nil
}

// flushLog gives what was logged a moment to be written, since the program is likely to end now.
func (s *Server) flushLog(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	journal.Flush(ctx, s.options.Logger)
}

var serverClosed = ending{
	reason: ForcedClose, err: ErrServerClosed, status: websocket.GoingAway, text: "server shutting down",
}

// stop lets no new session in, and returns those that are open.
func (s *Server) stop() []*Socket {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return s.snapshot()
}

// add makes the session known, unless its id is in use.
func (s *Server) add(sock *Socket) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errShutdown
	}
	if s.sockets.Get(sock.id) != nil {
		return errID
	}
	s.sockets.Put(sock)
	s.running.Add(1)
	s.counters.opened.Add(1)
	s.counters.sessions[sock.kind].Add(1)
	return nil
}

func (s *Server) remove(sock *Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets.Remove(sock.id)
	s.strangers.forget(sock.id)
}

func (s *Server) socket(id string) *Socket {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sockets.Get(id)
}

// open makes a session for a handshake that has passed all checks.
func (s *Server) open(w http.ResponseWriter, r *http.Request, q *query) {
	sock, h := s.begin(w, r, q)
	if sock == nil {
		return
	}
	defer sock.unref()
	answered := false
	defer func() {
		if !answered { // a ResponseWriter has panicked: nobody else would know of the session
			sock.close(ending{reason: TransportError, err: errWriter, status: websocket.InternalError}, true)
		}
	}()
	switch ws := q.transport == transportWebSocket; {
	case !s.admit(sock, r):
		s.fail(w, ws)
	case ws:
		s.openWebSocket(w, r, sock, h)
	default:
		s.openPolling(w, r, sock)
	}
	answered = true
}

// begin makes a session known, with a ref for the request, and returns the headers of the answer. If it returns nil,
// the request is answered.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, q *query) (*Socket, http.Header) {
	ws := q.transport == transportWebSocket
	id, e := s.newID(r)
	if e != nil {
		s.refuse(w, r, ws, e)
		return nil, nil
	}
	h := w.Header()
	if ws {
		h = s.headersOf(h) // the 101 is not written by w
	}
	if s.options.Headers != nil && !s.hook("Headers", func() { s.options.Headers(h, r, true) }) {
		s.fail(w, ws)
		return nil, nil
	}
	sock := s.newSocket(id, q.kind(), r, q)
	if e := s.add(sock); e != nil {
		s.refuse(w, r, ws, e)
		return nil, nil
	}
	return sock, h
}

// newID asks for an id. There is no fallback.
func (s *Server) newID(r *http.Request) (id string, refused *refusal) {
	err := errNoID
	if s.options.NewID == nil {
		id, err = sid.New(rand.Reader)
	} else if s.hook("NewID", func() { id, err = s.options.NewID(r) }) && err == nil && id == "" {
		err = errNoID
	}
	if err != nil {
		e := *errID
		e.cause = err
		return "", &e
	}
	return id, nil
}

var errNoID = errtext.New("engineio: no session id")

// admit calls accept, and sees to it that no session stays behind if that does not return.
func (s *Server) admit(sock *Socket, r *http.Request) bool {
	returned := false
	defer func() {
		if !returned { // a panic that is not ours to recover, or runtime.Goexit
			s.closeUnhandled(sock)
		}
	}()
	var handler Handler
	ok := s.hook("accept", func() { handler = s.accept(sock, r) })
	returned = true
	if !ok {
		s.closeUnhandled(sock)
		return false
	}
	sock.mu.Lock()
	sock.handler = handler
	sock.mu.Unlock()
	if handler == nil {
		sock.close(ending{reason: ForcedClose, err: errNoHandler, status: websocket.NormalClosure}, true)
	}
	if sock.latch.leave() {
		sock.notifyClosed()
	}
	return true
}

// closeUnhandled closes a session that has no handler.
func (s *Server) closeUnhandled(sock *Socket) {
	sock.close(ending{reason: TransportError, err: errPanic, status: websocket.InternalError}, true)
	if sock.latch.leave() {
		sock.notifyClosed()
	}
}

// openPolling answers a handshake by polling.
func (s *Server) openPolling(w http.ResponseWriter, r *http.Request, sock *Socket) {
	if c := s.options.Cookie; c != nil {
		http.SetCookie(w, c.cookie(sock.id))
	}
	var upgrades []string
	if !s.options.DisableUpgrades {
		upgrades = s.upgrades
	}
	sock.mu.Lock()
	if sock.state == sessionOpen {
		sock.startHeartbeatLocked()
	}
	sock.mu.Unlock()
	open := &Prepared{typ: packet.Open, m: Message{Data: s.appendOpen(nil, sock.id, upgrades)}}
	if err := s.answerPayload(w, r, sock.codec(), []parcel{{open, parcelPlain}}, nil); err != nil {
		sock.close(guilty(TransportError, err, RejectPollAborted, textAborted), true)
	}
}

// appendOpen appends what an Open packet holds.
func (s *Server) appendOpen(dst []byte, id string, upgrades []string) []byte {
	return packet.AppendHandshake(dst, packet.Handshake{
		SID:            id,
		Upgrades:       upgrades,
		PingIntervalMS: s.options.PingInterval.Milliseconds(),
		PingTimeoutMS:  s.options.PingTimeout.Milliseconds(),
		MaxPayload:     s.options.MaxPayload,
	})
}
