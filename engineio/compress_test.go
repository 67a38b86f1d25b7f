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

func TestCompression(t *testing.T) {
	long := strings.Repeat("abcdefghij", 200)
	for _, c := range []struct {
		name, accept string
		size         int
		options      SendOptions
		off          bool
		want         string
		threshold    int
	}{
		{"long", "gzip, deflate, br", 2000, SendOptions{}, false, "gzip", 0},
		{"upper case", "deflate;q=0.4, GZIP;q=0.5", 2000, SendOptions{}, false, "gzip", 0},
		{"star", "*", 2000, SendOptions{}, false, "gzip", 0},
		{"deflate", "br, deflate", 2000, SendOptions{}, false, "deflate", 0},
		{"rather deflate", "gzip;q=0.9, deflate", 2000, SendOptions{}, false, "deflate", 0},
		{"low threshold", "gzip", 9, SendOptions{}, false, "gzip", 10},
		{"below a low threshold", "gzip", 8, SendOptions{}, false, "", 10},
		{"above 1024", "gzip", 1998, SendOptions{}, false, "", 2000},
		{"short", "gzip", 1022, SendOptions{}, false, "", 0},
		{"just long enough", "gzip", 1023, SendOptions{}, false, "gzip", 0},
		{"not accepted", "br, zstd", 2000, SendOptions{}, false, "", 0},
		{"refused", "gzip;q=0", 2000, SendOptions{}, false, "", 0},
		{"not wanted", "gzip", 2000, SendOptions{NoCompress: true}, false, "", 0},
		{"off", "gzip", 2000, SendOptions{}, true, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &Options{DisableCompression: c.off, CompressionThreshold: c.threshold}
			bubble(t, o, func(t *testing.T, e *env) {
				q, rec := e.open()
				for range 3 {
					rec.socket.Send(c.options, text(long[:c.size]))
					a := e.do("GET", q, "", "Accept-Encoding", c.accept)
					if got := a.header.Get("Content-Encoding"); got != c.want {
						t.Fatalf("compressed: %q", got)
					}
					if c.want != "" {
						if a.header.Get("Vary") != "Accept-Encoding" || len(a.body) > 500 {
							t.Errorf("%d bytes, headers %v", len(a.body), a.header)
						}
						a.body = unpack(t, c.want, a.body)
					}
					a.want(t, 200, "4"+long[:c.size])
				}
			})
		})
	}
}

// unpack is a body without its coding.
func unpack(t *testing.T, coding, body string) string {
	t.Helper()
	var z io.Reader
	var err error
	if coding == "gzip" {
		z, err = gzip.NewReader(strings.NewReader(body))
	} else {
		z, err = zlib.NewReader(strings.NewReader(body))
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// An Encoder of the user's is preferred where the client takes it, and nothing depends on it: what is not to be
// compressed does not get to it, and if it panics the answer goes out as it is.
func TestEncoders(t *testing.T) {
	long := strings.Repeat("abcdefghij", 200)
	upper := Encoder{Coding: "x-upper", Append: func(dst, src []byte) []byte {
		return append(dst, bytes.ToUpper(src)...)
	}}
	broken := Encoder{Coding: "x-broken", Append: func(dst, src []byte) []byte { panic("broken") }}
	bubble(t, &Options{Encoders: []Encoder{upper, broken}}, func(t *testing.T, e *env) {
		q, rec := e.open()
		get := func(accept string, ms ...SendOptions) answer {
			for _, o := range ms {
				rec.socket.Send(o, text(long))
			}
			return e.do("GET", q, "", "Accept-Encoding", accept)
		}
		a := get("gzip, x-upper", SendOptions{})
		if a.want(t, 200, "4"+strings.ToUpper(long)); a.header.Get("Content-Encoding") != "x-upper" {
			t.Errorf("%v", a.header)
		}
		if a = get("gzip, x-upper;q=0.5", SendOptions{}); a.header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%v", a.header)
		}
		a = get("gzip, x-upper", SendOptions{}, SendOptions{NoCompress: true})
		if got := unpack(t, "gzip", a.body); got != "4"+long+"\x1e4"+long {
			t.Errorf("%.100q", got)
		}
		a = get("x-upper", SendOptions{}, SendOptions{NoCompress: true})
		a.want(t, 200, "4"+long+"\x1e4"+long)
		a = get("x-broken", SendOptions{})
		if a.want(t, 200, "4"+long); a.header.Get("Content-Encoding") != "" {
			t.Errorf("%v", a.header)
		}
		rec.alive()
		e.rejected(RejectPanic, 1)
	})
	for _, e := range []Encoder{{Coding: "br"}, {Append: upper.Append}, {Coding: "BR", Append: upper.Append},
		{Coding: "br, gzip", Append: upper.Append}} {
		o := &Options{Encoders: []Encoder{e}}
		if o.Validate() == nil || len(o.withDefaults().Encoders) != 0 {
			t.Errorf("%q is accepted", e.Coding)
		}
	}
}
