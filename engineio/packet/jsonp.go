package packet

import (
	"bytes"
	"errors"
	"net/url"
	"unicode/utf8"
)

// AppendScript appends text, which is UTF-8, as the inside of a JavaScript string in double quotes: as JSON.stringify
// does, and without the line separators that JSON allows in a string and old JavaScript does not.
func AppendScript(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			if c == 0xe2 && i+2 < len(text) && text[i+1] == 0x80 && text[i+2]|1 == 0xa9 { // U+2028, U+2029
				dst = append(append(dst, text[start:i]...), '\\', 'u', '2', '0', '2', '8'+text[i+2]&1)
				i += 3
				start = i
				continue
			}
			i++
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(append(dst, text[start:i]...), '\\')
		switch c {
		case '"', '\\':
			dst = append(dst, c)
		case '\b':
			dst = append(dst, 'b')
		case '\t':
			dst = append(dst, 't')
		case '\n':
			dst = append(dst, 'n')
		case '\f':
			dst = append(dst, 'f')
		case '\r':
			dst = append(dst, 'r')
		default:
			dst = append(dst, 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(dst, text[start:]...)
}

// Errors of FormPayload.
var (
	errForm   = errors.New("packet: form without exactly one field d")
	errEscape = errors.New("packet: invalid escape in a form")
)

// FormPayload returns the payload that a JSONP client sends as the field d of a form
// (application/x-www-form-urlencoded). A line feed comes as "\n", as browsers would make something else of it, and "\n"
// with one backslash more. It is unescaped where it lies: body is overwritten.
func FormPayload(body []byte) ([]byte, error) {
	var field []byte
	found := false
	for rest, more := body, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, []byte("&"))
		key, value, _ := bytes.Cut(pair, []byte("="))
		if !isField(key) {
			continue
		}
		if found {
			return nil, errForm
		}
		field, found = value, true
	}
	if !found {
		return nil, errForm
	}
	text, err := unescapeForm(field)
	if err != nil {
		return nil, err
	}
	return unescapeLines(text), nil
}

// isField reports whether key is d, escaped or not.
func isField(key []byte) bool {
	if len(key) == 3 {
		name, err := url.QueryUnescape(string(key))
		return err == nil && name == "d"
	}
	return len(key) == 1 && key[0] == 'd'
}

// unescapeForm undoes the escapes of a form, in place.
func unescapeForm(text []byte) ([]byte, error) {
	n := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(text) || unhex(text[i+1]) > 15 || unhex(text[i+2]) > 15 {
				return nil, errEscape
			}
			c = unhex(text[i+1])<<4 | unhex(text[i+2])
			i += 2
		}
		text[n] = c
		n++
	}
	return text[:n], nil
}

// unhex is the value of a digit, or more than 15.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// unescapeLines makes line feeds of those "\n" that have no backslash before them, and takes one away from the others,
// in place.
func unescapeLines(text []byte) []byte {
	n, slashes := 0, 0
	for _, c := range text {
		switch {
		case c == '\\':
			slashes++
		case c == 'n' && slashes == 1:
			n--
			c, slashes = '\n', 0
		case c == 'n' && slashes > 1:
			n--
			slashes = 0
		default:
			slashes = 0
		}
		text[n] = c
		n++
	}
	return text[:n]
}
