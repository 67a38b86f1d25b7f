package parser

import (
	"fmt"
	"math/rand"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hostile texts cost their size to make; they must not cost more to read. n is the size, about.
var hostile = []struct {
	id   string
	text func(n int) string
}{
	{"T-4 id", func(n int) string { return "2" + strings.Repeat("1", n) + `["x"]` }},
	{"T-4 zeros as id", func(n int) string { return "2" + strings.Repeat("0", n) + `["x"]` }},
	{"T-4 namespace", func(n int) string { return "0/" + strings.Repeat("a", n) + "," }},
	{"T-4 attachments", func(n int) string { return "5" + strings.Repeat("1", n) + `-["x"]` }},
	{"blanks", func(n int) string { return "2" + strings.Repeat(" ", n) + `["x"]` }},
	{"digits", func(n int) string { return `2["x",` + strings.Repeat("1", n) + "]" }},
	{"digits as name", func(n int) string { return "2[1" + strings.Repeat("0", n) + "]" }},
	{"name", func(n int) string { return `2["` + strings.Repeat("a", n) + `"]` }},
	{"escapes", func(n int) string { return `2["` + strings.Repeat(`\u0061`, n/6) + `"]` }},
	{"half surrogates", func(n int) string { return `2["x","` + strings.Repeat(`\ud800`, n/6) + `"]` }},
	{"quotes", func(n int) string { return `2["x","` + strings.Repeat(`\"`, n/2) + `"]` }},
	{"brackets", func(n int) string { return `2["x",` + strings.Repeat("[", n) }},
	{"braces", func(n int) string { return `2["x",` + strings.Repeat(`{"a":`, n/5) }},
	{"arguments", func(n int) string { return `2["x"` + strings.Repeat(",1", n/2) + "]" }},
	{"P-19 arrays", func(n int) string { return `2["x",[` + strings.Repeat("[],", n/3) + "0]]" }},
	{"P-19 objects", func(n int) string { return `2["x",[` + strings.Repeat(`{"a":{}},`, n/9) + "0]]" }},
	{"P-20 keys", func(n int) string {
		r := rand.New(rand.NewSource(1))
		var b strings.Builder
		for b.Len() < n {
			fmt.Fprintf(&b, `"%08x":0,`, r.Uint32())
		}
		return `2["x",{` + b.String() + `"":0}]`
	}},
	{"placeholders", func(n int) string { return `51-["x",[` + strings.Repeat(mark0+",", n/30) + mark0 + "]]" }},
	{"keys of placeholders", func(n int) string {
		return `51-["x",{` + strings.Repeat(`"\u005fplaceholder":true,`, n/25) + `"num":0}]`
	}},
	{"long keys that might be", func(n int) string {
		return `51-["x",{"` + strings.Repeat(`\u005f`, n/6) +
			`":true}]`
	}},
}

// use does with a text all that a server might.
func use(text string) {
	d := JSON(nil).NewDecoder()
	p, err := d.Add(Frame{Data: []byte(text)})
	if err != nil {
		return
	}
	if p == nil {
		if p, err = d.Add(Frame{Binary: true, Data: []byte("file")}); err != nil {
			return
		}
	}
	p.Args.Values()
	p.Args.Bind(new(tree))
	frames, err := JSON(nil).Encode(nil, p)
	if err == nil && len(frames[0].Data) > 2*len(text)+100 {
		panic("sending on makes a text larger")
	}
}

// TestHostileTextsTakeLinearTime would take hours if it were not so.
func TestHostileTextsTakeLinearTime(t *testing.T) {
	const limit = 5 * time.Minute // all of it takes well under a second
	size := 1_000_000
	if raceEnabled {
		size /= 5
	}
	for _, h := range hostile {
		text := h.text(size)
		start := time.Now()
		use(text)
		if d := time.Since(start); d > limit {
			t.Errorf("%s: %v", h.id, d)
		}
	}
}

func BenchmarkHostile(b *testing.B) {
	for _, h := range hostile {
		for _, n := range []int{1_000, 1_000_000} {
			text := h.text(n)
			b.Run(fmt.Sprintf("%s/%d", h.id, n), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					use(text)
				}
			})
		}
	}
}

// TestHeaderAllocatesNothingForWhatItAnnounces: B-23, and T-17 for what follows.
func TestHeaderAllocatesNothingForWhatItAnnounces(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, text := range []string{`51000000000-["x"]`, `50-["x"]`, `511-["x"]`} {
		d, frame := JSON(nil).NewDecoder(), Frame{Data: []byte(text)}
		file := Frame{Binary: true, Data: make([]byte, 1000)}
		if n := testing.AllocsPerRun(100, func() {
			*d.(*jsonDecoder) = jsonDecoder{limits: &standard.limits}
			d.Add(frame)
			for range 10 {
				d.Add(file)
			}
		}); n > 11 { // the errors
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

// TestMemoryOfDecodedValues: P-19. What is decoded into interfaces grows the heap by at most what MaxDecoded says, and
// what it says is not much more than what it takes.
func TestMemoryOfDecodedValues(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const limit = 1 << 19
	for _, item := range []string{
		`[]`, `{}`, `{"a":1}`, `{"a":{}}`, `{"":{"":{"":{}}}}`, `{"x":1,"y":2}`, `""`, `"a"`, `0`, `1.5`, `[1]`,
		`{"k":[1,{"l":null}]}`,
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}`,
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":1,"k":2,"l":3,"m":4,"n":5,"o":6}`,
	} {
		most := 0 // the longest list that is taken
		for step := 1 << 15; step > most/16; step /= 2 {
			if grown, ok := decodedSize(t, item, most+step, limit); ok {
				most += step
				if grown > limit+limit/4 {
					t.Errorf("%d of %s take %d bytes, more than %d", most, item, grown, limit)
				}
			}
		}
		if grown, _ := decodedSize(t, item, most, limit); grown < limit/3 && strconv.IntSize == 64 {
			t.Errorf("%d of %s take %d bytes, and more are refused", most, item, grown)
		}
	}
}

// decodedSize tells by how much the heap grows when a list of n is decoded into an interface, if it is not refused.
func decodedSize(t *testing.T, item string, n, limit int) (grown int, ok bool) {
	d := JSON(&JSONOptions{MaxDecoded: limit}).NewDecoder()
	p, err := d.Add(Frame{Data: []byte(`31[[` + strings.Repeat(item+",", n) + "0]]")})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var v any
	err = p.Args.Bind(&v)
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(v)
	runtime.KeepAlive(p)
	return int(after.HeapAlloc) - int(before.HeapAlloc), err == nil
}
