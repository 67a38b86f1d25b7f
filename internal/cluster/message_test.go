package cluster

import (
	"bytes"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

var messages = []message{
	{},
	{Request: math.MaxUint64, Count: 3, Timeout: 5000, Close: true, Name: "event", Error: "gone"},
	{Target: adapter.Target{
		Rooms: []string{"", "\xff\x00", "room"}, Except: []string{"b"}, Socket: "s", Sender: "t",
		Flags: adapter.Flags{Volatile: true, NoCompress: true},
	}, Rooms: []string{"x"}},
	{Args: []byte{0, 1}, Requests: []uint64{1, math.MaxUint64}},
	{Sockets: []socketInfo{{ID: "a", Rooms: []string{"a", "b"}, Args: []byte("x")}, {ID: "b"}}},
}

func TestMessagesComeThrough(t *testing.T) {
	for i, m := range messages {
		b := appendMessage(nil, kindAsk, "node", 1<<40+uint64(i), m.appendBody(nil))
		got, err := parseMessage(b)
		m.Kind, m.Node, m.Seq = kindAsk, "node", 1<<40+uint64(i)
		if err != nil || !reflect.DeepEqual(*got, m) {
			t.Errorf("%+v\nbecame %+v, %v", m, got, err)
		}
		for n := range b {
			if _, err := parseMessage(b[:n]); err == nil {
				t.Errorf("%+v: cut to %d of %d bytes, and no error", m, n, len(b))
			}
		}
		if _, err := parseMessage(append(b, 0)); err == nil {
			t.Errorf("%+v: followed by a byte, and no error", m)
		}
	}
}

// A FuzzMessage that parses is the same when it is written again, and none takes more memory than its bytes allow.
func FuzzMessage(f *testing.F) {
	for _, m := range messages {
		f.Add(appendMessage(nil, kindAsk, "node", 1, m.appendBody(nil)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(b)
		if err != nil {
			return
		}
		again, err := parseMessage(appendMessage(nil, m.Kind, m.Node, m.Seq, m.appendBody(nil)))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%+v\nbecame %+v, %v", m, again, err)
		}
		_, _ = argsOf(m.Args)
		for i := range m.Sockets {
			_, _ = m.Sockets[i].socket()
		}
	})
}

// Data is one value, whatever it stands for as arguments, and does not get into the auth; nothing stays nothing.
func TestDataOfAnyTypeIsOneValue(t *testing.T) {
	type pair struct {
		_    parser.Tuple
		X, Y int
	}
	for _, c := range []struct {
		data any
		want string
	}{
		{nil, ""}, {parser.NewArgs("one", "two"), `["one","two"]`}, {parser.NewArgs("one"), `"one"`},
		{parser.Args{}, `[]`}, {parser.None{}, `{}`}, {pair{X: 1, Y: 2}, `{"X":1,"Y":2}`},
		{&pair{X: 1}, `{"X":1,"Y":0}`}, {7, `7`}, {struct{ A int }{1}, `{"A":1}`},
	} {
		h := &adapter.Handshake{Auth: parser.NewArgs(map[string]any{"token": "x"})}
		info, err := describe(&adapter.Socket{Handshake: h, Data: c.data})
		if err != nil {
			t.Errorf("%T: %v", c.data, err)
			continue
		}
		got, err := info.socket()
		if err != nil {
			t.Errorf("%T: %v", c.data, err)
			continue
		}
		text := ""
		if a, ok := got.Data.(parser.Args); ok {
			raw, _ := a.Raw(0)
			text = string(raw)
		}
		if text != c.want || got.Handshake.Auth.String() != `[{"token":"x"}]` {
			t.Errorf("%T: data %s, want %s; auth %v", c.data, text, c.want, got.Handshake.Auth)
		}
	}
	for _, data := range []any{parser.NewArgs("a", []byte{1}), struct{ B []byte }{[]byte{1}}} {
		info, err := describe(&adapter.Socket{Data: data})
		if err != nil {
			t.Fatal(err)
		}
		if args, err := argsOf(info.Args); err != nil || !args.HasBinary() {
			t.Errorf("%T with bytes: %v, %v", data, args, err)
		}
	}
}

// What is known of a socket comes through, its data and auth exactly.
func TestSocketsComeThrough(t *testing.T) {
	data := parser.NewArgs([]any{uint64(math.MaxUint64), []byte{1, 2}})
	auth := parser.NewArgs(map[string]any{"n": int64(1<<53 + 1)})
	for _, s := range []adapter.Socket{
		{ID: "a"},
		{ID: "b", Rooms: []string{"b"}, Data: data, Handshake: &adapter.Handshake{
			Header: http.Header{"X": {"1"}}, Time: time.UnixMilli(1 << 40), RemoteAddr: "192.0.2.1", Host: "a.example",
			URL: &url.URL{Path: "/", RawQuery: "a=b"}, Query: url.Values{"a": {"b"}}, Auth: auth,
		}},
	} {
		info, err := describe(&s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := info.socket()
		if err != nil {
			t.Fatal(err)
		}
		same := func(what string, got, want parser.Args) {
			t.Helper()
			a, _ := bytesOf(got)
			b, _ := bytesOf(want)
			if !bytes.Equal(a, b) {
				t.Errorf("%s: %s, want %s", what, a, b)
			}
		}
		if s.Data != nil {
			same("data", got.Data.(parser.Args), data)
			same("auth", got.Handshake.Auth, auth)
			got.Handshake.Auth, s.Handshake.Auth = parser.Args{}, parser.Args{}
		}
		got.Data, s.Data = nil, nil
		if !reflect.DeepEqual(got, s) {
			t.Errorf("%+v\nbecame %+v", s, got)
		}
	}
}
