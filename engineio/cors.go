package engineio

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// apply sets the headers of an answer, or of a preflight (Fetch standard, CORS protocol). A request of an origin that
// is not allowed is served without them; its browser does the refusing.
func (c *CORSOptions) apply(h http.Header, r *http.Request) {
	any := slices.Contains(c.Origins, "*")
	if !any {
		h.Add("Vary", "Origin")
	}
	origin := r.Header.Get("Origin")
	switch {
	case any:
		h.Set("Access-Control-Allow-Origin", "*")
	case origin != "" && slices.Contains(c.Origins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	default:
		return
	}
	if c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposedHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposedHeaders, ","))
	}
	if r.Method != http.MethodOptions {
		return
	}
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
// send no Origin.
func (s *Server) originAllowed(r *http.Request) bool {
	return s.allowsOrigin(r.Header["Origin"], r.Host)
}

// allowsOrigin is originAllowed for the lines of a header Origin.
func (s *Server) allowsOrigin(lines []string, host string) bool {
	if len(lines) == 0 || s.options.AllowAnyOrigin {
		return true
	}
	if len(lines) > 1 {
		return false
	}
	if c := s.options.CORS; c != nil && (slices.Contains(c.Origins, "*") || slices.Contains(c.Origins, lines[0])) {
		return true
	}
	return sameHost(lines[0], host)
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
