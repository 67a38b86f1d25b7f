package sid

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestForm(t *testing.T) {
	id, err := New(bytes.NewReader([]byte{0xff, 0xff, 0xfe, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}))
	if want := "___-AAECAwQFBgcICQoL"; err != nil || id != want {
		t.Errorf("New = %q, %v, want %q", id, err, want)
	}
	if len(id) != Len {
		t.Errorf("%d characters, want %d", len(id), Len)
	}
}

func TestSourceErrorsSurface(t *testing.T) {
	broken := errors.New("broken")
	if id, err := New(iotest.ErrReader(broken)); id != "" || !errors.Is(err, broken) {
		t.Errorf("New = %q, %v, want the error of the source", id, err)
	}
	if id, err := New(strings.NewReader("short")); id != "" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("New = %q, %v, want io.ErrUnexpectedEOF", id, err)
	}
}

// T-1 of the advisories: ids that can be guessed. Every character carries six bits, evenly spread.
func TestDistinctAndEven(t *testing.T) {
	const n = 200_000
	seen := make(map[string]bool, n)
	var count [Len][256]int
	for range n {
		id, err := New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if seen[id] {
			t.Fatalf("%q came twice", id)
		}
		seen[id] = true
		for i := range Len {
			count[i][id[i]]++
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range count {
		chi := 0.0
		for _, c := range []byte(alphabet) {
			d := float64(count[i][c]) - n/64.0
			chi += d * d / (n / 64.0)
			count[i][c] = 0
		}
		if count[i] != [256]int{} {
			t.Errorf("place %d: characters outside of the alphabet", i)
		}
		// 63 degrees of freedom: a good source stays below 150 but once in 10^8 tests.
		if chi > 150 {
			t.Errorf("place %d: chi-square %.1f", i, chi)
		}
	}
}
