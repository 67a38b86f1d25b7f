package websocket

import (
	"encoding/binary"
	"math/bits"
)

// maskCopy copies src to dst, which must be as long or longer, through the mask. The two may be the same, but must not
// overlap otherwise. It returns the key as it has to continue after src.
func maskCopy(dst, src []byte, key uint32) uint32 {
	if key == 0 { // what a server sends
		copy(dst, src)
		return 0
	}
	le := binary.LittleEndian
	if len(src) >= 8 {
		k := uint64(key)<<32 | uint64(key)
		for len(src) >= 32 {
			d, s := dst[:32], src[:32]
			le.PutUint64(d[0:8], le.Uint64(s[0:8])^k)
			le.PutUint64(d[8:16], le.Uint64(s[8:16])^k)
			le.PutUint64(d[16:24], le.Uint64(s[16:24])^k)
			le.PutUint64(d[24:32], le.Uint64(s[24:32])^k)
			dst, src = dst[32:], src[32:]
		}
		for len(src) >= 8 {
			le.PutUint64(dst, le.Uint64(src)^k)
			dst, src = dst[8:], src[8:]
		}
	}
	for i := range src {
		dst[i] = src[i] ^ byte(key)
		key = bits.RotateLeft32(key, -8)
	}
	return key
}
