package parser

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// A Kind is what a value, or a Token, is.
type Kind byte

// The kinds of values, and of the tokens that they are made of: an array is KindArray, its elements and KindEnd; an
// object is KindObject, for each member KindKey and its value, and KindEnd.
const (
	KindInvalid Kind = iota
	KindNull
	KindBool
	KindNumber
	KindString
	KindBytes
	KindTime // only of a time.Time: one that is sent, or one that a parser has received
	KindArray
	KindObject
	KindKey // only of tokens, as KindEnd
	KindEnd
)

var kindNames = [...]string{"invalid", "null", "bool", "number", "string", "bytes", "time", "array", "object", "key",
	"end"}

// String is the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown(" + strconv.Itoa(int(k)) + ")"
}

// A Token is a part of a value; see Args.Walk. What it holds is valid until the function that got it returns.
type Token struct {
	Kind Kind
	form numberForm
	zone int32  // of a time: seconds east of UTC
	n    int    // of an array or object: how many; of a time: nanoseconds
	bits uint64 // of a bool, a number or a time

	// A string or key has one of the two; bytes and literals of numbers are data.
	text string
	data []byte
}

// A numberForm is how the number of a token is kept.
type numberForm byte

const (
	literal   numberForm = iota // JSON text, in data
	signedInt                   // in bits
	unsignedInt
	float32Bits // those of a float64 that is a float32
	float64Bits
)

// Bool is the value of KindBool.
func (t Token) Bool() bool { return t.bits != 0 }

// Len is how many elements an array has, how many members an object has, or how many bytes a string, a key or bytes
// have.
func (t Token) Len() int {
	switch t.Kind {
	case KindArray, KindObject:
		return t.n
	case KindString, KindKey, KindBytes:
		return len(t.text) + len(t.data)
	}
	return 0
}

// Text is a string or key, valid UTF-8. It may allocate; Append does not.
func (t Token) Text() string {
	if t.data != nil {
		return string(t.data)
	}
	return t.text
}

// Bytes are those of KindBytes, never nil. They must not be written to, but may be kept.
func (t Token) Bytes() []byte { return t.data }

// Append appends a string, a key or bytes as they are; a number as JavaScript writes it, which is its literal if it was
// received as JSON text; or a time as time.Time does in JSON, without the quotes.
func (t Token) Append(dst []byte) []byte {
	switch t.Kind {
	case KindNumber:
		return t.appendNumber(dst)
	case KindTime:
		return t.Time().AppendFormat(dst, time.RFC3339Nano)
	}
	return append(append(dst, t.text...), t.data...)
}

func (t Token) appendNumber(dst []byte) []byte {
	switch t.form {
	case literal:
		return append(dst, t.data...)
	case signedInt:
		return strconv.AppendInt(dst, int64(t.bits), 10)
	case unsignedInt:
		return strconv.AppendUint(dst, t.bits, 10)
	}
	f := math.Float64frombits(t.bits)
	switch {
	case f != f:
		return append(dst, "NaN"...)
	case f-f != 0 && f > 0:
		return append(dst, "Infinity"...)
	case f-f != 0:
		return append(dst, "-Infinity"...)
	case t.form == float32Bits:
		return appendFloat(dst, f, 32)
	}
	return appendFloat(dst, f, 64)
}

// Int64 is the number, if it is an integer that an int64 holds. Minus zero is none.
func (t Token) Int64() (n int64, ok bool) {
	switch t.form {
	case signedInt:
		return int64(t.bits), true
	case unsignedInt:
		return int64(t.bits), t.bits <= math.MaxInt64
	case literal:
		if n, ok := parseInt(t.data); ok {
			return n, n != 0 || t.data[0] != '-'
		}
		if bytes.IndexByte(t.data, '.') < 0 && bytes.IndexByte(t.data, 'e') < 0 && bytes.IndexByte(t.data, 'E') < 0 {
			return 0, false
		}
	}
	return integral(t.Float64())
}

// integral is f as an integer, if it is one; what was a literal with a fraction or an exponent is only sure to be one
// as long as a float64 holds each.
func integral(f float64) (n int64, ok bool) {
	n = int64(f)
	if float64(n) != f || n > maxID || n < -maxID || n == 0 && math.Signbit(f) {
		return 0, false
	}
	return n, true
}

// Uint64 is the number, if it is an integer that a uint64 holds. Minus zero is none.
func (t Token) Uint64() (n uint64, ok bool) {
	switch t.form {
	case unsignedInt:
		return t.bits, true
	case literal:
		if n, err := strconv.ParseUint(string(t.data), 10, 64); err == nil {
			return n, true
		}
	}
	i, ok := t.Int64()
	return uint64(i), ok && i >= 0
}

// Float64 is the float64 that is nearest to the number: ±Inf if it is beyond the range of those.
func (t Token) Float64() float64 {
	switch t.form {
	case signedInt:
		return float64(int64(t.bits))
	case unsignedInt:
		return float64(t.bits)
	case literal:
		return parseFloat(t.data)
	}
	return math.Float64frombits(t.bits)
}

// Literal is the JSON text of a number that was received, or is sent, as such: all its digits, where Float64 rounds. ok
// is false for any other number.
func (t Token) Literal() (text []byte, ok bool) {
	return t.data, t.Kind == KindNumber && t.form == literal
}

// IsFloat32 reports whether the number comes from a float32, so that four bytes hold it exactly.
func (t Token) IsFloat32() bool { return t.Kind == KindNumber && t.form == float32Bits }

// Time is the value of KindTime: with its offset, but without the name of its zone.
func (t Token) Time() time.Time {
	at := time.Unix(int64(t.bits), int64(t.n)).UTC()
	if t.zone != 0 {
		at = at.In(time.FixedZone("", int(t.zone)))
	}
	return at
}

func timeToken(at time.Time) Token {
	_, zone := at.Zone()
	return Token{Kind: KindTime, bits: uint64(at.Unix()), n: at.Nanosecond(), zone: int32(zone)}
}

func boolToken(b bool) Token {
	if b {
		return Token{Kind: KindBool, bits: 1}
	}
	return Token{Kind: KindBool}
}

func intToken(n int64) Token {
	return Token{Kind: KindNumber, form: signedInt, bits: uint64(n)}
}

func uintToken(n uint64) Token {
	return Token{Kind: KindNumber, form: unsignedInt, bits: n}
}

func floatToken(f float64, form numberForm) Token {
	return Token{Kind: KindNumber, form: form, bits: math.Float64bits(f)}
}

func literalToken(text []byte) Token {
	return Token{Kind: KindNumber, form: literal, data: text}
}

func bytesToken(data []byte) Token {
	if data == nil {
		data = []byte{}
	}
	return Token{Kind: KindBytes, data: data}
}

var endToken = Token{Kind: KindEnd}
