package load

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
)

// deflateOffer is what the load asks for, and insists on: each message stands for itself. What it sends itself is not
// compressed, as messages are made once and numbered in place.
const deflateOffer = "permessage-deflate; server_no_context_takeover"

var errInflate = errors.New("a compressed message where none was agreed, or one that can't be inflated")

// An inflater inflates messages, each of which many connections get: the same bytes are inflated once.
type inflater struct {
	last   []byte // compressed
	plain  []byte
	source bytes.Reader
	z      io.ReadCloser
}

const deflateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// inflate returns a message, which is not valid after the next call.
func (i *inflater) inflate(p []byte) ([]byte, error) {
	if n := len(i.last) - len(deflateTail); n == len(p) && bytes.Equal(i.last[:n], p) {
		return i.plain, nil
	}
	i.last = append(append(i.last[:0], p...), deflateTail...)
	i.source.Reset(i.last)
	if i.z == nil {
		i.z = flate.NewReader(&i.source)
	} else if err := i.z.(flate.Resetter).Reset(&i.source, nil); err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(i.plain[:0])
	_, err := b.ReadFrom(i.z)
	i.plain = b.Bytes()
	if err != nil {
		i.last = i.last[:0]
		return nil, errInflate
	}
	return i.plain, nil
}
