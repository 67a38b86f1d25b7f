package parser

import (
	"encoding/json"
	"math"
	"reflect"
	"time"
)

// A TokenReader reads values in the format of a parser, for Encoded.
type TokenReader interface {
	// ReadToken returns the token that begins at data[at], and where the next one begins. A token of an array or object
	// says how many parts it has; they follow, and there is no KindEnd. The name of a member is a string, or a number,
	// which stands for its decimals.
	ReadToken(data []byte, at int) (t Token, next int)
}

// Encoded are received arguments that stay in the format of their parser until somebody asks for them: what Decoded
// does with values, this does with the bytes that a message came in, and without decoding any that nobody wants. A
// parser makes one for a packet, beside it, and does not touch it any more.
//
// The parser's Decoder has read all tokens before, and refused what is malformed: from here on ReadToken cannot fail.
// It has limited the depth of arrays and objects to 10,000 at most, and has counted that an array or object has no more
// parts than there are bytes left.
type Encoded struct {
	Reader TokenReader
	Data   []byte // nobody changes it any more
	Starts []int  // where in Data each argument begins

	// MaxDecoded limits the memory that binding one argument to interfaces may take, as JSONOptions.MaxDecoded does.
	// Default: 64 MiB, or 96 times the length of Data, if that is more.
	MaxDecoded int
}

// encodedFactor is for one byte of data: a binary format takes about half as many as JSON text.
const encodedFactor = 2 * decodedFactor

// Args returns the arguments, which are a view of e.
func (e *Encoded) Args() Args {
	if len(e.Starts) == 0 {
		return Args{}
	}
	return Args{src: (*encoded)(e)}
}

// encoded makes Encoded a source.
type encoded Encoded

func (e *encoded) count() int { return len(e.Starts) }

func (e *encoded) kind(i int) Kind {
	t, _ := e.Reader.ReadToken(e.Data, e.Starts[i])
	return t.Kind
}

func (e *encoded) raw(int) (text []byte, ok bool) { return nil, false }

func (e *encoded) budget() int {
	if e.MaxDecoded > 0 {
		return e.MaxDecoded
	}
	return max(defaultMaxDecoded, encodedFactor*min(len(e.Data), math.MaxInt/encodedFactor))
}

func (e *encoded) hasBinary(i int) bool {
	at := e.Starts[i]
	for left := 1; left > 0; left-- {
		var t Token
		if t, at = e.Reader.ReadToken(e.Data, at); t.Kind == KindBytes {
			return true
		}
		left += t.parts()
	}
	return false
}

// parts is how many values follow an array or object.
func (t *Token) parts() int {
	switch t.Kind {
	case KindArray:
		return t.n
	case KindObject:
		return 2 * t.n
	}
	return 0
}

func (e *encoded) walk(i, depth int, visit func(Token) error) error {
	w := encodedWalker{encodedCursor{e.Reader, e.Data, e.Starts[i]}, visit}
	return w.value(w.read(), depth)
}

func (e *encoded) appendJSON(enc *encoder, i, depth int) error {
	c := encodedCursor{e.Reader, e.Data, e.Starts[i]}
	return enc.any(c.value(c.read()), depth)
}

// An encodedCursor reads one token after the other.
type encodedCursor struct {
	reader TokenReader
	data   []byte
	at     int
}

func (c *encodedCursor) read() (t Token) {
	t, c.at = c.reader.ReadToken(c.data, c.at)
	return t
}

// key reads the name of a member.
func (c *encodedCursor) key() Token {
	t := c.read()
	if t.Kind == KindNumber {
		return Token{Kind: KindKey, data: t.appendNumber(nil)}
	}
	t.Kind = KindKey
	return t
}

// skip passes over the rest of the value that begins with t.
func (c *encodedCursor) skip(t Token) {
	for left := t.parts(); left > 0; left-- {
		t = c.read()
		left += t.parts()
	}
}

// value makes of the value that begins with t what a parser would hand to Decoded.
func (c *encodedCursor) value(t Token) any {
	switch t.Kind {
	case KindArray:
		list := make([]any, t.n)
		for i := range list {
			list[i] = c.value(c.read())
		}
		return list
	case KindObject:
		o := make(Object, t.n)
		for i := range o {
			name := c.key()
			o[i] = Member{name.Text(), c.value(c.read())}
		}
		return o
	case KindNumber:
		return t.number()
	}
	return t.scalar()
}

// number is a number as Decoded takes it.
func (t *Token) number() any {
	switch t.form {
	case literal:
		return json.Number(t.data)
	case signedInt:
		return int64(t.bits)
	case unsignedInt:
		return t.bits
	case float32Bits:
		return float32(t.Float64())
	}
	return t.Float64()
}

// scalar is the value of a token that is no array, object or number.
func (t *Token) scalar() any {
	switch t.Kind {
	case KindBool:
		return t.Bool()
	case KindString:
		return t.Text()
	case KindBytes:
		return t.data
	case KindTime:
		return t.Time()
	}
	return nil
}

// An encodedWalker shows tokens with their ends.
type encodedWalker struct {
	encodedCursor
	visit func(Token) error
}

// value shows the value that begins with t; depth is how many arrays and objects are open around it.
func (w *encodedWalker) value(t Token, depth int) error {
	if t.Kind != KindArray && t.Kind != KindObject {
		return w.visit(t)
	}
	if depth >= hardMaxDepth {
		return errDepth
	}
	if err := w.visit(t); err != nil {
		return err
	}
	for range t.n {
		if t.Kind == KindObject {
			if err := w.visit(w.key()); err != nil {
				return err
			}
		}
		if err := w.value(w.read(), depth+1); err != nil {
			return err
		}
	}
	return w.visit(endToken)
}

// decode decodes argument i into dst, a pointer to one destination.
func (e *encoded) decode(i int, dst any) error {
	b := encodedBinder{encodedCursor: encodedCursor{e.Reader, e.Data, e.Starts[i]}, budget: e.budget()}
	t := b.read()
	b.share(t)
	switch d := dst.(type) {
	case *string:
		if d != nil && t.Kind == KindString {
			*d = t.Text()
			return nil
		}
	case *[]byte:
		if d != nil && t.Kind == KindBytes {
			*d = t.data
			return nil
		}
	case *any:
		if d != nil && *d == nil {
			return b.any(d, t)
		}
	}
	p := reflect.ValueOf(dst)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return errDestination
	}
	return b.value(p.Elem(), shapeOf(p.Type().Elem()), t)
}

// The tokens of a TokenReader. KindNull is Token{Kind: KindNull}.

// BoolToken is a boolean.
func BoolToken(b bool) Token { return boolToken(b) }

// IntToken is an integer.
func IntToken(n int64) Token { return intToken(n) }

// UintToken is an integer.
func UintToken(n uint64) Token { return uintToken(n) }

// FloatToken is a number that came as a float64.
func FloatToken(f float64) Token { return floatToken(f, float64Bits) }

// Float32Token is a number that came as a float32.
func Float32Token(f float32) Token { return floatToken(float64(f), float32Bits) }

// StringToken is a string, of valid UTF-8 that nobody changes any more.
func StringToken(text []byte) Token { return Token{Kind: KindString, data: text} }

// BytesToken is bytes that nobody changes any more; nil are none, and not null.
func BytesToken(data []byte) Token { return bytesToken(data) }

// TimeToken is a time, of which the offset is kept, and not the name of its zone.
func TimeToken(at time.Time) Token { return timeToken(at) }

// ArrayToken is the beginning of an array of n elements.
func ArrayToken(n int) Token { return Token{Kind: KindArray, n: n} }

// ObjectToken is the beginning of an object of n members.
func ObjectToken(n int) Token { return Token{Kind: KindObject, n: n} }
