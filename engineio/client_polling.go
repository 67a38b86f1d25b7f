package engineio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"sio.example/socketio/engineio/packet"
)

const (
	// maxRefusal is how much of the body of a refusal is kept, and of the answer to a POST is read.
	maxRefusal = 1 << 10
	// refusalWait is how long that is waited for: the status, which is what counts, is known by then.
	refusalWait = 2 * time.Second
	// closeTimeout is for saying goodbye.
	closeTimeout = 3 * time.Second
	// maxBatch bounds a POST, if the server does not bound it more.
	maxBatch = 1 << 20
)

var (
	errTooBig     = errors.New("engineio: answer is too big")
	errRedirected = errors.New("engineio: redirect made the request another one") // a POST a GET, without the messages
)

// clientPolling is the state of a session on polling. It needs ClientSocket.mu. One goroutine makes GET requests as long as
// polling is not paused, another one POST requests as long as there is something to send.
type clientPolling struct {
	dialer   *clientDialer
	polling  bool
	posting  bool
	farewell bool        // to be posted next, by whoever posts
	late     *time.Timer // ends all requests of a session that is closed
}

// openPolling makes the first request. An error is a *ClientError.
func (d *clientDialer) openPolling(ctx context.Context) (opened, error) {
	body, err := d.request(d.traced(ctx), http.MethodGet, "", nil)
	if err != nil {
		return opened{}, err
	}
	o := opened{transport: transportPolling}
	first := body
	if i := bytes.IndexByte(body, 0x1e); i >= 0 {
		first, o.rest = body[:i], body[i+1:]
	}
	o.handshake, err = decodeOpen(transportPolling, http.StatusOK, first, body)
	return o, err
}

// request makes a GET or a POST and returns the body of the answer to the former. An error is a *ClientError.
func (d *clientDialer) request(ctx context.Context, method, sid string, body []byte) ([]byte, error) {
	e := &ClientError{Transport: transportPolling, Message: "xhr poll error"}
	if method == http.MethodPost {
		e.Message = "xhr post error"
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if t := d.opts.RequestTimeout; t > 0 {
		defer time.AfterFunc(t, func() { cancel(errRequestTimeout) }).Stop()
	}
	r := (&http.Request{
		Method: method, URL: d.target(transportPolling, sid), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: d.opts.Header.Clone(), Host: d.opts.Header.Get("Host"),
	}).WithContext(ctx)
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Del("Host")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
		r.ContentLength = int64(len(body))
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	res, err := d.client.Do(r)
	for err != nil && sid != "" && unreachable(err) && sleep(ctx, unreachablePause) {
		if method == http.MethodPost {
			r.Body, _ = r.GetBody()
		}
		res, err = d.client.Do(r)
	}
	if err != nil {
		e.Err = causeOf(ctx, err)
		return nil, e
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols { // its body is the bare connection, which ctx does not end
		e.Status = res.StatusCode
		return nil, e
	}
	if res.Request != nil && res.Request.Method != method {
		e.Status, e.Err = res.StatusCode, errRedirected
		return nil, e
	}
	if res.StatusCode != http.StatusOK || method == http.MethodPost {
		defer time.AfterFunc(refusalWait, func() { cancel(nil) }).Stop()
		head := make([]byte, maxRefusal)
		n, _ := io.ReadFull(res.Body, head) // what came is what there is
		if res.StatusCode == http.StatusOK {
			if kindOf(head[:n]) != errPage {
				return nil, nil
			}
			e.Err = errPage // of somebody on the way, who has the messages
		}
		e.Status, e.Body = res.StatusCode, slices.Clone(head[:n])
		e.redirected(res.Header)
		return nil, e
	}
	got, err := readPayload(listener{res.Body, d.session}, res.ContentLength, maxPayload(d.opts))
	if err != nil {
		e.Status, e.Err = res.StatusCode, causeOf(ctx, err)
		return nil, e
	}
	return got, nil
}

var errRequestTimeout = &requestTimeoutError{}

// A requestTimeoutError is what RequestTimeout leads to. It matches context.DeadlineExceeded.
type requestTimeoutError struct{}

func (*requestTimeoutError) Error() string   { return "engineio: request takes too long" }
func (*requestTimeoutError) Is(e error) bool { return e == context.DeadlineExceeded }

// causeOf is what ended a request, without the URL, which has the session id in it.
func causeOf(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && ctx.Err() != nil {
		return c
	}
	var ue *url.Error
	for errors.As(err, &ue) {
		err = ue.Err
	}
	return err
}

// readPayload reads an answer, which is not nil if there is no error. Memory is taken as it arrives, not as it is announced.
func readPayload(r io.Reader, announced, limit int64) ([]byte, error) {
	if announced > limit {
		return nil, errTooBig
	}
	buf := make([]byte, 0, min(max(announced+1, 512), 64<<10)) // one more, to see the end without growing
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf))
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return nil, errTooBig
		case err == io.EOF:
			if cap(buf)-len(buf) > len(buf)/4 {
				buf = slices.Clone(buf) // messages are views of it
			}
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// startPollLocked lets the GETs go on.
func (s *ClientSocket) startPollLocked(rest []byte) {
	p := s.poll
	if p.polling {
		return
	}
	p.polling = true
	s.holds++
	go s.pollOn(p, rest) // owned by the session; ends when polling is paused or the session closed; release lets Done go on
}

// pollOn delivers rest, unless it is nil, and makes one GET after the other.
func (s *ClientSocket) pollOn(p *clientPolling, rest []byte) {
	defer s.release()
	returned := false
	defer func() {
		if !returned { // as in handle
			s.exited()
			s.mu.Lock()
			p.polling = false
			s.mu.Unlock()
			s.tidy(p)
		}
	}()
	for {
		if rest != nil {
			s.deliverPayload(rest)
		}
		s.mu.Lock()
		if s.state == sessionClosed || s.pausing() {
			p.polling = false
			u := s.pausedLocked()
			s.mu.Unlock()
			s.commit(u)
			s.tidy(p)
			returned = true
			return
		}
		sid := s.handshake.SID
		s.mu.Unlock()
		var err error
		if rest, err = p.dialer.request(p.dialer.ctx, http.MethodGet, sid, nil); err != nil {
			s.close(ending{reason: TransportError, err: err}, true)
		}
	}
}

// tidy closes the connections of polling when the session is closed and nobody needs them any more.
func (s *ClientSocket) tidy(p *clientPolling) {
	s.mu.Lock()
	done := s.state == sessionClosed && !p.polling && !p.posting
	s.mu.Unlock()
	if done {
		p.dialer.close()
	}
}

// deliverPayload handles the packets of an answer, up to one that ends the session.
func (s *ClientSocket) deliverPayload(data []byte) {
	s.setBacklog(true)
	defer s.setBacklog(false)
	for p, err := range packet.Payload(data) {
		if err != nil {
			s.close(malformed(notOurs(data, err)), true)
			return
		}
		s.traceReceived(transportPolling, p)
		if e, ok := s.receive(p); !ok {
			s.close(e, true)
			return
		}
	}
}

// startPostLocked gets what is queued on its way, if nobody is at it and polling is not paused.
func (s *ClientSocket) startPostLocked() {
	p := s.poll
	if p == nil || p.posting || s.pausing() || s.state == sessionClosed || s.state == sessionOpening || !s.queuedLocked() {
		return
	}
	p.posting = true
	s.holds++
	go s.post(p, getBatch()) // owned by the session; ends when the queue is empty or the session closed; release lets Done go on
}

// post makes POST requests, one at a time, until the queue is empty.
func (s *ClientSocket) post(p *clientPolling, b *batch) {
	defer s.release()
	limit := maxBatch
	s.mu.Lock()
	if m := s.handshake.MaxPayload; m > 0 {
		limit = int(min(m, maxBatch))
	}
	sid := s.handshake.SID
	for s.state != sessionClosed && !s.pausing() && s.takeLocked(b, limit+1) { // the first packet has no separator
		s.mu.Unlock()
		body := b.payload()
		s.traceSent(transportPolling, b)
		_, err := p.dialer.request(p.dialer.ctx, http.MethodPost, sid, body)
		if err != nil {
			s.close(ending{reason: TransportError, err: err}, false)
		}
		b.err = err
		s.mu.Lock()
		s.wroteLocked(b)
	}
	b.put()
	if p.farewell {
		s.mu.Unlock()
		s.farewell(p)
		return
	}
	p.posting = false
	u := s.pausedLocked()
	fx := s.drainedLocked()
	s.mu.Unlock()
	s.finish(fx, false)
	s.commit(u)
	s.tidy(p)
}

// payload is the body of a POST. It is not pooled, as net/http may still read it after the answer has come.
func (b *batch) payload() []byte {
	size := 0
	for _, m := range b.items {
		size += packet.PayloadSize(m.packet())
	}
	buf := make([]byte, 0, size)
	for _, m := range b.items {
		buf = packet.AppendPayload(buf, 0, m.packet())
	}
	return buf
}

// farewellLocked sees to it that the server is told that the session is over, after what is being posted; p.posting tells
// whether there is something. If it is true the caller starts sayFarewell.
func (s *ClientSocket) farewellLocked(p *clientPolling) (start bool) {
	p.late = time.AfterFunc(closeTimeout, p.dialer.cancel) // stopped by farewell
	p.farewell = true
	if p.posting {
		return false
	}
	p.posting = true
	s.holds++
	return true
}

// sayFarewell is farewell on a goroutine of its own, with a hold.
func (s *ClientSocket) sayFarewell(p *clientPolling) {
	defer s.release()
	s.farewell(p)
}

// farewell tells the server that the session is over, and lets the GET go then, which it might take for a lost client.
func (s *ClientSocket) farewell(p *clientPolling) {
	b := getBatch()
	b.items = append(b.items, parcel{closePacket, 0})
	s.traceSent(transportPolling, b)
	b.put()
	p.dialer.request(p.dialer.ctx, http.MethodPost, s.handshake.SID, []byte{'0' + byte(packet.Close)}) // a server that is gone needs none
	p.late.Stop()
	p.dialer.cancel()
	s.mu.Lock()
	p.posting = false
	s.mu.Unlock()
	s.tidy(p)
}
