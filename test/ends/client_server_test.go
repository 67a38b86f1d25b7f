package ends

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sio.example/socketio/test/internal/wire"
)

// A handServer is the server's end of one session, by hand: it says what it is told to say, and hears all.
type handServer struct {
	t     *testing.T
	route route
	http  *httptest.Server
	dials net.Listener // for streams
	hello string       // the open packet

	in      chan string   // packets that came, and in parentheses ends of connections
	out     chan string   // for GETs
	over    chan struct{} // closed when no GET is to wait any more
	reading sync.WaitGroup

	mu      sync.Mutex
	ws      *net.TCPConn  // of the session, or of its probe
	stream  *streamPeer   // of the session
	joined  chan struct{} // closed when an upgrade may go on
	pausing chan struct{} // closed when each GET is answered with a noop, since an upgrade waits for its end
	probed  chan struct{} // closed when it is as far as the route wants it
	broken  bool          // answers are cut off
}

func startHandServer(t *testing.T, r route, hello string) *handServer {
	s := &handServer{
		t: t, route: r, hello: "0" + hello,
		in: make(chan string, 1000), out: make(chan string, 1000), over: make(chan struct{}),
		joined: make(chan struct{}), pausing: make(chan struct{}), probed: make(chan struct{}),
	}
	s.http = httptest.NewServer(s)
	var err error
	if s.dials, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.reading.Go(s.acceptStreams)
	t.Cleanup(func() {
		close(s.over)
		_ = s.dials.Close()
		s.cut(false)
		s.reading.Wait()
		s.http.Close()
	})
	return s
}

func (s *handServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case r.Header.Get("Upgrade") != "":
		s.serveWebSocket(w, r)
	case r.Method == http.MethodPost:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		for packet := range strings.SplitSeq(string(body), "\x1e") {
			s.in <- packet
		}
		_, _ = io.WriteString(w, "ok")
	case q.Get("sid") == "":
		_, _ = io.WriteString(w, s.hello)
	default:
		s.serveGet(w, r)
	}
}

func (s *handServer) serveGet(w http.ResponseWriter, r *http.Request) {
	select {
	case text := <-s.out:
		how, cut := strings.CutPrefix(text, "cut ")
		if !cut {
			_, _ = io.WriteString(w, text)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			s.t.Error(err)
			return
		}
		if how == "half" {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n42[\"la")
		}
		if how == "reset" {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		_ = conn.Close()
	case <-s.pausing:
		_, _ = io.WriteString(w, "6")
	case <-r.Context().Done(): // the client has ended it
	case <-s.over:
	}
}

func (s *handServer) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	conn, in, err := w.(http.Hijacker).Hijack()
	if err != nil {
		s.t.Error(err)
		return
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	s.mu.Lock()
	s.ws = conn.(*net.TCPConn)
	s.mu.Unlock()
	probe := r.URL.Query().Get("sid") != ""
	if !probe {
		s.frame(s.hello)
	}
	s.reading.Go(func() { s.readFrames(conn, in.Reader, probe) })
}

// dialStream opens a stream for a client.
func (s *handServer) dialStream(ctx context.Context, _ *http.Request) (io.ReadWriteCloser, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", s.dials.Addr().String())
}

// acceptStreams ends with the listener.
func (s *handServer) acceptStreams() {
	for {
		conn, err := s.dials.Accept()
		if err != nil {
			return
		}
		stream := &streamPeer{conn.(*net.TCPConn), bufio.NewReader(conn)}
		s.mu.Lock()
		s.stream = stream
		s.mu.Unlock()
		s.reading.Go(func() { s.readStream(stream) })
	}
}

// readStream reads what the client says on a stream. It speaks first.
func (s *handServer) readStream(stream *streamPeer) {
	defer stream.conn.Close()
	for packet, err := stream.read(); err == nil; packet, err = stream.read() {
		if packet == "0" {
			s.frame(s.hello)
			continue
		}
		s.in <- packet
	}
	s.in <- "(cut)"
}

// readFrames reads what the client says on a WebSocket, and takes part in an upgrade.
func (s *handServer) readFrames(conn net.Conn, in *bufio.Reader, probe bool) {
	defer conn.Close()
	end := ""
	for end == "" {
		opcode, text, err := readMasked(in)
		switch {
		case err != nil:
			end = "(cut)"
		case opcode == wire.CloseFrame:
			end = "(close 0)"
			if len(text) >= 2 {
				end = fmt.Sprintf("(close %d)", binary.BigEndian.Uint16([]byte(text)))
			}
		case text == "2probe" && s.route == upgraded:
			<-s.joined
			s.frame("3probe")
			close(s.pausing)
		case text == "2probe":
			close(s.probed)
		case text == "5":
			close(s.probed)
		default:
			s.in <- text
		}
	}
	if probe && s.route == upgrading {
		end = "probe " + end
	}
	s.in <- end
}

// readMasked reads a frame of a client.
func readMasked(in *bufio.Reader) (opcode byte, text string, err error) {
	var head [2]byte
	if _, err = io.ReadFull(in, head[:]); err != nil {
		return 0, "", err
	}
	n := uint64(head[1] & 0x7f)
	if n >= 126 {
		more := make([]byte, 8)[6*(127-n):]
		if _, err = io.ReadFull(in, more); err != nil {
			return 0, "", err
		}
		n = 0
		for _, b := range more {
			n = n<<8 | uint64(b)
		}
	}
	data := make([]byte, 4+n)
	if _, err = io.ReadFull(in, data); err != nil {
		return 0, "", err
	}
	for i := range data[4:] {
		data[4+i] ^= data[i&3]
	}
	return head[0] & 0x0f, string(data[4:]), nil
}

func (s *handServer) polls() bool { return s.route == polling || s.route == upgrading }

// say sends packets, with one write or in one answer.
func (s *handServer) say(packets ...string) {
	if s.polls() {
		s.out <- strings.Join(packets, "\x1e")
		return
	}
	s.frame(packets...)
}

func (s *handServer) frame(packets ...string) {
	if s.route == stream {
		s.stream.write(packets...)
		return
	}
	var frames []wire.Frame
	for _, packet := range packets {
		frames = append(frames, wire.Frame{Opcode: wire.Text, Payload: []byte(packet), Unmasked: true})
	}
	s.frames(frames...)
}

// frames sends frames. That the connection is gone is no error.
func (s *handServer) frames(frames ...wire.Frame) {
	var b []byte
	for _, f := range frames {
		b = f.Append(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.ws.SetWriteDeadline(time.Now().Add(patience))
	_, _ = s.ws.Write(b)
}

// cut ends the connections, and the GET that waits.
func (s *handServer) cut(reset bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn := s.ws
	if s.stream != nil {
		conn = s.stream.conn
	}
	if conn == nil {
		return
	}
	if reset {
		_ = conn.SetLinger(0)
	}
	_ = conn.Close()
}

// next is what comes next.
func (s *handServer) next() string {
	select {
	case packet := <-s.in:
		return packet
	case <-time.After(patience):
		s.t.Fatal("nothing came")
		return ""
	}
}
