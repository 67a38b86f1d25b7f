package siowebtransport

import (
	"io"
	"runtime"
	"strings"
	"testing"
)

// A client may open sessions on one connection one after another, in each way of ending them, and nothing is left of
// them while the connection goes on.
func TestManySessions(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	r := e.raw(t, nil)
	round := func(i int) {
		_, s, err := r.conn.Dial(t.Context(), e.url+"/socket.io/", nil)
		for err != nil && t.Context().Err() == nil { // the one before is not quite gone, see below
			_, s, err = r.conn.Dial(t.Context(), e.url+"/socket.io/", nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		switch i % 4 {
		case 0: // used
			str := openStream(t, s, "\x010")
			if open := frame(t, str); !strings.HasPrefix(open, `0{"sid"`) {
				t.Fatal(open)
			}
			str.Close()
		case 1: // no stream
			s.CloseWithError(0, "")
		case 2: // half of a packet
			openStream(t, s, "\x02")
			s.CloseWithError(1, "")
		case 3: // what is no handshake
			str := openStream(t, s, "\x01x")
			if _, err := str.Read(make([]byte, 1)); err == nil {
				t.Fatal("an answer")
			}
		}
		until(t, "the session ends", func() bool { return e.active() == 0 && e.io.Engine().Count() == 0 })
		s.CloseWithError(0, "")
	}
	for i := range 8 {
		round(i)
	}
	before := runtime.NumGoroutine()
	for i := range 200 {
		round(i)
	}
	until(t, "as few goroutines as before", func() bool { return runtime.NumGoroutine() <= before+10 })
}

// Sessions share a connection only if the client has the flow control of WebTransport, for want of which a second one
// is refused while the first goes on.
func TestSecondSessionOfAConnection(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	r := e.raw(t, nil)
	str := openStream(t, r.session(e), "\x010")
	frame(t, str)
	if _, s, err := r.conn.Dial(t.Context(), e.url+"/socket.io/", nil); err == nil {
		t.Error("there are two")
		s.CloseWithError(0, "")
	}
	if _, err := io.WriteString(str, "\x0240"); err != nil {
		t.Fatal(err)
	}
	if got := frame(t, str); !strings.HasPrefix(got, "40{") {
		t.Error(got)
	}
	until(t, "one is left", func() bool { return e.active() == 1 && e.io.Engine().Count() == 1 })
}
