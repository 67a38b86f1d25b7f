package websocket

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A deflatingClient is the client of groups 12 and 13: it compresses each message as it was agreed, and inflates what
// comes back, with a compressor and a decompressor for all of them where there is takeover.
type deflatingClient struct {
	z       *flate.Writer
	out     bytes.Buffer
	read    bytes.Buffer // what is still to be inflated
	inflate io.Reader
	agreed  deflation // the server's
}

func newDeflatingClient(agreed deflation) *deflatingClient {
	d := &deflatingClient{agreed: agreed}
	d.z, _ = flate.NewWriter(&d.out, 6)
	d.inflate = flate.NewReader(&d.read)
	return d
}

// deflate is the compressed form of a message.
func (d *deflatingClient) deflate(p []byte) []byte {
	d.out.Reset()
	if !d.agreed.takeIn {
		d.z.Reset(&d.out)
	}
	_, _ = d.z.Write(p)
	_ = d.z.Flush()
	return slices.Clone(bytes.TrimSuffix(d.out.Bytes(), []byte("\x00\x00\xff\xff")))
}

// message is what a frame holds.
func (d *deflatingClient) message(f frame, n int) ([]byte, error) {
	if f.first&deflatedBit == 0 {
		return f.payload, nil
	}
	if !d.agreed.takeOut {
		d.read.Reset()
	}
	d.read.Write(f.payload)
	d.read.WriteString("\x00\x00\xff\xff")
	if !d.agreed.takeOut {
		d.inflate = flate.NewReader(&d.read)
	}
	p := make([]byte, n)
	_, err := io.ReadFull(d.inflate, p)
	return p, err
}

// autobahnOffers are those of the cases 13.1 to 13.7, and of group 12.
var autobahnOffers = []string{
	"permessage-deflate; client_max_window_bits",
	"permessage-deflate; client_max_window_bits; server_no_context_takeover",
	"permessage-deflate; client_max_window_bits; server_max_window_bits=9",
	"permessage-deflate; client_max_window_bits; server_max_window_bits=15",
	"permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9",
	"permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=15",
	"permessage-deflate; client_max_window_bits; server_no_context_takeover; server_max_window_bits=9, " +
		"permessage-deflate; client_max_window_bits; server_no_context_takeover, " +
		"permessage-deflate; client_max_window_bits",
}

// autobahnContents are like the data of 12.1 to 12.5: a JSON document, what can't be compressed, English, and text of
// three bytes a character.
func autobahnContents() map[string][]byte {
	const most = 128 << 10
	r := rand.New(rand.NewPCG(12, 13))
	words := strings.Fields("the quick brown fox jumps over a lazy dog and then it sleeps under some tree until dawn")
	var doc, prose, wide strings.Builder
	for i := 0; doc.Len() < most; i++ {
		fmt.Fprintf(&doc, `{"id":%d,"name":"%s %s","score":%d,"tags":["%s"]},`, i, words[r.IntN(len(words))],
			words[r.IntN(len(words))], r.IntN(1000), words[r.IntN(len(words))])
	}
	for prose.Len() < most {
		prose.WriteString(words[r.IntN(len(words))] + " ")
	}
	for wide.Len() < most {
		wide.WriteRune('\u3041' + rune(r.IntN(80)))
	}
	return map[string][]byte{"12.1": []byte(doc.String()), "12.2": randomBytes(r, most, false),
		"12.3": []byte(prose.String()), "12.4": []byte(wide.String())}
}

// Groups 12 and 13: messages of 16 bytes to 128 KiB, whole and in frames of several sizes, come back as they were, with
// each offer, and with takeover and without. The suite sends a thousand of each.
func TestAutobahn12And13Compression(t *testing.T) {
	contents := autobahnContents()
	sizes := [][2]int{{16}, {64}, {256}, {1024}, {4096}, {8192}, {16384}, {32768}, {65536}, {131072},
		{8192, 256}, {16384, 256}, {32768, 256}, {65536, 256}, {131072, 256}, {8192, 1024}, {131072, 1024},
		{131072, 32768}}
	for i, offer := range autobahnOffers {
		for _, takeover := range []bool{false, true} {
			agreed, answer, err := (&DeflateOptions{ContextTakeover: takeover}).accept([]string{offer})
			if err != nil || !agreed.on {
				t.Fatalf("%q: %q, %v", offer, answer, err)
			}
			for id, content := range contents {
				if i != 0 && id != "12.1" || (raceEnabled || testing.Short()) && (i > 2 || i == 1 || id > "12.2") {
					continue
				}
				t.Run(fmt.Sprintf("13.%d/%s/takeover %v", i+1, id, takeover), func(t *testing.T) {
					playDeflated(t, agreed, content, id == "12.2", sizes)
				})
			}
		}
	}
}

// playDeflated sends messages of each size, and in frames of another if there is a second number, and reads their echo.
func playDeflated(t *testing.T, agreed deflation, content []byte, binary bool, sizes [][2]int) {
	c, p := connectDeflating(t, "tcp", Options{}, agreed)
	p.deflates = true
	done := make(chan error, 1)
	go func() { // ends with the connection
		for {
			op, m, err := c.Read()
			if err == nil {
				err = c.WriteFrames(c.AppendDeflated(nil, op, m))
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	client := newDeflatingClient(agreed)
	op := byte(Text)
	if binary {
		op = byte(Binary)
	}
	compressedFrames := 0
	for _, size := range sizes {
		for range 2 {
			n := size[0]
			for op == byte(Text) && !utf8.Valid(content[:n]) {
				n--
			}
			f := compressed(frame{fin | op, client.deflate(content[:n])})
			send := []frame{f}
			if size[1] > 0 {
				send = fragments(f, size[1])
			}
			p.send(t, send...)
			got, err := p.readFrame()
			if err != nil {
				t.Fatal(err)
			}
			if got.first&deflatedBit != 0 {
				compressedFrames++
			}
			if m, err := client.message(got, n); err != nil || !bytes.Equal(m, content[:n]) {
				t.Fatalf("size %v: %v, %v", size, got, err)
			}
		}
	}
	if (compressedFrames < len(sizes)) != binary { // with takeover neither: what is sent as it is, is not remembered
		t.Errorf("%d of %d frames are compressed", compressedFrames, 2*len(sizes))
	}
	p.send(t, closing(NormalClosure, ""))
	p.want(t, closing(NormalClosure, ""))
	closedWith(t, <-done, NormalClosure, true)
}
