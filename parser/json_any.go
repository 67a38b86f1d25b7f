package parser

import (
	"errors"
	"math"
	"sort"
	"sync"
)

// errDecodedSize tells that values of Go would need far more memory than the text they come from.
var errDecodedSize = errors.New("decoded value too large")

// What decoding into interfaces may take, see JSONOptions.MaxDecoded, and what values cost, about, on a 64-bit machine.
const (
	defaultMaxDecoded = 64 << 20
	decodedFactor     = 48

	mapCost     = 48
	mapRoomCost = 288 // for the first 8 members
	mapMoreCost = 336 // more for the ninth, and
	memberCost  = 66  // for each beyond
	sliceCost   = 24
	slotCost    = 16
	stringCost  = 16
	numberCost  = 8
)

// budget is what decoding size bytes of text may take.
func (r *received) budget(size int) int {
	if r.packet.decoded == 0 {
		return max(defaultMaxDecoded, decodedFactor*size)
	}
	return int(min(int64(r.packet.decoded)<<10, math.MaxInt))
}

// sharedText is the longest argument whose strings, once decoded into interfaces, are parts of one
// string: that saves allocations, and a value kept holds on to no more than this.
const sharedText = 1024

// An anyDecoder decodes validated text into the types of Args.Values. It recurses as deep as the text is
// nested, which the scan has limited to at most hardMaxDepth.
type anyDecoder struct {
	text   []byte
	shared string // text[base:], or empty
	base   int
	marks  []placeholder // those from here on
	files  [][]byte
	budget int
	stack  []any // elements of the arrays that are not complete yet

	// into is what the outermost object is added to, or nil.
	into map[string]any
}

// maxStack is the longest stack that is kept for the next value, in elements.
const maxStack = 1024

var anyDecoders = sync.Pool{New: func() any { return new(anyDecoder) }}

// decodeAny decodes argument i, and takes what it costs from the budget.
func (r *received) decodeAny(i int, budget *int) (any, error) {
	s := r.spans[i]
	return r.decodeAnyAt(int(s.start), int(s.end), budget, nil)
}

// decodeAnyAt decodes the value at text[start:end] and takes what it costs from the budget. An object is added to into,
// if that is not nil, as encoding/json does.
func (r *received) decodeAnyAt(start, end int, budget *int, into map[string]any) (any, error) {
	d := anyDecoders.Get().(*anyDecoder)
	stack := d.stack
	*d = anyDecoder{
		text:   r.text[:end],
		base:   start,
		marks:  r.marksFrom(start),
		files:  r.attached().files,
		budget: *budget,
		stack:  stack,
		into:   into,
	}
	if c := d.text[start]; (c == '{' || c == '[') && end-start <= sharedText {
		d.shared = string(d.text[start:])
	}
	v, _ := d.value(start)
	failed := d.budget < 0
	*budget = d.budget
	stack = d.stack // empty and cleared, unless it failed
	if failed || cap(stack) > maxStack {
		stack = nil
	}
	*d = anyDecoder{stack: stack}
	anyDecoders.Put(d)
	if failed {
		return nil, errDecodedSize
	}
	return v, nil
}

// value decodes the value at i and returns the index after it. When the budget is used up it returns
// quickly, and what it returns means nothing.
func (d *anyDecoder) value(i int) (any, int) {
	switch d.text[i] {
	case '{':
		return d.object(i)
	case '[':
		return d.array(i)
	case '"':
		end := skipString(d.text, i)
		d.budget -= stringCost + end - i
		return d.string(i, end), end
	case 't':
		return true, i + 4
	case 'f':
		return false, i + 5
	case 'n':
		return nil, i + 4
	default:
		end := skipScalar(d.text, i)
		d.budget -= numberCost
		return parseFloat(d.text[i:end]), end
	}
}

// string decodes the string at text[i:end].
func (d *anyDecoder) string(i, end int) string {
	if d.shared != "" {
		s := d.shared[i+1-d.base : end-1-d.base]
		for j := range len(s) {
			if s[j] == '\\' {
				return unquote(d.text[i:end])
			}
		}
		return s
	}
	return unquote(d.text[i:end])
}

func (d *anyDecoder) array(i int) (any, int) {
	base := len(d.stack)
	i = skipSpace(d.text, i+1)
	for d.text[i] != ']' && d.budget >= 0 {
		var v any
		v, i = d.value(i)
		if d.budget < 0 {
			break
		}
		d.stack = append(d.stack, v)
		d.budget -= slotCost
		i = skipComma(d.text, i)
	}
	d.budget -= sliceCost
	items := make([]any, len(d.stack)-base)
	copy(items, d.stack[base:])
	clear(d.stack[base:])
	d.stack = d.stack[:base]
	return items, i + 1
}

func (d *anyDecoder) object(i int) (any, int) {
	for len(d.marks) > 0 && int(d.marks[0].start) <= i {
		mark := d.marks[0]
		d.marks = d.marks[1:]
		if int(mark.start) == i {
			return d.files[mark.num], int(mark.end)
		}
	}
	m := d.into
	d.into = nil
	if m == nil {
		m = make(map[string]any)
	}
	d.budget -= mapCost
	i = skipSpace(d.text, i+1)
	for d.text[i] != '}' && d.budget >= 0 {
		end := skipString(d.text, i)
		key := d.string(i, end)
		var v any
		v, i = d.value(skipColon(d.text, end))
		if d.budget < 0 {
			break
		}
		before := len(m)
		m[key] = v
		if n := len(m); n > before { // and not one that came twice
			d.budget -= memberRoom(n) + len(key)
		}
		i = skipComma(d.text, i)
	}
	return m, i + 1
}

// marksFrom returns the placeholders that begin at or after start.
func (r *received) marksFrom(start int) []placeholder {
	if len(r.attached().marks) == 0 {
		return nil
	}
	n := sort.Search(len(r.attached().marks), func(i int) bool { return int(r.attached().marks[i].start) >= start })
	return r.attached().marks[n:]
}

// marksIn returns the placeholders within argument i.
func (r *received) marksIn(i int) []placeholder {
	if len(r.attached().marks) == 0 {
		return nil
	}
	marks := r.marksFrom(int(r.spans[i].start))
	end := r.spans[i].end
	n := sort.Search(len(marks), func(i int) bool { return marks[i].start >= end })
	return marks[:n]
}
