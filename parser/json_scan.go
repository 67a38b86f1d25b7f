package parser

import (
	"encoding/binary"
	"math/bits"
)

// What a SyntaxError may say about JSON text.
const (
	msgCut     = "unexpected end of JSON"
	msgChar    = "invalid character in JSON"
	msgControl = "control character in JSON string"
	msgEscape  = "invalid escape in JSON string"
	msgNumber  = "invalid JSON number"
	msgDepth   = "JSON nested too deeply"
)

// The scan functions below take text and an index and return the index after what they read. If text is not what they
// look for they return the index of the fault and a message; "" means all is well. None of them recurses, and each
// looks at a byte once. Those that take far set it if they meet a number with an exponent that is far, see farExponent.

// skipSpace returns the index of the first byte from i on that is not JSON white space.
func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	return i
}

// scanValue reads any JSON value that begins at i; depth is how many arrays and objects are open
// around it.
func scanValue(text []byte, i, depth, maxDepth int, far *bool) (int, string) {
	if i >= len(text) {
		return i, msgCut
	}
	switch text[i] {
	case '"':
		return scanString(text, i+1)
	case '{', '[':
		return scanNested(text, i, depth, maxDepth, far)
	default:
		return scanLiteral(text, i, far)
	}
}

// scanLiteral reads a number, true, false or null.
func scanLiteral(text []byte, i int, far *bool) (int, string) {
	switch text[i] {
	case 't':
		return scanWord(text, i, "true")
	case 'f':
		return scanWord(text, i, "false")
	case 'n':
		return scanWord(text, i, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return scanNumber(text, i, far)
	}
	return i, msgChar
}

func scanWord(text []byte, i int, word string) (int, string) {
	if len(text)-i < len(word) || string(text[i:i+len(word)]) != word {
		return i, msgChar
	}
	return i + len(word), ""
}

// scanNumber reads a number (RFC 8259 6).
func scanNumber(text []byte, i int, far *bool) (int, string) {
	if text[i] == '-' {
		i++
	}
	switch {
	case i < len(text) && text[i] == '0':
		i++
	default:
		end := skipDigits(text, i)
		if end == i {
			return i, msgNumber
		}
		i = end
	}
	if i < len(text) && text[i] == '.' {
		end := skipDigits(text, i+1)
		if end == i+1 {
			return end, msgNumber
		}
		i = end
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		end := skipDigits(text, i)
		if end == i {
			return end, msgNumber
		}
		if end-i > 1 && isFar(text[i:end]) {
			*far = true
		}
		i = end
	}
	return i, ""
}

func skipDigits(text []byte, i int) int {
	for i < len(text) && text[i]-'0' <= 9 {
		i++
	}
	return i
}

// Words of eight equal bytes, for looking at eight bytes of a string at a time.
const (
	ones   = 0x0101010101010101
	highs  = 0x80 * ones
	quotes = '"' * ones
	slants = '\\' * ones
	spaces = ' ' * ones
)

// plainPrefix returns the index of the first quote, backslash or control character from i on, or
// len(text).
func plainPrefix(text []byte, i int) int {
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		q, s := w^quotes, w^slants
		// A byte's high bit is set if it was zero (q, s) or below a blank (w). A borrow may set more bits
		// above the lowest one set, never below it.
		found := ((q-ones)&^q | (s-ones)&^s | (w-spaces)&^w) & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return i
}

// scanString reads the rest of a string whose opening quote stands before i.
func scanString(text []byte, i int) (int, string) {
	for {
		i = plainPrefix(text, i)
		if i >= len(text) {
			return i, msgCut
		}
		switch text[i] {
		case '"':
			return i + 1, ""
		case '\\':
			end, msg := scanEscape(text, i+1)
			if msg != "" {
				return end, msg
			}
			i = end
		default:
			return i, msgControl
		}
	}
}

// scanEscape reads what follows a backslash.
func scanEscape(text []byte, i int) (int, string) {
	if i >= len(text) {
		return i, msgCut
	}
	switch text[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, ""
	case 'u':
		for n := 1; n <= 4; n++ {
			if i+n >= len(text) {
				return i + n, msgCut
			}
			if hexDigit(text[i+n]) < 0 {
				return i + n, msgEscape
			}
		}
		return i + 5, ""
	}
	return i, msgEscape
}

func hexDigit(c byte) rune {
	switch {
	case c-'0' <= 9:
		return rune(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}

// An openStack remembers for each open array or object which of the two it is: one bit each, so that
// input chooses how long it gets but not how much memory that takes.
type openStack struct {
	inline [16]uint64
	more   []uint64 // beyond depth 1024
	n      int
}

func (s *openStack) word(i int) *uint64 {
	if i < len(s.inline) {
		return &s.inline[i]
	}
	return &s.more[i-len(s.inline)]
}

func (s *openStack) push(object bool) {
	i, bit := s.n>>6, uint64(1)<<(s.n&63)
	if i == len(s.inline)+len(s.more) {
		s.more = append(s.more, 0)
	}
	if w := s.word(i); object {
		*w |= bit
	} else {
		*w &^= bit
	}
	s.n++
}

// inObject tells whether the innermost one is an object; there must be one.
func (s *openStack) inObject() bool {
	return *s.word((s.n - 1) >> 6)&(1<<((s.n-1)&63)) != 0
}

// scanNested reads an array or object.
func scanNested(text []byte, i, depth, maxDepth int, far *bool) (int, string) {
	var open openStack
	var msg string
	for {
		// A value begins at i.
		if i >= len(text) {
			return i, msgCut
		}
		switch text[i] {
		case '{', '[':
			object := text[i] == '{'
			if depth+open.n >= maxDepth {
				return i, msgDepth
			}
			open.push(object)
			i = skipSpace(text, i+1)
			if i < len(text) && text[i] == closer(object) {
				open.n--
				i++
				break
			}
			if object {
				if i, msg = scanKey(text, i); msg != "" {
					return i, msg
				}
			}
			continue
		case '"':
			i, msg = scanString(text, i+1)
		default:
			i, msg = scanLiteral(text, i, far)
		}
		if msg != "" {
			return i, msg
		}
		if i, msg = scanClosers(text, i, &open); msg != "" || open.n == 0 {
			return i, msg
		}
	}
}

func closer(object bool) byte {
	if object {
		return '}'
	}
	return ']'
}

// scanClosers reads what may follow a value: the ends of arrays and objects, and then, unless the last
// one was closed, a comma and the key of the next value.
func scanClosers(text []byte, i int, open *openStack) (int, string) {
	for open.n > 0 {
		i = skipSpace(text, i)
		if i >= len(text) {
			return i, msgCut
		}
		object := open.inObject()
		switch text[i] {
		case ',':
			i = skipSpace(text, i+1)
			if object {
				return scanKey(text, i)
			}
			return i, ""
		case closer(object):
			open.n--
			i++
		default:
			return i, msgChar
		}
	}
	return i, ""
}

// scanKey reads the name of an object's member, the colon, and white space on both sides of that.
func scanKey(text []byte, i int) (int, string) {
	if i >= len(text) {
		return i, msgCut
	}
	if text[i] != '"' {
		return i, msgChar
	}
	i, msg := scanString(text, i+1)
	if msg != "" {
		return i, msg
	}
	i = skipSpace(text, i)
	if i >= len(text) {
		return i, msgCut
	}
	if text[i] != ':' {
		return i, msgChar
	}
	return skipSpace(text, i+1), ""
}
