package wire

import (
	"bytes"
	"compress/flate"
	"math/rand/v2"
	"slices"
	"strings"
)

// What follows makes frames and packets that are wrong, or odd, for tests of either end.

// Part is f as a fragment that others follow.
func Part(f Frame) Frame { f.NotFinal = true; return f }

// RSV is f with reserved bits.
func RSV(bits byte, f Frame) Frame { f.RSV = bits; return f }

// Claims is f, which announces n bytes.
func Claims(n uint64, f Frame) Frame { f.Length = &n; return f }

// Each makes a case of each frame.
func Each(frames ...Frame) (cases [][]Frame) {
	for _, f := range frames {
		cases = append(cases, []Frame{f})
	}
	return cases
}

// Controls makes a case of each kind of control frame.
func Controls(f func(opcode byte) Frame) (cases [][]Frame) {
	for _, opcode := range []byte{CloseFrame, Ping, Pong} {
		cases = append(cases, []Frame{f(opcode)})
	}
	return cases
}

// Fragments cuts a text message into fragments of the size, of which of makes frames.
func Fragments(of func(opcode byte, payload string) Frame, text string, size int) (frames []Frame) {
	opcode := Text
	for part := range slices.Chunk([]byte(text), size) {
		frames = append(frames, Part(of(opcode, string(part))))
		opcode = Continuation
	}
	frames[len(frames)-1].NotFinal = false
	return frames
}

// Deflated is what permessage-deflate makes of n zeros.
func Deflated(n int) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // fails for unknown levels only
	_, _ = w.Write(make([]byte, n))                    // a bytes.Buffer does not fail
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// Garbage is some of the pieces and some random bytes.
func Garbage(r *rand.Rand, pieces []string) []byte {
	var b []byte
	for range 1 + r.IntN(12) {
		if r.IntN(3) > 0 {
			b = append(b, pieces[r.IntN(len(pieces))]...)
			continue
		}
		for range r.IntN(300) {
			b = append(b, byte(r.Uint32()))
		}
	}
	return b
}
