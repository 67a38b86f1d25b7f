package parser

import (
	"fmt"
	"reflect"
	"unicode/utf8"
)

// Args are arguments: either received ones, still encoded, or Go values that are to be sent. They are immutable and
// safe for concurrent use. The zero value holds none.
type Args struct {
	// Received ones are those of rec from start to end; values is nil then. There are fewer than 2^31, as a text is
	// shorter than 2^32 bytes.
	rec        *received
	start, end int32

	// values never holds a Tuple or Args; a single received argument among Go values is a rawArg.
	values []any
}

// first and last bound the indexes of received arguments.
func (a Args) first() int { return int(a.start) }
func (a Args) last() int  { return int(a.end) }

// rawArg is a received argument among values.
type rawArg struct {
	rec *received
	i   int
}

// An ArgumentError tells that a received argument does not fit its destination.
type ArgumentError struct {
	Index int // of the argument, from 0
	Err   error
}

// Error is at most a few hundred bytes long; it may repeat some of the argument, with control characters
// escaped.
func (e *ArgumentError) Error() string {
	return fmt.Sprintf("parser: argument %d: %s", e.Index, shorten(e.Err.Error(), maxErrorText))
}

// Unwrap returns what was wrong.
func (e *ArgumentError) Unwrap() error { return e.Err }

// maxErrorText and maxLogText are the longest texts that Error and String let through, in bytes.
const (
	maxErrorText = 200
	maxLogText   = 256
)

// NewArgs returns arguments made of Go values. A Tuple, or another Args, stands for several. They are encoded when
// they are sent; neither the slice nor what the values refer to may be changed before.
func NewArgs(values ...any) Args {
	for i, v := range values {
		if many, ok := v.(Args); ok && len(values) == 1 {
			return many
		}
		if standsForSeveral(v) {
			return Args{values: spread(values, i)}
		}
	}
	return Args{values: values}
}

// standsForSeveral tells whether v is an Args, a Tuple or a pointer to one of them.
func standsForSeveral(v any) bool {
	switch v.(type) {
	case nil, string, bool, int, int64, uint64, float64, []byte, map[string]any, []any:
		return false
	case Args, *Args:
		return true
	}
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && planOf(t).tuple
}

// spread replaces what stands for several values; the first n do not.
func spread(values []any, n int) []any {
	flat := append(make([]any, 0, len(values)+3), values[:n]...)
	for _, v := range values[n:] {
		flat = appendSpread(flat, v)
	}
	return flat
}

func appendSpread(flat []any, v any) []any {
	switch v := v.(type) {
	case Args:
		return v.appendValues(flat)
	case *Args:
		if v == nil {
			return flat
		}
		return v.appendValues(flat)
	}
	if !standsForSeveral(v) {
		return append(flat, v)
	}
	s := reflect.ValueOf(v)
	if s.Kind() == reflect.Pointer {
		if s.IsNil() {
			s = reflect.New(s.Type().Elem())
		}
		s = s.Elem()
	}
	for _, i := range planOf(s.Type()).fields {
		flat = appendSpread(flat, s.Field(i).Interface())
	}
	return flat
}

func (a Args) appendValues(flat []any) []any {
	if a.rec == nil {
		return append(flat, a.values...)
	}
	for i := a.first(); i < a.last(); i++ {
		flat = append(flat, rawArg{a.rec, i})
	}
	return flat
}

// Len is the number of arguments.
func (a Args) Len() int {
	if a.rec == nil {
		return len(a.values)
	}
	return int(a.end - a.start)
}

// Slice returns the arguments from i to j. It panics if there are fewer, as slices do.
func (a Args) Slice(i, j int) Args {
	if i < 0 || i > j || j > a.Len() {
		panic(fmt.Sprintf("parser: Args.Slice(%d, %d) of %d arguments", i, j, a.Len()))
	}
	if a.rec == nil {
		return Args{values: a.values[i:j:j]}
	}
	return Args{rec: a.rec, start: a.start + int32(i), end: a.start + int32(j)}
}

// HasBinary reports whether there are attachments. For Go values it has to encode them to find out.
func (a Args) HasBinary() bool {
	r, err := a.received()
	if err != nil {
		return false
	}
	for i := r.first(); i < r.last(); i++ {
		if len(r.rec.marksIn(i)) > 0 {
			return true
		}
	}
	return false
}

// Values decodes the arguments as JavaScript would see them: nil, bool, float64, string, []byte, []any, map[string]any.
func (a Args) Values() ([]any, error) {
	r, err := a.received()
	if err != nil {
		return nil, err
	}
	values := make([]any, r.Len())
	for i := range values {
		if err := r.Decode(i, &values[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// String is the JSON text of the arguments, shortened, for logs.
func (a Args) String() string {
	r, err := a.received()
	if err != nil {
		return shorten("!("+err.Error()+")", maxLogText)
	}
	text := []byte{'['}
	for i := r.first(); i < r.last() && len(text) <= maxLogText; i++ {
		if i > r.first() {
			text = append(text, ',')
		}
		raw := r.rec.raw(i)
		text = append(text, raw[:min(len(raw), maxLogText)]...)
	}
	return shorten(string(append(text, ']')), maxLogText)
}

// Raw is the JSON text of argument i, which must not be written to. ok is false if there is no such
// argument, if it holds attachments, or if it is a Go value that cannot be encoded.
func (a Args) Raw(i int) (text []byte, ok bool) {
	if i < 0 || i >= a.Len() {
		return nil, false
	}
	r, err := a.Slice(i, i+1).received()
	if err != nil || len(r.rec.marksIn(r.first())) > 0 {
		return nil, false
	}
	return r.rec.raw(r.first()), true
}

// MarshalJSON returns the arguments as an array, for Args that stand within another value. There,
// attachments are an error; as arguments of their own they are sent on.
func (a Args) MarshalJSON() ([]byte, error) {
	r, err := a.received()
	if err != nil {
		return nil, err
	}
	text := []byte{'['}
	for i := r.first(); i < r.last(); i++ {
		if len(r.rec.marksIn(i)) > 0 {
			return nil, errRawBinary
		}
		if i > r.first() {
			text = append(text, ',')
		}
		text = append(text, r.rec.raw(i)...)
	}
	return append(text, ']'), nil
}

// shorten cuts s to at most limit bytes, between characters, and shows that it did.
func shorten(s string, limit int) string {
	const more = "…"
	if len(s) <= limit {
		return s
	}
	n := limit - len(more)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + more
}

// received returns the same arguments encoded, so that they can be decoded. The zero value and encoded
// ones come back as they are.
func (a Args) received() (Args, error) {
	if a.rec != nil || len(a.values) == 0 {
		return Args{rec: a.recOrEmpty(), start: a.start, end: a.end}, nil
	}
	rec, err := standard.receive(a.values)
	if err != nil {
		return Args{}, err
	}
	return Args{rec: rec, end: int32(len(rec.spans))}, nil
}

var noArguments = &received{}

func (a Args) recOrEmpty() *received {
	if a.rec == nil {
		return noArguments
	}
	return a.rec
}

// raw is the text of argument i.
func (r *received) raw(i int) []byte {
	s := r.spans[i]
	return r.text[s.start:s.end:s.end]
}
