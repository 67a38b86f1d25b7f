// Package coding reads which content codings a client takes.
package coding

import (
	"strconv"
	"strings"
)

// AcceptsGzip reports whether Accept-Encoding, of which these are the lines, allows gzip (RFC 9110 12.5.3). What it
// says of gzip counts before what it says of "*".
func AcceptsGzip(lines []string) bool {
	any := false
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip": // the same, RFC 9110 8.4.1.3
				return weighs(params)
			case "*":
				any = weighs(params)
			}
		}
	}
	return any
}

// weighs reports whether a weight, which may be missing, is more than zero.
func weighs(params string) bool {
	q, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(params, " ", "")), "q=")
	weight, err := strconv.ParseFloat(q, 64)
	return !ok || err == nil && weight > 0
}
