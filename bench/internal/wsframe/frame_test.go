package wsframe

import (
	"bytes"
	"slices"
	"testing"
)

func unmasked(p []byte) []byte {
	out := make([]byte, len(p))
	for i := range p {
		out[i] = p[i] ^ Mask[i&3]
	}
	return out
}

func TestFrames(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536} {
		payload := bytes.Repeat([]byte("x"), n)
		frame, start := Append([]byte("before"), Text, payload)
		if frame[6] != 0x81 || frame[7]&0x80 == 0 || !bytes.Equal(unmasked(frame[start:]), payload) {
			t.Errorf("%d bytes: frame % x", n, frame[:min(len(frame), 24)])
		}
		// A server's frame is the same without mask.
		server := slices.Concat(frame[6:start-4], payload, []byte("rest"))
		server[1] &= 0x7f
		for cut := range 10 {
			if _, _, size, err := Next(server[:min(cut, start-4-6+n-1)]); size != 0 || err != nil {
				t.Errorf("%d bytes: %d bytes are a frame of %d, error %v", n, cut, size, err)
			}
		}
		op, p, size, err := Next(server)
		if op != Text || !bytes.Equal(p, payload) || size != len(server)-4 || err != nil {
			t.Errorf("%d bytes: op %d, %d bytes, size %d, error %v", n, op, len(p), size, err)
		}
	}
	for _, bad := range []string{"\x81\x80....", "\x01\x00", "\xa1\x00", "\x82\x7f\x00\x00\x00\x00\x7f\x00\x00\x00"} {
		if _, _, _, err := Next([]byte(bad)); err == nil {
			t.Errorf("frame % x was taken", bad)
		}
	}
}
