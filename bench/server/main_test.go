//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	socketio "sio.example/socketio"
	"sio.example/socketio/bench/internal/load/loadtest"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser/msgpack"
)

var installs = map[string]func(*socketio.Server){"typed": typed, "any": untyped}

func TestServer(t *testing.T) {
	for name, install := range installs {
		t.Run(name, func(t *testing.T) {
			io := socketio.NewServer(&socketio.Options{Engine: engineio.Options{Deflate: new(engineio.DeflateOptions)}})
			t.Cleanup(func() { _ = io.Close() })
			install(io)
			loadtest.Run(t, io)
		})
	}
}

func TestServerMsgpack(t *testing.T) {
	for name, install := range installs {
		t.Run(name, func(t *testing.T) {
			io := socketio.NewServer(&socketio.Options{Parser: msgpack.Parser(nil),
				Engine: engineio.Options{Deflate: new(engineio.DeflateOptions)}})
			t.Cleanup(func() { _ = io.Close() })
			install(io)
			loadtest.RunMsgpack(t, io)
		})
	}
}

// What the load does not send is right as well: "echo" gives back whatever it gets, "join" may go unacknowledged.
func TestHandlers(t *testing.T) {
	for name, install := range installs {
		t.Run(name, func(t *testing.T) {
			io := socketio.NewServer(nil)
			install(io)
			server := httptest.NewServer(io)
			t.Cleanup(func() {
				_ = io.Close()
				server.Close()
			})
			c := connect(t, server.URL)
			for sent, want := range map[string]string{
				`42["echo"]`:                          `42["echo"]`,
				`42["echo",null]`:                     `42["echo",null]`,
				`42["echo","x",[1,{"a":2}],true]`:     `42["echo","x",[1,{"a":2}],true]`,
				`42["echo",{"id":0,"text":""}]`:       `42["echo",{"id":0,"text":""}]`,
				`42["echo",{"id":5,"text":"\u00e9"}]`: `42["echo",{"id":5,"text":"é"}]`,
				`429["echo",1]`:                       `439[1]`,
				`429["echo"]`:                         `439[]`,
				`428["join","a"]`:                     `438[]`,
				`42["room","a",{"id":1,"text":"b"}]`:  `42["room",{"id":1,"text":"b"}]`,
				`42["bcast",{"id":1,"text":"b"}]`:     `42["bcast",{"id":1,"text":"b"}]`,
			} {
				if strings.Contains(sent, `"room"`) {
					write(t, c, `42["join","a"]`)
				}
				write(t, c, sent)
				if got := read(t, c); !same(t, got, want) {
					t.Errorf("%s is answered with %s", sent, got)
				}
			}
		})
	}
}

// same reports whether two packets differ at most in the order of keys.
func same(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	headA, argsA, _ := strings.Cut(a, "[")
	headB, argsB, _ := strings.Cut(b, "[")
	if err := errors.Join(json.Unmarshal([]byte("["+argsA), &x), json.Unmarshal([]byte("["+argsB), &y)); err != nil {
		t.Fatal(err)
	}
	return headA == headB && reflect.DeepEqual(x, y)
}

func connect(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.DialContext(t.Context(),
		"ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	write(t, c, "40")
	for range 2 { // the open packet, and CONNECT
		read(t, c)
	}
	return c
}

func write(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_, text, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
