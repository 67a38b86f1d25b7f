package packet

import (
	"encoding/base64"
	"io"
	"iter"
	"strconv"
	"unicode/utf8"
)

// What Engine.IO 3 has of its own (EIO v3 §encoding). Its packets of text are those of revision 4. A binary message
// has its type before its data: as a byte in a WebSocket frame and in a binary payload, as a digit behind the "b" in
// text.

// What a SyntaxError may say of revision 3 beside the rest.
const (
	msgLength     = "invalid length"
	msgBinaryType = "binary data in a packet that is no message"
	msgForm       = "neither text nor binary"
	msgCut        = "a length that ends within a character"
)

// maxDigits is how many digits a length may have: more than any payload is long.
const maxDigits = 15

// The bytes of a binary payload that are no data.
const (
	formText   = 0
	formBinary = 1
	formEnd    = 0xff // of the digits of a length
)

// Decode3 is Decode for a client of revision 3. It takes binary messages as text in any case.
func Decode3(data []byte, binary bool) (Packet, error) {
	switch {
	case binary && len(data) == 0:
		return Packet{}, &SyntaxError{Msg: msgEmpty}
	case binary && Type(data[0]) != Message:
		return Packet{}, &SyntaxError{Msg: msgBinaryType}
	case binary:
		return Packet{Type: Message, Binary: true, Data: data[1:len(data):len(data)]}, nil
	case len(data) > 0 && data[0] == binaryMark:
		return decodeBase64Message(data, 0)
	}
	return Decode(data, false)
}

// decodeBase64Message decodes "b4" and base64, which begin at offset of their payload.
func decodeBase64Message(data []byte, offset int) (Packet, error) {
	if len(data) < 2 || Type(data[1]-'0') != Message {
		return Packet{}, &SyntaxError{Offset: offset + 1, Msg: msgBinaryType}
	}
	return decodeBase64(data[2:], offset+2)
}

// decodeText3 is decodeText for revision 3, of text that is UTF-8 unless checked is false.
func decodeText3(data []byte, offset int, checked bool) (Packet, error) {
	p, err := Decode3(data, false)
	if err != nil {
		err.(*SyntaxError).Offset += offset
		return Packet{}, err
	}
	if !checked && !p.Binary && !utf8.Valid(p.Data) {
		return Packet{}, &SyntaxError{Offset: offset + 1 + invalidAt(p.Data), Msg: msgUTF8}
	}
	return p, nil
}

// Payload3 is Payload for the text form of revision 3: each packet comes after its length in UTF-16 code units and a
// colon. A packet of length 0, which is how an empty payload is written, is none.
func Payload3(data []byte) iter.Seq2[Packet, error] { return payload(data, Next3) }

// Next3 is Next for the text form of revision 3.
func Next3(data []byte, offset int) (p Packet, next int, err error) {
	if len(data) == 0 {
		return Packet{}, 0, &SyntaxError{Msg: msgEmpty}
	}
	for offset < len(data) {
		n, colon := readLength(data, offset, '0', ':')
		if n < 0 {
			return Packet{}, offset, &SyntaxError{Offset: offset, Msg: msgLength}
		}
		begin := colon + 1
		size, msg := sizeOfUnits(data[begin:], n)
		if msg != "" {
			return Packet{}, offset, &SyntaxError{Offset: begin + size, Msg: msg}
		}
		if offset = begin + size; n > 0 {
			p, err = decodeText3(data[begin:offset:offset], begin, true)
			return p, offset, err
		}
	}
	return Packet{}, offset, io.EOF
}

// readLength reads the digits from offset on, of which 0 is zero, up to end. It returns a negative number for what is
// no length.
func readLength(data []byte, offset int, zero, end byte) (n, at int) {
	for at = offset; at < len(data) && at-offset <= maxDigits; at++ {
		c := data[at]
		if c == end && at > offset {
			return n, at
		}
		if c < zero || c > zero+9 {
			break
		}
		if n = 10*n + int(c-zero); n > len(data) { // so that it can't overflow
			break
		}
	}
	return -1, at
}

// sizeOfUnits is how many bytes the first n UTF-16 code units of text are, or where it is wrong, and what is.
func sizeOfUnits(text []byte, n int) (size int, msg string) {
	for n > 0 {
		if size == len(text) {
			return size, msgLength
		}
		if text[size] < utf8.RuneSelf {
			size++
			n--
			continue
		}
		r, width := utf8.DecodeRune(text[size:])
		if r == utf8.RuneError && width == 1 {
			return size, msgUTF8
		}
		if n--; r >= surrogatesFrom {
			n--
		}
		if n < 0 {
			return size, msgCut
		}
		size += width
	}
	return size, ""
}

// surrogatesFrom is the first character that takes two UTF-16 code units.
const surrogatesFrom = 0x10000

// countUnits is how many UTF-16 code units a text has that is UTF-8.
func countUnits(text []byte) (n int) {
	for _, c := range text {
		if c < 0x80 || c >= 0xc0 { // it begins a character
			n++
		}
		if c >= 0xf0 {
			n++
		}
	}
	return n
}

// BinaryPayload3 is Payload for the binary form of revision 3: each packet comes after a byte that says whether it is
// text, the digits of its length in bytes, and the byte 0xff. The packets' data are views of data, but for base64.
func BinaryPayload3(data []byte) iter.Seq2[Packet, error] { return payload(data, NextBinary3) }

// NextBinary3 is Next for the binary form of revision 3.
func NextBinary3(data []byte, offset int) (p Packet, next int, err error) {
	if offset >= len(data) {
		return Packet{}, offset, io.EOF
	}
	form := data[offset]
	if form != formText && form != formBinary {
		return Packet{}, offset, &SyntaxError{Offset: offset, Msg: msgForm}
	}
	n, end := readLength(data, offset+1, 0, formEnd)
	begin := end + 1
	if n < 0 || n > len(data)-begin {
		return Packet{}, offset, &SyntaxError{Offset: offset + 1, Msg: msgLength}
	}
	next = begin + n
	if body := data[begin:next:next]; form == formText {
		p, err = decodeText3(body, begin, false)
	} else if p, err = Decode3(body, true); err != nil {
		err.(*SyntaxError).Offset = begin
	}
	return p, next, err
}

// AppendPayload3 appends p to a payload in the text form of revision 3. Binary messages become "b4" and base64.
func AppendPayload3(dst []byte, p Packet) []byte {
	if p.Binary {
		dst = strconv.AppendInt(dst, int64(2+base64.StdEncoding.EncodedLen(len(p.Data))), 10)
		return base64.StdEncoding.AppendEncode(append(dst, ':', binaryMark, '0'+byte(p.Type)), p.Data)
	}
	dst = strconv.AppendInt(dst, int64(1+countUnits(p.Data)), 10)
	return Append(append(dst, ':'), p)
}

// AppendBinaryPayload3 appends p to a payload in the binary form of revision 3.
func AppendBinaryPayload3(dst []byte, p Packet) []byte {
	form, head := byte(formText), '0'+byte(p.Type)
	if p.Binary {
		form, head = formBinary, byte(p.Type)
	}
	dst = append(dst, form)
	digits := len(dst)
	dst = strconv.AppendInt(dst, int64(1+len(p.Data)), 10)
	for i := digits; i < len(dst); i++ {
		dst[i] -= '0'
	}
	return append(append(dst, formEnd, head), p.Data...)
}
