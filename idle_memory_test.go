//go:build linux && amd64 && !race

package socketio_test

import (
	"bytes"
	"compress/flate"
	"context"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"

	"sio.example/socketio"
	"sio.example/socketio/engineio"
)

// idle is how many connections are measured. Each takes two descriptors.
const idle = 1000

// usage is memory in bytes: of heap objects, and of stacks.
type usage struct{ heap, stacks int64 }

func used() usage {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	return usage{int64(s[0].Value.Uint64()), int64(s[1].Value.Uint64())}
}

// collect frees all that can be freed: the second collection empties pools, the third frees what finalizers held.
func collect() {
	for range 3 {
		runtime.GC()
	}
}

// since is what each of n connections takes more than there was before.
func (u usage) since(before usage, n int64) usage {
	return usage{(u.heap - before.heap) / n, (u.stacks - before.stacks) / n}
}

// A rawClient is a client on a real socket without a goroutine.
type rawClient struct {
	t        *testing.T
	conn     net.Conn
	compress bool
}

// squeezer compresses what clients send; each one would be much to be collected.
var squeezer, _ = flate.NewWriter(nil, 1)

// say sends a text as a message, and reads until the server has sent what ends the answer.
func (c rawClient) say(text, end string) {
	c.t.Helper()
	if !c.compress {
		c.write(new(wsClient).frame(opText, []byte(text)), end)
		return
	}
	var b bytes.Buffer
	squeezer.Reset(&b)
	_, _ = squeezer.Write([]byte(text))
	_ = squeezer.Flush()
	f := new(wsClient).frame(opText, bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")))
	f[0] |= 0x40
	c.write(f, end)
}

func (c rawClient) write(data []byte, end string) {
	c.t.Helper()
	if _, err := c.conn.Write(data); err != nil {
		c.t.Fatal(err)
	}
	var got []byte
	for buf := make([]byte, 1024); !bytes.Contains(got, []byte(end)); {
		n, err := c.conn.Read(buf)
		if err != nil {
			c.t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
}

// A crowd is a server on loopback and its clients.
type crowd struct {
	t       *testing.T
	io      *socketio.Server
	addr    string
	clients []rawClient
	offer   string // line of the header
}

// gather serves io through wrap.
func gather(t *testing.T, o *socketio.Options, wrap func(io http.Handler) http.Handler) *crowd {
	io := socketio.NewServer(o)
	io.Handle("ask", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack(1) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{t: t, io: io, addr: ln.Addr().String()}
	server := &http.Server{Handler: wrap(io)}
	go func() { _ = server.Serve(ln) }() // ends with Close
	t.Cleanup(func() {
		for _, c := range c.clients {
			_ = c.conn.Close()
		}
		_ = io.Close()
		_ = server.Close()
	})
	return c
}

func direct(io http.Handler) http.Handler { return io }

// add connects n clients to the main namespace, one after the other. Each sends so many events, and waits for each to
// be acknowledged.
func (c *crowd) add(n, events int) {
	c.t.Helper()
	for range n {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			c.t.Fatal(err)
		}
		r := rawClient{c.t, conn, c.offer != ""}
		c.clients = append(c.clients, r)
		r.write([]byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"+
			"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
			c.offer+"\r\n"),
			"}")
		r.say("40", `40{"sid"`)
		for range events {
			r.say(`420["ask"]`, `430[1]`)
		}
	}
}

// bareEnd is what one end of a TCP connection takes of the heap, without a goroutine.
func bareEnd(t *testing.T) int64 {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	all := make([]net.Conn, 0, 2*idle)
	collect()
	before := used()
	for range idle {
		out, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		in, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out, in)
	}
	collect()
	after := used()
	for _, c := range all {
		_ = c.Close()
	}
	return after.since(before, 2*idle).heap
}

// documented is a number of docs/memory.md: the first of the line of the table that ends with what it is for.
func documented(t *testing.T, what string) int64 {
	t.Helper()
	page, err := os.ReadFile("docs/memory.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if m := regexp.MustCompile(`^\| ([\d,]+) \| (.*) \|$`).FindStringSubmatch(strings.TrimSpace(line)); m != nil &&
			m[2] == what {
			n, _ := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
			return n
		}
	}
	t.Fatalf("docs/memory.md has no line for %q", what)
	return 0
}

// An idle connection costs the server what docs/memory.md says, also when it has handled events. A twentieth more is
// allowed for what tables and spans leave free, and a table that has just been doubled. A stack of the next size is
// twice as large, and cannot be taken for that.
func TestIdleConnectionCostsWhatIsDocumented(t *testing.T) {
	heap, stack := documented(t, "**heap, in all**"), documented(t, "the stack of the goroutine that reads")
	end := bareEnd(t)
	c := gather(t, nil, direct)
	checkIdle(c, heap, stack, end)
}

// The same holds for connections that compress, without takeover: what they borrow goes back.
func TestIdleConnectionThatCompresses(t *testing.T) {
	heap, stack := documented(t, "**heap, in all**"), documented(t, "the stack of the goroutine that reads")
	end := bareEnd(t)
	c := gather(t, &socketio.Options{Engine: engineio.Options{Deflate: new(engineio.DeflateOptions)}}, direct)
	c.offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
	checkIdle(c, heap, stack, end)
}

func checkIdle(c *crowd, heap, stack, end int64) {
	t := c.t
	t.Helper()
	c.add(20, 4) // tables and pools have their first size
	for events := range 3 {
		most := heap + heap/20
		if events > 0 {
			most += 256
		}
		collect()
		before := used()
		c.add(idle, events)
		var each usage
		for range 10 { // until the readers are back where they wait
			collect()
			each = used().since(before, idle)
			each.heap -= end
			if each.heap <= most && each.stacks <= stack+stack/8 {
				break
			}
		}
		t.Logf("after %d events: %d bytes of heap, %d of stacks; the other end %d", events, each.heap, each.stacks, end)
		if each.heap > most {
			t.Errorf("after %d events: %d bytes of heap for a connection, at most %d are documented",
				events, each.heap, most)
		}
		if each.stacks > stack+stack/8 {
			t.Errorf("after %d events: %d bytes of stack for a connection, %d are documented",
				events, each.stacks, stack)
		}
	}
}

// What a handshake needs of the stack of net/http's goroutine is what that has anyway: one call more, with a large
// frame, doubles it, and costs each connection the copy. The goroutines are kept, as is all else, until they are
// counted.
func TestHandshakeStaysOnItsStack(t *testing.T) {
	stack := documented(t, "the stack of net/http's goroutine during a handshake")
	for _, o := range []*socketio.Options{nil, {Engine: engineio.Options{Deflate: new(engineio.DeflateOptions)}}} {
		handshakes(t, o, stack)
	}
}

func handshakes(t *testing.T, o *socketio.Options, stack int64) {
	park, parked := make(chan struct{}), make(chan struct{}, idle+20)
	c := gather(t, o, func(io http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.ServeHTTP(w, r)
			parked <- struct{}{}
			<-park
		})
	})
	if o != nil {
		c.offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
	}
	defer close(park)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	c.add(20, 0)
	collect()
	before := used()
	c.add(idle, 0)
	for range idle + 20 {
		<-parked
	}
	each := used().since(before, idle).stacks - documented(t, "the stack of the goroutine that reads")
	t.Logf("%d bytes of stacks", each)
	if each > stack+stack/4 {
		t.Errorf("%d bytes of stack for a handshake, %d are documented", each, stack)
	}
}
