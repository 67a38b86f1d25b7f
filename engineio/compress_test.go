package engineio

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func unzip(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r.Multistream(false) // browsers read one
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestZipRuns(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var src []byte
		var runs []run
		var plain [][]byte
		for range 1 + rnd.IntN(6) {
			n := []int{1, 100, 300, 5_000, 70_000, 140_000}[rnd.IntN(6)]
			part := bytes.Repeat([]byte("abcdefgh"), n/8+1)[:n]
			r := run{n, rnd.IntN(2) == 0}
			if r.plain {
				part = append([]byte("secret"), part[min(6, n):]...)[:n]
				plain = append(plain, part[:min(n, 300)])
			}
			src, runs = append(src, part...), append(runs, r)
		}
		var zipped []byte
		archives["gzip"].zipRuns(&zipped, src, runs)
		if !bytes.Equal(unzip(t, zipped), src) {
			t.Fatalf("runs %v do not come out as they went in", runs)
		}
		var other []byte
		archives["deflate"].zipRuns(&other, src, runs)
		if z, err := zlib.NewReader(bytes.NewReader(other)); err != nil {
			t.Fatal(err)
		} else if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, src) {
			t.Fatalf("runs %v do not come out as they went in: %v", runs, err)
		}
		for _, p := range plain {
			if !bytes.Contains(zipped, p) {
				t.Fatalf("runs %v: one that is plain is not there as it was", runs)
			}
		}
	}
}

// What must not be compressed stays out of it, and stops it for nothing else: its content has no influence on the
// length.
func TestNoCompressHoldsForOneMessage(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		long := strings.Repeat("compress me ", 500)
		sizes := map[int]bool{}
		for _, secret := range []string{"compress me compress me ", "quite something else 123"} {
			q, rec := e.open()
			rec.socket.Send(SendOptions{}, text(long))
			rec.socket.Send(SendOptions{NoCompress: true}, text(secret))
			rec.socket.Send(SendOptions{}, text(long))
			a := e.do("GET", q, "", "Accept-Encoding", "gzip")
			if a.header.Get("Content-Encoding") != "gzip" || !strings.Contains(a.body, secret) || len(a.body) > 1000 {
				t.Errorf("%d bytes, %v", len(a.body), a.header)
			}
			if got := string(unzip(t, []byte(a.body))); got != "4"+long+"\x1e4"+secret+"\x1e4"+long {
				t.Errorf("answer %.100q", got)
			}
			sizes[len(a.body)] = true
			rec.socket.Close()
			e.do("GET", q, "")
		}
		if len(sizes) != 1 {
			t.Errorf("sizes %v: the secret makes a difference", sizes)
		}
	})
}
