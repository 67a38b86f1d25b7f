package coding

import "testing"

// What is said of gzip, or of its other name, counts, in any spelling; what is said of all codings counts without that.
func TestChooseGzip(t *testing.T) {
	for lines, want := range map[[2]string]bool{
		{"", ""}:                            false,
		{"gzip", ""}:                        true,
		{"deflate, GZIP;q=0.5", ""}:         true,
		{"br", "x-gzip"}:                    true,
		{"gzip;q=0", ""}:                    false,
		{"gzip; q=0.000", ""}:               false,
		{"gzip ; Q = 0.1", ""}:              true,
		{"gzip;\tq=0", ""}:                  false,
		{"gzip;q=much", ""}:                 false,
		{"gzip;q=NaN", ""}:                  false,
		{"gzip;q=-1", ""}:                   false,
		{"gzip;level=9", ""}:                true,
		{"*", ""}:                           true,
		{"*;q=0", ""}:                       false,
		{"*;q=0, gzip", ""}:                 true,
		{"*, gzip;q=0", ""}:                 false,
		{"gzip;q=0", "*"}:                   false,
		{"identity, gzipped, not-gzip", ""}: false,
	} {
		if got := Choose(lines[:], "gzip") == "gzip"; got != want {
			t.Errorf("%q: %v", lines, got)
		}
	}
	if Choose(nil, "gzip") != "" {
		t.Error("without the header")
	}
}

// The coding with the largest weight is chosen, and of those with the same the one that is offered first.
func TestChooseByWeight(t *testing.T) {
	for line, want := range map[string]string{
		"gzip, deflate, br":                "br",
		"gzip, deflate":                    "gzip",
		"deflate, gzip":                    "gzip",
		"deflate":                          "deflate",
		"deflate, gzip;q=0.9":              "deflate",
		"br;q=0.1, gzip;q=0.2":             "gzip",
		"br;q=0, *":                        "gzip",
		"br;q=0.1, *;q=0.5":                "gzip",
		"br;q=0, gzip;q=0, *;q=0.3":        "deflate",
		"zstd, identity":                   "",
		"*":                                "br",
		"deflate;q=1.5, gzip;q=0.1, br;q=": "gzip",
	} {
		if got := Choose([]string{line}, "br", "gzip", "deflate"); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
