package engineio

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"sio.example/socketio/internal/journal"
)

// A control does what an http.ResponseWriter can do beside writing. Middleware puts writers of its own around that of
// net/http: some assert that what they wrap can flush, and panic if it cannot, as those of gin up to 1.11 and of echo 4
// do; some return themselves from Unwrap. None of that may cost a session, so what fails counts as not supported.
type control struct {
	server *Server
	w      http.ResponseWriter
}

// maxWrapped is how many writers may be around that of net/http.
const maxWrapped = 100

// wrapped reports whether the chain of Unwrap ends; an http.ResponseController would follow it for ever.
func wrapped(w http.ResponseWriter) bool {
	for range maxWrapped {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return true
		}
		w = u.Unwrap()
	}
	return false
}

func (c control) call(name string, f func(rc *http.ResponseController) error) (err error) {
	err = http.ErrNotSupported
	defer func() {
		if v := recover(); v == http.ErrAbortHandler {
			panic(v)
		} else if v != nil {
			c.server.badWriter(c.w, name, fmt.Sprint(v))
			err = http.ErrNotSupported
		}
	}()
	if !wrapped(c.w) {
		c.server.badWriter(c.w, name, "Unwrap does not end")
		return err
	}
	return f(http.NewResponseController(c.w))
}

func (c control) flush() error {
	return c.call("Flush", (*http.ResponseController).Flush)
}

func (c control) setReadDeadline(t time.Time) {
	c.call("SetReadDeadline", func(rc *http.ResponseController) error { return rc.SetReadDeadline(t) })
}

func (c control) setWriteDeadline(t time.Time) {
	c.call("SetWriteDeadline", func(rc *http.ResponseController) error { return rc.SetWriteDeadline(t) })
}

// badWriter logs, once for each type and method, that a ResponseWriter does what it must not.
func (s *Server) badWriter(w http.ResponseWriter, method, what string) {
	t := fmt.Sprintf("%T", w)
	s.warn("writer "+t+" "+method, "engineio: a middleware's http.ResponseWriter fails: wrap with Unwrap, or with "+method,
		slog.String("type", t), slog.String("method", method), slog.String("error", journal.Plain(what)))
}

// piece is what is written at once of a long body, so that it is seen how far it gets.
const piece = 64 << 10

// write writes the whole body with a deadline, which net/http lifts when the request is done. A long body is out when
// it returns, if w can flush. Took, if not nil, is called for each piece.
func (s *Server) write(w http.ResponseWriter, body []byte, took func()) error {
	c := control{s, w}
	c.setWriteDeadline(time.Now().Add(writeBase + time.Duration(len(body)/writeRate)*time.Second))
	for rest := body; ; {
		next := rest[:min(len(rest), piece)]
		rest = rest[len(next):]
		n, err := w.Write(next)
		if err == nil && n < len(next) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
		if len(rest) == 0 {
			break
		}
		if took != nil {
			took()
		}
	}
	if len(body) < buffered {
		return nil
	}
	if err := c.flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// unlimit lifts the WriteTimeout of the http.Server, if it has one, from a request that is to wait. The ReadTimeout is
// for the body, and net/http lifts it when that is read.
func (s *Server) unlimit(w http.ResponseWriter, r *http.Request) {
	if srv, _ := r.Context().Value(http.ServerContextKey).(*http.Server); srv != nil && srv.WriteTimeout > 0 {
		control{s, w}.setWriteDeadline(time.Time{})
	}
}
