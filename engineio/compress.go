package engineio

import (
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"sync"
)

// The level is the fastest: answers are small and each is compressed once for one reader.
var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for unknown levels only
	return z
}}

// zip appends the compressed src to *dst.
func zip(dst *[]byte, src []byte) {
	z := zippers.Get().(*gzip.Writer)
	w := appender{dst}
	z.Reset(w)
	z.Write(src) // an appender does not fail
	z.Close()
	z.Reset(nil)
	zippers.Put(z)
}

// A run is a part of an answer whose messages all are to be compressed, or all are not.
type run struct {
	bytes int
	plain bool
}

const (
	// runMinimum is how many bytes of a run are worth compressing.
	runMinimum = 256
	// storedMaximum is what one stored block holds (RFC 1951 3.2.4).
	storedMaximum = 1<<16 - 1
)

// zipRuns is zip, but leaves the runs that are plain as they are: in one stream, whose decoder does not notice, they
// are stored blocks between those that are compressed. No block refers to bytes of another, so what is plain has no
// influence on the length of what is not. The runs are all of src.
func zipRuns(dst *[]byte, src []byte, runs []run) {
	crc := crc32.ChecksumIEEE(src)
	size := uint32(len(src))
	// gzip, deflate, no flags nor time, fast, system unknown (RFC 1952 2.3)
	*dst = append(*dst, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255)
	z := deflaters.Get().(*flate.Writer)
	for _, r := range runs {
		part := src[:r.bytes]
		src = src[r.bytes:]
		if !r.plain && len(part) >= runMinimum {
			z.Reset(appender{dst})
			z.Write(part) // an appender does not fail
			z.Flush()     // to a whole byte
			continue
		}
		for len(part) > 0 {
			n := min(len(part), storedMaximum)
			*dst = binary.LittleEndian.AppendUint16(append(*dst, 0), uint16(n))
			*dst = append(binary.LittleEndian.AppendUint16(*dst, ^uint16(n)), part[:n]...)
			part = part[n:]
		}
	}
	z.Reset(nil)
	deflaters.Put(z)
	*dst = append(*dst, 1, 0, 0, 0xff, 0xff) // the last block, empty
	*dst = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(*dst, crc), size)
}

var deflaters = sync.Pool{New: func() any {
	z, _ := flate.NewWriter(nil, flate.BestSpeed) // as above
	return z
}}

// compressible is how many bytes of the runs are worth compressing, and whether there are others.
func compressible(runs []run) (n int, mixed bool) {
	for _, r := range runs {
		if r.plain {
			mixed = true
		} else if len(runs) == 1 || r.bytes >= runMinimum {
			n += r.bytes
		}
	}
	return n, mixed
}

type appender struct{ buf *[]byte }

func (a appender) Write(p []byte) (int, error) {
	*a.buf = append(*a.buf, p...)
	return len(p), nil
}
