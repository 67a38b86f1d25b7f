package chat

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStatic(t *testing.T) {
	h := static(nil)
	for path, kind := range map[string]string{
		"/":           "text/html; charset=utf-8",
		"/index.html": "text/html; charset=utf-8",
		"/style.css":  "text/css; charset=utf-8",
		"/app.js":     "text/javascript; charset=utf-8",
		"/icon.svg":   "image/svg+xml",
	} {
		re := get(t, h, "GET", path)
		etag := re.Header.Get("ETag")
		if re.StatusCode != 200 || re.Header.Get("Content-Type") != kind || len(etag) < 10 {
			t.Errorf("%s: got %d %v", path, re.StatusCode, re.Header)
		}
		for name, want := range map[string]string{
			"Cache-Control":          "no-cache",
			"X-Content-Type-Options": "nosniff",
			"Referrer-Policy":        "no-referrer",
		} {
			if got := re.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		policy := re.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';",
			"style-src 'self';", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy is %q, without %q", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", path, policy)
		}

		again := get(t, h, "GET", path, "If-None-Match", etag)
		if again.StatusCode != 304 || again.Header.Get("ETag") != etag {
			t.Errorf("%s again: got %d %v", path, again.StatusCode, again.Header)
		}
		if changed := get(t, h, "GET", path, "If-None-Match", `"other"`); changed.StatusCode != 200 {
			t.Errorf("%s, another version known: got %d", path, changed.StatusCode)
		}
		head := get(t, h, "HEAD", path)
		if head.StatusCode != 200 || head.ContentLength <= 0 {
			t.Errorf("HEAD %s: got %d, length %d", path, head.StatusCode, head.ContentLength)
		}
	}
	for _, path := range []string{"/nothing", "/static/app.js", "/../chat.go", "/static", "//"} {
		if re := get(t, h, "GET", "http://x"+path); path != "//" && re.StatusCode != 404 {
			t.Errorf("%s: got %d", path, re.StatusCode)
		}
	}
	if re := get(t, h, "POST", "/"); re.StatusCode != 405 || re.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: got %d %v", re.StatusCode, re.Header)
	}
}

// The page asks for nothing but its own files and the client of the server, and has no inline script or style, which
// the policy would forbid.
func TestPageIsSelfContained(t *testing.T) {
	h := static(nil)
	page := body(t, get(t, h, "GET", "/"))
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if m[1] == "/socket.io/socket.io.js" {
			continue
		}
		if re := get(t, h, "GET", "/"+m[1]); re.StatusCode != 200 {
			t.Errorf("%s: got %d", m[1], re.StatusCode)
		}
	}
	for _, bad := range []string{"<style", " style=", " onclick=", "<script>", "http://", "https://"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, file := range []string{"app.js", "composer.js", "conversation.js",
		"dom.js", "link.js", "log.js", "menu.js", "picture.js"} {
		text := body(t, get(t, h, "GET", "/"+file))
		for _, m := range regexp.MustCompile(`from "\./([^"]*)"`).FindAllStringSubmatch(text, -1) {
			if re := get(t, h, "GET", "/"+m[1]); re.StatusCode != 200 {
				t.Errorf("%s imports %s: got %d", file, m[1], re.StatusCode)
			}
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} {
			if strings.Contains(text, bad) {
				t.Errorf("%s uses %s", file, bad)
			}
		}
	}
	// The limits the page tells are those the server has.
	for _, want := range []string{`maxlength="24"`, `maxlength="32"`, `maxlength="2000"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}
