package socketio

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"sio.example/socketio/browser"
	"sio.example/socketio/internal/coding"
)

// clientFiles are the browser client's files, compressed when first asked for, but for those in Brotli, which are
// embedded as they are.
type clientFiles struct {
	mu     sync.Mutex
	zipped map[zippedFile][]byte
}

type zippedFile struct{ name, coding string }

// brotli is what the name of a file ends in that holds another one compressed with Brotli.
const brotli = ".br"

// serveFile answers requests for the browser client, which is below the path of the sessions. It reports false for any
// other request.
func (s *server) serveFile(w http.ResponseWriter, r *http.Request) bool {
	path := "/" + strings.Trim(s.opts.Engine.Path, "/")
	name, ok := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(path, "/")+"/")
	if !ok || name == "" || strings.HasSuffix(name, brotli) {
		return false
	}
	content, etag, ok := browser.File(name)
	if !ok {
		return false
	}
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return true
	}
	s.engine.SetCORS(h, r) // pages of the origins that may open sessions may load the files as modules
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("Content-Type", "application/javascript; charset=utf-8")
	if strings.HasSuffix(name, ".map") {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	small, _, hasBrotli := browser.File(name + brotli)
	offered := []string{"br", "gzip", "deflate"} // as officially
	if !hasBrotli {
		offered = offered[1:]
	}
	if c := coding.Choose(r.Header.Values("Accept-Encoding"), offered...); c != "" {
		if c != "br" {
			small = s.files.zip(zippedFile{name, c}, content)
		}
		content = small
		h.Set("Content-Encoding", c)
		etag = strings.TrimSuffix(etag, `"`) + "-" + c + `"` // RFC 9110 8.8.3.3
	}
	h.Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	return true
}

// zip is the content of a file in a coding.
func (f *clientFiles) zip(file zippedFile, content []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if z, ok := f.zipped[file]; ok {
		return z
	}
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if file.coding == "deflate" {
		w = zlib.NewWriter(&b)
	}
	_, _ = w.Write(content) // a Buffer does not fail
	_ = w.Close()
	if f.zipped == nil {
		f.zipped = make(map[zippedFile][]byte)
	}
	f.zipped[file] = b.Bytes()
	return b.Bytes()
}
