// Package sid makes session ids: 120 bits from a cryptographic source as 20 URL-safe characters. It never falls back to
// anything weaker.
package sid

import (
	"encoding/base64"
	"fmt"
	"io"
)

// Len is the number of characters of an id.
const Len = 20

// New reads 15 bytes from source, which is crypto/rand.Reader outside of tests, and returns them in the base64 of
// RFC 4648 section 5. An error of the source is returned as it is, wrapped.
func New(source io.Reader) (string, error) {
	var raw [Len / 4 * 3]byte
	if _, err := io.ReadFull(source, raw[:]); err != nil {
		return "", fmt.Errorf("sid: random source: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw[:]), nil
}
