package engineio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// A streamScript is a server of streams, which says what a test wants it to say.
type streamScript struct {
	t    *testing.T
	asks []*http.Request
}

// onStreams runs f with a client's options whose streams serve is at the other end of.
func onStreams(t *testing.T, serve func(c *memnet.Conn), f func(t *testing.T, s *streamScript, o *DialOptions)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &streamScript{t: t}
		o := &DialOptions{Transports: []string{transportStream}}
		o.DialStream = func(_ context.Context, r *http.Request) (io.ReadWriteCloser, error) {
			s.asks = append(s.asks, r)
			client, server := memnet.Pipe(0)
			go func() { // ends with the connection
				serve(server)
				io.Copy(io.Discard, server)
				server.Close()
			}()
			return client, nil
		}
		f(t, s, o)
	})
}

// A frame of a stream is its length and what it has; sayStream writes text packets, hearStream reads one.
func sayStream(c net.Conn, packets ...string) {
	for _, p := range packets {
		c.Write(append(appendStreamHeader(nil, false, len(p)), p...))
	}
}

func hearStream(c net.Conn) string {
	var head [1]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err.Error()
	}
	body := make([]byte, head[0]&0x7f) // they are short
	_, err := io.ReadFull(c, body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// What the client says first, and to whom (engine.io-client, transports/webtransport.js).
func TestClientOpensAStream(t *testing.T) {
	heard := ""
	onStreams(t, func(c *memnet.Conn) {
		heard = hearStream(c)
		sayStream(c, openWebSocket, "4hello", "b", "bAQID")
	}, func(t *testing.T, s *streamScript, o *DialOptions) {
		o.Header = http.Header{"X-Mine": {"1"}, "Host": {"other"}}
		p, err := dialEndpoint(t, "https://user:secret@server/path/?a=b", o)
		if err != nil {
			t.Fatal(err)
		}
		p.expect(text("hello"), bin(), bin(1, 2, 3))
		if heard != "0" {
			t.Errorf("the client says %q first", heard)
		}
		r := s.asks[0]
		got := fmt.Sprintf("%s %v %s", r.URL, r.Header, r.Host)
		const auth = "Authorization:[Basic dXNlcjpzZWNyZXQ=]"
		if got != "https://server/path/?a=b&EIO=4&transport=webtransport map["+auth+" X-Mine:[1]] other" {
			t.Errorf("asked for %s", got)
		}
		if p.socket.Transport() != "webtransport" {
			t.Errorf("transport %s", p.socket.Transport())
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

func dials(c io.ReadWriteCloser, err error) func(context.Context, *http.Request) (io.ReadWriteCloser, error) {
	return func(context.Context, *http.Request) (io.ReadWriteCloser, error) { return c, err }
}

// Streams that do not open are an error of Dial, which leaves nothing.
func TestClientStreamsThatDoNotOpen(t *testing.T) {
	down := errors.New("down")
	for name, c := range map[string]struct {
		serve func(c *memnet.Conn)
		dial  func(ctx context.Context, r *http.Request) (io.ReadWriteCloser, error)
		want  string
	}{
		"refused": {dial: dials(nil, down), want: "error: \"down\""},
		"nothing": {dial: dials(nil, nil), want: "error: DialStream returned no stream"},
		"ends":    {serve: func(c *memnet.Conn) { c.Close() }, want: "engineio: webtransport error: "},
		"no handshake": {serve: func(c *memnet.Conn) { sayStream(c, "4hello") },
			want: "server error: answer is no Engine.IO 4: no valid handshake"},
		"no packet": {serve: func(c *memnet.Conn) { sayStream(c, "hello") }, want: "webtransport: server error: "},
		"a binary packet": {serve: func(c *memnet.Conn) { c.Write([]byte{0x81, 1}) },
			want: "server error: no valid handshake"},
		"an empty frame": {serve: func(c *memnet.Conn) { c.Write([]byte{0}) }, want: "stream: empty frame"},
		"a huge frame": {serve: func(c *memnet.Conn) {
			c.Write([]byte("\x7f\x00\x00\x00\x01\x00\x00\x00\x00"))
		}, want: "stream: message too big"},
		"silence": {serve: func(*memnet.Conn) {}, want: "context deadline exceeded"},
		"a deaf dialer": {dial: func(context.Context, *http.Request) (io.ReadWriteCloser, error) {
			<-time.After(500 * time.Millisecond)
			client, server := memnet.Pipe(0)
			server.Close()
			return client, nil
		}, want: "context deadline exceeded"},
		"nothing, late": {dial: func(context.Context, *http.Request) (io.ReadWriteCloser, error) {
			<-time.After(500 * time.Millisecond)
			return nil, nil
		}, want: "context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			onStreams(t, c.serve, func(t *testing.T, s *streamScript, o *DialOptions) {
				if c.dial != nil {
					o.DialStream = c.dial
				}
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				sock, err := Dial(ctx, "http://server", nil, o)
				if sock != nil || err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("Dial: %v, %v", sock, err)
				}
				<-time.After(time.Second)
			})
		})
	}
}

// Without DialStream there is no such transport.
func TestClientStreamsNeedADialer(t *testing.T) {
	o := &DialOptions{Transports: []string{transportStream}}
	if _, err := Dial(t.Context(), "http://server", nil, o); err == nil ||
		!strings.Contains(err.Error(), "needs DialStream") {
		t.Error(err)
	}
}

// An upgrade goes to the stream if that works, and otherwise to a WebSocket.
func TestClientUpgradesToTheNextTransport(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(c *memnet.Conn) // nil refuses
		trace string
	}{
		"refused":  {nil, "webtransport false, websocket true"},
		"no probe": {func(c *memnet.Conn) { hearStream(c); sayStream(c, "4x") }, "webtransport false, websocket true"},
		"silent":   {func(c *memnet.Conn) {}, "webtransport false, websocket true"},
		"early close": {func(c *memnet.Conn) { hearStream(c); hearStream(c); c.Close() },
			"webtransport false, websocket true"},
	} {
		t.Run(name, func(t *testing.T) {
			all := []string{transportPolling, transportWebSocket, transportStream}
			bubble(t, &Options{Transports: all}, func(t *testing.T, e *env) {
				e.onMsg = echo
				o := e.clientOptions() // all
				o.DialStream = func(context.Context, *http.Request) (io.ReadWriteCloser, error) {
					if c.serve == nil {
						return nil, errors.New("no")
					}
					client, server := memnet.Pipe(0)
					go func() { // ends with the connection
						c.serve(server)
						io.Copy(io.Discard, server)
						server.Close()
					}()
					return client, nil
				}
				upgrades := make(chan string, 9)
				o.Trace = &Trace{Upgrade: func(name string, err error) { upgrades <- fmt.Sprint(name, " ", err == nil) }}
				p := e.join(o)
				p.send(text("a"))
				p.expect(text("a"))
				<-time.After(15 * time.Second)
				p.send(text("b"))
				p.expect(text("b"))
				if got := <-upgrades + ", " + <-upgrades; got != c.trace || p.socket.Transport() != transportWebSocket {
					t.Errorf("upgrades %s, transport %s", got, p.socket.Transport())
				}
				p.socket.Close()
				p.want(ForcedClose)
			})
		})
	}
}

// The stream of an upgrade begins with the session's id, which is not in the URL, and has the cookies of polling.
func TestClientStreamOfAnUpgrade(t *testing.T) {
	bubble(t, &Options{
		Transports: []string{transportPolling, transportStream}, Cookie: &CookieOptions{},
	}, func(t *testing.T, e *env) {
		o := e.clientOptions(transportPolling, transportStream)
		heards, asks := make(chan []string, 1), make(chan *http.Request, 1)
		o.DialStream = func(ctx context.Context, r *http.Request) (io.ReadWriteCloser, error) {
			asks <- r
			client, server := memnet.Pipe(0)
			go func() { // ends with the connection
				heards <- []string{hearStream(server), hearStream(server)}
				server.Close()
			}()
			return client, nil
		}
		p := e.join(o)
		id, asked, heard := p.socket.ID(), <-asks, <-heards
		if want := []string{`0{"sid":"` + id + `"}`, "2probe"}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
		if strings.Contains(asked.URL.String(), id) || asked.Header.Get("Cookie") != "io="+id {
			t.Errorf("asked for %s with %v", asked.URL, asked.Header)
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// A Read that ends the goroutine ends the session, or the upgrade, and nobody waits for its reader.
func TestClientStreamWhoseReadExits(t *testing.T) {
	var r *trickster
	onStreams(t, func(c *memnet.Conn) {
		hearStream(c)
		sayStream(c, openWebSocket, "4a")
		hearStream(c)
		r.on("Read", runtime.Goexit)
		sayStream(c, "4b")
	}, func(t *testing.T, _ *streamScript, o *DialOptions) {
		dial := o.DialStream
		o.DialStream = func(ctx context.Context, q *http.Request) (io.ReadWriteCloser, error) {
			c, err := dial(ctx, q)
			r = &trickster{ReadWriteCloser: c}
			return r, err
		}
		p, err := dialEndpoint(t, "http://server", o)
		if err != nil {
			t.Fatal(err)
		}
		p.expect(text("a"))
		p.send(text("go"))
		p.want(TransportClose)
	})
}

func TestClientStreamOfAnUpgradeWhoseReadExits(t *testing.T) {
	bubble(t, &Options{Transports: []string{transportPolling, transportStream}}, func(t *testing.T, e *env) {
		e.onMsg = echo
		o := e.clientOptions(transportPolling, transportStream)
		o.DialStream = func(context.Context, *http.Request) (io.ReadWriteCloser, error) {
			client, server := memnet.Pipe(0)
			r := &trickster{ReadWriteCloser: client}
			r.on("Read", runtime.Goexit)
			go func() { // ends with the connection
				hearStream(server)
				sayStream(server, "3probe")
				io.Copy(io.Discard, server)
				server.Close()
			}()
			return r, nil
		}
		upgrades := make(chan error, 1)
		o.Trace = &Trace{Upgrade: func(_ string, err error) { upgrades <- err }}
		p := e.join(o)
		begun := time.Now()
		if err := <-upgrades; err == nil || time.Since(begun) > time.Second {
			t.Errorf("the upgrade ends after %v with %v", time.Since(begun), err)
		}
		p.send(text("b"))
		p.expect(text("b"))
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// A slow stream is a stream whose writes, from the second on, take their time. It counts how many go on at once.
type slowStream struct {
	io.ReadWriteCloser
	writes, inside, most atomic.Int32
}

func (s *slowStream) Write(p []byte) (int, error) {
	s.most.Store(max(s.most.Load(), s.inside.Add(1)))
	defer s.inside.Add(-1)
	if s.writes.Add(1) > 1 {
		<-time.After(3 * time.Second)
	}
	return s.ReadWriteCloser.Write(p)
}

// A server that answers a probe before it can have it does not get two goroutines into Write at once.
func TestClientStreamHasOneWriter(t *testing.T) {
	bubble(t, &Options{Transports: []string{transportPolling, transportStream}}, func(t *testing.T, e *env) {
		o := e.clientOptions(transportPolling, transportStream)
		client, server := memnet.Pipe(0)
		stream := &slowStream{ReadWriteCloser: client}
		o.DialStream = dials(stream, nil)
		heard := make(chan []string)
		go func() { // ends with the stream
			<-time.After(500 * time.Millisecond) // a GET is pending, and the probe under way
			sayStream(server, "3probe")
			heard <- []string{hearStream(server)[:1], hearStream(server), hearStream(server)}
			io.Copy(io.Discard, server)
			server.Close()
		}()
		p := e.join(o)
		<-time.After(time.Second)
		e.session(0).socket.Send(SendOptions{}, text("x")) // ends the GET that is pending
		if got := <-heard; !slices.Equal(got, []string{"0", "2probe", "5"}) {
			t.Errorf("the server hears %q", got)
		}
		if n := stream.most.Load(); n != 1 {
			t.Errorf("%d goroutines in Write", n)
		}
		p.expect(text("x"))
		p.socket.Abort(ForcedClose, nil)
		p.want(ForcedClose)
		e.session(0).socket.Close()
	})
}

// The id of a session is a string of JSON on a stream, whatever the server has put into it.
func TestClientStreamQuotesTheID(t *testing.T) {
	const id = "a\x07\"\U0001f600\u00a0"
	heard := make(chan string, 1)
	onStreams(t, func(c *memnet.Conn) { heard <- hearStream(c) }, func(t *testing.T, _ *streamScript, o *DialOptions) {
		s := newClientSocket(o)
		d, err := newClientDialer(s, "http://server", o)
		if err != nil {
			t.Fatal(err)
		}
		l, err := d.link(t.Context(), kindStream, id)
		if err != nil {
			t.Fatal(err)
		}
		var open struct{ SID string }
		said := <-heard
		if err := json.Unmarshal([]byte(said[1:]), &open); err != nil || open.SID != id {
			t.Errorf("the server hears %q, which is %q, %v", said, open.SID, err)
		}
		l.abort()
		l.wait()
		d.close()
	})
}
