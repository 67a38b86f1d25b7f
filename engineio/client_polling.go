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
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/websocket"
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
	errTooBig     = errtext.New("engineio: answer is too big")
	errRedirected = errtext.New("engineio: redirect made the request another one") // a POST a GET, without the messages
)

// clientPolling is what a session on polling has. It needs ClientSocket.mu.
type clientPolling struct {
	dialer *clientDialer
	state  clientPollState
	rest   []byte      // came with the handshake; for the first that makes GETs, nil if nothing did
	late   *time.Timer // ends all requests of a session that is closed
}

// openPolling makes the first request. An error is a *ClientError.
func (d *clientDialer) openPolling(ctx context.Context) (opened, error) {
	body, err := d.request(d.traced(ctx), http.MethodGet, "", nil)
	if err != nil {
		return opened{}, err
	}
	o := opened{kind: kindPolling}
	first := body
	if i := bytes.IndexByte(body, 0x1e); i >= 0 {
		first, o.rest = body[:i], body[i+1:]
	}
	o.handshake, err = decodeOpen(kindPolling, http.StatusOK, first, body)
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
			e.Err = errPage // of something on the way, which has the messages
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

// readPayload reads an answer, which is not nil if there is no error. Memory is taken as it arrives, not as it is
// announced.
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

// stepPollingLocked takes the requests one step, and starts goroutines that make the next ones, except for a caller
// that makes them: that one goes on. What is returned goes to stepped.
func (s *ClientSocket) stepPollingLocked(p *clientPolling, in clientPollInput) clientPollEffect {
	state, fx := p.state.step(in, s.queuedLocked())
	p.state = state
	if fx&pollRest != 0 {
		s.up.stage = stageCommitting
	}
	if fx&pollGet != 0 && in != pollGot {
		s.refs++
		// owned by the session; ends when polling pauses or the session is closed; unref lets Done go on
		go s.makeGets(p)
	}
	if fx&(pollPost|pollTellIt) != 0 && in != pollPosted {
		s.refs++
		// owned by the session; ends with the queue, or closeTimeout after the end; unref lets Done go on
		go s.makePosts(p)
	}
	return fx
}

// stepped does what stepPollingLocked left, without the lock. U is the upgrade of that moment.
func (s *ClientSocket) stepped(p *clientPolling, u *clientUpgrade, fx clientPollEffect) {
	if fx&pollRest != 0 {
		s.commit(u)
	}
	if fx&pollFree != 0 {
		p.dialer.close()
	}
}

// stepPolling is both, for a goroutine that makes requests.
func (s *ClientSocket) stepPolling(p *clientPolling, in clientPollInput) clientPollEffect {
	s.mu.Lock()
	fx, u := s.stepPollingLocked(p, in), s.up
	var closing clientClosing
	if in == pollPosted {
		closing = s.drainedLocked()
	}
	s.mu.Unlock()
	s.closeStopped(closing, false)
	s.stepped(p, u, fx)
	return fx
}

// makeGets delivers what came with the handshake, if it is the first, and makes one GET after the other.
func (s *ClientSocket) makeGets(p *clientPolling) {
	defer s.unref()
	returned := false
	defer func() {
		if !returned { // as in handle
			s.exited()
			s.stepPolling(p, pollGot)
		}
	}()
	came := p.rest
	p.rest = nil
	for {
		if came != nil {
			s.deliverPayload(came)
		}
		if s.stepPolling(p, pollGot)&pollGet == 0 {
			break
		}
		var err error
		if came, err = p.dialer.request(p.dialer.ctx, http.MethodGet, s.handshake.SID, nil); err != nil {
			s.close(requestEnding(err), true)
		}
	}
	returned = true
}

// requestEnding is what a failed request does to the session: an error of clientDialer.request.
func requestEnding(err error) ending {
	if tooBig(err) {
		return ending{reason: TransportError, err: err, status: websocket.MessageTooBig}
	}
	return ending{reason: TransportError, err: err, status: websocket.NormalClosure}
}

// tooBig reports whether a request failed because of the size of its answer: the server is there, and has to be told of
// the end.
func tooBig(err error) bool {
	e, ok := err.(*ClientError)
	return ok && e.Err == errTooBig
}

// deliverPayload handles the packets of an answer, up to one that ends the session.
func (s *ClientSocket) deliverPayload(data []byte) {
	s.setBacklog(true)
	defer s.setBacklog(false)
	for offset := 0; ; {
		p, next, err := s.codec().nextOfPayload(data, offset)
		if err == io.EOF {
			return
		}
		if err != nil {
			s.close(malformed(notOurs(data, err)), true)
			return
		}
		s.tracePacket(kindPolling, false, p)
		if e, ok := s.receive(p); !ok {
			s.close(e, true)
			return
		}
		offset = next
	}
}

// makePosts makes POST requests, one at a time, until the queue is empty, and tells the server of the end if it has to.
func (s *ClientSocket) makePosts(p *clientPolling) {
	defer s.unref()
	limit := maxBatch
	if m := s.handshake.MaxPayload; m > 0 {
		limit = int(min(m, maxBatch))
	}
	b := getBatch()
	defer b.put()
	for {
		s.mu.Lock()
		if p.state.phase == pollTelling {
			s.mu.Unlock()
			s.tellClose(p, b)
			return
		}
		some := s.takeLocked(b, limit+1) // the first packet has no separator
		s.mu.Unlock()
		if some {
			s.traceSent(kindPolling, b)
			_, err := p.dialer.request(p.dialer.ctx, http.MethodPost, s.handshake.SID, b.payload(s.codec()))
			if err != nil {
				s.close(requestEnding(err), false)
			}
		}
		s.mu.Lock()
		s.sentLocked(b)
		s.mu.Unlock()
		if s.stepPolling(p, pollPosted)&(pollPost|pollTellIt) == 0 {
			return
		}
	}
}

// payload is the body of a POST. It is not pooled, as net/http may still read it after the answer has come.
func (b *batch) payload(c *codec) []byte {
	size := 0
	for _, m := range b.items {
		size += packet.PayloadSize(m.packet())
	}
	buf := make([]byte, 0, size)
	for _, m := range b.items {
		buf = c.appendPayload(buf, 0, m.packet())
	}
	return buf
}

// tellClose tells the server that the session is over, and lets the GET go then, which it might take for a lost client.
func (s *ClientSocket) tellClose(p *clientPolling, b *batch) {
	b.items = append(b.items, parcel{closePacket, 0})
	s.traceSent(kindPolling, b)
	body := b.payload(s.codec())
	p.dialer.request(p.dialer.ctx, http.MethodPost, s.handshake.SID, body) // a server that is gone needs none
	p.late.Stop()
	p.dialer.cancel()
	s.stepPolling(p, pollTold)
}
