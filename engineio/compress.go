package engineio

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"hash/adler32"
	"hash/crc32"
	"io"
	"net/http"
	"sync"

	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/coding"
)

// An Encoder compresses polling answers in a way that this package does not, such as Brotli.
type Encoder struct {
	// Coding is its name in Accept-Encoding, in lower case, such as "br".
	Coding string
	// Append appends src, compressed, to dst. It runs on the request's goroutine, for several requests at the same
	// time. If it panics the answer goes out as it is.
	Append func(dst, src []byte) []byte
}

// An archive is a coding of this package: streams of compress/flate in some wrapping.
type archive struct {
	writers sync.Pool
	head    []byte
	// appendEnd appends what follows the last block, which depends on what was compressed.
	appendEnd func(dst, src []byte) []byte
}

// archives are the codings that are known here. The level is the fastest: answers are small and each is compressed once
// for one reader.
var archives = map[string]*archive{
	"gzip": {
		writers: sync.Pool{New: func() any {
			z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for unknown levels only
			return z
		}},
		// deflate, no flags nor time, fast, system unknown (RFC 1952 2.3)
		head: []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255},
		appendEnd: func(dst, src []byte) []byte {
			dst = binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(src))
			return binary.LittleEndian.AppendUint32(dst, uint32(len(src)))
		},
	},
	"deflate": { // which is that of zlib (RFC 9110 8.4.1.2)
		writers: sync.Pool{New: func() any {
			z, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed) // as above
			return z
		}},
		head: []byte{0x78, 1}, // window of 32 KiB, fastest (RFC 1950 2.2)
		appendEnd: func(dst, src []byte) []byte {
			return binary.BigEndian.AppendUint32(dst, adler32.Checksum(src))
		},
	},
}

// zip appends the compressed src to *dst.
func (a *archive) zip(dst *[]byte, src []byte) {
	z := a.writers.Get().(interface {
		io.WriteCloser
		Reset(io.Writer)
	})
	z.Reset(appender{dst})
	z.Write(src) // an appender does not fail
	z.Close()
	z.Reset(nil)
	a.writers.Put(z)
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
func (a *archive) zipRuns(dst *[]byte, src []byte, runs []run) {
	*dst = append(*dst, a.head...)
	rest := src
	z := deflaters.Get().(*flate.Writer)
	for _, r := range runs {
		part := rest[:r.bytes]
		rest = rest[r.bytes:]
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
	*dst = a.appendEnd(*dst, src)
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

// codings are the names of the codings that answers may have, the preferred first.
func (o *Options) codings() []string {
	var names []string
	for _, e := range o.Encoders {
		names = append(names, e.Coding)
	}
	return append(names, "gzip", "deflate")
}

// encoder is the user's one for a coding, or nil.
func (s *Server) encoder(coding string) *Encoder {
	for i := range s.options.Encoders {
		if e := &s.options.Encoders[i]; e.Coding == coding {
			return e
		}
	}
	return nil
}

// compressAnswer returns what is to be sent of an answer, if it is worth it and the client accepts it the compressed
// one, without what must not be compressed (see zipRuns). Encoders of users are only for answers without that.
func (s *Server) compressAnswer(h http.Header, r *http.Request, buf *[]byte, runs []run) *[]byte {
	n, mixed := compressible(runs)
	if n < s.options.CompressionThreshold {
		return buf
	}
	h.Add("Vary", "Accept-Encoding")
	if h.Get("Content-Encoding") != "" {
		return buf
	}
	offered := s.codings
	if mixed {
		offered = offered[len(s.options.Encoders):]
	}
	name := coding.Choose(r.Header["Accept-Encoding"], offered...)
	if name == "" {
		return buf
	}
	small := bufpool.Get(len(*buf))
	a := archives[name]
	switch e := s.encoder(name); {
	case e != nil && !mixed:
		if !s.hook("an Encoder", func() { *small = e.Append((*small)[:0], *buf) }) {
			return buf
		}
	case mixed:
		a.zipRuns(small, *buf, runs)
	default:
		a.zip(small, *buf)
	}
	h.Set("Content-Encoding", name)
	bufpool.Put(buf)
	return small
}
