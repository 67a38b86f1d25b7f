package packet

import (
	"bytes"
	"encoding/base64"
	"io"
	"iter"
)

// separator stands between the packets of a polling payload (EIO v4 §encoding).
const separator = 0x1e

// AppendPayload appends p to a polling payload that starts at dst[start:]: it writes the record separator first
// when the payload is not empty. Binary messages become "b" and base64.
func AppendPayload(dst []byte, start int, p Packet) []byte {
	if len(dst) > start {
		dst = append(dst, separator)
	}
	if p.Binary {
		return base64.StdEncoding.AppendEncode(append(dst, binaryMark), p.Data)
	}
	return Append(dst, p)
}

// PayloadSize is the number of bytes AppendPayload would add to a payload that is not empty.
func PayloadSize(p Packet) int {
	if p.Binary {
		return 2 + base64.StdEncoding.EncodedLen(len(p.Data))
	}
	return 2 + len(p.Data)
}

// Payload iterates over the packets of a polling payload; it stops after the first error, which is a
// *SyntaxError whose offset counts from the start of data. The packets before it are yielded all the
// same. Text data are views of data; binary data are not.
func Payload(data []byte) iter.Seq2[Packet, error] { return payload(data, Next) }

func payload(data []byte, next func(data []byte, offset int) (Packet, int, error)) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		for offset := 0; ; {
			p, after, err := next(data, offset)
			if err == io.EOF || !yield(p, err) || err != nil {
				return
			}
			offset = after
		}
	}
}

// Next is Payload for those who go by function values, which an iterator would cost some allocations: it decodes the
// packet at an offset, which is 0 or what it has returned, and returns that of the next one. After the last packet the
// error is io.EOF.
func Next(data []byte, offset int) (p Packet, next int, err error) {
	if offset > len(data) {
		return Packet{}, offset, io.EOF
	}
	end := bytes.IndexByte(data[offset:], separator)
	if end < 0 {
		end = len(data)
	} else {
		end += offset
	}
	p, err = decodeText(data[offset:end:end], offset)
	return p, end + 1, err
}
