package engineio

import (
	"errors"
	"net/http"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/websocket"
)

// webSocketOptions are what each connection of this server has in common.
func (s *Server) webSocketOptions(h http.Header) *websocket.Options {
	return &websocket.Options{
		Header: h, MaxMessage: s.options.MaxPayload, Counters: &s.counters.frames, UserTimeout: s.silence(),
		MaxUnread: s.options.MaxUnread,
	}
}

// silence is after which time at the latest a peer has shown that it lives.
func (s *Server) silence() time.Duration { return s.options.PingInterval + s.options.PingTimeout }

// openWebSocket finishes a handshake whose session has been accepted: the session gets its transport and its reader.
func (s *Server) openWebSocket(w http.ResponseWriter, r *http.Request, sock *Socket, h http.Header) {
	o := s.webSocketOptions(h)
	first := s.openFrame(sock)
	defer bufpool.Put(first)
	if first != nil {
		o.First = *first
	}
	conn, err := websocket.Upgrade(w, r, o)
	if err != nil {
		sock.close(ending{reason: TransportError, err: err, reject: RejectHandshake}, true)
		s.upgradeFailed(w, r, err)
		return
	}
	l := webSocketLink{conn}
	sock.mu.Lock()
	closed := sock.state == sessionClosed
	var end ending
	if closed {
		end = *sock.endingLocked()
	} else {
		sock.link = l
		sock.startHeartbeatLocked()
		sock.startFlushLocked()
	}
	sock.refs++
	sock.mu.Unlock()
	if closed { // by what accept did
		l.close(end.status, end.text)
	}
	l.ask(true)
	go sock.readFirst(l) // the reader: owned by the session, ends with the connection, and unref lets Shutdown go on
}

// openFrame borrows a buffer with the Open packet, unless the session is closed by what accept did.
func (s *Server) openFrame(sock *Socket) *[]byte {
	sock.mu.Lock()
	closed := sock.state == sessionClosed
	sock.mu.Unlock()
	if closed {
		return nil
	}
	body, frame := bufpool.Get(256), bufpool.Get(256)
	*body = s.appendOpen(append(*body, '0'+byte(packet.Open)), sock.id, nil)
	*frame = websocket.AppendFrame(*frame, websocket.Text, *body)
	bufpool.Put(body)
	return frame
}

// upgradeFailed answers when nothing has been written yet.
func (s *Server) upgradeFailed(w http.ResponseWriter, r *http.Request, err error) {
	var he *websocket.HandshakeError
	switch {
	case errors.As(err, &he):
		s.refuseHandshake(w, he)
	case errors.Is(err, http.ErrNotSupported):
		s.explainHijack(r, err)
		s.answerUpgrade(w, http.StatusNotImplemented,
			"Not implemented: a middleware's http.ResponseWriter has neither Hijack nor Unwrap")
	}
}

// openProbe lets a second transport begin an upgrade of sock, or closes it.
func (s *Server) openProbe(w http.ResponseWriter, r *http.Request, q *query, sock *Socket, h http.Header) {
	conn, err := websocket.Upgrade(w, r, s.webSocketOptions(h))
	if err != nil {
		s.counters.reject(RejectHandshake)
		s.upgradeFailed(w, r, err)
		return
	}
	l := webSocketLink{conn}
	p := sock.beginUpgrade(l, q.base64, probeFrame)
	if p == nil {
		s.counters.reject(RejectUpgrade)
		l.close(websocket.ProtocolError, "no upgrade possible")
		go sock.readOut(l) // owned by the session, ends with the connection: at most the close timeout from now
		return
	}
	go sock.readUpgrade(p) // the reader, as in openWebSocket
}

var probeFrame = websocket.AppendFrame(nil, websocket.Text, []byte("3probe"))
