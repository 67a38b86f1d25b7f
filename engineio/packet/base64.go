package packet

import "encoding/base64"

// What a byte is in base64, beside the value of a digit.
const (
	noBase64 = 0xff - iota
	blank
	pad
)

// base64Digits are those of both alphabets (RFC 4648 4 and 5), as Node's decoder takes them.
var base64Digits = func() (t [256]byte) {
	for i := range t {
		t[i] = noBase64
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	t['-'], t['_'], t['='] = 62, 63, pad
	for _, c := range []byte(" \t\n\v\f\r") {
		t[c] = blank
	}
	return t
}()

// decodeBase64 decodes the text of a binary message into a slice of its own. The official server leaves it to Node,
// which takes anything. Clients make less of that: the one for Java and Android breaks lines after 76 characters
// (MIME), others use the URL alphabet or leave the padding out. That is taken, bits behind the last byte as well.
// Anything else is an error: it was damaged on its way.
func decodeBase64(text []byte, offset int) (Packet, error) {
	buf := make([]byte, (len(text)+3)/4*3)
	n, err := base64.StdEncoding.Decode(buf, text)
	if err != nil {
		bad := 0
		if n, bad = decodeLenient(buf, text); bad >= 0 {
			return Packet{}, &SyntaxError{Offset: offset + bad, Msg: msgBase64}
		}
	}
	return Packet{Type: Message, Binary: true, Data: buf[:n:n]}, nil
}

// decodeLenient returns how many bytes it has decoded, and the offset of what is wrong, or -1.
func decodeLenient(dst, text []byte) (n, bad int) {
	var bits uint32
	digits, pads := 0, 0
	for i, c := range text {
		switch d := base64Digits[c]; {
		case d == blank:
			continue
		case d == pad:
			if pads++; digits%4+pads > 4 || digits%4 < 2 {
				return 0, i
			}
			continue
		case d == noBase64 || pads > 0:
			return 0, i
		default:
			bits = bits<<6 | uint32(d)
		}
		if digits++; digits%4 == 0 {
			dst[n], dst[n+1], dst[n+2] = byte(bits>>16), byte(bits>>8), byte(bits)
			n += 3
		}
	}
	switch digits % 4 {
	case 1:
		return 0, len(text)
	case 2:
		dst[n] = byte(bits >> 4)
		n++
	case 3:
		dst[n], dst[n+1] = byte(bits>>10), byte(bits>>2)
		n += 2
	}
	return n, -1
}
