package floor

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

const (
	readSize = 32 << 10
	maxFrame = 1 << 20
)

var (
	readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}
	outBuffers  = sync.Pool{New: func() any { return new([]byte) }}
	errFrame    = errors.New("floor: a frame that the benchmark does not send")
)

// A webSocket is the connection of a session. Only its reader uses what is not below mu.
type webSocket struct {
	server  *Server
	session session
	conn    net.Conn
	raw     syscall.RawConn
	in      []byte // the beginning of a frame

	mu      sync.Mutex
	out     *[]byte // nil when there is nothing to send
	writing bool
	closed  bool
}

// ServeHTTP upgrades, or serves long polling.
func (v *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		v.servePolling(w, r)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		_ = conn.Close()
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		_ = conn.Close()
		return
	}
	_ = conn.SetDeadline(time.Time{}) // that of the header
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := append(make([]byte, 0, 512),
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	answer = append(base64.StdEncoding.AppendEncode(answer, sum[:]), "\r\n\r\n"...)
	answer = appendFrame(answer, opText, openPacket(rand.Text()))
	if _, err := conn.Write(answer); err != nil {
		_ = conn.Close()
		return
	}
	ws := &webSocket{server: v, conn: conn, raw: raw}
	ws.session.ws = ws
	go ws.serve(true) // ends with the connection; net/http's goroutine, with its grown stack and its buffers, ends now
}

// serve reads until the connection ends. Once the handshake is over it goes on in a new goroutine: the stack of the
// first one has grown, and stays so.
func (ws *webSocket) serve(young bool) {
	for {
		var buf *[readSize]byte
		var n int
		var readErr error
		err := ws.raw.Read(func(fd uintptr) bool {
			buf = readBuffers.Get().(*[readSize]byte)
			for {
				n, readErr = syscall.Read(int(fd), buf[:])
				if readErr != syscall.EINTR {
					break
				}
			}
			if readErr == syscall.EAGAIN {
				readBuffers.Put(buf) // whoever waits holds none
				return false
			}
			return true
		})
		if err == nil {
			err = readErr
		}
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err == nil {
			err = ws.input(buf[:n])
		}
		if buf != nil {
			readBuffers.Put(buf)
		}
		if err != nil {
			ws.close()
			return
		}
		if young {
			go ws.serve(false) // ends with the connection
			return
		}
	}
}

func (ws *webSocket) close() {
	ws.server.leave(&ws.session)
	ws.mu.Lock()
	ws.closed = true
	ws.mu.Unlock()
	_ = ws.conn.Close()
}

// input handles all frames that came, and then sends all answers.
func (ws *webSocket) input(data []byte) error {
	if len(ws.in) > 0 {
		ws.in = append(ws.in, data...)
		data = ws.in
	}
	b := batches.Get().(*batch)
	var err error
	for {
		var n int
		if n, err = ws.frame(b, data); n == 0 || err != nil {
			break
		}
		data = data[n:]
	}
	b.flush()
	batches.Put(b)
	if len(data) > 0 {
		ws.in = append(ws.in[:0], data...)
	} else {
		ws.in = nil
	}
	return err
}

// frame handles the first frame in b, and returns its size; 0 if it has not come in full.
func (ws *webSocket) frame(b *batch, data []byte) (int, error) {
	if len(data) < 2 {
		return 0, nil
	}
	head, n := 2, int(data[1]&0x7f)
	if data[0]&0xf0 != 0x80 || data[1] < 0x80 {
		return 0, errFrame
	}
	switch n {
	case 126:
		if head = 4; len(data) < head {
			return 0, nil
		}
		n = int(binary.BigEndian.Uint16(data[2:]))
	case 127:
		return 0, errFrame
	}
	size := head + 4 + n
	if len(data) < size {
		return 0, nil
	}
	p := data[head+4 : size]
	unmask(p, binary.LittleEndian.Uint32(data[head:]))
	switch data[0] & 15 {
	case opText:
		ws.server.packet(&ws.session, b, p)
	case opBinary:
		ws.server.attachment(&ws.session, b, p)
	case opClose:
		if ws.appendFrame(opClose, p) {
			b.dirty = append(b.dirty, &ws.session)
		}
		return 0, io.EOF
	case opPing:
		if ws.appendFrame(opPong, p) {
			b.dirty = append(b.dirty, &ws.session)
		}
	}
	return size, nil
}

func unmask(p []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(wide >> (8 * i))
	}
}

func appendFrame(dst []byte, op byte, p []byte) []byte {
	dst = append(dst, 0x80|op)
	if len(p) < 126 {
		dst = append(dst, byte(len(p)))
	} else {
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(len(p)))
	}
	return append(dst, p...)
}

// append queues a frame; first reports whether it is the first since the last flush.
func (ws *webSocket) append(frame []byte) (first bool) {
	ws.mu.Lock()
	first = ws.outBuffer()
	*ws.out = append(*ws.out, frame...)
	ws.mu.Unlock()
	return first
}

func (ws *webSocket) appendFrame(op byte, p []byte) (first bool) {
	ws.mu.Lock()
	first = ws.outBuffer()
	*ws.out = appendFrame(*ws.out, op, p)
	ws.mu.Unlock()
	return first
}

func (ws *webSocket) outBuffer() (first bool) {
	if ws.out != nil {
		return false
	}
	ws.out = outBuffers.Get().(*[]byte)
	return true
}

// flush writes what is queued, unless somebody else does.
func (ws *webSocket) flush() {
	ws.mu.Lock()
	if ws.writing {
		ws.mu.Unlock()
		return
	}
	ws.writing = true
	for ws.out != nil && !ws.closed {
		out := ws.out
		ws.out = nil
		ws.mu.Unlock()
		_, _ = ws.conn.Write(*out) // the reader notices a connection that is gone
		*out = (*out)[:0]
		outBuffers.Put(out)
		ws.mu.Lock()
	}
	ws.writing = false
	ws.mu.Unlock()
}
