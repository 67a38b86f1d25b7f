package hostile

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"testing"
	"time"

	"sio.example/socketio/client"
)

// TestDeadAddresses is row N-10: five addresses of the host are dead, two of them black holes, and one is alive.
func TestDeadAddresses(t *testing.T) {
	srv := listen(t)
	_, port, _ := net.SplitHostPort(srv.l.Addr().String())
	for _, dead := range []string{"127.0.0.2", "127.0.0.3"} {
		blackHole(t, dead, port)
	}
	old := net.DefaultResolver
	net.DefaultResolver = nameServer(t, "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.1")
	defer func() { net.DefaultResolver = old }()
	for _, transport := range both {
		opts := &client.Options{}
		opts.Engine.Transports = []string{transport}
		opts.Engine.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
		// it is about one second; the kernel would take 127
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		s, err := client.Dial(ctx, "http://many.example:"+port, opts)
		cancel()
		if err != nil {
			t.Errorf("%s: %v", transport, err)
			continue
		}
		if err := echo(s); err != nil {
			t.Error(err)
		}
		shutdown(t, s.Manager())
	}
}

// blackHole listens and answers nothing: the kernel drops what asks for a connection when the queue of a listener is
// full.
func blackHole(t *testing.T, ip, port string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	addr := &syscall.SockaddrInet4{Addr: [4]byte(net.ParseIP(ip).To4())}
	_, _ = fmt.Sscan(port, &addr.Port)
	if err := errors.Join(syscall.Bind(fd, addr), syscall.Listen(fd, 0)); err != nil {
		t.Skip("no second loopback address: ", err)
	}
	for range 3 {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(ip, port), 50*time.Millisecond)
		if err != nil {
			return // the queue is full
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Skip("the kernel has no black holes")
}

// nameServer is a resolver that knows these IPv4 addresses of any name, and no other.
func nameServer(t *testing.T, ips ...string) *net.Resolver {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the test
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(dnsAnswer(buf[:n], ips), from)
		}
	}()
	t.Cleanup(func() {
		_ = pc.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// dnsAnswer answers a query for A with the addresses, and one for anything else with nothing (RFC 1035 4).
func dnsAnswer(query []byte, ips []string) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	if end > len(query) {
		return nil
	}
	b := slices.Clone(query[:end])
	if query[end-3] != 1 {
		ips = nil
	}
	copy(b[2:12], []byte{0x84, 0, 0, 1, 0, byte(len(ips)), 0, 0, 0, 0})
	for _, ip := range ips {
		b = append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		b = append(b, net.ParseIP(ip).To4()...)
	}
	return b
}
