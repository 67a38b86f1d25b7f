package engineio

import (
	"compress/gzip"
	"strconv"
	"strings"
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

type appender struct{ buf *[]byte }

func (a appender) Write(p []byte) (int, error) {
	*a.buf = append(*a.buf, p...)
	return len(p), nil
}

// acceptsGzip reports whether an Accept-Encoding allows gzip.
func acceptsGzip(lines []string) bool {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.TrimSpace(name)
			if !strings.EqualFold(name, "gzip") && name != "*" {
				continue
			}
			q, has := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return !has || err == nil && weight > 0
		}
	}
	return false
}
