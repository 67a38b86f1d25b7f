package socketio_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	socketio "sio.example/socketio"
	"sio.example/socketio/browser"
	"sio.example/socketio/engineio"
)

func request(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestClientFiles(t *testing.T) {
	server := socketio.NewServer(nil)
	defer server.Close()
	for _, name := range browser.Names() {
		want, tag, _ := browser.File(name)
		path := "/socket.io/" + name
		kind := "application/javascript; charset=utf-8"
		if strings.HasSuffix(name, ".map") {
			kind = "application/json; charset=utf-8"
		}
		r := request(t, server, "GET", path+"?x=1")
		h := r.Header
		if r.StatusCode != 200 || !bytes.Equal(body(t, r), want) || h.Get("ETag") != tag ||
			h.Get("Content-Type") != kind ||
			h.Get("Cache-Control") != "public, max-age=0" ||
			h.Get("Content-Encoding") != "" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %s %v", name, r.Status, h)
		}
		for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			r = request(t, server, "GET", path, "If-None-Match", known)
			if r.StatusCode != 304 || len(body(t, r)) != 0 || r.Header.Get("ETag") != tag {
				t.Errorf("%s: If-None-Match %s: %s %v", name, known, r.Status, r.Header)
			}
		}
		r = request(t, server, "HEAD", path)
		if r.StatusCode != 200 || len(body(t, r)) != 0 || r.Header.Get("ETag") != tag {
			t.Errorf("%s: HEAD: %s %v", name, r.Status, r.Header)
		}

		r = request(t, server, "GET", path, "Accept-Encoding", "zstd, gzip, deflate;q=0.9")
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(z)
		zipTag := r.Header.Get("ETag")
		if err != nil || !bytes.Equal(got, want) || r.Header.Get("Content-Encoding") != "gzip" || zipTag == tag ||
			!strings.Contains(strings.Join(r.Header.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("%s: gzip: %v, %v", name, r.Header, err)
		}
		r = request(t, server, "GET", path, "Accept-Encoding", "gzip", "If-None-Match", zipTag)
		if r.StatusCode != 304 {
			t.Errorf("%s: %s", name, r.Status)
		}
		r = request(t, server, "GET", path, "Accept-Encoding", "gzip;q=0")
		if r.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %v", name, r.Header)
		}
		r = request(t, server, "GET", path, "Accept-Encoding", "gzip;q=0.5, deflate")
		inflated, err := zlib.NewReader(r.Body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err = io.ReadAll(inflated)
		if err != nil || !bytes.Equal(got, want) || r.Header.Get("Content-Encoding") != "deflate" ||
			r.Header.Get("ETag") == tag || r.Header.Get("ETag") == zipTag {
			t.Errorf("%s: deflate: %v, %v", name, r.Header, err)
		}
		small, _, embedded := browser.File(name + ".br")
		r = request(t, server, "GET", path, "Accept-Encoding", "gzip, deflate, br")
		switch coding := r.Header.Get("Content-Encoding"); {
		case embedded && (coding != "br" || !bytes.Equal(body(t, r), small)), !embedded && coding != "gzip":
			t.Errorf("%s: Brotli embedded: %v, got %s", name, embedded, coding)
		}
		if r = request(t, server, "GET", path+".br"); r.StatusCode == 200 {
			t.Errorf("%s.br: %s", name, r.Status)
		}
		r = request(t, server, "POST", path)
		if r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: POST: %s %v", name, r.Status, r.Header)
		}
	}
}

func TestClientFilesElsewhere(t *testing.T) {
	name := browser.Names()[0]
	for _, tt := range []struct {
		name string
		opts socketio.Options
		path string
		want int
	}{
		{"path without slash", socketio.Options{Engine: engineio.Options{Path: "/x"}}, "/x/" + name, 200},
		{"path with slash", socketio.Options{Engine: engineio.Options{Path: "/x/"}}, "/x/" + name, 200},
		{"root path", socketio.Options{Engine: engineio.Options{Path: "/"}}, "/" + name, 200},
		{"other path", socketio.Options{Engine: engineio.Options{Path: "/x/"}}, "/socket.io/" + name, 404},
		{"disabled", socketio.Options{DisableClient: true}, "/socket.io/" + name, 404},
		{"unknown", socketio.Options{}, "/socket.io/unknown.js", 404},
		{"source map", socketio.Options{}, "/socket.io/socket.io.min.js.map", 200},
		{"msgpack", socketio.Options{}, "/socket.io/socket.io.msgpack.min.js", 200},
		{"a coding as a name", socketio.Options{}, "/socket.io/socket.io.min.js.br", 404},
		{"a coding of a map as a name", socketio.Options{}, "/socket.io/socket.io.min.js.map.gz", 404},
		{"traversal", socketio.Options{}, "/socket.io/../doc.go", 404},
		{"encoded traversal", socketio.Options{}, "/socket.io/%2e%2e/doc.go", 404},
		{"the path itself", socketio.Options{}, "/socket.io/", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := socketio.NewServer(&tt.opts)
			defer server.Close()
			if r := request(t, server, "GET", tt.path); r.StatusCode != tt.want {
				t.Errorf("%s, want %d", r.Status, tt.want)
			}
		})
	}
}

func TestClientFilesCORS(t *testing.T) {
	path := "/socket.io/" + browser.Names()[0]
	for _, tt := range []struct {
		cors        engineio.CORSOptions
		origin      string
		allow, vary string
	}{
		{engineio.CORSOptions{Origins: []string{"*"}}, "http://a.example", "*", ""},
		{engineio.CORSOptions{Origins: []string{"http://a.example"}}, "http://a.example", "http://a.example", "Origin"},
		{engineio.CORSOptions{Origins: []string{"http://a.example"}}, "http://b.example", "", "Origin"},
	} {
		server := socketio.NewServer(&socketio.Options{Engine: engineio.Options{CORS: &tt.cors}})
		r := request(t, server, "GET", path, "Origin", tt.origin)
		if got := r.Header.Get("Access-Control-Allow-Origin"); got != tt.allow {
			t.Errorf("%v, %s: allowed %q", tt.cors.Origins, tt.origin, got)
		}
		if got := strings.Join(r.Header.Values("Vary"), ","); strings.Contains(got, "Origin") != (tt.vary != "") {
			t.Errorf("%v, %s: varies with %q", tt.cors.Origins, tt.origin, got)
		}
		_ = server.Close()
	}
}
