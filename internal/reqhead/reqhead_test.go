package reqhead

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestHeadKeepsTheRequest(t *testing.T) {
	every := make(http.Header)
	for _, h := range knownHeaders {
		every[h.name] = []string{h.value, "", "another", h.value}
	}
	for name, r := range map[string]*http.Request{
		"nothing": {RequestURI: "/"},
		"client": {RequestURI: "/socket.io/?EIO=4&transport=websocket",
			Header: http.Header{"Upgrade": {"websocket"}}},
		"polling": {RequestURI: "/socket.io/?EIO=4&transport=polling&t=x",
			Header: http.Header{"Origin": {"https://a.example"}}},
		"another path":  {RequestURI: "/a/socket.io/?EIO=4&transport=websocket"},
		"no RequestURI": {URL: &url.URL{Path: "/a b", RawQuery: "x=%00"}},
		"TLS":           {RequestURI: "/socket.io/?EIO=4&transport=websocket&token=1", TLS: new(tls.ConnectionState)},
		"TLS elsewhere": {RequestURI: "/", TLS: new(tls.ConnectionState)},
		"TLS of a browser": {RequestURI: "/", Host: "a.example:8443", TLS: &tls.ConnectionState{
			Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, NegotiatedProtocol: "h2",
			ServerName: "a.example", DidResume: true,
		}},
		"TLS of others": {RequestURI: "/", Host: "[::1]", Header: http.Header{"X-A": {"b"}}, TLS: &tls.ConnectionState{
			Version: tls.VersionTLS12, NegotiatedProtocol: "acme/1", ServerName: "b.example",
		}},
		"known headers": {RequestURI: "/", Header: every},
		"other headers": {RequestURI: "/",
			Header: http.Header{"X-A": {"", "b", "\xff\x80"}, "x": {"Upgrade"}, "Upgrade": {"\xff"}}},
		"rewritten": {RequestURI: "/", Header: http.Header{
			"": {""}, "\x00": {"\x00"}, "\x81b": {"a\x00X-User\x00admin", ""}, "Origin": {"\x00"},
		}},
		"long": {RequestURI: "/" + strings.Repeat("a", 5000),
			Header: http.Header{"Cookie": {strings.Repeat("b", 70_000)}}},
	} {
		t.Run(name, func(t *testing.T) {
			uri, header := r.RequestURI, r.Header
			if uri == "" {
				uri = r.URL.RequestURI()
			}
			if header == nil {
				header = make(http.Header)
			}
			h := Of(r)
			if h.URI() != uri || h.Host() != r.Host || !reflect.DeepEqual(h.Header(), header) {
				t.Errorf("%.200s of %.200s", fmt.Sprint(h.URI(), h.Host(), h.Header()), fmt.Sprint(r.RequestURI, r.Header))
			}
			state := h.TLS()
			if h.IsTLS() != (r.TLS != nil) || (state == nil) != (r.TLS == nil) {
				t.Fatalf("TLS %v, %+v", h.IsTLS(), state)
			}
			if state != nil {
				want := *r.TLS
				if want.HandshakeComplete = true; !reflect.DeepEqual(*state, want) {
					t.Errorf("TLS %+v, want %+v", state, want)
				}
			}
		})
	}
}

// A code is one byte, so there is room for so many names.
func TestKnownHeadersFitTheCode(t *testing.T) {
	if len(knownHeaders) > 64 || len(knownNames) != len(knownHeaders) {
		t.Errorf("%d headers, %d names", len(knownHeaders), len(knownNames))
	}
	for _, h := range knownHeaders {
		if h.name != http.CanonicalHeaderKey(h.name) {
			t.Errorf("%s is never found", h.name)
		}
	}
}

// Any bytes come back as they were.
func FuzzHead(f *testing.F) {
	f.Add("/socket.io/?EIO=4&transport=websocket&x=%00", "Upgrade", "websocket", "X-A", "b")
	f.Add("/", "Cookie", strings.Repeat("c", 300), "\xff\x00", "\x80\x00")
	f.Fuzz(func(t *testing.T, uri, name, value, name2, value2 string) {
		if uri == "" || name == websocketKey || name2 == websocketKey {
			return
		}
		header := http.Header{name: {value, value2}}
		header[name2] = append(header[name2], value2, value)
		state := &tls.ConnectionState{NegotiatedProtocol: value, ServerName: value2}
		h := Of(&http.Request{RequestURI: uri, Header: header, Host: name2, TLS: state})
		kept := h.TLS()
		if h.Host() != name2 || kept == nil || kept.NegotiatedProtocol != value || kept.ServerName != value2 {
			t.Errorf("host %q, TLS %+v", h.Host(), kept)
		}
		if got := h.Header(); h.URI() != uri || !reflect.DeepEqual(got, header) {
			t.Errorf("%q, %q of %q, %q", h.URI(), got, uri, header)
		}
	})
}

// What a browser and a proxy send takes a quarter of what net/http holds of it, and packing allocates the result alone.
func TestHeadIsSmall(t *testing.T) {
	r := &http.Request{RequestURI: "/socket.io/?EIO=4&transport=websocket", Host: "app.example:3000", Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Origin": {"https://app.example"},
		"Accept-Encoding": {"gzip, deflate, br, zstd"}, "Cache-Control": {"no-cache"}, "Pragma": {"no-cache"},
	}}
	if n := len(Of(r)); n > 50 { // less than with Sec-WebSocket-Key, and without the host
		t.Errorf("%d bytes", n)
	}
	over := *r
	over.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, NegotiatedProtocol: "http/1.1", ServerName: "app.example"}
	if n := len(Of(&over)) - len(Of(r)); n > 5 {
		t.Errorf("%d bytes for TLS", n)
	}
	var h Head
	for _, r := range []*http.Request{&over, r} {
		if n := testing.AllocsPerRun(100, func() { h = Of(r) }); n > 1 && !raceEnabled {
			t.Errorf("%v allocations", n)
		}
	}
	if zero := Head(""); h.URI() != r.RequestURI || zero.URI() != "" || zero.TLS() != nil || len(zero.Header()) != 0 {
		t.Error("of no request")
	}
}
