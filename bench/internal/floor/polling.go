package floor

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"sync"
)

// A pollSession is a session of long polling.
type pollSession struct {
	mu    sync.Mutex
	out   []byte        // packets, with their separators
	ready chan struct{} // holds a token when there may be something to send
}

func (p *pollSession) append(text []byte) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first = len(p.out) == 0
	if !first {
		p.out = append(p.out, 0x1e)
	}
	p.out = append(p.out, text...)
	return first
}

func (p *pollSession) flush() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

func (v *Server) servePolling(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	query := r.URL.Query()
	sid := query.Get("sid")
	if sid == "" {
		s := &session{poll: &pollSession{ready: make(chan struct{}, 1)}}
		sid = rand.Text()
		v.mu.Lock()
		v.sessions[sid] = s
		v.mu.Unlock()
		_, _ = w.Write(openPacket(sid)) // the load notices
		return
	}
	v.mu.RLock()
	s := v.sessions[sid]
	v.mu.RUnlock()
	switch {
	case s == nil:
		http.Error(w, "Session ID unknown", http.StatusBadRequest)
	case r.Method == http.MethodPost:
		v.post(w, r, s)
	default:
		s.poll.get(w, r)
	}
}

func (v *Server) post(w http.ResponseWriter, r *http.Request, s *session) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFrame))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b := batches.Get().(*batch)
	for p := range bytes.SplitSeq(body, []byte{0x1e}) {
		v.packet(s, b, p)
	}
	b.flush()
	batches.Put(b)
	_, _ = io.WriteString(w, "ok") // the load notices
}

// get waits until there is something to send.
func (p *pollSession) get(w http.ResponseWriter, r *http.Request) {
	for {
		p.mu.Lock()
		out := p.out
		p.out = nil
		p.mu.Unlock()
		if len(out) > 0 {
			_, _ = w.Write(out) // the load notices
			return
		}
		select {
		case <-p.ready:
		case <-r.Context().Done():
			return
		}
	}
}
