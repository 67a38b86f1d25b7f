package engineio

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/memnet"
)

// The moments from which on a peer of FuzzStream says anything.
const (
	fuzzServerOpening = iota // the first byte of a stream that it has dialed
	fuzzServerSession        // when its session is open
	fuzzServerUpgrade        // when the stream knows which session it is to upgrade
	fuzzClientOpening        // the first byte of a stream that a client has dialed
	fuzzClientSession        // when the client's session is open
	fuzzClientUpgrade        // when the client wants to upgrade its session

	fuzzWays
)

// fuzzStreamMost is the limit of messages at both ends.
const fuzzStreamMost = 500

// FuzzStream says anything on a stream, to either end, at any moment, in pieces of any size. Whatever it is, the
// messages up to the first mistake are those that arrive, each Handler is called as promised, nothing panics, nothing
// is left, and the server serves the next stream.
func FuzzStream(f *testing.F) {
	for way := range uint8(fuzzWays) {
		f.Add(way, []byte{}, []byte("\x010\x064hello\x0242\x83\x01\x02\x03\x01b\x05bAQID\x013\x016"))
		f.Add(way, []byte{1}, []byte("\x0d0{\"sid\":\"abc\"}\x062probe\x015\x024x"))
		f.Add(way, []byte{1, 9}, append([]byte("\x78"), openWebSocket...))
		f.Add(way, []byte{2}, []byte("\x063probe\x024a\x012\x024b\x011\x024c"))
		f.Add(way, []byte{3}, append([]byte("\x7e\x00\xc84"), bytes.Repeat([]byte("y"), 199)...))
		f.Add(way, []byte{200}, append([]byte("\xfe\x01\xf4"), make([]byte, 500)...))
		f.Add(way, []byte{4}, []byte("\x024x\x7e\x01\xf5"))
		f.Add(way, []byte{5}, []byte("\x024x\x7f\x00\x1f\xff\xff\xff\xff\xff\xff\x00"))
		f.Add(way, []byte{0}, []byte("\x024x\x80\x024y"))
		f.Add(way, []byte{}, []byte("\x034\xc3\xa4\x024\xff"))
	}
	f.Fuzz(func(t *testing.T, way uint8, cuts, data []byte) {
		if len(data) > 3000 || len(cuts) > 100 {
			return
		}
		o := &Options{
			MaxPayload: fuzzStreamMost, Transports: []string{transportPolling, transportWebSocket, transportStream},
		}
		bubble(t, o, func(t *testing.T, e *env) {
			switch way := way % fuzzWays; way {
			case fuzzServerOpening, fuzzServerSession, fuzzServerUpgrade:
				fuzzStreamServer(e, way, cuts, data)
			default:
				fuzzStreamClient(e, way, cuts, data)
			}
			e.onMsg = echo
			p, rec := e.stream(nil)
			p.send("4still here")
			p.want("4still here")
			p.conn.Close()
			rec.want(TransportClose)
		})
	})
}

// fuzzStreamServer says data to a server.
func fuzzStreamServer(e *env, way uint8, cuts, data []byte) {
	e.onMsg = echo
	var p *streamPeer
	var rec *recorder
	switch way {
	case fuzzServerOpening:
		p = e.serve(context.Background(), nil, nil)
	case fuzzServerSession:
		p, rec = e.stream(nil)
	case fuzzServerUpgrade:
		_, rec = e.open()
		p = e.serve(context.Background(), nil, nil)
		p.send(`0{"sid":"` + rec.socket.ID() + `"}`)
	}
	heard := make(chan struct{})
	go func() { // ends with the stream
		defer close(heard)
		io.Copy(io.Discard, p.r)
	}()
	inPieces(p.conn, cuts, data)
	synctest.Wait()
	p.conn.Close()
	<-heard
	<-p.done
	if way == fuzzServerSession {
		rec.ended()
		wantMessages(e.t, &rec.record, streamMessages(data, packet.Ping, packet.Close))
	}
}

// fuzzStreamClient says data to a client.
func fuzzStreamClient(e *env, way uint8, cuts, data []byte) {
	o := e.clientOptions(transportStream)
	o.MaxPayload = fuzzStreamMost
	if way == fuzzClientUpgrade {
		o.Transports = []string{transportPolling, transportStream}
	}
	dialed := false
	defer func() { <-time.After(2 * time.Second) }() // until the other end is done as well
	o.DialStream = func(context.Context, *http.Request) (io.ReadWriteCloser, error) {
		dialed = true
		client, server := memnet.Pipe(64 << 10)
		go io.Copy(io.Discard, server) // ends with the connection
		go func() {                    // ends when all is said
			defer server.Close()
			if way == fuzzClientSession {
				sayStream(server, openWebSocket)
			}
			inPieces(server, cuts, data)
			<-time.After(time.Second)
		}()
		return client, nil
	}
	ctx, cancel := context.WithTimeout(e.t.Context(), time.Minute)
	defer cancel()
	p := newEndpoint(e.t)
	s, err := Dial(ctx, "http://server", func(s *ClientSocket) Handler { p.socket = s; return p }, o)
	if err != nil {
		if p.socket != nil || way != fuzzClientOpening {
			e.t.Errorf("Dial failed: %v", err)
		}
		return
	}
	_ = s.Send(SendOptions{}, text("hello"))
	<-time.After(time.Minute)
	s.Close()
	<-s.Done()
	if !dialed {
		e.t.Error("the client has dialed no stream")
	}
	if p.closes != 1 {
		e.t.Errorf("HandleClose was called %d times", p.closes)
	}
	if way == fuzzClientSession {
		wantMessages(e.t, &p.record, streamMessages(data, packet.Close))
	}
}

// inPieces writes data in pieces of so many bytes, one after the other.
func inPieces(w io.Writer, cuts, data []byte) {
	for len(data) > 0 {
		n := len(data)
		if len(cuts) > 0 {
			n, cuts = min(n, 1+int(cuts[0])), cuts[1:]
		}
		if _, err := w.Write(data[:n]); err != nil {
			return
		}
		data = data[n:]
		<-time.After(time.Millisecond) // until that is read
	}
}

// streamMessages are the messages in data up to the first mistake, or the first packet of those types.
func streamMessages(data []byte, last ...packet.Type) []Message {
	var all []Message
	for len(data) > 0 {
		isBinary, head, n := data[0]&0x80 != 0, 1, uint64(data[0]&0x7f)
		if n >= 126 {
			if head = map[uint64]int{126: 3, 127: 9}[n]; len(data) < head {
				break
			}
			n = binary.BigEndian.Uint64(append(make([]byte, 9-head), data[1:head]...))
		}
		if n == 0 || n > fuzzStreamMost || uint64(len(data)-head) < n {
			break
		}
		frame := data[head : head+int(n)]
		data = data[head+int(n):]
		if !isBinary && !utf8.Valid(frame) {
			break
		}
		p, err := revision4.decode(frame, isBinary, true)
		if err != nil || slices.Contains(last, p.Type) {
			break
		}
		if p.Type == packet.Message {
			all = append(all, Message{Binary: p.Binary, Data: p.Data})
		}
	}
	return all
}

func wantMessages(t *testing.T, r *record, want []Message) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, m := range r.messages {
		if i >= len(want) || m.Binary != want[i].Binary || !bytes.Equal(m.Data, want[i].Data) {
			t.Fatalf("message %d of %d: binary %v, %.100q; want %d: %v",
				i, len(r.messages), m.Binary, m.Data, len(want), want)
		}
	}
	if len(r.messages) != len(want) {
		t.Fatalf("%d messages came, want %d", len(r.messages), len(want))
	}
}
