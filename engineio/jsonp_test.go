package engineio

import (
	"net/url"
	"strings"
	"testing"
)

func jsonp(more Options) *Options {
	more.JSONP = true
	return &more
}

// JSONP for both revisions: scripts that call a function with the payload, and forms.
func TestJSONP(t *testing.T) {
	bubble(t, jsonp(Options{AllowEIO3: true}), func(t *testing.T, e *env) {
		e.onMsg = echo
		for _, c := range []struct{ query, head, say, answer string }{
			{"EIO=4&transport=polling&j=7", `___eio[7]("0{\"sid\":\"`, "4a\"\\\x1ebAQI", `4a\"\\\u001ebAQI=`},
			{"EIO=3&transport=polling&b64=1&j=7", `0{\"sid\":\"`, "7:4a\"\\x\n\u20286:b4AQID", `7:4a\"\\x\n\u20286:b4AQID`},
			{"EIO=3&transport=polling&j=<script>7", `0{\"sid\":\"`, "6:b4AQID", `6:b4AQID`},
		} {
			a := e.do("GET", c.query, "")
			rec := e.session(len(e.sessions) - 1)
			if !strings.HasPrefix(a.body, "___eio[7](\"") || !strings.Contains(a.body, c.head) ||
				!strings.HasSuffix(a.body, `}");`) {
				t.Fatalf("handshake %q", a.body)
			}
			if h := a.header; h.Get("Content-Type") != "text/javascript; charset=UTF-8" ||
				h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("header %v", h)
			}
			q := c.query + "&sid=" + rec.socket.ID()
			say := strings.ReplaceAll(strings.ReplaceAll(c.say, `\n`, `\\n`), "\n", `\n`)
			e.do("POST", q, "d="+url.QueryEscape(say), "Content-Type", "application/x-www-form-urlencoded").
				want(t, 200, "ok")
			e.do("GET", q, "").want(t, 200, `___eio[7]("`+c.answer+`");`)
			for _, body := range []string{"x=1", "d=4a&d=4a", "d=%4", "d=%zz", ""} {
				a := e.do("GET", c.query, "")
				rec := e.session(len(e.sessions) - 1)
				e.do("POST", c.query+"&sid="+rec.socket.ID(), body).want(t, 400, "")
				if rec.want(ParseError); a.status != 200 {
					t.Errorf("status %d", a.status)
				}
			}
			rec.socket.Close()
			e.do("GET", q, "")
		}
	})
}

func cors(origin string) Options { return Options{CORS: &CORSOptions{Origins: []string{origin}}} }

// Row H-35: nothing but digits of j gets into a script, and without the option there is none.
func TestJSONPRefused(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = echo
		if a := e.do("GET", handshakeQuery+"&j=0", ""); !strings.HasPrefix(a.body, "0{") {
			t.Errorf("handshake %q", a.body)
		}
		q, rec := e.open()
		e.do("POST", q+"&j=0", "4a").want(t, 200, "ok")
		e.do("GET", q+"&j=0", "").want(t, 200, "4a")
		p, _ := e.dial("EIO=4&transport=websocket&j=0") // where it says nothing
		p.read()
		p.conn.Close()
		rec.socket.Close()
		e.do("GET", q, "")
	})
	for _, c := range []struct {
		name   string
		header []string
		opts   Options
		status int
	}{
		{"program", nil, Options{}, 200},
		{"own page", []string{"Referer", "http://server/page?x", "Sec-Fetch-Site", "same-origin"}, Options{}, 200},
		{"own form", []string{"Origin", "http://server"}, Options{}, 200},
		{"other page", []string{"Referer", "http://evil/"}, Options{}, 403},
		{"other form", []string{"Origin", "http://evil", "Referer", "http://server/"}, Options{}, 403},
		{"page that hides", []string{"Sec-Fetch-Site", "cross-site"}, Options{}, 403},
		{"page that hides nearby", []string{"Sec-Fetch-Site", "same-site"}, Options{}, 403},
		{"listed", []string{"Referer", "http://Friend/"}, cors("http://friend"), 200},
		{"hidden, any", []string{"Sec-Fetch-Site", "cross-site"}, cors("*"), 200},
		{"any", []string{"Referer", "http://evil/"}, Options{AllowAnyOrigin: true}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, jsonp(c.opts), func(t *testing.T, e *env) {
				if a := e.do("GET", handshakeQuery+"&j=0", "", c.header...); a.status != c.status {
					t.Errorf("answer %d %q", a.status, a.body)
				}
			})
		})
	}
	bubble(t, jsonp(Options{}), func(t *testing.T, e *env) {
		for _, j := range []string{"", "x", "%zz"} {
			e.do("GET", handshakeQuery+"&j="+j, "").want(t, 400, code3)
		}
	})
}

// Scripts and binary payloads are compressed as others are, and what must not be compressed is left out of it.
func TestScriptsAreCompressed(t *testing.T) {
	long := strings.Repeat(`compress "me" `, 300)
	for _, c := range []struct{ query, kind, want string }{
		{"EIO=4&transport=polling&j=7", scriptType,
			`___eio[7]("4` + strings.ReplaceAll(long, `"`, `\"`) + `\u001e4secret\u001ebAQI=");`},
		{"EIO=3&transport=polling&j=7", scriptType,
			`___eio[7]("4201:4` + strings.ReplaceAll(long, `"`, `\"`) + `7:4secret6:b4AQI=");`},
		{"EIO=3&transport=polling", octetStream,
			"\x00\x04\x02\x00\x01\xff4" + long + "\x00\x07\xff4secret\x01\x03\xff\x04\x01\x02"},
	} {
		bubble(t, jsonp(Options{AllowEIO3: true}), func(t *testing.T, e *env) {
			for _, coding := range []string{"gzip", "deflate"} {
				e.do("GET", c.query, "")
				rec := e.session(len(e.sessions) - 1)
				rec.socket.Send(SendOptions{}, text(long))
				rec.socket.Send(SendOptions{NoCompress: true}, text("secret"))
				rec.socket.Send(SendOptions{}, bin(1, 2))
				a := e.do("GET", c.query+"&sid="+rec.socket.ID(), "", "Accept-Encoding", coding)
				h := a.header
				if h.Get("Content-Encoding") != coding || h.Get("Content-Type") != c.kind || len(a.body) > 500 {
					t.Errorf("%s: %d bytes, %v", c.query, len(a.body), h)
				}
				if got := unpack(t, coding, a.body); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(c.want, " ", "") {
					t.Errorf("%s: %q, want %q", c.query, got, c.want)
				}
				rec.socket.Close()
				e.do("GET", c.query+"&sid="+rec.socket.ID(), "")
			}
		})
	}
}
