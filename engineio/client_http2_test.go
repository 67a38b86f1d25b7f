package engineio

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// An http2Script is a server of Engine.IO over HTTP/2 with as much of the protocol as the client of net/http
// needs. A stream whose body is not empty is a POST; the first one opens the session, and the GETs after it are
// not answered but the first.
type http2Script struct {
	refuse func(stream int) string // in place of an answer to the nth stream: "reset", "goaway", "goaway after"

	mu      sync.Mutex
	streams int // so far, over all connections
	opened  bool
	polled  bool
	posts   []string
	done    chan string // "received" and "posted"
}

func (s *http2Script) serve(c net.Conn) {
	defer c.Close()
	var wmu sync.Mutex
	frame := func(kind, flags byte, stream uint32, payload string) {
		wmu.Lock()
		defer wmu.Unlock()
		head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
		head = binary.BigEndian.AppendUint32(append(head, flags), stream)
		c.Write(append(head, payload...))
	}
	br := bufio.NewReader(c)
	if _, err := br.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
		return
	}
	frame(4, 0, 0, "")
	bodies, last := map[uint32]string{}, uint32(math.MaxInt32)
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(br, head); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(head)>>8)
		if _, err := io.ReadFull(br, payload); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == 4 && flags == 0:
			frame(4, 1, 0, "") // SETTINGS are acknowledged
			continue
		case kind == 0:
			bodies[stream] += string(payload)
		case kind != 1:
			continue
		}
		if flags&1 == 0 || stream > last { // no END_STREAM, or behind GOAWAY
			continue
		}
		switch answer, how := s.answer(bodies[stream]); how {
		case "reset":
			frame(3, 0, stream, "\x00\x00\x00\x07") // REFUSED_STREAM
		case "goaway":
			last = stream - 2
			frame(7, 0, 0, string(binary.BigEndian.AppendUint32(nil, last))+"\x00\x00\x00\x00")
		case "goaway after":
			frame(7, 0, 0, string(binary.BigEndian.AppendUint32(nil, stream))+"\x00\x00\x00\x00")
			return
		default:
			if answer != "" {
				frame(1, 4, stream, "\x88") // :status 200
				frame(0, 1, stream, answer)
			}
		}
	}
}

func (s *http2Script) answer(body string) (answer, refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams++
	if how := s.refuse(s.streams); how != "" {
		return "", how
	}
	switch {
	case !s.opened:
		s.opened = true
		return openPolling, ""
	case body != "":
		s.posts = append(s.posts, body)
		s.done <- "posted"
		return "ok", ""
	case !s.polled:
		s.polled = true
		return "4a", ""
	}
	return "", ""
}

// TestClientOverHTTP2: a stream that was refused, and those that a GOAWAY says were not looked at, are tried
// again; one that may have been processed is not.
func TestClientOverHTTP2(t *testing.T) {
	for _, test := range []struct {
		how   string
		at    int
		ended bool
	}{
		{"reset", 2, false},
		{"reset", 3, false},
		{"goaway", 2, false},
		{"goaway", 3, false},
		{"goaway after", 2, true},
		{"goaway after", 3, true},
	} {
		t.Run(fmt.Sprint(test.how, " ", test.at), func(t *testing.T) {
			s := &http2Script{done: make(chan string, 10), refuse: func(stream int) string {
				if stream == test.at {
					return test.how
				}
				return ""
			}}
			server := httptest.NewUnstartedServer(nil)
			server.TLS = &tls.Config{NextProtos: []string{"h2"}}
			server.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
				"h2": func(_ *http.Server, c *tls.Conn, _ http.Handler) { s.serve(c) },
			}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()
			transport := server.Client().Transport.(*http.Transport)
			transport.ForceAttemptHTTP2 = true
			p := newEndpoint(t)
			p.onMsg = func(Message) { s.done <- "received" }
			open := func(sock *ClientSocket) Handler { p.socket = sock; return p }
			opts := &DialOptions{Transports: []string{"polling"}, HTTPClient: server.Client()}
			if _, err := Dial(t.Context(), server.URL, open, opts); err != nil {
				t.Fatal(err)
			}
			p.socket.Send(SendOptions{}, text("b"))
			for range 2 {
				if test.ended {
					<-p.closed
					break
				}
				select {
				case <-p.closed:
					t.Errorf("the session has ended: %v", p.err)
				case <-s.done:
				}
			}
			p.socket.Close()
			<-p.socket.Done()
			s.mu.Lock()
			defer s.mu.Unlock()
			if n := strings.Count(strings.Join(s.posts, " "), "4b"); n != 1 && !test.ended || n > 1 {
				t.Errorf("posted %q", s.posts)
			}
			transport.CloseIdleConnections()
		})
	}
}
