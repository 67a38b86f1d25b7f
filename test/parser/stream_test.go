package parser

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"math/rand"
	"net/http"
	"strings"
	"testing"

	"sio.example/socketio/engineio"
)

// streamMost is what a message may have here.
const streamMost = 1000

// A streamCase is what comes by a stream of WebTransport after the handshake.
type streamCase struct {
	Stream []string `json:"stream"` // chunks, in base64
	Max    int      `json:"max"`
}

// streamAnswer is what the official decoder makes of one.
type streamAnswer struct {
	Packets []struct {
		Type string  `json:"type"`
		Data jsValue `json:"data"`
	} `json:"packets"`
	Error string `json:"error"`
}

// A scripted stream has all its input from the beginning, and takes what is written.
type scripted struct{ chunks [][]byte }

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.chunks) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.chunks[0])
	if s.chunks[0] = s.chunks[0][n:]; len(s.chunks[0]) == 0 {
		s.chunks = s.chunks[1:]
	}
	return n, nil
}

func (s *scripted) Write(p []byte) (int, error) { return len(p), nil }
func (s *scripted) Close() error                { return nil }

// A listener keeps the messages of one session.
type listener struct {
	messages []engineio.Message
	reason   engineio.Reason
	closed   chan struct{}
}

func (l *listener) HandleMessage(m engineio.Message) { l.messages = append(l.messages, m) }
func (l *listener) HandleClose(reason engineio.Reason, _ error) {
	l.reason = reason
	close(l.closed)
}

// streamServer makes a listener of each session.
func streamServer() (*engineio.Server, <-chan *listener) {
	opened := make(chan *listener, 1)
	s := engineio.NewServer(func(*engineio.Socket, *http.Request) engineio.Handler {
		l := &listener{closed: make(chan struct{})}
		opened <- l
		return l
	}, &engineio.Options{MaxPayload: streamMost, Logger: slog.New(slog.DiscardHandler)})
	return s, opened
}

// differs says how a session and the official decoder disagree about a case. They are compared up to the first packet
// that is no message, to which a session reacts in one way or another, and to what the official decoder lets pass on
// purpose: text that is not UTF-8, and base64 that is not whole.
func (a *streamAnswer) differs(l *listener) string {
	for i, p := range a.Packets {
		if p.Type != "message" {
			return ""
		}
		data, isBytes := p.Data.v.([]byte)
		text, _ := p.Data.v.(string) // undefined if there is none
		if strings.Contains(text, "\ufffd") {
			return ""
		}
		if i >= len(l.messages) {
			return "ours lacks a message"
		}
		if m := l.messages[i]; m.Binary != isBytes || string(m.Data) != text+string(data) {
			return "ours has another message"
		}
	}
	switch {
	case len(l.messages) != len(a.Packets):
		return "ours has more messages"
	case (a.Error != "") != (l.reason != engineio.TransportClose):
		return "only one has an error"
	}
	return ""
}

func TestStreamsAgainstTheOfficialDecoder(t *testing.T) {
	frame := func(head string, payload string) string {
		b, err := hex.DecodeString(head)
		if err != nil {
			t.Fatal(err)
		}
		return string(b) + payload
	}
	long := strings.Repeat("x", streamMost)
	seeds := []string{
		"\x064hello", "\x014", "\x83\x01\x02\x03", frame("7d", "4"+long[:124]), frame("7e007e", "4"+long[:125]),
		frame("fe007e", long[:126]), frame("fe012c", long[:300]), frame("7e03e8", "4"+long[:999]), frame("fe03e8", long),
		frame("7e03e9", "4"+long), frame("7f0000000000000005", "4four"), frame("ff0000000000000003", "abc"),
		frame("7e0002", "4é"[:3]), "\x03" + "4é", "\x064hello\x83\x01\x02\x03\x024x", "\x00", "\x80", frame("7e0000", ""),
		frame("7f0020000000000000", ""), frame("7fffffffffffffffff", ""), "\x02b", "\x05bAQID",
	}
	r := rand.New(rand.NewSource(1))
	server, opened := streamServer()
	defer server.Close()
	for n := mutations(t); n > 0; n -= 20_000 {
		batch := make([]streamCase, min(n, 20_000))
		inputs := make([]string, len(batch))
		for i := range batch {
			if inputs[i] = seeds[i%len(seeds)]; n < len(seeds) || i >= len(seeds) {
				inputs[i] = mutateBytes(r, seeds)
			}
			batch[i] = streamCase{split(r, inputs[i]), streamMost}
		}
		for i, theirs := range ask[streamCase, streamAnswer](t, batch) {
			l := serveChunks(t, server, opened, batch[i].Stream)
			if how := theirs.differs(l); how != "" && !strings.Contains(inputs[i], "b") { // base64, see above
				t.Errorf("%q: %s\n  ours %v, %s\ntheirs %v, %q", inputs[i], how, l.messages, l.reason, theirs.Packets, theirs.Error)
			}
		}
	}
}

// serveChunks has a session of its own for what comes in chunks.
func serveChunks(t *testing.T, s *engineio.Server, opened <-chan *listener, chunks []string) *listener {
	t.Helper()
	in := &scripted{[][]byte{[]byte("\x010")}}
	for _, c := range chunks {
		b, err := base64.StdEncoding.DecodeString(c)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 0 {
			in.chunks = append(in.chunks, b)
		}
	}
	if err := s.ServeStream(context.Background(), in, nil); err != nil {
		t.Fatal(err)
	}
	l := <-opened
	<-l.closed
	return l
}

// mutateBytes joins a few seeds, and changes some bytes.
func mutateBytes(r *rand.Rand, seeds []string) string {
	var b []byte
	for range 1 + r.Intn(4) {
		b = append(b, seeds[r.Intn(len(seeds))]...)
	}
	for range r.Intn(4) {
		switch i := r.Intn(min(len(b), 40)); r.Intn(4) {
		case 0:
			b[i] = byte(r.Intn(256))
		case 1:
			b[i] ^= 1 << r.Intn(8)
		case 2:
			b = append(b[:i], b[i+1:]...)
		case 3:
			b = append(b[:i], append([]byte{byte(r.Intn(256))}, b[i:]...)...)
		}
		if len(b) == 0 {
			break
		}
	}
	return string(b)
}

// split cuts an input at random, sometimes into bytes.
func split(r *rand.Rand, s string) (chunks []string) {
	chunks = []string{}
	most := []int{1, 3, 20, 5000}[r.Intn(4)]
	for len(s) > 0 {
		n := min(1+r.Intn(most), len(s))
		chunks = append(chunks, base64.StdEncoding.EncodeToString([]byte(s[:n])))
		s = s[n:]
	}
	return chunks
}
