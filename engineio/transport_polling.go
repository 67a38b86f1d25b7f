package engineio

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/budget"
	"sio.example/socketio/internal/bufpool"
)

// polling is the state of a session's HTTP requests, under Socket.mu. It outlives an upgrade until the last of them is
// answered.
type polling struct {
	wake      chan struct{} // capacity 1: the parked GET is to look again
	parked    bool          // a GET waits for something to answer
	writing   bool          // a GET is writing messages
	noop      bool          // the parked GET is to answer with a noop
	late      bool          // the parked GET came when an upgrade was under way already; see answerPollLocked
	arrived   chan struct{} // closed when a GET parks or the session closes, if somebody waits for that
	room      chan struct{} // closed when a POST that waits for room in the queue should look again
	polled    time.Duration // when the latest GET, the handshake included, came, or took a part of its answer, on the server's clock
	answered  int           // bytes of the latest answer
	posting   bool          // a POST is being read or delivered
	delivered chan struct{} // closed when the POST has delivered, if somebody waits for that
	inside    bool          // the POST is delivering
	probe     *probe        // the link that upgrades
	cut       func()        // ends the reading of the POST's body at once
}

func newPolling(now time.Duration) *polling {
	return &polling{wake: make(chan struct{}, 1), polled: now}
}

// signal makes the parked GET look again; without one it does nothing that matters.
func (p *polling) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// abort wakes everybody because the session is closed.
func (p *polling) abort() {
	p.signal()
	p.arrive()
	p.makeRoom()
	if p.cut != nil {
		p.cut()
	}
}

// arrive wakes a POST that waits for a GET.
func (p *polling) arrive() {
	if p.arrived != nil {
		close(p.arrived)
		p.arrived = nil
	}
}

// makeRoom wakes a POST that waits for room in the queue.
func (p *polling) makeRoom() {
	if p.room != nil {
		close(p.room)
		p.room = nil
	}
}

func (p *polling) idle() bool { return !p.parked && !p.writing && !p.posting }

// servePoll answers a GET with what is queued, as soon as there is something.
func (s *Socket) servePoll(w http.ResponseWriter, r *http.Request) {
	s.server.unlimit(w, r)
	s.overdue()
	s.mu.Lock()
	p := s.poll
	switch {
	case s.state == sessionClosed:
		s.mu.Unlock()
		s.server.refuse(w, r, false, errSession)
		return
	case s.kind != kindPolling:
		s.mu.Unlock()
		s.server.refuse(w, r, false, errTransportMismatch)
		return
	case p.parked:
		fx := s.closeLocked(ending{reason: TransportError, err: errOverlap, reject: RejectPollOverlap})
		s.mu.Unlock()
		s.finish(fx, true)
		answerEmpty(w, http.StatusBadRequest)
		return
	}
	p.parked, p.late, p.polled = true, s.upgrade != upgradePolling, s.server.now()
	p.arrive()
	for !s.pollReadyLocked(p) {
		s.mu.Unlock()
		select {
		case <-p.wake:
		case <-r.Context().Done():
			s.mu.Lock()
			p.parked = false
			s.mu.Unlock()
			s.closePolling(ending{reason: TransportError, err: errPollAborted, reject: RejectPollAborted})
			return
		}
		s.mu.Lock()
	}
	s.answerPollLocked(w, r, p)
}

func (s *Socket) pollReadyLocked(p *polling) bool {
	return s.state == sessionClosed || s.kind != kindPolling || p.noop ||
		!p.writing && (s.out.queue.Len() > 0 || s.state == sessionDraining)
}

// answerPollLocked answers the GET that is ready. It unlocks.
//
// A client that upgrades by the book has no GET pending when it completes the upgrade: the probe, or the tick after it,
// has ended the last one. Of those that have, a GET from before the upgrade is ended with a noop all the same; one that
// came later raced with the end of polling, and is refused as if it had come after it; a moment later, so that the client
// hears of the upgrade first.
func (s *Socket) answerPollLocked(w http.ResponseWriter, r *http.Request, p *polling) {
	raced := s.state != sessionClosed && s.kind != kindPolling && p.late && !p.noop
	p.parked, p.noop = false, false
	if raced {
		s.forgetPollingLocked()
		s.mu.Unlock()
		pause(r, grace)
		s.server.refuse(w, r, false, errTransportMismatch)
		return
	}
	b := getBatch()
	defer b.put()
	var fx closing
	writing, compress := false, false
	switch {
	case s.state == sessionClosed:
		b.items = append(b.items, parcel{s.endingLocked().final, 0})
	case s.kind != kindPolling || p.writing:
		b.items = append(b.items, parcel{noopPacket, 0})
		s.forgetPollingLocked()
	default:
		writing = s.takeLocked(b, int(s.server.options.MaxPayload))
		compress = !b.plain()
		switch {
		case s.state == sessionDraining && !writing:
			// Alone in its payload, as officially: a client acts on it before it looks at the messages it came with.
			b.items = append(b.items, parcel{closePacket, 0})
			fx = s.closeLocked(*s.endingLocked())
		case !writing:
			b.items = append(b.items, parcel{noopPacket, 0})
		}
		p.writing = writing
	}
	s.mu.Unlock()

	b.err = errWriter // until it has returned: it may be of a middleware, and panic
	defer s.polled(p, b, fx, writing)
	b.err = s.server.answerPayload(w, r, b.items, compress, s.took)
}

// polled is what follows when a GET is answered, or could not be.
func (s *Socket) polled(p *polling, b *batch, fx closing, writing bool) {
	err := b.err
	s.mu.Lock()
	if writing {
		p.writing = false
	}
	p.polled, p.answered = s.server.now(), b.data
	if s.state == sessionDraining && s.kind == kindPolling && s.endingLocked().err == ErrServerClosed {
		s.arm(s.drainTimeLocked(s.endingLocked())) // the rest is for its next GET
	}
	s.wroteLocked(b)
	p.makeRoom()
	s.startLocked()
	s.forgetPollingLocked()
	s.mu.Unlock()
	s.finish(fx, true)
	if err != nil {
		e := ending{reason: TransportError, err: err, reject: RejectPollAborted}
		if writing { // messages are lost, and must not be missing silently
			s.close(e, true)
		} else {
			s.closePolling(e)
		}
	}
}

// took takes note that the client has taken a part of an answer.
func (s *Socket) took() {
	s.mu.Lock()
	if s.poll != nil {
		s.poll.polled = s.server.now()
	}
	s.mu.Unlock()
}

// closePolling ends the session because a request failed, unless it has been upgraded and has no more use for that. It
// reports whether it did.
func (s *Socket) closePolling(e ending) bool {
	s.mu.Lock()
	var fx closing
	if s.kind == kindPolling {
		fx = s.closeLocked(e)
	}
	s.forgetPollingLocked()
	s.mu.Unlock()
	s.finish(fx, true)
	return fx.done
}

// pause waits, unless the client goes away.
func pause(r *http.Request, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}

// forgetPollingLocked lets the state of polling go when an upgraded session has answered its last request.
func (s *Socket) forgetPollingLocked() {
	if s.kind != kindPolling && s.poll != nil && s.poll.idle() {
		s.poll = nil
	}
}

// servePost reads the payload of a POST and delivers it.
func (s *Socket) servePost(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") == "application/octet-stream" { // exactly this, as officially; all else is text
		s.close(ending{reason: TransportError, err: errOctetStream, reject: RejectContentType}, true)
		hangUp(w)
		answerEmpty(w, http.StatusBadRequest)
		return
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		s.server.counters.reject(RejectContentEncoding)
		hangUp(w)
		answerEmpty(w, http.StatusUnsupportedMediaType)
		return
	}
	if r.ContentLength > s.server.options.MaxPayload {
		s.failPost(w, errBodySize)
		return
	}
	rc := control{s.server, w}
	s.mu.Lock()
	p := s.poll
	switch {
	case s.state == sessionClosed:
		s.mu.Unlock()
		s.server.refuse(w, r, false, errSession)
		return
	case s.kind != kindPolling:
		s.mu.Unlock()
		s.server.refuse(w, r, false, errTransportMismatch)
		return
	case p.posting:
		fx := s.closeLocked(ending{reason: TransportError, err: errOverlap, reject: RejectPostOverlap})
		s.mu.Unlock()
		s.finish(fx, true)
		hangUp(w)
		answerEmpty(w, http.StatusBadRequest)
		return
	}
	p.posting = true
	p.cut = func() { rc.setReadDeadline(time.Unix(1, 0)) } // under s.mu, while this handler has not returned
	s.mu.Unlock()
	defer s.endPost(p)

	rc.setReadDeadline(time.Time{}) // if the http.Server has set one
	body, err := s.readPost(r, p)
	s.mu.Lock()
	p.cut = nil
	closed, upgraded := s.state == sessionClosed, s.kind != kindPolling
	p.inside = !closed && !upgraded && err == nil
	s.mu.Unlock()
	switch {
	case closed:
		hangUp(w)
		answerEmpty(w, http.StatusBadRequest)
	case upgraded:
		s.server.refuse(w, r, false, errTransportMismatch)
	case err != nil:
		s.failPost(w, err)
	default:
		s.deliverPost(w, r, body)
	}
}

// endPost is the last thing a POST does.
func (s *Socket) endPost(p *polling) {
	s.mu.Lock()
	p.posting, p.inside, p.cut = false, false, nil
	s.handedOverLocked()
	if s.claim != nil {
		s.claim.Clear(budget.In)
		s.unclaimLocked()
	}
	if p.delivered != nil {
		close(p.delivered)
		p.delivered = nil
	}
	s.forgetPollingLocked()
	s.mu.Unlock()
}

// failPost ends the session and answers a POST whose body could not be read, or is too long: what it held is lost, and must
// not be missing silently. So does the official server since Engine.IO 6.6.13.
func (s *Socket) failPost(w http.ResponseWriter, err error) {
	hangUp(w)
	var limit *http.MaxBytesError // of an http.MaxBytesHandler before us
	if errors.As(err, &limit) {
		err = fmt.Errorf("%w: %w", errBodySize, err)
	}
	switch {
	case errors.Is(err, errBodySize):
		if !s.closePolling(ending{reason: TransportError, err: err, reject: RejectBodySize}) {
			s.server.counters.reject(RejectBodySize)
		}
		answerEmpty(w, http.StatusRequestEntityTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.closePolling(ending{reason: TransportError, err: fmt.Errorf("%w: %w", errBodyTimeout, err), reject: RejectPostTimeout})
		answerEmpty(w, http.StatusRequestTimeout)
	default:
		s.closePolling(ending{reason: TransportError, err: err, reject: RejectPostAborted})
		answerEmpty(w, http.StatusBadRequest)
	}
}

// deliverPost hands the packets of body on, one after the other up to the first that is wrong, and answers.
func (s *Socket) deliverPost(w http.ResponseWriter, r *http.Request, body []byte) {
	s.server.unlimit(w, r) // the Handler takes its time
	var e ending
	ok := true
	var messages, data int
	for p, err := range packet.Payload(body) {
		if err != nil {
			e, ok = ending{reason: ParseError, err: err, reject: RejectPayload}, false
			break
		}
		if p.Type == packet.Message {
			messages++
			data += len(p.Data)
			if !p.Binary && 2*len(p.Data) < cap(body) { // whoever keeps it must not keep the rest of the body
				p.Data = append(make([]byte, 0, len(p.Data)), p.Data...)
			}
			s.awaitRoom()
		}
		if ok = s.receive(p, nil); !ok {
			e = violation(p.Type)
			break
		}
	}
	if !ok && e.reason == TransportClose {
		s.awaitPoll()
	}
	s.server.counters.messagesIn.Add(uint64(messages))
	s.server.counters.bytesIn.Add(uint64(data))
	if !ok {
		s.close(e, true)
		if e.reason != TransportClose {
			answerEmpty(w, http.StatusBadRequest)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html")
	h.Set("Cache-Control", "no-store")
	oldBrowser(h, r)
	s.server.write(w, []byte("ok"), nil)
}

// awaitPoll gives the GET that a closing client has pending the time to get here, if the close packet was faster: both
// come on connections of their own, and the GET is to be answered, not refused.
func (s *Socket) awaitPoll() {
	s.mu.Lock()
	p := s.poll
	if s.state != sessionOpen || p == nil || p.parked {
		s.mu.Unlock()
		return
	}
	arrived := make(chan struct{})
	p.arrived = arrived
	s.mu.Unlock()
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-arrived:
	case <-t.C:
	}
}

// awaitRoom holds a POST back while the client has yet to fetch more than half of what may be queued, so that one that
// asks for much and fetches it is not taken for slow. It does not during an upgrade, for which the client waits for the
// answer to its POST and makes no more GETs.
func (s *Socket) awaitRoom() {
	o := &s.server.options
	for {
		s.mu.Lock()
		p := s.poll
		if s.state != sessionOpen || s.kind != kindPolling || s.upgrade != upgradePolling || p == nil ||
			s.out.bytes <= o.MaxQueueBytes/2 && int(s.out.messages) <= o.MaxQueuePackets/2 {
			s.mu.Unlock()
			return
		}
		if p.room == nil {
			p.room = make(chan struct{})
		}
		room := p.room
		s.mu.Unlock()
		<-room // ends with the next GET, with an upgrade, or with the session: by the ping timeout at the latest
	}
}

var (
	errBodySize    = errors.New("engineio: payload too large")
	errBodyTimeout = errors.New("engineio: http request timeout")
)

// readBody reads a body of at most limit bytes. Memory grows with what has come, not with what was announced. Grow is told
// of it before, and of how much it is in all.
func readBody(r *http.Request, limit int64, grow func(more, all int)) ([]byte, error) {
	const first = 16 << 10
	known := r.ContentLength // at most limit
	size := min(limit, first) + 1
	if known >= 0 {
		size = min(known, first)
	}
	body := make([]byte, 0, size)
	for {
		if len(body) == cap(body) {
			if int64(len(body)) == known {
				return body, nil
			}
			next := 4 * int64(cap(body))
			if known >= 0 {
				next = min(next, known)
			} else {
				next = min(next, limit+1)
			}
			grow(int(next)-cap(body), int(next))
			body = append(make([]byte, 0, next), body...)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if int64(len(body)) > limit {
			return nil, errBodySize
		}
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// answerPayload writes the answer to a GET. Took is called when a part of it has been taken.
func (s *Server) answerPayload(w http.ResponseWriter, r *http.Request, items []parcel, compress bool, took func()) error {
	size := 0
	for _, m := range items {
		size += packet.PayloadSize(m.packet())
	}
	buf := bufpool.Get(size)
	for _, m := range items {
		*buf = packet.AppendPayload(*buf, 0, m.packet())
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	oldBrowser(h, r)
	if compress && !s.options.DisableCompression && len(*buf) >= compressMinimum {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header["Accept-Encoding"]) && h.Get("Content-Encoding") == "" {
			h.Set("Content-Encoding", "gzip")
			small := bufpool.Get(len(*buf))
			zip(small, *buf)
			bufpool.Put(buf)
			buf = small
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(*buf)))
	err := s.write(w, *buf, took)
	if err == nil { // otherwise the http.Server may still be at it: over HTTP/2 a Write that fails does not wait
		bufpool.Put(buf)
	}
	return err
}

// buffered is what net/http keeps of an answer without writing it: up to here, Write does not block.
const buffered = 2048

// oldBrowser does what the official server does for Internet Explorer, whose filter breaks on payloads.
func oldBrowser(h http.Header, r *http.Request) {
	if ua := r.UserAgent(); strings.Contains(ua, ";MSIE") || strings.Contains(ua, "Trident/") {
		h.Set("X-XSS-Protection", "0")
	}
}

// hangUp makes net/http close the connection after the answer, so that it does not read the body.
func hangUp(w http.ResponseWriter) { w.Header().Set("Connection", "close") }

func answerEmpty(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(code)
}
