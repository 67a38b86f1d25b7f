package chat

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var files embed.FS

// csp lets the page use what comes from its own server, and nothing else: no inline script or style, no frame around
// it. Pictures are shown from memory, hence blob:.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is a file of the page, ready to be served.
type asset struct {
	data []byte
	kind string // Content-Type
	etag string
}

// static returns the handler of the page: the embedded files, each with an ETag by which a browser finds out cheaply
// that its copy is still good. The page has the hash of a certificate.
func static(certificate []byte) http.Handler {
	assets := map[string]asset{}
	entries, err := files.ReadDir("static")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	for _, e := range entries {
		data, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		if e.Name() == "index.html" {
			hash := base64.StdEncoding.EncodeToString(certificate)
			data = bytes.Replace(data, []byte(`data-certificate=""`), []byte(`data-certificate="`+hash+`"`), 1)
		}
		sum := sha256.Sum256(data)
		assets[e.Name()] = asset{
			data: data,
			kind: contentType(e.Name()),
			etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		if name == "" {
			name = "index.html"
		}
		a, ok := assets[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		setHeaders(w.Header())
		w.Header().Set("Content-Type", a.kind)
		w.Header().Set("Etag", a.etag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(a.data))
	})
}

// setHeaders tells the browser how little the page needs.
func setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-cache") // keep it, but ask: see ETag
	h.Set("Content-Security-Policy", csp)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// contentType does not ask the system's tables, which differ.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".webmanifest":
		return "application/manifest+json"
	}
	return mime.TypeByExtension(path.Ext(name))
}
