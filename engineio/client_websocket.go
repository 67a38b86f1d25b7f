package engineio

import (
	"context"
	"errors"
	"net/http"
	"os"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/websocket"
)

// openWebSocket opens a session on a WebSocket. An error is a *ClientError.
func (d *clientDialer) openWebSocket(ctx context.Context) (opened, error) {
	conn, err := d.webSocket(ctx, "")
	if err != nil {
		return opened{}, err
	}
	stop := context.AfterFunc(ctx, conn.Abort)
	op, data, err := conn.Read()
	switch {
	case !stop():
		err = &ClientError{Transport: transportWebSocket, Message: "websocket error", Err: context.Cause(ctx)}
	case err != nil:
		err = &ClientError{Transport: transportWebSocket, Message: "websocket error", Err: err}
	case op == websocket.Binary:
		err = &ClientError{
			Transport: transportWebSocket, Message: "server error", Status: http.StatusSwitchingProtocols, Err: errNoHandshake,
		}
	}
	o := opened{transport: transportWebSocket, conn: conn}
	if err == nil {
		o.handshake, err = decodeOpen(transportWebSocket, http.StatusSwitchingProtocols, data, data)
	}
	if err != nil {
		conn.Close(websocket.ProtocolError, "no handshake") // written, if the kernel takes it at once
		conn.Abort()
		conn.Wait()
		return opened{}, err
	}
	return o, nil
}

// read is the reader of a WebSocket; u is the upgrade that it belongs to until that has ended. See Socket.read for why
// there is so little in it.
func (s *ClientSocket) read(c *websocket.Conn, u *clientUpgrade) {
	for {
		op, data, err := c.Read()
		switch s.handle(c, u, op, data, err) {
		case readAnew:
			go s.read(c, u) // the same reader with its hold, on a fresh stack
			return
		case readNoMore:
			s.readOut(c)
			return
		}
	}
}

// readOut waits for the end of a WebSocket that has been told to close. After Close a Conn returns no more messages.
func (s *ClientSocket) readOut(c *websocket.Conn) {
	for {
		if _, _, err := c.Read(); err != nil {
			break
		}
	}
	c.Wait()
	s.release()
}

// handle does what is to be done about what was read.
//
//go:noinline
func (s *ClientSocket) handle(c *websocket.Conn, u *clientUpgrade, op websocket.Opcode, data []byte, err error) verdict {
	returned := false
	defer func() {
		if !returned { // user code has called runtime.Goexit, or a panic ends the process
			s.exited()
			go s.readOut(c) // the same reader with its hold
		}
	}()
	v := s.handleRead(c, u, op, data, err)
	returned = true
	return v
}

func (s *ClientSocket) handleRead(c *websocket.Conn, u *clientUpgrade, op websocket.Opcode, data []byte, err error) verdict {
	if u != nil && s.upgrading(u) {
		return s.handleProbe(c, u, op, data, err)
	}
	if err != nil {
		s.close(clientReadEnding(err), true)
		return readNoMore
	}
	var p packet.Packet
	if s.base64 && op == websocket.Text {
		p, err = packet.DecodeTextOnly(data)
	} else {
		p, err = packet.Decode(data, op == websocket.Binary)
	}
	if err != nil {
		s.close(malformed(err), true)
		return readNoMore
	}
	s.traceReceived(transportWebSocket, p)
	idle := !c.Buffered()
	s.setBacklog(!idle)
	if e, ok := s.receive(p); !ok {
		s.close(e, true)
		return readNoMore
	}
	if p.Type == packet.Message {
		s.in.grown = true
	}
	if idle && s.in.grown && (p.Type == packet.Ping || s.in.fresh < freshStacks) {
		s.in.grown = false
		s.in.fresh = min(s.in.fresh+1, freshStacks)
		return readAnew
	}
	return readOn
}

// clientReadEnding is what a failed read does to the session.
func clientReadEnding(err error) ending {
	if errors.Is(err, os.ErrDeadlineExceeded) { // of a write: Read has no deadline that it does not explain
		return clientWriteEnding(err)
	}
	e := ending{reason: TransportClose, err: err, status: websocket.NormalClosure}
	var ce *websocket.CloseError
	if errors.As(err, &ce) && !ce.Received { // the server broke a rule; a connection that just ends is a close
		e.reason, e.err = TransportError, &ClientError{Transport: transportWebSocket, Message: "websocket error", Err: err}
	}
	return e
}
