package coding

import "testing"

// What is said of gzip, or of its other name, counts, in any spelling; what is said of all codings counts without that.
func TestAcceptsGzip(t *testing.T) {
	for lines, want := range map[[2]string]bool{
		{"", ""}:                            false,
		{"gzip", ""}:                        true,
		{"deflate, GZIP;q=0.5", ""}:         true,
		{"br", "x-gzip"}:                    true,
		{"gzip;q=0", ""}:                    false,
		{"gzip; q=0.000", ""}:               false,
		{"gzip ; Q = 0.1", ""}:              true,
		{"gzip;q=much", ""}:                 false,
		{"gzip;level=9", ""}:                true,
		{"*", ""}:                           true,
		{"*;q=0", ""}:                       false,
		{"*;q=0, gzip", ""}:                 true,
		{"*, gzip;q=0", ""}:                 false,
		{"gzip;q=0", "*"}:                   false,
		{"identity, gzipped, not-gzip", ""}: false,
	} {
		if got := AcceptsGzip(lines[:]); got != want {
			t.Errorf("%q: %v", lines, got)
		}
	}
	if AcceptsGzip(nil) {
		t.Error("without the header")
	}
}
