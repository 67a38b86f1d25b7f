// Package floor is what a server costs that does as little as one can: it is no Socket.IO server, but gives the right
// answers to what the benchmark asks. It stands on net/http and Hijack, frames by itself, keeps one goroutine for each
// WebSocket that waits without a buffer, and joins what it writes. With a Codec it decodes and encodes JSON as well,
// which makes it the model of a very good server.
package floor

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A Codec appends the JSON array of an event or an acknowledgement: name, quoted, if it is not empty, and the
// arguments, which came as the JSON text args.
type Codec func(dst, name, args []byte) ([]byte, error)

// Copy decodes nothing.
func Copy(dst, name, args []byte) ([]byte, error) {
	dst = append(dst, '[')
	if len(name) > 0 {
		dst = append(dst, name...)
		if len(args) > 0 {
			dst = append(dst, ',')
		}
	}
	return append(append(dst, args...), ']'), nil
}

// Main is a whole program: `program PORT`, with the signals that the benchmark sends.
func Main(codec Codec) {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "want a port")
		os.Exit(2)
	}
	limit := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // the load says so if there are too few
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Args[1]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := &http.Server{Handler: New(codec), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with the process
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGUSR2)
	fmt.Println("ready")
	for s := range signals {
		if s != syscall.SIGUSR2 {
			return
		}
		runtime.GC()
		debug.FreeOSMemory()
	}
}

// A Server is an http.Handler.
type Server struct {
	codec Codec

	mu       sync.RWMutex
	members  map[*session]struct{}
	rooms    map[string][]*session
	sessions map[string]*session // long-polling ones
}

// New makes a server; nil means Copy.
func New(codec Codec) *Server {
	if codec == nil {
		codec = Copy
	}
	return &Server{
		codec: codec, members: map[*session]struct{}{}, rooms: map[string][]*session{}, sessions: map[string]*session{},
	}
}

// A session is one client. What it is on takes packets, and sends them when it is flushed.
type session struct {
	ws     *webSocket   // one of these two
	poll   *pollSession //
	header []byte       // of an event whose attachment has not come
}

// A batch is the sessions that have something to send; it is empty between reads.
type batch struct{ dirty []*session }

// flushHalf is how many sessions are worth a second goroutine.
const flushHalf = 64

var batches = sync.Pool{New: func() any { return new(batch) }}

// flush writes what was queued, in two halves where that is much.
func (b *batch) flush() {
	rest := b.dirty
	var other sync.WaitGroup
	if len(rest) > flushHalf {
		half := rest[:len(rest)/2]
		rest = rest[len(rest)/2:]
		other.Go(func() { // ends when it has written its half
			for _, s := range half {
				s.flush()
			}
		})
	}
	for _, s := range rest {
		s.flush()
	}
	other.Wait()
	clear(b.dirty)
	b.dirty = b.dirty[:0]
}

func (s *session) flush() {
	if s.ws != nil {
		s.ws.flush()
	} else {
		s.poll.flush()
	}
}

// queue appends a packet, as text and framed, and remembers that s is to be flushed.
func (s *session) queue(b *batch, text, frame []byte) {
	first := false
	if s.ws != nil {
		first = s.ws.append(frame)
	} else {
		first = s.poll.append(text)
	}
	if first {
		b.dirty = append(b.dirty, s)
	}
}

// send queues one packet of s alone.
func (s *session) send(b *batch, text []byte) {
	if s.ws == nil {
		s.queue(b, text, nil)
	} else if s.ws.appendFrame(opText, text) {
		b.dirty = append(b.dirty, s)
	}
}

func openPacket(sid string) []byte {
	return fmt.Appendf(nil, `0{"sid":"%s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`,
		sid)
}

// packet handles one Engine.IO packet.
func (v *Server) packet(s *session, b *batch, p []byte) {
	switch {
	case len(p) < 2 || p[0] != '4': // pongs
	case p[1] == '2':
		v.event(s, b, p[2:])
	case p[1] == '0':
		s.send(b, fmt.Appendf(nil, `40{"sid":"%s"}`, rand.Text()))
		v.mu.Lock()
		v.members[s] = struct{}{}
		v.mu.Unlock()
	case p[1] == '1':
		v.leave(s)
	case p[1] == '5':
		s.header = bytes.Clone(p)
	}
}

// attachment sends header and attachment back.
func (v *Server) attachment(s *session, b *batch, p []byte) {
	if s.header == nil {
		return
	}
	s.send(b, s.header)
	s.header = nil
	if s.ws.appendFrame(opBinary, p) {
		b.dirty = append(b.dirty, s)
	}
}

func (v *Server) leave(s *session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.members, s)
	for name, members := range v.rooms {
		for i, m := range members {
			if m == s {
				v.rooms[name] = append(members[:i:i], members[i+1:]...)
				break
			}
		}
	}
}

var scratches = sync.Pool{New: func() any { return new([]byte) }}

// event handles `[id]["name",arguments]`.
func (v *Server) event(s *session, b *batch, p []byte) {
	start := bytes.IndexByte(p, '[')
	if start < 0 || p[len(p)-1] != ']' {
		return
	}
	id, p := p[:start], p[start+1:len(p)-1]
	name, args, _ := bytes.Cut(p, []byte{','})
	pooled := scratches.Get().(*[]byte)
	defer func() { scratches.Put(pooled) }()
	out := (*pooled)[:0]
	var err error
	switch string(name) {
	case `"echo"`:
		if len(id) > 0 {
			out = append(append(out, "43"...), id...)
			name = nil
		} else {
			out = append(out, "42"...)
		}
		if out, err = v.codec(out, name, args); err == nil {
			s.send(b, out)
		}
	case `"bcast"`:
		if out, err = v.codec(append(out, "42"...), name, args); err == nil {
			v.broadcast(b, out)
		}
	case `"join"`:
		room, _ := strconv.Unquote(string(args))
		v.mu.Lock()
		v.rooms[room] = append(v.rooms[room], s)
		v.mu.Unlock()
		if len(id) > 0 {
			out = append(append(append(out, "43"...), id...), "[]"...)
			s.send(b, out)
		}
	case `"room"`:
		room, payload, _ := bytes.Cut(args, []byte{','})
		if out, err = v.codec(append(out, "42"...), name, payload); err == nil && len(room) > 2 {
			v.toRoom(b, room[1:len(room)-1], out)
		}
	}
	*pooled = out
}

func (v *Server) broadcast(b *batch, text []byte) {
	frame := appendFrame(nil, opText, text)
	v.mu.RLock()
	defer v.mu.RUnlock()
	for s := range v.members {
		s.queue(b, text, frame)
	}
}

func (v *Server) toRoom(b *batch, room, text []byte) {
	frame := appendFrame(nil, opText, text)
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, s := range v.rooms[string(room)] {
		s.queue(b, text, frame)
	}
}
