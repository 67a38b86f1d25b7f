package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// The examples of RFC 6455 section 5.7.
func TestFrameAppend(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame Frame
		want  []byte
	}{
		{"unmasked text", Frame{Opcode: Text, Unmasked: true, Payload: []byte("Hello")}, []byte("\x81\x05Hello")},
		{
			"masked text",
			Frame{Opcode: Text, Mask: [4]byte{0x37, 0xfa, 0x21, 0x3d}, Payload: []byte("Hello")},
			[]byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58},
		},
		{"fragment", Frame{NotFinal: true, Opcode: Text, Unmasked: true, Payload: []byte("Hel")},
			[]byte("\x01\x03Hel")},
		{"256 bytes", Frame{Opcode: Binary, Unmasked: true, Payload: make([]byte, 256)},
			append([]byte{0x82, 0x7e, 1, 0}, make([]byte, 256)...)},
		{"reserved bits", Frame{RSV: 7, Opcode: Ping, Unmasked: true}, []byte{0xf9, 0}},
		{"a length in too long a form", Frame{Opcode: Text, Unmasked: true, LengthBytes: 8},
			[]byte{0x81, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"a length that lies", Frame{Opcode: Text, Unmasked: true, Length: new(uint64(5))}, []byte{0x81, 5}},
		{"close", CloseWith(1002, "no"), []byte{0x88, 0x84, 0, 0, 0, 0, 3, 0xea, 'n', 'o'}},
	} {
		if got := c.frame.Append(nil); !bytes.Equal(got, c.want) {
			t.Errorf("%s: % x, want % x", c.name, got, c.want)
		}
	}
}

func TestReadFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 0xffff, 0x10000} {
		sent := Frame{Opcode: Binary, Unmasked: true, Payload: bytes.Repeat([]byte{7}, n)}
		got, err := ReadFrame(bytes.NewReader(sent.Append(nil)))
		if err != nil || !reflect.DeepEqual(got, sent) {
			t.Errorf("%d bytes: %v, %v", n, len(got.Payload), err)
		}
	}
	if _, err := ReadFrame(bytes.NewReader(Frame{Opcode: Text, Payload: []byte("x")}.Append(nil))); err == nil {
		t.Error("a masked frame of a server is taken")
	}
	status, reason := CloseWith(1008, "why").CloseStatus()
	if status != 1008 || reason != "why" {
		t.Errorf("close status: %d %q", status, reason)
	}
}

func TestPayload(t *testing.T) {
	packets := []Packet{Txt("4hello"), Bin([]byte{1, 2, 3}), Txt("2"), Bin([]byte{})}
	text := EncodePayload(packets)
	if want := "4hello\x1ebAQID\x1e2\x1eb"; string(text) != want {
		t.Errorf("payload: %q, want %q", text, want)
	}
	got, err := DecodePayload(text)
	if err != nil || !reflect.DeepEqual(got, packets) {
		t.Errorf("packets: %v, %v", got, err)
	}
}
