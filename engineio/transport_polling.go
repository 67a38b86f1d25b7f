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
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/websocket"
)

// polling is the state of a session's HTTP requests, under Socket.mu. It outlives an upgrade until the last of them is
// answered.
type polling struct {
	get       getState
	post      postState
	wake      chan struct{} // capacity 1: the pending GET is to look again
	arrived   chan struct{} // closed when a GET comes or the session closes, if somebody waits for that
	room      chan struct{} // closed when a POST that waits for room in the queue should look again
	polled    time.Duration // when a GET, or the handshake, came last or took a part of its answer, on the server's clock
	answered  int           // bytes of the latest answer
	delivered chan struct{} // closed when the POST has delivered, if somebody waits for that
	cut       func()        // ends the reading of the POST's body at once; not nil while that is under way
	probe     *probe        // the link that upgrades
}

func newPolling(now time.Duration) *polling {
	return &polling{wake: make(chan struct{}, 1), polled: now}
}

// signal makes the pending GET look again; without one it does nothing that matters.
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

// release has the pending GET answered, so that the client can pause polling: one that came when the upgrade was under
// way already only if all is set.
func (p *polling) release(all bool) {
	in := inRelease
	if all {
		in = inReleaseAll
	}
	p.get, _ = p.get.step(in)
	p.signal()
}

func (p *polling) idle() bool { return p.get == getNone && p.post == postNone }

// servePoll answers a GET with what is queued, as soon as there is something: as a script that calls the function of
// that number, if there is one.
func (s *Socket) servePoll(w http.ResponseWriter, r *http.Request, script string) {
	s.server.unlimit(w, r)
	s.overdue()
	p, late, e, fx := s.beginPoll()
	switch {
	case e != nil:
		s.server.refuse(w, r, false, e)
		return
	case p == nil:
		s.closeStopped(fx, true)
		answerEmpty(w, http.StatusBadRequest)
		return
	}
	b := getBatch()
	defer b.put()
	if late {
		s.awaitUpgrade(r, p)
	}
	a, fx := s.takeAnswer(p, b)
	for ; a == answerNothing; a, fx = s.takeAnswer(p, b) {
		select {
		case <-p.wake:
		case <-r.Context().Done():
			s.abandonPoll(p)
			return
		}
	}
	if a == answerRefuse {
		pause(r, grace) // so that the client hears of the upgrade first
		s.server.refuse(w, r, false, errTransportMismatch)
		return
	}
	b.err = errWriter // until it has returned: it may be of a middleware, and panic
	defer s.polled(p, b, fx, a == answerMessages)
	s.sending(b)
	b.err = s.server.answerPayload(w, r, s.answerForm(script), b.items, s.took)
}

// beginPoll makes a GET the pending one, and reports whether it is late, see getState. Otherwise it returns what is to
// be answered; or nothing but the end of the session, as one is pending already.
func (s *Socket) beginPoll() (p *polling, late bool, e *refusal, fx closing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == sessionClosed:
		return nil, false, errSession, closing{}
	case s.kind != kindPolling:
		return nil, false, errTransportMismatch, closing{}
	}
	in := inGet
	if late = s.upgrade != upgradePolling; late {
		in = inLateGet
	}
	p = s.poll
	next, ok := p.get.step(in)
	if !ok {
		e := guilty(TransportError, errOverlap, RejectPollOverlap, textOverlap)
		return nil, false, nil, s.stopLocked(e)
	}
	p.get, p.polled = next, s.server.now()
	p.arrive()
	return p, late, nil, closing{}
}

// awaitUpgrade gives an upgrade that is under way the time to end, if the client believes that it has: what completes
// it may be behind this GET, which goes over a connection of its own, and is then to be refused. One that comes
// earlier, of a client that goes on polling until it hears of the probe, is answered after that.
func (s *Socket) awaitUpgrade(r *http.Request, p *polling) {
	late := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.upgrading() && p.get.pending() == getLate
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	for late() {
		select {
		case <-p.wake:
		case <-t.C:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// upgrading reports whether a link wants to become the transport. It needs mu.
func (s *Socket) upgrading() bool {
	return s.state == sessionOpen && (s.upgrade == upgradeWaiting || s.upgrade == upgradeProbed)
}

// takeAnswer decides what the pending GET answers, and gives it to b. After answerNothing it is pending still.
func (s *Socket) takeAnswer(p *polling, b *batch) (a getAnswer, fx closing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a = p.get.answer(pollFacts{
		closed: s.state == sessionClosed, draining: s.state == sessionDraining,
		upgraded: s.kind != kindPolling, queued: s.out.queue.Len() > 0,
	})
	in := inAnswered
	switch a {
	case answerNothing:
		return a, fx
	case answerMessages:
		s.takeLocked(b, int(s.server.options.MaxPayload))
		in = inTake
	case answerClose:
		b.items = append(b.items, parcel{closePacket, 0})
		fx = s.stopLocked(*s.endingLocked())
	case answerNoop:
		b.items = append(b.items, parcel{noopPacket, 0})
	case answerFinal:
		b.items = append(b.items, parcel{s.endingLocked().final, 0})
	}
	p.get, _ = p.get.step(in)
	s.freePollingLocked()
	return a, fx
}

// abandonPoll closes the session because the connection of the pending GET is gone.
func (s *Socket) abandonPoll(p *polling) {
	s.mu.Lock()
	p.get, _ = p.get.step(inAnswered)
	s.mu.Unlock()
	s.closePolling(guilty(TransportError, errPollAborted, RejectPollAborted, textAborted))
}

// polled is what follows when a GET is answered, or could not be.
func (s *Socket) polled(p *polling, b *batch, fx closing, writing bool) {
	err := b.err
	if s.server.options.Trace != nil && writing {
		s.traceDrain(b)
	}
	s.mu.Lock()
	if writing {
		p.get, _ = p.get.step(inWritten)
	}
	p.polled, p.answered = s.server.now(), b.data
	if s.state == sessionDraining && s.kind == kindPolling && s.endingLocked().err == ErrServerClosed {
		s.arm(s.drainTimeLocked(s.endingLocked())) // the rest is for its next GET
	}
	s.wroteLocked(b)
	p.makeRoom()
	s.startLocked()
	s.freePollingLocked()
	s.mu.Unlock()
	s.closeStopped(fx, true)
	if err != nil {
		e := guilty(TransportError, err, RejectPollAborted, textAborted)
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
		fx = s.stopLocked(e)
	}
	s.freePollingLocked()
	s.mu.Unlock()
	s.closeStopped(fx, true)
	return fx.stopped
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

// freePollingLocked lets the state of polling go when an upgraded session has answered its last request.
func (s *Socket) freePollingLocked() {
	if s.kind != kindPolling && s.poll != nil && s.poll.idle() {
		s.poll = nil
	}
}

// servePost reads the payload of a POST and delivers it.
func (s *Socket) servePost(w http.ResponseWriter, r *http.Request, script string) {
	form := postText
	switch {
	case script != "":
		form = postForm
	case r.Header.Get("Content-Type") == octetStream: // exactly this, as officially; all else is text
		form = postBinary
	}
	if form == postBinary && s.codec().nextOfBinaryPayload == nil {
		s.close(guilty(TransportError, errOctetStream, RejectContentType, "unsupported content type"), true)
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
	cut := func() { rc.setReadDeadline(time.Unix(1, 0)) } // under s.mu, while this handler has not returned
	p, e, fx := s.beginPost(cut)
	switch {
	case e != nil:
		s.server.refuse(w, r, false, e)
		return
	case p == nil:
		s.closeStopped(fx, true)
		hangUp(w)
		answerEmpty(w, http.StatusBadRequest)
		return
	}
	defer s.endPost(p)

	rc.setReadDeadline(time.Time{}) // if the http.Server has set one
	body, err := s.readPost(r, p)
	s.mu.Lock()
	p.cut = nil
	closed, upgraded := s.state == sessionClosed, s.kind != kindPolling
	if !closed && !upgraded && err == nil {
		p.post, _ = p.post.step(inBody)
	}
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
		s.deliverPost(w, r, form, body)
	}
}

// octetStream is the type of payloads that are not text.
const octetStream = "application/octet-stream"

// A postKind is how the payload of a POST is written.
type postKind uint8

const (
	postText postKind = iota
	postBinary
	postForm // by JSONP
)

// deliverPackets hands the packets of a body on, one after the other up to the first that is wrong. It reports false if
// the session is to end.
func (s *Socket) deliverPackets(kind postKind, body []byte) (e ending, ok bool) {
	body, next, err := s.codec().payloadOf(kind, body)
	var offset, messages, data int
	for ok = true; ok && err == nil; {
		var p packet.Packet
		if p, offset, err = next(body, offset); err != nil {
			break
		}
		if p.Type == packet.Message {
			messages++
			data += len(p.Data)
			if (!p.Binary || kind == postBinary) && 2*len(p.Data) < cap(body) { // a user may keep it, not the body
				p.Data = append(make([]byte, 0, len(p.Data)), p.Data...)
			}
			s.awaitRoom()
		}
		if ok = s.receive(p, nil); !ok {
			e = violation(p.Type)
		}
	}
	if err != nil && err != io.EOF {
		e, ok = guilty(ParseError, err, RejectPayload, textMalformed), false
	}
	s.server.counters.messagesIn.Add(uint64(messages))
	s.server.counters.bytesIn.Add(uint64(data))
	return e, ok
}

// payloadOf is the payload in the body of a POST, and what decodes it.
func (c *codec) payloadOf(kind postKind, body []byte) (payload []byte, next nextPacket, err error) {
	switch kind {
	case postBinary:
		return body, c.nextOfBinaryPayload, nil
	case postForm:
		body, err = packet.FormPayload(body)
	}
	return body, c.nextOfPayload, err
}

// beginPost lets a POST in, whose reading cut ends. Otherwise it returns what is to be answered, as beginPoll does.
func (s *Socket) beginPost(cut func()) (*polling, *refusal, closing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == sessionClosed:
		return nil, errSession, closing{}
	case s.kind != kindPolling:
		return nil, errTransportMismatch, closing{}
	}
	p := s.poll
	next, ok := p.post.step(inPost)
	if !ok {
		e := guilty(TransportError, errOverlap, RejectPostOverlap, textOverlap)
		return nil, nil, s.stopLocked(e)
	}
	p.post, p.cut = next, cut
	return p, nil, closing{}
}

// endPost is the last thing a POST does.
func (s *Socket) endPost(p *polling) {
	s.mu.Lock()
	p.post, _ = p.post.step(inDone)
	p.cut = nil
	s.handedOverLocked()
	if s.claim != nil {
		s.claim.Clear(budget.In)
		s.unclaimLocked()
	}
	if p.delivered != nil {
		close(p.delivered)
		p.delivered = nil
	}
	s.freePollingLocked()
	s.mu.Unlock()
}

// failPost ends the session and answers a POST whose body could not be read, or is too long: what it held is lost, and
// must not be missing silently. So does the official server since Engine.IO 6.6.13.
func (s *Socket) failPost(w http.ResponseWriter, err error) {
	hangUp(w)
	var limit *http.MaxBytesError // of an http.MaxBytesHandler before us
	if errors.As(err, &limit) {
		err = fmt.Errorf("%w: %w", errBodySize, err)
	}
	switch {
	case errors.Is(err, errBodySize):
		e := ending{reason: TransportError, err: err, reject: RejectBodySize, status: websocket.MessageTooBig}
		if !s.closePolling(e) {
			s.server.counters.reject(RejectBodySize)
		}
		answerEmpty(w, http.StatusRequestEntityTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("%w: %w", errBodyTimeout, err)
		s.closePolling(ending{
			reason: TransportError, err: err, reject: RejectPostTimeout,
			status: websocket.PolicyViolation, text: "request timeout",
		})
		answerEmpty(w, http.StatusRequestTimeout)
	default:
		s.closePolling(guilty(TransportError, err, RejectPostAborted, textAborted))
		answerEmpty(w, http.StatusBadRequest)
	}
}

// deliverPost hands the packets of body on, and answers.
func (s *Socket) deliverPost(w http.ResponseWriter, r *http.Request, kind postKind, body []byte) {
	s.server.unlimit(w, r) // the Handler takes its time
	e, ok := s.deliverPackets(kind, body)
	if !ok && e.reason == TransportClose {
		s.awaitPoll()
	}
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
	if s.state != sessionOpen || p == nil || p.get.waits() {
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
	errBodySize    = errtext.New("engineio: payload too large")
	errBodyTimeout = errtext.New("engineio: http request timeout")
)

// readBody reads a body of at most limit bytes. Memory grows with what has come, not with what was announced. Grow is
// told of it before, and of how much it is in all.
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
func (s *Server) answerPayload(
	w http.ResponseWriter, r *http.Request, f answerForm, items []parcel, took func(),
) error {
	h := w.Header()
	var room [4]run
	buf, runs := f.encode(h, items, room[:0])
	h.Set("Cache-Control", "no-store")
	oldBrowser(h, r)
	if !s.options.DisableCompression {
		buf = s.compressAnswer(h, r, buf, runs)
	}
	h.Set("Content-Length", strconv.Itoa(len(*buf)))
	err := s.write(w, *buf, took)
	if err == nil { // otherwise the http.Server may still be at it: over HTTP/2 a Write that fails does not wait
		bufpool.Put(buf)
	}
	return err
}

// An answerForm is how the client of a GET takes packets.
type answerForm struct {
	codec  *codec
	base64 bool   // text only
	script string // the number of the function that a script is to call; "" for a payload as it is
}

func (s *Socket) answerForm(script string) answerForm { return answerForm{s.codec(), s.base64, script} }

// encode makes an answer, and appends the runs of it that may be compressed or not.
func (f answerForm) encode(h http.Header, items []parcel, runs []run) (*[]byte, []run) {
	size, add, kind := 0, f.codec.appendPayload, "text/plain; charset=UTF-8"
	for _, m := range items {
		size += packet.PayloadSize(m.packet())
		if m.m.Binary && f.codec.appendBinaryPayload != nil && !f.base64 && f.script == "" {
			add, kind = f.codec.appendBinaryPayload, octetStream
		}
	}
	if f.script != "" {
		kind, add = scriptType, appendScript(f.script, add, len(items))
		h.Set("X-Content-Type-Options", "nosniff") // so that it is never taken for a page
	}
	h.Set("Content-Type", kind)
	buf := bufpool.Get(size)
	for _, m := range items {
		start := len(*buf)
		*buf = add(*buf, 0, m.packet())
		n, plain := len(*buf)-start, m.flags&parcelPlain != 0
		if last := len(runs) - 1; last >= 0 && runs[last].plain == plain {
			runs[last].bytes += n
		} else {
			runs = append(runs, run{n, plain})
		}
	}
	return buf, runs
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
