package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"sio.example/socketio/bench/internal/wsframe"
)

type stage uint8

const (
	upgrading  stage = iota
	opening          // waits for the open packet
	connecting       // waits for the namespace
	ready
	leaving // has sent its close frame
	left    // has got the server's
)

// A handler is told of the messages of a WebSocket once it is in the namespace.
type handler interface {
	opened(c *conn)
	// message is an Engine.IO message, which is not valid afterwards.
	message(c *conn, op byte, p []byte) error
	// settled tells that all that one read brought has been handled.
	settled(c *conn)
	// ended tells that the connection is gone, at any stage.
	ended(c *conn, err error)
}

// webSockets speaks Engine.IO on WebSockets.
type webSockets struct {
	g       *generator
	handler handler
	request []byte
	connect []byte
	inflater
}

// The key and its answer are those of RFC 6455 1.3.
const (
	wsKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	wsAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

var pongFrame, _ = wsframe.Append(nil, wsframe.Text, []byte("3"))

func newWebSockets(g *generator, h handler) *webSockets {
	offer := ""
	if g.cfg.Compressed() {
		offer = "Sec-WebSocket-Extensions: " + deflateOffer + "\r\n"
	}
	return &webSockets{g: g, handler: h, connect: g.frame(nil, "40"),
		request: fmt.Appendf(nil, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"+
			"Host: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: %s\r\n%s\r\n", g.target.Port, wsKey, offer)}
}

// dial begins to open a connection.
func (w *webSockets) dial(index int) (*conn, error) {
	now := w.g.loop.clock()
	c, err := w.g.loop.dial(w.g.target.Port, index, w)
	if err != nil {
		return nil, err
	}
	c.opened = now
	w.g.loop.write(c, w.request)
	return c, nil
}

func (w *webSockets) ended(c *conn, err error) { w.handler.ended(c, err) }

func (w *webSockets) input(c *conn, data []byte) ([]byte, error) {
	if c.stage == upgrading {
		end := bytes.Index(data, []byte("\r\n\r\n"))
		if end < 0 {
			return data, nil
		}
		if !bytes.HasPrefix(data, []byte("HTTP/1.1 101 ")) || !bytes.Contains(data[:end], []byte(wsAccept)) {
			return nil, fmt.Errorf("no upgrade: %.200q", data)
		}
		if w.g.cfg.Compressed() && !bytes.Contains(data[:end], []byte(deflateOffer)) {
			return nil, fmt.Errorf("no compression: %.400q", data)
		}
		data = data[end+4:]
		c.stage = opening
	}
	for {
		op, p, size, err := wsframe.Next(data)
		if err != nil {
			return nil, err
		}
		if size == 0 {
			break
		}
		data = data[size:]
		if op&wsframe.Deflated != 0 {
			if p, err = w.inflate(p); err != nil {
				return nil, err
			}
			op &^= wsframe.Deflated
		} else if w.g.cfg.Compressed() && len(p) > 2048 {
			return nil, errors.New("a large message that is not compressed")
		}
		if err := w.frame(c, op, p); err != nil {
			return nil, err
		}
		if c.gone {
			return nil, nil
		}
	}
	if c.stage == ready {
		w.handler.settled(c)
	}
	return data, nil
}

func (w *webSockets) frame(c *conn, op byte, p []byte) error {
	switch {
	case op == wsframe.Close:
		if c.stage == leaving {
			c.stage = left
			return w.handler.message(c, op, p)
		}
		return fmt.Errorf("close frame %q", p)
	case c.stage >= leaving: // nothing is sent after a close frame (RFC 6455 5.5.1)
	case op == wsframe.Ping:
		f, _ := wsframe.Append(nil, wsframe.Pong, p)
		w.g.loop.write(c, f)
	case op == wsframe.Pong:
	case op == wsframe.Text && len(p) == 1 && p[0] == '2': // ping
		w.g.loop.write(c, pongFrame)
	case c.stage == ready:
		return w.handler.message(c, op, p)
	case c.stage == opening:
		if op != wsframe.Text || !bytes.HasPrefix(p, []byte(`0{`)) {
			return fmt.Errorf("no open packet: %.200q", p)
		}
		c.stage = connecting
		w.g.loop.write(c, w.connect)
	case c.stage == connecting:
		if !w.g.isConnect(op, p) {
			return fmt.Errorf("no CONNECT: %.200q", p)
		}
		c.stage = ready
		w.handler.opened(c)
	}
	return nil
}

// openAll opens n connections, inOpening at a time. count is how many are open; failed is the first error.
func (w *webSockets) openAll(n int, count func() int, failed func() error) ([]*conn, error) {
	conns := make([]*conn, 0, n)
	var dialErr error
	done := func() bool {
		for dialErr == nil && len(conns) < n && len(conns)-count() < inOpening {
			var c *conn
			if c, dialErr = w.dial(len(conns)); dialErr == nil {
				conns = append(conns, c)
			}
		}
		return dialErr != nil || failed() != nil || count() == n
	}
	if err := w.g.loop.runUntil(openTime, done); err != nil {
		return nil, err
	}
	if err := errors.Join(dialErr, failed()); err != nil {
		return nil, fmt.Errorf("connection %d of %d: %w", min(count()+1, n), n, noEOF(err))
	}
	if count() < n {
		return nil, fmt.Errorf("%d of %d connections open after %v", count(), n, openTime)
	}
	return conns, nil
}

// noEOF says in words what io.EOF means.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("ended by the server")
	}
	return err
}

const settleTime = 10 * time.Second // for acknowledgements of joins
