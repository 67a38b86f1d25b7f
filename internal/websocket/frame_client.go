package websocket

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// AppendMasked appends one unfragmented client frame: masked, with a fresh key. The payload may come in pieces, which
// are not changed and must not lie in the room behind dst. It may be called from any goroutine and allocates nothing
// but what dst lacks.
//
// The keys come from the generator of the runtime, which is ChaCha8 seeded by the operating system, so that the
// author of the payload can't foresee them (RFC 6455 5.3), and which costs a connection no memory.
func AppendMasked(dst []byte, op Opcode, payload ...[]byte) []byte {
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	dst = slices.Grow(dst, maxHeader+n)
	start := len(dst)
	dst = AppendHeader(dst, op, n)
	dst[start+1] |= maskBit
	key := rand.Uint32()
	dst = binary.LittleEndian.AppendUint32(dst, key)
	body := dst[len(dst) : len(dst)+n]
	for _, p := range payload {
		key = maskCopy(body, p, key)
		body = body[len(p):]
	}
	return dst[:len(dst)+n]
}

// AppendFrame appends one unfragmented frame for this connection to write: [AppendMasked] if it is a client's,
// otherwise the function [AppendFrame]. It may be called from any goroutine. What a client's connection has made must
// not be written to several connections, as the peers might then know the key.
func (c *Conn) AppendFrame(dst []byte, op Opcode, payload ...[]byte) []byte {
	if c.client {
		return AppendMasked(dst, op, payload...)
	}
	return AppendFrame(dst, op, payload...)
}

// oweControl queues a control frame. It needs mu.
func (c *Conn) oweControl(op Opcode, payload []byte) {
	var b [maxHeader + maxControl]byte
	c.owe(c.AppendFrame(b[:0], op, payload))
}
