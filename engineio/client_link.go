package engineio

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/websocket"
)

// link opens a link of that kind, of a session with that id, or of none yet. An error is a *ClientError.
func (d *clientDialer) link(ctx context.Context, kind transportKind, sid string) (link, error) {
	if kind == kindStream {
		return d.stream(ctx, sid)
	}
	conn, err := d.webSocket(ctx, sid)
	if err != nil {
		return nil, err
	}
	return maskedLink{webSocketLink{conn}}, nil
}

// openLink opens a session on a link. An error is a *ClientError.
func (d *clientDialer) openLink(ctx context.Context, kind transportKind) (opened, error) {
	l, err := d.link(ctx, kind, "")
	if err != nil {
		return opened{}, err
	}
	status := 0
	if kind == kindWebSocket {
		status = http.StatusSwitchingProtocols
	}
	stop := context.AfterFunc(ctx, l.abort)
	binary, data, err := l.read()
	switch {
	case !stop():
		err = linkError(kind, context.Cause(ctx))
	case err != nil:
		err = linkError(kind, err)
	case binary:
		err = &ClientError{Transport: kind.String(), Message: "server error", Status: status, Err: errNoHandshake}
	}
	o := opened{kind: kind, link: l}
	if err == nil {
		o.handshake, err = decodeOpen(kind, status, data, data)
	}
	if err != nil {
		l.close(websocket.ProtocolError, "no handshake") // written, if the kernel takes it at once
		l.abort()
		l.wait()
		return opened{}, err
	}
	return o, nil
}

// linkError is what err is to the caller of Dial, and to HandleClose.
func linkError(kind transportKind, err error) *ClientError {
	return &ClientError{Transport: kind.String(), Message: kind.String() + " error", Err: err}
}

// stream opens a byte stream, on which the client speaks first (engine.io-client, transports/webtransport.js): an open
// packet, which has the id of the session if it is one already.
func (d *clientDialer) stream(ctx context.Context, sid string) (link, error) {
	r := (&http.Request{
		Method: http.MethodConnect, URL: d.target(transportStream, ""), Proto: "HTTP/3.0", ProtoMajor: 3,
		Header: d.withCookies(d.opts.Header).Clone(), Host: d.opts.Header.Get("Host"),
	}).WithContext(d.traced(ctx))
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Del("Host")
	if u := r.URL.User; u != nil { // as in a request of net/http, and not where it might be shown
		r.URL.User = nil
		if password, _ := u.Password(); r.Header.Get("Authorization") == "" {
			r.SetBasicAuth(u.Username(), password)
		}
	}
	rwc, err := await(ctx, d.session, func() (io.ReadWriteCloser, error) { return d.opts.DialStream(r.Context(), r) })
	if err == nil && rwc == nil {
		err = errNoStream
	}
	var refused *ClientError
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, linkError(kindStream, causeOf(ctx, err))
	}
	l := newStreamLink(rwc, &streamLimits{
		maxMessage:     maxPayload(d.opts),
		messageTimeout: math.MaxInt64, // as with a WebSocket
		writeTimeout:   streamWriteTimeout,
		closeTimeout:   closeTimeout,
		failed:         d.session.streamFailed,
	})
	open := &Prepared{typ: packet.Open}
	if sid != "" {
		open.m.Data, _ = json.Marshal(map[string]string{"sid": sid}) // can't fail
	}
	stop := context.AfterFunc(ctx, l.abort)
	err = writePacket(l, open)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		l.abort()
		l.wait()
		return nil, linkError(kindStream, err)
	}
	return l, nil
}

var errNoStream = errors.New("engineio: DialStream returned no stream")

// await has dial run on a goroutine of its own, and returns when ctx ends, also if dial does not: it may be the
// user's. The session is held as long as it runs.
func await[C io.Closer](ctx context.Context, s *ClientSocket, dial func() (C, error)) (conn C, err error) {
	if !s.ref() {
		return conn, net.ErrClosed
	}
	type result struct {
		conn C
		err  error
	}
	results := make(chan result)
	go func() { // owned by the session, ends with the dial, and unref lets Done go on
		defer s.unref()
		defer close(results) // it may have called runtime.Goexit
		c, err := dial()
		select {
		case results <- result{c, err}:
		case <-ctx.Done():
			if err == nil && any(c) != nil { // the user's dial may return nothing
				c.Close()
			}
		}
	}()
	select {
	case r, ok := <-results:
		if !ok {
			return conn, errExited
		}
		return r.conn, r.err
	case <-ctx.Done():
		return conn, context.Cause(ctx)
	}
}
