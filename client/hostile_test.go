package client_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/internal/memnet"
)

// A puppet is a server in memory that says what a test, or a fuzzer, has it say. It answers CONNECT unless it is mute.
// It lives in a synctest bubble.
type puppet struct {
	net  *memnet.Listener
	http *http.Server

	mu     sync.Mutex
	mute   bool
	open   string // the open packet of the sessions from now on
	opened []time.Time
	heard  []string // text packets of the client, without pongs
	ws     net.Conn // of the last session; nil while it is polling
	polls  chan string
	after  func(c net.Conn) // has the WebSocket after the open packet, unless nil
}

const puppetURL = "http://puppet.example"

func newPuppet() *puppet {
	p := &puppet{net: memnet.Listen(), polls: make(chan string, 10_000)}
	p.open = `0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}`
	p.http = &http.Server{Handler: p}
	go func() { _ = p.http.Serve(p.net) }() // ends with close
	return p
}

func (p *puppet) close() {
	_ = p.http.Close()
	_ = p.net.Close()
	p.drop()
}

// options are those of a client of the puppet.
func (p *puppet) options(transport string) *client.Options {
	o := &client.Options{RandomizationFactor: -1}
	o.Engine.Transports = []string{transport}
	o.Engine.NetDial = p.net.DialContext
	o.Engine.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	return o
}

// drop cuts the WebSocket.
func (p *puppet) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ws != nil {
		_ = p.ws.Close()
	}
}

func (p *puppet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.mu.Lock()
	open := p.open
	if q.Get("sid") == "" {
		p.opened = append(p.opened, time.Now())
	}
	p.mu.Unlock()
	switch {
	case q.Get("transport") == "websocket":
		p.serveWebSocket(w, r, open)
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body) // what came is what there is
		_, _ = io.WriteString(w, "ok")
		for text := range strings.SplitSeq(string(body), "\x1e") {
			p.receive(text)
		}
	case q.Get("sid") == "":
		p.mu.Lock()
		p.ws, p.polls = nil, make(chan string, 10_000)
		p.mu.Unlock()
		_, _ = io.WriteString(w, open)
	default:
		p.mu.Lock()
		polls := p.polls
		p.mu.Unlock()
		select {
		case text := <-polls:
			_, _ = io.WriteString(w, text)
		case <-r.Context().Done():
		}
	}
}

func (p *puppet) serveWebSocket(w http.ResponseWriter, r *http.Request, open string) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	c, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "+
		"Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	if open != "" {
		_, _ = c.Write(puppetFrame(1, open))
	}
	p.mu.Lock()
	p.ws = c
	after := p.after
	p.mu.Unlock()
	if after != nil {
		after(c)
		return
	}
	for {
		opcode, data, err := puppetRead(rw.Reader)
		if err != nil {
			return
		}
		switch opcode {
		case 1:
			p.receive(string(data))
		case 8:
			_, _ = c.Write(puppetFrame(8, ""))
			return
		}
	}
}

// receive notes what the client says, and answers CONNECT.
func (p *puppet) receive(text string) {
	if text == "3" {
		return
	}
	p.mu.Lock()
	p.heard = append(p.heard, text)
	mute := p.mute
	p.mu.Unlock()
	if rest, ok := strings.CutPrefix(text, "40"); ok && !mute {
		namespace := ""
		if strings.HasPrefix(rest, "/") {
			namespace = rest[:strings.IndexByte(rest, ',')+1]
		}
		p.say("40" + namespace + `{"sid":"x"}`)
	}
}

// say sends a text packet.
func (p *puppet) say(text string) {
	p.mu.Lock()
	ws, polls := p.ws, p.polls
	p.mu.Unlock()
	if ws != nil {
		p.write(puppetFrame(1, text))
		return
	}
	select {
	case polls <- text:
	default: // nobody polls
	}
}

// write sends bytes by WebSocket.
func (p *puppet) write(b []byte) {
	p.mu.Lock()
	ws := p.ws
	p.mu.Unlock()
	if ws != nil {
		_ = ws.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = ws.Write(b)
	}
}

// puppetFrame is a frame of a server.
func puppetFrame(opcode byte, payload string) []byte {
	b := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// puppetRead reads a frame of a client.
func puppetRead(r *bufio.Reader) (opcode byte, data []byte, err error) {
	var head [14]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	n, more := uint64(head[1]&0x7f), 0
	switch n {
	case 126:
		more = 2
	case 127:
		more = 8
	}
	if _, err := io.ReadFull(r, head[2:6+more]); err != nil {
		return 0, nil, err
	}
	switch more {
	case 2:
		n = uint64(binary.BigEndian.Uint16(head[2:]))
	case 8:
		n = binary.BigEndian.Uint64(head[2:])
	}
	data = make([]byte, n)
	_, err = io.ReadFull(r, data)
	for i := range data {
		data[i] ^= head[2+more+i&3]
	}
	return head[0] & 0x0f, data, err
}

// onPuppet runs fn in a bubble, with a puppet and a Manager that has made no connection yet. Nothing may be left of
// them.
func onPuppet(t *testing.T, transport string, change func(o *client.Options),
	fn func(t *testing.T, p *puppet, m *client.Manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPuppet()
		o := p.options(transport)
		if change != nil {
			change(o)
		}
		m := client.NewManager(puppetURL, o)
		fn(t, p, m)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := m.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		p.close()
	})
}

// N-7: a server that ends each connection at once is asked ever more seldom, and not more often again before a
// connection was of use. It matters little how: before the handshake, after it, or after CONNECT was answered.
func TestServerThatHangsUp(t *testing.T) {
	const sessions = 300
	for name, c := range map[string]struct {
		transport string
		set       func(p *puppet)
	}{
		"after 101":           {"websocket", func(p *puppet) { p.open, p.after = "", func(net.Conn) {} }},
		"after the handshake": {"websocket", func(p *puppet) { p.after = func(net.Conn) {} }},
		"close frame": {"websocket",
			func(p *puppet) { p.after = func(c net.Conn) { _, _ = c.Write(puppetFrame(8, "\x03\xf5busy")) } }},
		"close packet": {"websocket", func(p *puppet) {
			p.after = func(c net.Conn) {
				_,
					_ = c.Write(puppetFrame(1, "1"))
			}
		}},
		"bad packet": {"websocket", func(p *puppet) {
			p.after = func(c net.Conn) {
				_,
					_ = c.Write(puppetFrame(1, "9"))
			}
		}},
		"after connect": {"websocket", func(p *puppet) {
			p.after = func(c net.Conn) { _, _ = c.Write(puppetFrame(1, `40{"sid":"x"}`)) }
		}},
		"polling":      {"polling", func(p *puppet) { p.open += "\x1e1" }},
		"polling, bad": {"polling", func(p *puppet) { p.open += "\x1e9" }},
	} {
		t.Run(name, func(t *testing.T) {
			onPuppet(t, c.transport, nil, func(t *testing.T, p *puppet, m *client.Manager) {
				c.set(p)
				m.Socket("/", nil).Open()
				limit := time.Now().Add(sessions * 5 * time.Second)
				for len(p.times()) < sessions && time.Now().Before(limit) {
					<-time.After(time.Minute)
				}
				times := p.times()
				// 1, 2, 4 and from then on 5 seconds; what a session itself takes comes on top.
				for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
					if d := times[i+1].Sub(times[i]); d < want {
						t.Errorf("attempt %d came after %v, want %v", i+1, d, want)
					}
				}
				for i := 4; i < len(times); i++ {
					if d := times[i].Sub(times[i-1]); d < 5*time.Second {
						t.Fatalf("attempt %d came after %v", i, d)
					}
				}
				if len(times) < sessions-20 {
					t.Errorf("only %d attempts", len(times))
				}
			})
		})
	}
}

func (p *puppet) times() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.opened)
}

// N-3: a server that never pings is left when interval and timeout are over, and not before; a ping in time counts.
func TestServerThatNeverPings(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			onPuppet(t, transport, func(o *client.Options) { o.DisableReconnection = true },
				func(t *testing.T, p *puppet, m *client.Manager) {
					closed := make(chan string, 1)
					m.OnClose(func(reason client.DisconnectReason, _ error) { closed <- string(reason) })
					s := m.Socket("/", nil)
					start := time.Now()
					if err := s.Connect(t.Context()); err != nil {
						t.Fatal(err)
					}
					<-time.After(44*time.Second + 999*time.Millisecond)
					p.say("2")
					synctest.Wait()
					if !s.Connected() {
						t.Fatal("not connected, though the ping was in time")
					}
					p.say(`42["talk"]`) // that is no ping
					if reason := <-closed; reason != "ping timeout" {
						t.Errorf("closed by %s", reason)
					}
					if d := time.Since(start); d < 89*time.Second || d > 91*time.Second {
						t.Errorf("after %v", d)
					}
				})
		})
	}
}

// Intervals at the edge of what is accepted do not overflow.
func TestLongestHeartbeat(t *testing.T) {
	onPuppet(t, "websocket", nil, func(t *testing.T, p *puppet, m *client.Manager) {
		p.open = fmt.Sprintf(`0{"sid":"s","upgrades":[],"pingInterval":%d,"pingTimeout":%d}`, 1<<31-1, 1<<31-1)
		s := m.Socket("/", nil)
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(49 * 24 * time.Hour)
		if !s.Connected() || len(p.times()) != 1 {
			t.Errorf("connected %v, %d sessions", s.Connected(), len(p.times()))
		}
	})
}

// N-1, P-1: what comes before the answer to CONNECT is kept for later, but not without bound. P-40: who has a deadline
// does not wait for the answer for ever.
func TestFloodBeforeConnect(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			onPuppet(t, transport, nil, func(t *testing.T, p *puppet, m *client.Manager) {
				p.mute = true
				s := m.Socket("/", nil)
				n, reasons := 0, []client.DisconnectReason{}
				s.OnAny(func(context.Context, *client.Event) { n++ })
				m.OnClose(func(r client.DisconnectReason, _ error) { reasons = append(reasons, r) })
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				s.Open()
				synctest.Wait()
				text := `42["flood","` + strings.Repeat("x", 100_000) + `"]`
				for range 200 { // 20 MB
					p.say(text)
				}
				if err := s.Connect(ctx); err == nil {
					t.Error("connected to a mute server")
				}
				s.Disconnect()
				synctest.Wait()
				if n != 0 || !slices.Contains(reasons, client.ReasonParseError) {
					t.Errorf("%d events were handled, closed by %q", n, reasons)
				}
			})
		})
	}
}
