package engineio

import (
	"net/http"
	"net/url"
	"strings"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/journal"
)

// Polling by scripts and forms, for pages in browsers that lack CORS: JSONP. The parameter j of a request asks for it,
// and is the number of the function that the script calls.

const scriptType = "text/javascript; charset=UTF-8"

// maxIndex is how many digits of j count.
const maxIndex = 20

// digits are those of a parameter: nothing else of it gets into a script, as officially.
func digits(value string) string {
	var kept []byte
	for _, c := range []byte(unescape(value)) {
		if '0' <= c && c <= '9' && len(kept) < maxIndex {
			kept = append(kept, c)
		}
	}
	return string(kept)
}

// appendScript wraps an append of a codec, so that n packets are a script.
func appendScript(
	index string, add func(dst []byte, start int, p packet.Packet) []byte, n int,
) func(dst []byte, start int, p packet.Packet) []byte {
	payload, i := []byte(nil), 0
	return func(dst []byte, start int, p packet.Packet) []byte {
		if i == 0 {
			dst = append(append(append(dst, "___eio["...), index...), "](\""...)
		}
		before := min(i, 1) // stands for those before it
		payload = add(append(payload[:0], "."[:before]...), 0, p)
		dst = packet.AppendScript(dst, payload[before:])
		if i++; i == n {
			dst = append(dst, "\");"...)
		}
		return dst
	}
}

// takesScripts answers a request for JSONP that is not to be served. Without the option the parameter says nothing, as
// any that is unknown.
func (s *Server) takesScripts(w http.ResponseWriter, r *http.Request, q *query) bool {
	switch {
	case !s.options.JSONP:
		q.index = ""
		if r.Method == http.MethodGet && q.sid == "" {
			s.warn("script", "engineio: a client may want JSONP, and gets payloads that are no scripts",
				"host", journal.Plain(r.Host), "referer", journal.Plain(r.Referer()), "cure", cureScript)
		}
	case q.index == "":
		s.refuse(w, r, false, errHandshake)
		return false
	case !s.mayRead(r):
		referer := journal.Plain(r.Referer())
		s.warn("script "+referer, "engineio: JSONP of another origin refused", "referer", referer,
			"host", journal.Plain(r.Host), "cure", cureOrigin)
		s.refuse(w, r, false, errOrigin)
		return false
	}
	return true
}

// mayRead reports whether a page may read what a script says, as far as the request shows which page it is: by the
// rules for a WebSocket, to which browsers do not apply CORS either.
func (s *Server) mayRead(r *http.Request) bool {
	if s.options.AllowAnyOrigin {
		return true
	}
	origin := r.Header["Origin"] // forms have it
	if len(origin) == 0 {
		if u, err := url.Parse(r.Referer()); err == nil && u.Host != "" {
			origin = []string{u.Scheme + "://" + strings.ToLower(u.Host)}
		}
	}
	if len(origin) > 0 {
		return len(origin) == 1 && (s.corsAllowsOrigin(r, origin) || sameHost(origin[0], r.Host))
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "cross-site" && site != "same-site" || s.corsAllowsOrigin(r, []string{"null"})
}
