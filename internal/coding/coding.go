// Package coding reads which content codings a client takes.
package coding

import (
	"strconv"
	"strings"
)

// Choose returns the coding that Accept-Encoding, of which these are the lines, weighs most of those that are offered
// (RFC 9110 12.5.3), the first of them if it weighs several the same; "" if it takes none. What it says of a coding
// counts before what it says of "*".
func Choose(lines []string, offered ...string) (chosen string) {
	most := 0.0
	for _, name := range offered {
		if q := weight(lines, name); q > most {
			chosen, most = name, q
		}
	}
	return chosen
}

// weight is what is said of a coding.
func weight(lines []string, coding string) float64 {
	any := 0.0
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			switch {
			case name == coding, name == "x-gzip" && coding == "gzip": // the same, RFC 9110 8.4.1.3
				return quality(params)
			case name == "*":
				any = quality(params)
			}
		}
	}
	return any
}

var blanks = strings.NewReplacer(" ", "", "\t", "") // RFC 9110 5.6.3

// quality is a weight, which may be missing; what is no weight is none.
func quality(params string) float64 {
	q, ok := strings.CutPrefix(strings.ToLower(blanks.Replace(params)), "q=")
	if !ok {
		return 1
	}
	weight, err := strconv.ParseFloat(q, 64)
	if err != nil || !(weight <= 1) {
		return 0
	}
	return max(0, weight)
}
