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
			if h.URI() != uri || !reflect.DeepEqual(h.Header(), header) || h.TLS() != (r.TLS != nil) {
				t.Errorf("%.200s of %.200s", fmt.Sprint(h.URI(), h.TLS(), h.Header()),
					fmt.Sprint(r.RequestURI, r.Header))
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
		if uri == "" {
			return
		}
		header := http.Header{name: {value, value2}}
		header[name2] = append(header[name2], value2, value)
		h := Of(&http.Request{RequestURI: uri, Header: header})
		if got := h.Header(); h.URI() != uri || !reflect.DeepEqual(got, header) {
			t.Errorf("%q, %q of %q, %q", h.URI(), got, uri, header)
		}
	})
}

// What a browser and a proxy send takes a quarter of what net/http holds of it, and packing allocates the result alone.
func TestHeadIsSmall(t *testing.T) {
	r := &http.Request{RequestURI: "/socket.io/?EIO=4&transport=websocket", Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Origin": {"https://app.example"},
		"Accept-Encoding": {"gzip, deflate, br, zstd"}, "Cache-Control": {"no-cache"}, "Pragma": {"no-cache"},
	}}
	if n := len(Of(r)); n > 60 {
		t.Errorf("%d bytes", n)
	}
	var h Head
	if n := testing.AllocsPerRun(100, func() { h = Of(r) }); n > 1 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
	if zero := Head(""); h.URI() != r.RequestURI || zero.URI() != "" || zero.TLS() || len(zero.Header()) != 0 {
		t.Error("of no request")
	}
}
