// Package sid makes session ids: 120 bits from a cryptographic source as 20 URL-safe characters. It never falls back to
// anything weaker.
package sid

import (
	"encoding/base64"
	"fmt"
	"io"
	"sync"
)

// Len is the number of characters of an id.
const Len = 20

// scratch is what an id is made in; pooled, as it would be allocated each time to be passed to the source.
type scratch struct {
	raw  [Len / 4 * 3]byte
	text [Len]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// New reads 15 bytes from source, which is crypto/rand.Reader outside of tests, and returns them in the base64 of
// RFC 4648 section 5. An error of the source is returned as it is, wrapped.
func New(source io.Reader) (string, error) {
	s := scratches.Get().(*scratch)
	defer func() {
		*s = scratch{} // an id may be a secret
		scratches.Put(s)
	}()
	if _, err := io.ReadFull(source, s.raw[:]); err != nil {
		return "", fmt.Errorf("sid: random source: %w", err)
	}
	base64.RawURLEncoding.Encode(s.text[:], s.raw[:])
	return string(s.text[:]), nil
}
