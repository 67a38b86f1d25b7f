package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/program"
)

// A wireCounter counts what comes by the connections it dials.
type wireCounter struct{ in atomic.Int64 }

type countedConn struct {
	net.Conn
	in *atomic.Int64
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, err
}

func (w *wireCounter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return countedConn{nc, &w.in}, nil
}

// The Go client compresses with the official server, which takes the context over unless it is asked not to.
func TestGoClientCompressesWithTheOfficialServer(t *testing.T) {
	node := program.Node(t)
	server := program.Start(t, []string{"NODE_PATH=" + program.Modules(),
		`SIO_OPTIONS={"perMessageDeflate":{"threshold":0},"httpCompression":{"threshold":0}}`},
		node, filepath.Join(program.Root(), "interop", "reference_server.js"))
	for _, transports := range [][]string{{"websocket"}, {"polling", "websocket"}} {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/takeover %v", strings.Join(transports, "-"), takeover), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				wire, upgraded := new(wireCounter), make(chan error, 1)
				s, err := client.Dial(ctx, "http://"+server.Addr(), &client.Options{Engine: engineio.DialOptions{
					Transports: transports, NetDial: wire.dial,
					Deflate: &engineio.DeflateOptions{Threshold: 1, ContextTakeover: takeover},
					Trace:   &engineio.Trace{Upgrade: func(_ string, err error) { upgraded <- err }},
				}})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if len(transports) > 1 {
					if err := <-upgraded; err != nil {
						t.Fatal(err)
					}
				}
				total := int64(0)
				for _, n := range []int{0, 1, 40, 400, 4000, 0, 1, 40, 400, 4000} {
					text := strings.Repeat("What repeats itself gets smaller. ", n)
					binary := bytes.Repeat([]byte{1, 2, 3, byte(n)}, n)
					total += int64(len(text) + len(binary))
					answer, err := s.EmitWithAck(ctx, "echo", text, binary)
					if err != nil {
						t.Fatal(err)
					}
					var gotText string
					var gotBinary []byte
					if err := answer.Bind(&gotText, &gotBinary); err != nil || gotText != text ||
						!bytes.Equal(gotBinary, binary) {
						t.Fatalf("%d: %v, %d and %d bytes", n, err, len(gotText), len(gotBinary))
					}
				}
				if in := wire.in.Load(); in > total/10 {
					t.Errorf("%d bytes came for %d", in, total)
				}
			})
		}
	}
}
