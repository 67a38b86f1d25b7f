package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// A testProxy accepts connections and tunnels them to one address, whatever is asked for.
type testProxy struct {
	net.Listener
	upstream string
	asked    chan string // what was asked for, with who
}

func newProxy(t testing.TB, upstream string, config *tls.Config, serve func(*testProxy, net.Conn)) *testProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &testProxy{l, upstream, make(chan string, 10)}
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			if config != nil {
				nc = tls.Server(nc, config)
			}
			go serve(p, nc) // ends with the connection
		}
	}()
	return p
}

// tunnel copies both ways until one end closes.
func (p *testProxy) tunnel(nc net.Conn, br *bufio.Reader, ok string) {
	defer nc.Close()
	up, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer up.Close()
	io.WriteString(nc, ok)
	go func() { // ends with the connections, which it closes
		io.Copy(up, br)
		up.Close()
	}()
	io.Copy(nc, up)
}

func serveConnect(p *testProxy, nc net.Conn) {
	br := bufio.NewReader(nc)
	r, err := http.ReadRequest(br)
	if err != nil {
		nc.Close()
		return
	}
	p.asked <- fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Host, " ", r.Header.Get("Proxy-Authorization"))
	p.tunnel(nc, br, "HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\nContent-Length: 0\r\n\r\n")
}

// serveSocks speaks SOCKS 5 with a name and password if that is offered.
func serveSocks(p *testProxy, nc net.Conn) {
	asked, err := acceptSocks(nc)
	if err != nil {
		nc.Close()
		return
	}
	p.asked <- asked
	from := "\x01\x7f\x00\x00\x01" // what the proxy says it connects from, in each form
	switch {
	case strings.HasSuffix(asked, "six:pass"):
		from = "\x04" + strings.Repeat("\x06", 16)
	case strings.HasSuffix(asked, "name:pass"):
		from = "\x03\x09p.example"
	}
	p.tunnel(nc, bufio.NewReader(nc), "\x05\x00\x00"+from+"\x12\x34")
}

func acceptSocks(nc net.Conn) (asked string, err error) {
	next := func(n byte) []byte {
		b := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(nc, b)
		}
		return b
	}
	who := ""
	if methods := next(next(2)[1]); len(methods) == 2 {
		nc.Write([]byte{5, 2})
		name := next(next(2)[1])
		who = string(name) + ":" + string(next(next(1)[0]))
		nc.Write([]byte{1, 0})
	} else {
		nc.Write([]byte{5, 0})
	}
	var host string
	switch next(4)[3] {
	case 1:
		host = netip.AddrFrom4([4]byte(next(4))).String()
	case 4:
		host = netip.AddrFrom16([16]byte(next(16))).String()
	case 3:
		host = string(next(next(1)[0]))
	}
	return fmt.Sprint(host, " ", binary.BigEndian.Uint16(next(2)), " ", who), err
}

// N-11: through proxies of each kind, to plain and encrypted servers.
func TestDialProxy(t *testing.T) {
	cert := certificate(t, "p.example", time.Now().Add(24*time.Hour))
	for _, encrypted := range []bool{false, true} {
		u, s, got := echoServer(t, encrypted)
		addr := s.Listener.Addr().String()
		port := addr[strings.LastIndexByte(addr, ':')+1:]
		u.User = url.UserPassword("u", "secret")
		u.Host = "example.com:" + port // as the certificate of httptest has it; only the proxy can reach it
		roots := x509.NewCertPool()
		roots.AddCert(cert.Leaf)
		if encrypted {
			roots.AddCert(s.Certificate())
		}
		for _, row := range []struct{ scheme, user, asked string }{
			{"http", "", "CONNECT example.com:" + port + " example.com:" + port + " "},
			{"http", "me:pass@", "CONNECT example.com:" + port + " example.com:" + port + " Basic bWU6cGFzcw=="},
			{"https", "", "CONNECT example.com:" + port + " example.com:" + port + " "},
			{"socks5", "", "example.com " + port + " "},
			{"socks5h", "six:pass@", "example.com " + port + " six:pass"},
			{"socks5h", "name:pass@", "example.com " + port + " name:pass"},
		} {
			t.Run(fmt.Sprint(row.scheme, ",", row.user, "tls=", encrypted), func(t *testing.T) {
				serve := serveConnect
				var config *tls.Config
				switch {
				case row.scheme == "https":
					config = &tls.Config{Certificates: []tls.Certificate{cert}}
				case strings.HasPrefix(row.scheme, "socks"):
					serve = serveSocks
				}
				p := newProxy(t, addr, config, serve)
				c, _, err := Dial(t.Context(), u, &DialOptions{
					TLS:     &tls.Config{RootCAs: roots},
					NetDial: to(p.Addr().String()),
					Proxy: func(r *http.Request) (*url.URL, error) {
						if want := map[bool]string{false: "http", true: "https"}[encrypted]; r.URL.Scheme != want ||
							r.URL.Host != u.Host || r.URL.User != nil {
							t.Errorf("proxy was asked for %v", r.URL)
						}
						return url.Parse(row.scheme + "://" + row.user + "p.example")
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				if asked := <-p.asked; asked != row.asked {
					t.Errorf("asked for %q, want %q", asked, row.asked)
				}
				if r := <-got; r.Header.Get("Proxy-Authorization") != "" ||
					r.Header.Get("Authorization") != "Basic dTpzZWNyZXQ=" {
					t.Errorf("the server got %v", r.Header)
				}
				greet(t, c)
				c.Close(1000, "")
				_, _, err = c.Read()
				closedWith(t, err, 1000, false)
			})
		}
	}
}

// What proxies answer wrongly, and functions that choose none.
func TestDialProxyRefused(t *testing.T) {
	for _, row := range []struct {
		name, proxy, answer string
		status              int
	}{
		{"407", "http://me:secret@p.example",
			"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nauth", 407},
		{"502", "http://p.example", "HTTP/1.1 502 x\r\nContent-Length: 4\r\n\r\nauth", 502},
		{
			"302", "http://p.example", "HTTP/1.1 302 x\r\nLocation: http://other.example/\r\nContent-Length: " +
				"4\r\n\r\nauth", 302,
		},
		{"101", "http://p.example", "HTTP/1.1 101 x\r\n\r\n", 101},
		{"early data", "http://p.example", "HTTP/1.1 200 x\r\n\r\nearly", 0},
		{"endless header", "http://p.example", "HTTP/1.1 200 x\r\nX: " + strings.Repeat("x", 200_000), 0},
		{"nothing", "http://p.example", "{close}", 0},
		{"SOCKS 4", "socks5://p.example", "\x00\x5a", 0},
		{"SOCKS, no method", "socks5://p.example", "\x05\xff", 0},
		{"SOCKS, password not offered", "socks5://p.example", "\x05\x02", 0},
		{"SOCKS, wrong password", "socks5://me:secret@p.example", "\x05\x02\x01\x01", 0},
		{"SOCKS, refused", "socks5://p.example", "\x05\x00\x05\x05\x00\x01\x00", 0},
		{"SOCKS, version", "socks5://p.example", "\x05\x00\x04\x00\x00\x01\x00", 0},
		{"SOCKS, address", "socks5://p.example", "\x05\x00\x05\x00\x00\x09\x00", 0},
		{"SOCKS, half an answer", "socks5://p.example", "\x05\x00\x05\x00\x00\x01{close}", 0},
		{"unknown scheme", "ftp://p.example", "", 0},
		{"no host", "http://", "", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := memnet.Pipe(0)
				go func() { // ends when the client closes
					answer, hangUp := strings.CutSuffix(row.answer, "{close}")
					io.WriteString(server, answer)
					if hangUp {
						server.CloseWrite()
					}
					io.Copy(io.Discard, server)
					server.Close()
				}()
				defer client.Close()
				_, _, err := Dial(t.Context(), parse(t, "ws://h.example/"), &DialOptions{
					NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil },
					Proxy:   func(*http.Request) (*url.URL, error) { return url.Parse(row.proxy) },
				})
				var refused *HandshakeRefusedError
				switch {
				case err == nil || strings.Contains(err.Error(), "secret") || errors.Is(err, context.DeadlineExceeded):
					t.Errorf("got %v", err)
				case errors.As(err, &refused) != (row.status != 0):
					t.Errorf("got %v", err)
				case refused != nil && (!refused.Proxy || refused.Status != row.status ||
					row.status > 101 && string(refused.Body) != "auth"):
					t.Errorf("got %+v", refused)
				}
			})
		})
	}
	secret := errors.New(`invalid proxy address "http://me:secret@"`)
	_, _, err := Dial(t.Context(), parse(t, "ws://h.example/"), &DialOptions{
		Proxy: func(*http.Request) (*url.URL, error) { return nil, secret },
	})
	if !errors.Is(err, secret) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	u, s, _ := echoServer(t, false)
	c, _, err := Dial(t.Context(), u, &DialOptions{
		NetDial: to(s.Listener.Addr().String()),
		Proxy:   func(*http.Request) (*url.URL, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	greet(t, c)
	c.Abort()
}

// Addresses reach a SOCKS proxy in their binary form.
func TestSocksTarget(t *testing.T) {
	for target, want := range map[string]string{
		"192.0.2.1:80":                   "\x01\xc0\x00\x02\x01\x00\x50",
		"[::1]:443":                      "\x04" + strings.Repeat("\x00", 15) + "\x01\x01\xbb",
		"[::ffff:192.0.2.1]:80":          "\x01\xc0\x00\x02\x01\x00\x50",
		"h.example:65535":                "\x03\x09h.example\xff\xff",
		"h.example:65536":                "",
		"h.example:http":                 "",
		"h.example":                      "",
		strings.Repeat("h", 256) + ":80": "",
	} {
		got, err := appendSocksTarget(nil, target)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", target, got, err)
		}
	}
}
