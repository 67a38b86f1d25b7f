package parser

import (
	"bytes"
	"strconv"
)

// A placeholder is where an attachment stands in a text: {"_placeholder":true,"num":0}, possibly with
// other members, which count for nothing (socket.io-protocol, "binary event").
type placeholder struct {
	start, end uint32
	num        uint32
}

const (
	placeholderKey  = "_placeholder"
	placeholderHead = `{"_placeholder":true,"num":`
)

// appendPlaceholder appends the official form.
func appendPlaceholder(dst []byte, num int) []byte {
	return append(strconv.AppendInt(append(dst, placeholderHead...), int64(num), 10), '}')
}

// mayHoldPlaceholder tells quickly whether text is worth a walk: the key may be written with escapes.
func mayHoldPlaceholder(text []byte) bool {
	return bytes.Contains(text, []byte(placeholderKey)) || bytes.Contains(text, []byte(`\u`))
}

// findPlaceholders appends the placeholders in validated JSON text to dst, by position. One whose number is
// not that of one of count attachments is an error.
func findPlaceholders(dst []placeholder, text []byte, spans []span, count int) (found []placeholder, at int,
	msg string) {
	if !mayHoldPlaceholder(text) {
		return nil, 0, ""
	}
	w := placeholderWalk{text: text, count: count, found: dst}
	for _, s := range spans {
		w.value(int(s.start))
	}
	for _, p := range w.found {
		if p.num == noAttachment {
			return nil, int(p.start), msgPlaceholder
		}
	}
	return w.found, 0, ""
}

// noAttachment is the number of a placeholder that has no valid one.
const noAttachment = 1<<32 - 1

type placeholderWalk struct {
	text  []byte
	count int
	found []placeholder
}

// value walks the value that begins at i and returns the index after it. It recurses as deep as text
// is nested, which the scan has limited to at most hardMaxDepth.
func (w *placeholderWalk) value(i int) int {
	switch w.text[i] {
	case '{':
		return w.object(i)
	case '[':
		i = skipSpace(w.text, i+1)
		for w.text[i] != ']' {
			i = skipComma(w.text, w.value(i))
		}
		return i + 1
	}
	return skipScalar(w.text, i)
}

func (w *placeholderWalk) object(start int) int {
	outer := len(w.found)
	marked, num := false, uint32(noAttachment)
	i := skipSpace(w.text, start+1)
	for w.text[i] != '}' {
		key := i
		i = skipScalar(w.text, i)
		isMark, isNum := isKey(w.text[key:i], placeholderKey), isKey(w.text[key:i], "num")
		i = skipColon(w.text, i)
		value := i
		i = w.value(i)
		switch { // of duplicates the last counts
		case isMark:
			marked = w.text[value] == 't'
		case isNum:
			num = w.attachment(w.text[value:i])
		}
		i = skipComma(w.text, i)
	}
	if marked {
		// What is within goes away with the object.
		w.found = append(w.found[:outer], placeholder{uint32(start), uint32(i + 1), num})
	}
	return i + 1
}

// attachment returns the attachment number that a member's value is: 1, or 1.0, but not "1".
func (w *placeholderWalk) attachment(value []byte) uint32 {
	if c := value[0]; c != '-' && c-'0' > 9 {
		return noAttachment
	}
	f := parseFloat(value)
	if !(f >= 0 && f < float64(w.count)) || f != float64(uint32(f)) {
		return noAttachment
	}
	return uint32(f)
}

// isKey tells whether quoted, a JSON string, stands for key.
func isKey(quoted []byte, key string) bool {
	inner := quoted[1 : len(quoted)-1]
	if string(inner) == key {
		return true
	}
	// Six bytes of escape make at most one character of a key, which is ASCII.
	return len(inner) > len(key) && len(inner) <= 6*len(key) &&
		bytes.IndexByte(inner, '\\') >= 0 && unquote(quoted) == key
}

// skipScalar returns the index after the string, number or word that begins at i in validated text.
func skipScalar(text []byte, i int) int {
	if text[i] == '"' {
		return skipString(text, i)
	}
	for i < len(text) {
		switch text[i] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return i
		}
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i in validated text.
func skipString(text []byte, i int) int {
	for i++; ; i += 2 { // over an escape
		i = plainPrefix(text, i)
		if text[i] == '"' {
			return i + 1
		}
	}
}

// skipColon and skipComma return the index of the next key or value, or of a closing bracket.
func skipColon(text []byte, i int) int {
	return skipSpace(text, skipSpace(text, i)+1)
}

func skipComma(text []byte, i int) int {
	if i = skipSpace(text, i); text[i] == ',' {
		return skipSpace(text, i+1)
	}
	return i
}
