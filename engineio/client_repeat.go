package engineio

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A clientTransport calls the functions of Trace, and makes a request again that cannot have been processed. No
// other request is made again, by net/http neither: what the broken answer to a GET held would be lost, what a
// POST holds might come twice, and nobody would know.
type clientTransport struct {
	base  http.RoundTripper
	trace *Trace
}

// maxRepeats bounds how many connections of a pool one request may find closed. Each leaves the pool, but the next
// may be as old.
const maxRepeats = 32

// RoundTrip makes a request, and again if that is safe.
func (t *clientTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	late := false
	for repeats := 0; ; repeats++ {
		p := new(progress)
		once, err := t.prepare(r, p, repeats)
		if err != nil {
			return nil, err
		}
		if t.trace.Request != nil {
			t.trace.Request(once)
		}
		res, err := t.base.RoundTrip(once)
		switch {
		case err == nil && timedOut(res) && !late && (r.Body == nil || r.GetBody != nil):
			late = true
			res.Body.Close()
		case err == nil:
			if t.trace.Response != nil {
				t.trace.Response(once, res)
			}
			return res, nil
		case r.Context().Err() != nil || repeats >= maxRepeats || !p.unread(err) || r.Body != nil && r.GetBody == nil:
			return nil, t.explain(once, err)
		}
	}
}

// prepare makes the request that goes out. net/http must not repeat a GET, of which it only knows that it may be
// read twice; a POST it repeats by itself where nothing was written.
func (t *clientTransport) prepare(r *http.Request, p *progress, repeats int) (*http.Request, error) {
	once := r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) {
			p.wrote.Store(false)
			p.reused.Store(c.Reused)
		},
		WroteHeaders: func() { p.wrote.Store(true) },
	}))
	switch {
	case r.Body == nil:
		once.Body = noBody{} // net/http does not know that it is empty
		return once, nil
	case repeats > 0:
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		once.Body = body
	}
	if r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil {
		once.GetBody = nil // net/http would repeat it as it does a GET
	}
	return once, nil
}

// explain is the error of a round trip, without what that of the user's Proxy would tell, as in proxy.
func (t *clientTransport) explain(r *http.Request, err error) error {
	if user, ok := t.base.(*http.Transport); ok && user.Proxy != nil {
		if _, proxyErr := user.Proxy(r); proxyErr != nil {
			return errProxy
		}
	}
	return err
}

// progress is how far a request has come.
type progress struct {
	reused atomic.Bool // over a connection that had been used before
	wrote  atomic.Bool // its header was written, if perhaps only into a buffer
}

// unread reports whether a request that failed cannot have been read whole by anybody. That it got no answer is not
// enough. net/http tells by its texts alone; if they change, a request fails that might have been repeated.
func (p *progress) unread(err error) bool {
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "http2: Transport: cannot retry err ["):
		return true // the peer refused the stream, or its GOAWAY says that it did not look at it (RFC 9113 6.8, 8.7)
	case !p.reused.Load():
		return false
	case !p.wrote.Load():
		return true
	}
	// The connection was closed before it was given to this request.
	return text == "http: server closed idle connection" || strings.HasPrefix(text, "readLoopPeekFailLocked: ")
}

// timedOut reports whether the answer says that the request was not received in time, and may be repeated on
// another connection (RFC 9110 15.5.9), once. Envoy says the same when the server behind it takes too long.
func timedOut(res *http.Response) bool {
	by := strings.ToLower(res.Header.Get("Server"))
	return res.StatusCode == http.StatusRequestTimeout && !strings.Contains(by, "envoy")
}

type noBody struct{}

func (noBody) Read([]byte) (int, error) { return 0, io.EOF }
func (noBody) Close() error             { return nil }

// unreachablePause is how long a request waits for a network that is down before it tries again.
const unreachablePause = 500 * time.Millisecond

// unreachable reports whether no connection could be made because the network of this machine is down, so that
// there was no request yet. A connection survives that, and so does a session, until its heartbeat fails.
func unreachable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") &&
		(errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL))
}

// sleep waits, and reports whether ctx is still there.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
