package parser

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions below read text that a scan has validated.

// unquote returns what a JSON string stands for; quoted includes the quotes.
func unquote(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	return string(appendUnquoted(make([]byte, 0, len(inner)), inner))
}

// appendUnquoted resolves the escapes of the inside of a JSON string.
func appendUnquoted(dst, inner []byte) []byte {
	for {
		i := bytes.IndexByte(inner, '\\')
		if i < 0 {
			return append(dst, inner...)
		}
		dst = append(dst, inner[:i]...)
		c := inner[i+1]
		inner = inner[i+2:]
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hexRune(inner)
			inner = inner[4:]
			if utf16.IsSurrogate(r) {
				pair := utf8.RuneError
				if len(inner) >= 6 && inner[0] == '\\' && inner[1] == 'u' {
					pair = utf16.DecodeRune(r, hexRune(inner[2:]))
				}
				if r = pair; r != utf8.RuneError {
					inner = inner[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
		default: // the character itself
			dst = append(dst, c)
		}
	}
}

func hexRune(digits []byte) (r rune) {
	for _, c := range digits[:4] {
		r = r<<4 | hexDigit(c)
	}
	return r
}

// parseInt returns the value of a JSON number that is an integer without fraction and exponent.
func parseInt(number []byte) (n int64, ok bool) {
	n, err := strconv.ParseInt(string(number), 10, 64)
	return n, err == nil
}

// isNumber tells whether s is a JSON number.
func isNumber(s string) bool {
	if s == "" || s[0] != '-' && s[0]-'0' > 9 {
		return false
	}
	var far bool
	end, msg := scanNumber([]byte(s), 0, &far)
	return msg == "" && end == len(s)
}

// numberName is the text JavaScript makes of a number when it is used as the name of an event.
func numberName(number []byte) (name string, ok bool) {
	f := parseFloat(number)
	if math.IsInf(f, 0) {
		return "", false
	}
	if f == 0 {
		f = 0 // not minus zero
	}
	return string(appendFloat(nil, f, 64)), true
}

// appendFloat appends f as JavaScript writes it (ECMA-262 Number::toString); f is finite.
func appendFloat(dst []byte, f float64, bits int) []byte {
	abs := math.Abs(f)
	if abs != 0 && (bits == 64 && (abs < 1e-6 || abs >= 1e21) ||
		bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21)) {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'e', -1, bits)
		// Go writes at least two digits of exponent: 1e-07.
		if n := len(dst); n-start >= 4 && dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'f', -1, bits)
}
