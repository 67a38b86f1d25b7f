//go:build (amd64 || arm64 || riscv64 || loong64) && !race

package websocket

import (
	"net"
	"net/http"
	"testing"
)

// A descriptor that somebody has put into blocking mode is not waited for outside the poller.
func TestBlockingDescriptor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan *Conn, 1)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := Upgrade(w, r, nil); err == nil {
			accepted <- c
		}
	})}
	go srv.Serve(l) // ends with Close
	defer srv.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " +
		"websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	c := <-accepted
	f, err := c.nc.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_ = f.Fd() // sets it to blocking
	p := make([]byte, 16)
	err = c.raw.Read(func(fd uintptr) bool {
		n, again, err := readFD(fd, p) // nothing is there: this must return
		if n != 0 || !again || err != nil {
			t.Errorf("read %d bytes, again %v, %v", n, again, err)
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	c.Abort()
	c.Wait()
}
