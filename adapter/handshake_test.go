package adapter_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

// The object is that of socket.io 4.8.4, Socket.buildHandshake.
func TestHandshakeIsTheOfficialObject(t *testing.T) {
	u, err := url.Parse("/socket.io/?EIO=4&transport=websocket&room=a&room=b")
	if err != nil {
		t.Fatal(err)
	}
	h := &adapter.Handshake{
		Auth: parser.NewArgs(map[string]uint64{"id": 9007199254740993}),
		Time: time.UnixMilli(1764299000123),
		URL:  u, Query: u.Query(), Host: "example.com:3000", RemoteAddr: "192.0.2.1:5000",
		Header: http.Header{"Origin": {"https://example.com"}, "Cookie": {"a=1", "b=2"}, "X-Tag": {"x", "y"}},
		TLS:    &tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: nil},
	}
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"headers":{"cookie":"a=1; b=2","host":"example.com:3000","origin":"https://example.com",` +
		`"x-tag":"x, y"},` +
		`"time":"Fri Nov 28 2025 03:03:20 GMT+0000 (Coordinated Universal Time)","address":"192.0.2.1","xdomain":true,` +
		`"secure":true,"issued":1764299000123,` +
		`"url":"/socket.io/?EIO=4\u0026transport=websocket\u0026room=a\u0026room=b",` +
		`"query":{"EIO":"4","room":["a","b"],"transport":"websocket"},"auth":{"id":9007199254740993}}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}

	var back adapter.Handshake
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	var auth struct{ ID uint64 }
	if err := back.Auth.Bind(&auth); err != nil || auth.ID != 9007199254740993 {
		t.Errorf("auth %+v, %v", auth, err)
	}
	if !back.Time.Equal(h.Time) || back.Host != h.Host || back.RemoteAddr != "192.0.2.1" || back.TLS == nil ||
		back.URL.String() != u.String() || !reflect.DeepEqual(back.Query, h.Query) || back.Header.Get("X-Tag") != "x, y" {
		t.Errorf("came back as %+v", back)
	}
	if c, err := back.Cookie("b"); err != nil || c.Value != "2" || len(back.Cookies()) != 2 {
		t.Errorf("cookie %v, %v of %v", c, err, back.Cookies())
	}
}

func TestHandshakeWithNothingInIt(t *testing.T) {
	text, err := json.Marshal(new(adapter.Handshake))
	if err != nil {
		t.Fatal(err)
	}
	var h adapter.Handshake
	if err := json.Unmarshal(text, &h); err != nil || h.TLS != nil || len(h.Header) != 0 {
		t.Errorf("%s came back as %+v, %v", text, h, err)
	}
	if _, err := h.Cookie("session"); !errors.Is(err, http.ErrNoCookie) {
		t.Errorf("a cookie that was not sent: %v", err)
	}
	if err := json.Unmarshal([]byte(`{"headers":3}`), &h); err == nil {
		t.Error("headers that are a number")
	}
}
