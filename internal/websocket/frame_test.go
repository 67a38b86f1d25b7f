package websocket

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"sio.example/socketio/internal/bufpool"
)

func TestAppendFrame(t *testing.T) {
	for _, c := range []struct {
		n    int
		head string
	}{
		{0, "\x81\x00"}, {1, "\x81\x01"}, {125, "\x81\x7d"}, {126, "\x81\x7e\x00\x7e"}, {65535, "\x81\x7e\xff\xff"},
		{65536, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"}, {1 << 20, "\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x00"},
	} {
		if got := AppendHeader([]byte("#"), Text, c.n); string(got) != "#"+c.head {
			t.Errorf("header of %d: %x", c.n, got)
		}
		body := bytes.Repeat([]byte("b"), c.n)
		got := AppendFrame([]byte("#"), Text, body[:c.n/2], nil, body[c.n/2:])
		if string(got) != "#"+c.head+string(body) {
			t.Errorf("frame of %d: %.20x", c.n, got)
		}
	}
	if got := AppendFrame(nil, Binary); string(got) != "\x82\x00" {
		t.Errorf("no payload: %x", got)
	}
}

func TestMaskCopy(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		for off := range 9 {
			src := randomBytes(r, n+off, false)[off:]
			key := r.Uint32()
			want := make([]byte, n)
			for i := range src {
				want[i] = src[i] ^ byte(key>>(8*(i%4)))
			}
			// In one go, and cut anywhere, in place.
			dst := make([]byte, n+1)
			dst[n] = 0x77
			maskCopy(dst, src, key)
			if !bytes.Equal(dst[:n], want) || dst[n] != 0x77 {
				t.Fatalf("%d bytes at %d: got %x, want %x", n, off, dst, want)
			}
			cut := 0
			if n > 0 {
				cut = r.IntN(n)
			}
			k := maskCopy(src[:cut], src[:cut], key)
			maskCopy(src[cut:], src[cut:], k)
			if !bytes.Equal(src, want) {
				t.Fatalf("%d bytes cut at %d: got %x, want %x", n, cut, src, want)
			}
		}
	}
}

// validText fed piece by piece must agree with utf8.Valid on the whole, and object at the first byte that can't be.
func TestValidText(t *testing.T) {
	valid, invalid := utf8Cases()
	for _, s := range append(valid, invalid...) {
		s := "x" + s
		for size := 1; size <= len(s); size++ {
			checked, failed := 0, -1
			for end := min(size, len(s)); ; end = min(end+size, len(s)) {
				n, ok := validText([]byte(s[checked:end]))
				checked += n
				if !ok {
					failed = end
					break
				}
				if end == len(s) {
					break
				}
			}
			whole := failed < 0 && checked == len(s)
			if whole != utf8.ValidString(s) {
				t.Errorf("%q by %d: %v", s, size, whole)
			}
			if size == 1 && failed != firstBad(s) {
				t.Errorf("%q: failed at %d, want %d", s, failed, firstBad(s))
			}
		}
	}
}

// firstBad is the length of the shortest prefix of s that no continuation makes valid, or -1.
func firstBad(s string) int {
	for i := 1; i <= len(s); i++ {
		if !completable(s[:i]) {
			return i
		}
	}
	return -1
}

// completable reports whether s is the beginning of some valid text.
func completable(s string) bool {
	for _, more := range []string{
		"", "\x80", "\x90", "\xa0", "\x80\x80", "\x90\x80", "\xa0\x80", "\x80\x80\x80", "\x90\x80\x80",
	} {
		if utf8.ValidString(s + more) {
			return true
		}
	}
	return false
}

func TestCutReason(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		strings.Repeat("a", 123):          strings.Repeat("a", 123),
		strings.Repeat("a", 200):          strings.Repeat("a", 123),
		strings.Repeat("ä", 100):          strings.Repeat("ä", 61),
		strings.Repeat("€", 100):          strings.Repeat("€", 41),
		"a" + strings.Repeat("😀", 40):     "a" + strings.Repeat("😀", 30),
		"bad \xff and\xc3":                "bad ? and?",
		strings.Repeat("\x80", 200):       strings.Repeat("?", 119),
		strings.Repeat("a", 122) + "\xc3": strings.Repeat("a", 122) + "?",
	} {
		got := cutReason(in)
		if !utf8.ValidString(got) || len(got) > 123 {
			t.Errorf("%q: %q", in, got)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// Close frames of every length of reason, and messages of many sizes, carry exactly the bytes that were given, whatever
// the pools hold.
func TestNothingButWhatWasGivenIsSent(t *testing.T) {
	bufpool.SetPoison(true)
	for _, kind := range []string{"tcp", "pipe"} {
		for n := 0; n <= 130; n++ {
			c, p := connect(t, kind, nil)
			reason := strings.Repeat("r", n)
			payload := bytes.Repeat([]byte("p"), n*n)
			done := receive(c)
			go func() { // ends when both are written
				c.WriteFrames(AppendFrame(nil, Binary, payload))
				c.TryWriteFrames(AppendFrame(nil, Text, payload))
				c.WriteFrames()
				c.Close(4000, reason)
			}()
			p.want(t, frame{fin | 2, payload}, frame{fin | 1, payload}, closing(4000, reason[:min(n, 123)]))
			p.send(t, closing(4000, ""))
			p.wantEnd(t)
			if e := closedWith(t, (<-done).err, 4000, false); e.Reason != reason {
				t.Fatalf("reason %q", e.Reason)
			}
		}
	}
}

func TestCloseErrorText(t *testing.T) {
	for _, c := range []struct {
		err  *CloseError
		want string
	}{
		{&CloseError{}, "websocket: closed without a status"},
		{&CloseError{Received: true}, "websocket: closed by the peer without a status"},
		{&CloseError{Status: 1001, Received: true}, "websocket: closed by the peer with status 1001"},
		{&CloseError{Status: 1001, Reason: "a\nb", Received: true},
			`websocket: closed by the peer with status 1001 "a\nb"`},
		{&CloseError{Status: 1002, Reason: "unmasked frame"}, "websocket: closed with status 1002: unmasked frame"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if err := error(&CloseError{cause: io.EOF}); !errors.Is(err, io.EOF) {
		t.Error("cause is hidden")
	}
}
