package engineio

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A wildcard stands for the origins of all subdomains.
type wildcard struct{ scheme, host string } // "https://" and ".example.com", which may have a port

func (w wildcard) matches(origin string) bool {
	sub, ok := strings.CutPrefix(origin, w.scheme)
	if !ok {
		return false
	}
	sub, ok = strings.CutSuffix(sub, w.host)
	return ok && sub != "" && sub[0] != '.' && !strings.ContainsFunc(sub, func(c rune) bool {
		return c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
	})
}

// any reports whether all origins are alike.
func (c *CORSOptions) any() bool { return slices.Contains(c.Origins, "*") }

// lists reports whether an origin is one of Origins.
func (c *CORSOptions) lists(origin string) bool {
	return slices.Contains(c.Origins, origin) && !strings.Contains(origin, "*") ||
		slices.ContainsFunc(c.wildcards, func(w wildcard) bool { return w.matches(origin) })
}

// corsAllows reports whether CORS lets the origin of r in, which may be none.
func (s *Server) corsAllows(r *http.Request) (allowed bool) {
	c := s.options.CORS
	origin := r.Header.Get("Origin")
	switch {
	case c == nil:
		return false
	case c.any():
		return true
	case origin == "" || len(r.Header["Origin"]) > 1:
		return false
	case c.ReflectOrigin || c.lists(origin):
		return true
	case c.AllowOrigin != nil:
		return s.hook("AllowOrigin", func() { allowed = c.AllowOrigin(origin, r) }) && allowed
	}
	return false
}

// SetCORS sets the headers that Options.CORS has for the answer to r, or for a preflight (Fetch standard, CORS
// protocol), as ServeHTTP does: it is for other handlers that serve the same pages. It reports whether the origin is
// allowed. A request of one that is not may be served without the headers; its browser does the refusing.
func (s *Server) SetCORS(h http.Header, r *http.Request) (allowed bool) {
	c := s.options.CORS
	if c == nil {
		return false
	}
	if !c.any() {
		h.Add("Vary", "Origin")
	}
	if !s.corsAllows(r) {
		return false
	}
	if c.any() {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	}
	if c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposedHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposedHeaders, ","))
	}
	if r.Method == http.MethodOptions {
		c.setPreflight(h, r)
	}
	return true
}

// setPreflight sets what only a preflight gets.
func (c *CORSOptions) setPreflight(h http.Header, r *http.Request) {
	h.Set("Access-Control-Allow-Methods", strings.Join(c.Methods, ","))
	if len(c.AllowedHeaders) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(c.AllowedHeaders, ","))
	} else {
		h.Add("Vary", "Access-Control-Request-Headers")
		if wanted := r.Header["Access-Control-Request-Headers"]; len(wanted) > 0 {
			h.Set("Access-Control-Allow-Headers", strings.Join(wanted, ","))
		}
	}
	if c.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.FormatInt(int64(c.MaxAge/time.Second), 10))
	}
}

// headersOf copies the headers that were set so far, by middleware as well, for an answer that is not written by the
// ResponseWriter; but not those that tell of a body. It is nil if there are none, and nobody to add some.
func (s *Server) headersOf(h http.Header) http.Header {
	var d http.Header
	if s.options.Headers != nil {
		d = make(http.Header)
	}
	for k, v := range h {
		if len(v) == 0 || strings.HasPrefix(k, "Content-") && k != "Content-Security-Policy" || bodyHeaders[k] {
			continue
		}
		if d == nil {
			d = make(http.Header)
		}
		d[k] = slices.Clone(v)
	}
	return d
}

// bodyHeaders are of an answer with a body, or of the connection of one. Those of the handshake are left out elsewhere.
var bodyHeaders = map[string]bool{
	"Accept-Ranges": true, "Etag": true, "Last-Modified": true, "Keep-Alive": true, "Trailer": true,
}

// originAllowed decides about WebSocket handshakes, to which browsers do not apply CORS. Programs that are no browsers
// send no Origin. cors is what SetCORS has reported.
func (s *Server) originAllowed(r *http.Request, cors bool) bool {
	lines := r.Header["Origin"]
	if len(lines) == 0 || s.options.AllowAnyOrigin {
		return true
	}
	return len(lines) == 1 && (cors || sameHost(lines[0], r.Host))
}

// sameHost reports whether an origin is of the host. The scheme is not compared: behind a proxy that ends TLS the
// server does not know its own.
func sameHost(origin, requested string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	var port string
	switch u.Scheme {
	case "http":
		port = ":80"
	case "https":
		port = ":443"
	default:
		return false
	}
	host := strings.TrimSuffix(u.Host, port)
	return host != "" && strings.EqualFold(host, strings.TrimSuffix(requested, port)) // some proxies add it to Host
}

// validOrigin reports whether the lines hold only what a header value may (RFC 9110 5.5), as the official server
// checks.
func validOrigin(lines []string) bool {
	for _, line := range lines {
		for _, c := range []byte(line) {
			if c < ' ' && c != '\t' || c == 0x7f {
				return false
			}
		}
	}
	return true
}
