package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBinary(t *testing.T) {
	for _, c := range []struct {
		json string
		want any
	}{
		{`{"$bin":"AQID"}`, []byte{1, 2, 3}},
		{`{"$bin":""}`, []byte{}},
		{`[1,{"a":{"$bin":"/w=="}}]`, []any{1.0, map[string]any{"a": []byte{255}}}},
		{`[[{"$bin":"AA=="}],[]]`, []any{[]any{[]byte{0}}, []any{}}},
		{`{"$bin":1}`, map[string]any{"$bin": 1.0}},
		{`{"$bin":"AA==","more":1}`, map[string]any{"$bin": "AA==", "more": 1.0}},
		{`"$bin"`, "$bin"},
		{`null`, nil},
	} {
		got, err := withBinary(decode(t, c.json))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("withBinary(%s) is %#v, %v; want %#v", c.json, got, err, c.want)
			continue
		}
		back, err := json.Marshal(plain(got))
		if err != nil || string(back) != c.json {
			t.Errorf("%s came back as %s, %v", c.json, back, err)
		}
	}
	for _, bad := range []string{`{"$bin":"?"}`, `[{"$bin":"A"}]`, `{"a":{"$bin":"AA"}}`} {
		if got, err := withBinary(decode(t, bad)); err == nil {
			t.Errorf("withBinary(%s) is %#v, want an error", bad, got)
		}
	}
	if got := plain([]any{math.Inf(1), math.NaN(), 1.5}); !reflect.DeepEqual(got, []any{nil, nil, 1.5}) {
		t.Errorf("infinities became %v", got)
	}
	if got, err := plainArgs(parser.Args{}); err != nil || got == nil || len(got) != 0 {
		t.Errorf("no arguments are %#v, %v; want an empty list", got, err)
	}
}

func options(t *testing.T, text string) *socketOptions {
	t.Helper()
	var o socketOptions
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return &o
}

func TestOptions(t *testing.T) {
	o := options(t, `{"transports":["websocket","polling"],"upgrade":false,"tryAllTransports":true,"path":"/p/",
		"query":{"a":"1","n":1000000,"b":true},"extraHeaders":{"x-a":"b"},"timeout":1500,"reconnection":false,
		"reconnectionAttempts":3,"reconnectionDelay":10,"reconnectionDelayMax":20.5,"randomizationFactor":0,
		"ackTimeout":250,"retries":2,"unknown":{}}`)
	m, err := o.manager()
	if err != nil {
		t.Fatal(err)
	}
	if e := m.Engine; e.Path != "/p/" || !reflect.DeepEqual(e.Transports, []string{"websocket", "polling"}) ||
		!e.DisableUpgrade || !e.TryAllTransports ||
		e.Query.Encode() != "a=1&b=true&n=1000000" || e.Header.Get("X-A") != "b" {
		t.Errorf("engine options are %+v", e)
	}
	if m.ConnectTimeout != 1500*time.Millisecond || !m.DisableReconnection || m.ReconnectionAttempts != 3 ||
		m.ReconnectionDelay != 10*time.Millisecond ||
		m.ReconnectionDelayMax != 20500*time.Microsecond || m.RandomizationFactor >= 0 {
		t.Errorf("manager options are %+v", m)
	}
	s, err := o.socket()
	if err != nil || s.Retries != 2 || s.AckTimeout != 250*time.Millisecond || s.Auth != nil || s.AuthFunc != nil {
		t.Errorf("socket options are %+v, %v", s, err)
	}

	defaults, err := options(t, `{"timeout":false,"reconnectionAttempts":null}`).manager()
	if err != nil || defaults.ConnectTimeout >= 0 ||
		defaults.ReconnectionAttempts != 0 || defaults.DisableReconnection ||
		defaults.Engine.DisableUpgrade || defaults.RandomizationFactor != 0 {
		t.Errorf("defaults are %+v, %v", defaults, err)
	}
	if _, err := options(t, `{"parser":"cbor"}`).manager(); err == nil {
		t.Error("a parser that is not there was accepted")
	}
	if o, err := options(t, `{"parser":"msgpack"}`).manager(); err != nil || o.Parser == nil {
		t.Errorf("msgpack: %+v, %v", o, err)
	}
}

func TestAuth(t *testing.T) {
	if v, fn, err := readAuth(json.RawMessage(` {"token":"a"}`)); err != nil || fn != nil || v == nil {
		t.Errorf("a value gave %v, %t, %v", v, fn != nil, err)
	}
	_, fn, err := readAuth(json.RawMessage(`{"$fn":"counter","prefix":"k"}`))
	if err != nil || fn == nil {
		t.Fatalf("a counter gave %t, %v", fn != nil, err)
	}
	for _, want := range []string{"k1", "k2"} {
		v, err := fn(t.Context())
		if got := v.(map[string]string)["token"]; err != nil || got != want {
			t.Errorf("the counter gave %q, %v; want %q", got, err, want)
		}
	}
	for _, bad := range []string{`"text"`, `[1]`, `{"$fn":"other"}`} {
		if _, _, err := readAuth(json.RawMessage(bad)); err == nil {
			t.Errorf("auth %s was accepted", bad)
		}
	}
}

func TestAddress(t *testing.T) {
	read := func(url, opts string) *address {
		t.Helper()
		a, err := readAddress(url, options(t, opts))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := read("http://h:1/admin?x=1#f", `{}`); a.server != "http://h:1?x=1" || a.namespace != "/admin" {
		t.Errorf("got %+v", a)
	}
	if a := read("http://h?x=1", `{"query":{"y":"2"}}`); a.server != "http://h" || a.namespace != "/" {
		t.Errorf("got %+v", a)
	}
	for _, same := range [][2]string{{"http://h", "http://h:80/x"}, {"https://h", "https://h:443/"}} {
		if a, b := read(same[0], `{}`), read(same[1], `{"path":"/socket.io/"}`); a.key != b.key {
			t.Errorf("%q and %q differ", a.key, b.key)
		}
	}
	for _, other := range [][3]string{{"http://h", "http://h:81", `{}`},
		{"http://h", "https://h", `{}`}, {"http://h", "http://h", `{"path":"/q"}`}} {
		if a, b := read(other[0], `{}`), read(other[1], other[2]); a.key == b.key {
			t.Errorf("%v share %q", other, a.key)
		}
	}
	if _, err := readAddress("localhost", &socketOptions{}); err == nil {
		t.Error("a URL without a host was accepted")
	}
}

// What can't be done is printed, and nothing else is.
func TestErrors(t *testing.T) {
	var out, errs strings.Builder
	in := `{"cmd":"emit","id":"a","event":"x"}` + "\n\nnonsense\n" +
		`{"cmd":"open","id":"b","url":"http://127.0.0.1:1","opts":{"parser":"cbor"}}` + "\n" +
		`{"cmd":"dance"}` // without an end
	if err := run(strings.NewReader(in), &out, &errs); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"type":"ready","impl":"sio","version":"`,
		`{"type":"error","cmd":"emit","id":"a","message":"there is no socket \"a\""}`,
		`{"type":"error","cmd":"","id":"","message":"invalid character`,
		`{"type":"error","cmd":"open","id":"b","message":"opts.parser`,
		`{"type":"error","cmd":"dance","id":"","message":"there is no command \"dance\""}`,
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(want), out.String())
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("got %s\nwant %s", line, want[i])
		}
	}
	if errs.Len() != 0 {
		t.Errorf("stderr holds %q", errs.String())
	}
}

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		err     error
		message string
		data    any
	}{
		{&client.ConnectError{Message: "no", Data: map[string]any{"code": 1}}, "no", map[string]any{"code": 1.0}},
		{fmt.Errorf("client: connect: %w", &client.ConnectError{Message: "Invalid namespace"}),
			"Invalid namespace", nil},
		{fmt.Errorf("client: connect: %w", context.DeadlineExceeded), "timeout", nil},
		{&engineio.ClientError{Transport: "polling", Message: "xhr poll error", Status: 404}, "xhr poll error", nil},
		{errors.New("other"), "other", nil},
	} {
		if message, data := describe(c.err); message != c.message || !reflect.DeepEqual(data, c.data) {
			t.Errorf("%v is described as %q, %v", c.err, message, data)
		}
	}
}
