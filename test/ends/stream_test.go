package ends

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"sio.example/socketio/engineio"
)

// A streamPeer is one end of a stream of bytes, in the framing of the official WebTransport transport.
type streamPeer struct {
	conn *net.TCPConn
	in   *bufio.Reader
}

func dialStream(t *testing.T, address string) *streamPeer {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return &streamPeer{conn.(*net.TCPConn), bufio.NewReader(conn)}
}

// head is what comes before a packet: whether it is binary, and its length.
func head(binaryData bool, n int) []byte {
	var flag byte
	if binaryData {
		flag = 0x80
	}
	switch {
	case n < 126:
		return []byte{flag | byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{flag | 126}, uint16(n))
	default:
		return binary.BigEndian.AppendUint64([]byte{flag | 127}, uint64(n))
	}
}

// write sends packets with one write. That the connection is gone is no error.
func (s *streamPeer) write(packets ...string) {
	var all []byte
	for _, packet := range packets {
		all = append(append(all, head(false, len(packet))...), packet...)
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
	_, _ = s.conn.Write(all)
}

func (s *streamPeer) writeBinary(data []byte) {
	_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
	_, _ = s.conn.Write(append(head(true, len(data)), data...))
}

// read waits for a packet.
func (s *streamPeer) read() (string, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	first, err := s.in.ReadByte()
	if err != nil {
		return "", err
	}
	n := uint64(first & 0x7f)
	if n >= 126 {
		more := make([]byte, 8)[6*(127-n):] // two bytes or eight
		if _, err := io.ReadFull(s.in, more); err != nil {
			return "", err
		}
		n = 0
		for _, b := range more {
			n = n<<8 | uint64(b)
		}
	}
	data := make([]byte, n)
	_, err = io.ReadFull(s.in, data)
	return string(data), err
}

// serveStreams serves each connection to the address that it returns as a stream, until the test ends.
func serveStreams(t *testing.T, engine *engineio.Server) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _ = engine.ServeStream(ctx, conn, nil) }) // an error is a stream that opens nothing
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		cancel()
		serving.Wait()
	})
	return listener.Addr().String()
}
