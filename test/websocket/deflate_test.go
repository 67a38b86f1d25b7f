package websocket

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"sio.example/socketio/internal/websocket"
)

// deflateMax is the limit of the servers here.
const deflateMax = 300_000

// deflatable are messages of many sizes, some of which don't get smaller.
func deflatable(r *rand.Rand) (all []message) {
	for i, n := range []int{0, 1, 10, 125, 126, 500, 3000, 20_000, 40_000, 66_000, 150_000, 300_000} {
		for _, noise := range []int{0, n / 50, n} {
			data := bytes.Repeat(fmt.Appendf(nil, "message %d, which repeats itself. ", i), n/30+1)[:n]
			for range noise {
				data[r.IntN(n)] = 'a' + byte(r.IntN(26))
			}
			all = append(all, message{i%2 == 0, data})
		}
	}
	return slices.Concat(all, all[:9]) // again, for those that remember
}

// deflateServers echo, and compress all that they send if they may.
var deflateServers = map[string]func(t *testing.T, takeover bool) (addr string){
	"ours": func(t *testing.T, takeover bool) string {
		return listen(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Upgrade(w, r, &websocket.Options{MaxMessage: deflateMax,
				Deflate: &websocket.DeflateOptions{ContextTakeover: takeover}})
			if err != nil {
				t.Error(err)
				return
			}
			echoDeflated(c)
		})
	},
	"gorilla": func(t *testing.T, _ bool) string {
		return listen(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := (&gorilla.Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close()
			c.SetReadLimit(deflateMax)
			for {
				kind, p, err := c.ReadMessage()
				if err != nil {
					return
				}
				c.WriteMessage(kind, p)
			}
		})
	},
	"coder": func(t *testing.T, takeover bool) string {
		mode := coder.CompressionNoContextTakeover
		if takeover {
			mode = coder.CompressionContextTakeover
		}
		return listen(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: mode, CompressionThreshold: 1})
			if err != nil {
				return
			}
			defer c.CloseNow()
			c.SetReadLimit(deflateMax)
			for {
				kind, p, err := c.Read(r.Context())
				if err != nil {
					return
				}
				c.Write(r.Context(), kind, p)
			}
		})
	},
	"ws": func(t *testing.T, takeover bool) string {
		t.Setenv("DEFLATE", fmt.Sprintf(
			`{"threshold":0,"serverNoContextTakeover":%v,"clientNoContextTakeover":%[1]v}`, !takeover))
		n := startNode(t, "server")
		e, err := n.next()
		if err != nil || e.Port == 0 {
			t.Fatal(e, err)
		}
		return fmt.Sprint("127.0.0.1:", e.Port)
	},
}

// echoDeflated echoes until the connection ends.
func echoDeflated(c *websocket.Conn) {
	for {
		op, p, err := c.Read()
		if err != nil {
			return
		}
		if c.WriteFrames(c.AppendDeflated(nil, op, p)) != nil {
			return
		}
	}
}

// Our client and each server, with takeover and without, understand each other.
func TestServersInflateWhatOurClientDeflates(t *testing.T) {
	all := deflatable(rand.New(rand.NewPCG(1, 2)))
	for name, serve := range deflateServers {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/takeover %v", name, takeover), func(t *testing.T) {
				addr := serve(t, takeover)
				c, res, err := websocket.Dial(t.Context(), &url.URL{Scheme: "ws", Host: addr, Path: "/"},
					&websocket.DialOptions{Options: websocket.Options{MaxMessage: deflateMax,
						Deflate: &websocket.DeflateOptions{ContextTakeover: takeover, Level: 6}}})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Abort()
				if !c.Deflates() {
					t.Fatalf("not agreed: %v", res.Header)
				}
				for i, m := range all {
					op := websocket.Text
					if m.binary {
						op = websocket.Binary
					}
					if err := c.WriteFrames(c.AppendDeflated(nil, op, m.data)); err != nil {
						t.Fatal(err)
					}
					got, p, err := c.Read()
					if err != nil || got != op || !bytes.Equal(p, m.data) {
						t.Fatalf("message %d of %d bytes: %d bytes, %v", i, len(m.data), len(p), err)
					}
				}
			})
		}
	}
}

// Other clients and our server understand each other.
func TestClientsInflateWhatOurServerDeflates(t *testing.T) {
	all := deflatable(rand.New(rand.NewPCG(3, 4)))
	dial := map[string]func(t *testing.T, url string) client{
		"gorilla": func(t *testing.T, url string) client {
			c, _, err := (&gorilla.Dialer{EnableCompression: true, WriteBufferSize: 512}).Dial(url, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return &gorillaClient{Conn: c}
		},
		"coder": func(t *testing.T, url string) client {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			t.Cleanup(cancel)
			c, _, err := coder.Dial(ctx, url, &coder.DialOptions{
				CompressionMode: coder.CompressionContextTakeover, CompressionThreshold: 1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.CloseNow() })
			c.SetReadLimit(-1)
			return &coderClient{c, ctx}
		},
		"ws": func(t *testing.T, url string) client {
			t.Setenv("DEFLATE", `{"threshold":0}`)
			return dialWS(t, url)
		},
		"ws with a small window": func(t *testing.T, url string) client {
			t.Setenv("DEFLATE", `{"threshold":0,"serverMaxWindowBits":9,"clientMaxWindowBits":10}`)
			return dialWS(t, url)
		},
	}
	for name, dial := range dial {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/takeover %v", name, takeover), func(t *testing.T) {
				c := dial(t, "ws://"+deflateServers["ours"](t, takeover))
				for i, m := range all {
					if err := c.send(m.binary, [][]byte{m.data[:len(m.data)/3], m.data[len(m.data)/3:]}); err != nil {
						t.Fatal(err)
					}
					got, err := c.receive()
					if err != nil || got.binary != m.binary || !bytes.Equal(got.data, m.data) {
						t.Fatalf("message %d of %d bytes: %d bytes, %v", i, len(m.data), len(got.data), err)
					}
				}
			})
		}
	}
}

// squeezed is a compressed message, as it goes into frames.
func squeezed(level int, s string) string {
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, level)
	if err == nil {
		_, err = z.Write([]byte(s))
	}
	if err = errors.Join(err, z.Flush()); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// Each server ends the connection of a client that compresses wrongly with the same status, but for what is written
// down.
func TestServersAgreeOnDeflateFaults(t *testing.T) {
	hello := squeezed(6, "hello")
	for _, f := range []fault{
		{name: "RSV1 on a continuation", send: append(frameBytes(1, "a"), frameBytes(fin|0x40, hello)...), ours: 1002,
			differ: map[string]int{"gorilla": 1000}},
		{name: "RSV1 on a ping", send: frameBytes(fin|0x40|9, ""), ours: 1002, differ: map[string]int{"gorilla": 1000}},
		{name: "RSV1 and RSV2", send: frameBytes(fin|0x60|1, hello), ours: 1002},
		{name: "reserved kind of block", send: frameBytes(fin|0x40|1, "\x06"), ours: 1007,
			differ: map[string]int{"gorilla": 1006, "coder": 1006}},
		{name: "bomb", send: frameBytes(fin|0x40|2, squeezed(9, strings.Repeat("a", deflateMax+1))), ours: 1009,
			differ: map[string]int{"gorilla": 1000}}, // whose limit is for what comes
		{name: "not UTF-8", send: frameBytes(fin|0x40|1, squeezed(6, "a\xff")), ours: 1007,
			differ: map[string]int{"gorilla": 1000, "coder": 1000}},
	} {
		for name, serve := range deflateServers {
			t.Run(f.name+"/"+name, func(t *testing.T) {
				want, ok := f.differ[name]
				if !ok {
					want = f.ours
				}
				send := append(slices.Clone(f.send), frameBytes(fin|8, "\x03\xe8")...) // 1000, if none takes offence
				o := playWith(t, serve(t, false), "Sec-WebSocket-Extensions: permessage-deflate\r\n", send)
				if o.end != want {
					t.Errorf("%v, want %d", o, want)
				}
			})
		}
	}
}
