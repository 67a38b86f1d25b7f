package load

import (
	"math"
	"slices"
	"strings"
	"testing"

	"sio.example/socketio/bench/internal/wsframe"
)

func TestNumbered(t *testing.T) {
	text := []byte(`42["x",{"id":1000000},1000000]`)
	frame, start := wsframe.Append(nil, wsframe.Text, text)
	at := idsIn(text)
	if !slices.Equal(at, []int{13, 22}) {
		t.Fatalf("ids at %v", at)
	}
	plain := newNumbered(text, at, nil)
	masked := newNumbered(frame, []int{at[0] + start, at[1] + start}, []int{start, start})
	for _, id := range []int{1_000_000, 1_000_009, 1_000_099, 1_999_999, 9_999_998} {
		plain.set(id)
		masked.set(id)
		for range 2 {
			if got := strings.Count(string(plain.text), string(plain.id[:])); got != 2 {
				t.Errorf("%q has its id %d times", plain.text, got)
			}
			if got := unmasked(masked.text[start:]); got != string(plain.text) {
				t.Errorf("%q is sent as %q", plain.text, got)
			}
			plain.next()
			masked.next()
		}
	}
	plain.set(1_999_999)
	plain.next()
	if want := `42["x",{"id":2000000},2000000]`; string(plain.text) != want {
		t.Errorf("after 1999999: %q", plain.text)
	}
}

func unmasked(p []byte) string {
	out := make([]byte, len(p))
	for i := range p {
		out[i] = p[i] ^ wsframe.Mask[i&3]
	}
	return string(out)
}

func TestHistogram(t *testing.T) {
	for v := uint64(0); v < 1<<40; v += 1 + v/7 {
		low := lowest(bucket(v))
		if low > v || float64(v-low) > 0.04*float64(v) {
			t.Fatalf("%d is counted as %d", v, low)
		}
		if bucket(low) != bucket(v) {
			t.Fatalf("%d and %d are not counted together", low, v)
		}
	}
	bucket(math.MaxInt64) // within bounds
	var h histogram
	for i := range 1000 {
		h.add(int64(i+1) * 1000)
	}
	h.add(-5)
	s := h.summary()
	for _, test := range []struct{ got, want float64 }{{s.P50, 500}, {s.P90, 900}, {s.P99, 990}, {s.Max, 1000}} {
		if math.Abs(test.got-test.want) > 0.04*test.want {
			t.Errorf("%+v", s)
		}
	}
	if (&histogram{}).summary() != (Latency{}) {
		t.Error("nothing has a latency")
	}
}

func TestNextResponse(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nX: y\r\ncontent-LENGTH:  5\r\n\r\nhello"
	for cut := range len(answer) {
		if body, _, err := nextResponse([]byte(answer[:cut])); body != nil || err != nil {
			t.Fatalf("%q: body %q, error %v", answer[:cut], body, err)
		}
	}
	if body, rest, err := nextResponse([]byte(answer + "more")); string(body) != "hello" ||
		string(rest) != "more" || err != nil {
		t.Errorf("body %q, rest %q, error %v", body, rest, err)
	}
	for _, bad := range []string{"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"} {
		if _, _, err := nextResponse([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestScenarios(t *testing.T) {
	for _, s := range Scenarios {
		if found, ok := Find(s.Name); !ok || found != s || s.Window > ring {
			t.Errorf("%+v", s)
		}
	}
	if _, ok := Find("nothing"); ok {
		t.Error("found nothing")
	}
}
