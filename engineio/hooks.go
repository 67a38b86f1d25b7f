package engineio

import (
	"net/http"

	"sio.example/socketio/engineio/packet"
)

// ServerTrace are functions that a Server tells of what happens, as the official one does with events. Each may be nil.
// They are called where it happens, with no lock held, for several sessions at the same time; for one in the order of
// what comes, and in that of what goes out. Reading and writing wait for them. They may do anything with the session.
// A panic in one is logged and counted, and harms nothing else. Without a Trace nothing of this costs anything.
type ServerTrace struct {
	// Refused is told of each request that is refused: connection_error officially.
	Refused func(e *RefusedRequest)
	// Packet is told of packets that have been received, before they are handled, and of those that are about to be
	// written: packet and packetCreate officially. Those of the handshake and of the probe of an upgrade are left out. The
	// data must not be changed, nor kept.
	Packet func(s *Socket, sent bool, p packet.Packet)
	// Flush is told how many packets are about to be written together: flush officially.
	Flush func(s *Socket, packets int)
	// Drain is told when all that was queued has been written: drain officially.
	Drain func(s *Socket)
	// Heartbeat is told when the client has answered a ping: heartbeat officially.
	Heartbeat func(s *Socket)
}

// A RefusedRequest is a request that did not become what it asked for.
type RefusedRequest struct {
	Request *http.Request // must not be kept
	Status  int           // of the answer by plain HTTP; that to an upgrade may have another one
	Code    int           // of the official server: 0 to 5
	Message string        // that belongs to it, or that of a *RequestError
	Reject  string        // the name under which it is counted: one of the Reject constants
	Err     error         // of AllowRequest or NewID, or what is wrong with a handshake; nil if there is none
}

// observe calls a function of the user's, whatever it does: it may be the reader of a session that waits. On its own
// goroutine http.ErrAbortHandler is a panic like others, as nobody there would know what it means.
func (s *Server) observe(call func()) {
	done := make(chan struct{})
	go func() { // owned by the caller, which waits; ends with the call
		defer close(done)
		returned := false
		defer func() {
			if !returned {
				s.failed("Trace", recover())
			}
		}()
		call()
		returned = true
	}()
	<-done
}

// traceRefused tells of a request that is refused.
func (s *Server) traceRefused(r *http.Request, e *refusal) {
	if t := s.options.Trace; t != nil && t.Refused != nil {
		s.observe(func() {
			t.Refused(&RefusedRequest{Request: r, Status: e.status, Code: e.code, Message: e.message, Reject: e.reject,
				Err: e.cause})
		})
	}
}

// The others are called only if there is a Trace.

// traceReceived tells of a packet that has come.
//
//go:noinline
func (s *Socket) traceReceived(p packet.Packet) {
	t := s.server.options.Trace
	if t.Packet != nil {
		s.server.observe(func() { t.Packet(s, false, p) })
	}
	if t.Heartbeat != nil && p.Type == s.codec().server.awaits {
		s.server.observe(func() { t.Heartbeat(s) })
	}
}

// traceSending tells of the packets of a batch.
func (s *Socket) traceSending(b *batch) {
	t := s.server.options.Trace
	if t.Packet != nil {
		for _, m := range b.items {
			s.server.observe(func() { t.Packet(s, true, m.packet()) })
		}
	}
	if t.Flush != nil {
		s.server.observe(func() { t.Flush(s, len(b.items)) })
	}
}

// traceDrain tells that a batch was written, if nothing is left.
func (s *Socket) traceDrain(b *batch) {
	t := s.server.options.Trace
	if t.Drain == nil || b.err != nil || len(b.items) == 0 && !b.tried {
		return
	}
	s.mu.Lock()
	rest := s.out.queue.Len() > 0
	s.mu.Unlock()
	if !rest {
		s.server.observe(func() { t.Drain(s) })
	}
}
