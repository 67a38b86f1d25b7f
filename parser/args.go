package parser

import (
	"fmt"
	"reflect"
	"unicode/utf8"
)

// Args are arguments: either received ones, which are decoded when they are asked for, or Go values that are to be
// sent. They are immutable and safe for concurrent use. The zero value holds none.
type Args struct {
	src source // of received ones; nil for values

	// values never holds a Tuple or Args; a single received argument among Go values is a rawArg.
	values []any
}

// rawArg is a received argument among values.
type rawArg struct {
	src source
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
	if a.src == nil {
		return append(flat, a.values...)
	}
	for i := range a.src.count() {
		flat = append(flat, rawArg{a.src, i})
	}
	return flat
}

// Len is the number of arguments.
func (a Args) Len() int {
	if a.src == nil {
		return len(a.values)
	}
	return a.src.count()
}

// Slice returns the arguments from i to j. It panics if there are fewer, as slices do.
func (a Args) Slice(i, j int) Args {
	if i < 0 || i > j || j > a.Len() {
		panic(fmt.Sprintf("parser: Args.Slice(%d, %d) of %d arguments", i, j, a.Len()))
	}
	if a.src == nil {
		return Args{values: a.values[i:j:j]}
	}
	return partOf(a.src, i, j-i)
}

// Kind is what argument i is, or KindInvalid if there is no such argument, or if it is a Go value that cannot be sent.
func (a Args) Kind(i int) Kind {
	if i < 0 || i >= a.Len() {
		return KindInvalid
	}
	if a.src != nil {
		return a.src.kind(i)
	}
	kind := KindInvalid
	_ = walkValue(a.values[i], func(t Token) error { // an error after the first token is one of what is within
		kind = t.Kind
		return errStop
	})
	return kind
}

// HasBinary reports whether there are bytes. For Go values it has to encode them to find out.
func (a Args) HasBinary() bool {
	src, err := a.received()
	if err != nil {
		return false
	}
	for i := range src.count() {
		if src.hasBinary(i) {
			return true
		}
	}
	return false
}

// Values decodes the arguments as JavaScript would see them: nil, bool, float64, string, []byte, []any, map[string]any.
// A parser that has more than JSON may have made others: an int64, or a uint64, which is beyond what a float64 holds
// exactly; a NaN or an infinity; a time.Time.
func (a Args) Values() ([]any, error) {
	src, err := a.received()
	if err != nil {
		return nil, err
	}
	values := make([]any, src.count())
	for i := range values {
		if err := src.decode(i, &values[i]); err != nil {
			return nil, &ArgumentError{Index: i, Err: err}
		}
	}
	return values, nil
}

// String is the JSON text of the arguments, shortened, for logs.
func (a Args) String() string {
	src, err := a.received()
	if err != nil {
		return shorten("!("+err.Error()+")", maxLogText)
	}
	text := []byte{'['}
	for i := 0; i < src.count() && len(text) <= maxLogText; i++ {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendLog(text, src, i)
	}
	return shorten(string(append(text, ']')), maxLogText)
}

// appendLog appends about as much of the text of argument i as a log shows.
func appendLog(text []byte, src source, i int) []byte {
	if p, ok := src.(*view); ok {
		src, i = p.source, p.first+i
	}
	rec, ok := src.(*received)
	if !ok {
		var err error
		if rec, err = standard.receive([]any{rawArg{src, i}}); err != nil {
			return append(append(append(text, "!("...), err.Error()...), ')')
		}
		i = 0
	}
	raw := rec.textOf(i)
	return append(text, raw[:min(len(raw), maxLogText)]...)
}

// Raw is the JSON text of argument i, which must not be written to: as it came, or, of a Go value, as it would be sent.
// ok is false if there is no such argument, if it holds bytes, if it cannot be encoded, or if a parser of another
// format has read it: to have text made of such a one, bind a json.RawMessage.
func (a Args) Raw(i int) (text []byte, ok bool) {
	if i < 0 || i >= a.Len() {
		return nil, false
	}
	if a.src != nil {
		return a.src.raw(i)
	}
	return rawOf(a.values[i])
}

// rawOf is the JSON text of a value that is to be sent.
func rawOf(v any) (text []byte, ok bool) {
	rec, err := standard.receive([]any{v})
	if err != nil {
		return nil, false
	}
	return rec.raw(0)
}

// MarshalJSON returns the arguments as an array, for Args that stand within another value. There,
// bytes are an error; as arguments of their own they are sent on.
func (a Args) MarshalJSON() ([]byte, error) {
	src, err := a.received()
	if err != nil {
		return nil, err
	}
	text := []byte{'['}
	for i := range src.count() {
		raw, ok := src.raw(i)
		if !ok && !src.hasBinary(i) { // another parser has read it
			var rec *received
			if rec, err = standard.receive([]any{rawArg{src, i}}); err != nil {
				return nil, err
			}
			raw, ok = rec.raw(0)
		}
		if !ok {
			return nil, errRawBinary
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, raw...)
	}
	return append(text, ']'), nil
}

// Walk shows argument i to visit, token by token: as exact as it was received, or, of a Go value, as exact as it is. An
// error of visit ends the walk, and is returned. A Go value that cannot be sent is an error, too, as it is one to the
// JSON parser; visit may have seen some of it by then.
//
// It is what an encoder of another format, or of a cluster, is made of: what tags, embedded structs and methods of a
// type mean was settled before visit is called. It allocates nothing for a token, but for types that encode themselves,
// which make JSON text of their own, and for the keys of their maps.
func (a Args) Walk(i int, visit func(t Token) error) error {
	if i < 0 || i >= a.Len() {
		return &ArgumentError{Index: i, Err: fmt.Errorf("there are %d", a.Len())}
	}
	if a.src != nil {
		return a.src.walk(i, 0, visit)
	}
	return walkValue(a.values[i], visit)
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

// received returns the source of received arguments, and encodes others, so that they can be decoded.
func (a Args) received() (source, error) {
	if a.src != nil {
		return a.src, nil
	}
	if len(a.values) == 0 {
		return noArguments, nil
	}
	return standard.receive(a.values)
}
