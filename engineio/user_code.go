package engineio

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/websocket"
)

// Calls of user code. Whatever that does, the session gets its end and lets go of what it holds: a panic ends the
// session and nothing else, and so does runtime.Goexit, which takes the goroutine along.

// deliver calls the Handler. The caller has entered the latch; l is its link if it is a reader.
func (s *Socket) deliver(m packet.Packet, l link) {
	returned := false
	defer func() {
		if !returned {
			s.failed(l, recover())
		}
	}()
	s.handler.HandleMessage(Message{Binary: m.Binary, Data: m.Data})
	returned = true
}

// failed ends the session because HandleMessage did not return. If the goroutine ends, nobody else will leave the
// latch.
func (s *Socket) failed(l link, panicked any) {
	s.server.failed("HandleMessage", panicked)
	e := ending{reason: TransportError, err: errPanic, status: websocket.InternalError, text: "internal error"}
	if panicked == nil {
		e.err = errExited
	}
	s.close(e, true)
	if panicked != nil {
		return
	}
	if l != nil {
		defer s.handOverReading(l)
	}
	if s.latch.leave() {
		s.notifyClosed()
	}
}

// handOverReading lets another goroutine have what is left to do for the reader of l.
func (s *Socket) handOverReading(l link) {
	go s.readOut(l) // the same reader with its ref
}

// closeReading is close for the reader of l.
func (s *Socket) closeReading(l link, e ending) {
	s.mu.Lock()
	fx := s.stopLocked(e)
	s.mu.Unlock()
	s.asReader(l, func() { s.closeStopped(fx, true) })
}

// asReader calls what may call the Handler for the last time. If l is not nil, the goroutine is its reader.
func (s *Socket) asReader(l link, call func()) {
	returned := false
	defer func() {
		if !returned && l != nil {
			s.handOverReading(l)
		}
	}()
	call()
	returned = true
}

// notifyClosed tells the handler, and lets the session go.
func (s *Socket) notifyClosed() {
	defer s.unref()
	s.mu.Lock()
	e, h := s.endingLocked(), s.handler
	s.mu.Unlock()
	if h == nil {
		return
	}
	returned := false
	defer func() {
		if !returned {
			s.server.failed("HandleClose", recover())
		}
	}()
	h.HandleClose(e.reason, e.err)
	returned = true
}

// hook calls user code on the request's goroutine and reports whether it returned. A panic is logged and counted;
// http.ErrAbortHandler is left to net/http, which knows what it means.
func (s *Server) hook(name string, call func()) (ok bool) {
	defer func() {
		if ok {
			return
		}
		v := recover()
		if v == http.ErrAbortHandler {
			panic(v)
		}
		s.failed(name, v)
	}()
	call()
	return true
}

// failed logs and counts that user code did not return: because of a panic, or without a value because of
// runtime.Goexit.
func (s *Server) failed(where string, panicked any) {
	s.counters.reject(RejectPanic)
	if panicked == nil {
		s.options.Logger.Error("engineio: runtime.Goexit in " + where)
		return
	}
	s.options.Logger.Error("engineio: panic in "+where, "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
}
