package socketio

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sio.example/socketio/browser"
	"sio.example/socketio/internal/coding"
)

// clientFiles are the browser client's files, compressed when first asked for.
type clientFiles struct {
	mu     sync.Mutex
	zipped map[string][]byte
}

// serveFile answers requests for the browser client, which is below the path of the sessions. It reports false for any
// other request.
func (s *server) serveFile(w http.ResponseWriter, r *http.Request) bool {
	path := "/" + strings.Trim(s.opts.Engine.Path, "/")
	name, ok := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(path, "/")+"/")
	if !ok || name == "" {
		return false
	}
	content, etag, ok := browser.File(name)
	if !ok || strings.HasSuffix(name, ".br") { // a coding of another file
		return false
	}
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return true
	}
	s.allowOrigin(h, r.Header.Get("Origin"))
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("Content-Type", "application/javascript; charset=utf-8")
	if strings.HasSuffix(name, ".map") {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	if coding.AcceptsGzip(r.Header.Values("Accept-Encoding")) {
		content = s.files.gzip(name, content)
		h.Set("Content-Encoding", "gzip")
		etag = strings.TrimSuffix(etag, `"`) + `-gzip"` // RFC 9110 8.8.3.3
	}
	h.Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	return true
}

// allowOrigin lets pages of the origins that may open sessions load the files as modules.
func (s *server) allowOrigin(h http.Header, origin string) {
	c := s.opts.Engine.CORS
	switch {
	case c == nil:
	case slices.Contains(c.Origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		h.Add("Vary", "Origin")
		if origin != "" && slices.Contains(c.Origins, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			if c.Credentials {
				h.Set("Access-Control-Allow-Credentials", "true")
			}
		}
	}
}

func (f *clientFiles) gzip(name string, content []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if z, ok := f.zipped[name]; ok {
		return z
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content) // a Buffer does not fail
	_ = w.Close()
	if f.zipped == nil {
		f.zipped = make(map[string][]byte)
	}
	f.zipped[name] = b.Bytes()
	return b.Bytes()
}
