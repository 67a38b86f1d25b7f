package proc

import (
	"io"
	"net"
	"testing"
)

// What a server has written and nobody reads is in its kernel's buffers, or in those of the other end.
func TestSocketMemory(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	silent, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if err := silent.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	before, sockets, err := SocketMemory(port)
	if err != nil {
		t.Fatal(err)
	}
	if sockets < 2 { // one that listens, one that is connected
		t.Errorf("%d sockets", sockets)
	}
	written := make(chan struct{})
	go func() { // ends when the connection is closed
		defer close(written)
		_, _ = server.Write(make([]byte, 16<<20))
	}()
	for n := before; n < before+(64<<10); {
		if n, _, err = SocketMemory(port); err != nil {
			t.Fatal(err)
		}
	}
	_ = silent.Close()
	<-written
	_, _ = io.Copy(io.Discard, silent)
}
