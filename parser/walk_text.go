package parser

import (
	"bytes"
	"errors"
	"sync"
)

// errStop ends a walk that has seen enough.
var errStop = errors.New("seen enough")

// A textWalker walks validated text. It recurses as deep as the text is nested, which the scan has limited to at most
// hardMaxDepth.
type textWalker struct {
	text   []byte
	files  [][]byte
	marks  []placeholder // those from here on
	counts []int32       // of the arrays and objects in order of their beginnings, see count
	next   int           // of counts
	room   int           // how many arrays and objects more may be open
	visit  func(Token) error
	buf    []byte // of strings with escapes
}

// What is kept for the next walk at most, in elements.
const maxCounts = 1024

var textWalkers = sync.Pool{New: func() any { return new(textWalker) }}

func (r *received) walk(i, depth int, visit func(Token) error) error {
	s := r.spans[i]
	w := textWalkers.Get().(*textWalker)
	w.text, w.visit, w.next, w.room = r.text[:s.end], visit, 0, hardMaxDepth-depth
	if c := w.text[s.start]; c == '{' || c == '[' {
		w.files = r.attached().files
		w.marks = r.marksIn(i)
		w.count(int(s.start))
		w.marks = r.marksIn(i)
	}
	_, err := w.value(int(s.start))
	counts, buf := w.counts[:0], w.buf[:0]
	if cap(counts) > maxCounts || cap(buf) > maxScratch {
		counts, buf = nil, nil
	}
	*w = textWalker{counts: counts, buf: buf}
	textWalkers.Put(w)
	return err
}

// mark returns the attachment whose placeholder begins at i, and the index after that.
func (w *textWalker) mark(i int) (file []byte, end int, ok bool) {
	if len(w.marks) == 0 || int(w.marks[0].start) != i {
		return nil, 0, false
	}
	m := w.marks[0]
	w.marks = w.marks[1:]
	return w.files[m.num], int(m.end), true
}

// count notes how many elements or members the value at i has, and all within it, and returns the index after it: a
// second pass can then say so at the beginning of each.
func (w *textWalker) count(i int) int {
	open := w.text[i]
	if open != '{' && open != '[' {
		return skipScalar(w.text, i)
	}
	if open == '{' {
		if _, end, ok := w.mark(i); ok {
			return end
		}
	}
	at, n := len(w.counts), int32(0)
	w.counts = append(w.counts, 0)
	i = skipSpace(w.text, i+1)
	for ; w.text[i] != ']' && w.text[i] != '}'; n++ {
		if open == '{' {
			i = skipColon(w.text, skipString(w.text, i))
		}
		i = skipComma(w.text, w.count(i))
	}
	w.counts[at] = n
	return i + 1
}

// value shows the value at i and returns the index after it.
func (w *textWalker) value(i int) (int, error) {
	switch w.text[i] {
	case '{':
		if file, end, ok := w.mark(i); ok {
			return end, w.visit(bytesToken(file))
		}
		return w.container(i, KindObject)
	case '[':
		return w.container(i, KindArray)
	case '"':
		return w.string(i, KindString)
	case 't':
		return i + 4, w.visit(boolToken(true))
	case 'f':
		return i + 5, w.visit(boolToken(false))
	case 'n':
		return i + 4, w.visit(Token{Kind: KindNull})
	}
	end := skipScalar(w.text, i)
	return end, w.visit(literalToken(w.text[i:end:end]))
}

func (w *textWalker) container(i int, kind Kind) (int, error) {
	if w.room == 0 {
		return i, errDepth
	}
	w.room--
	n := int(w.counts[w.next])
	w.next++
	err := w.visit(Token{Kind: kind, n: n})
	i = skipSpace(w.text, i+1)
	for range n {
		if err == nil && kind == KindObject {
			if i, err = w.string(i, KindKey); err == nil {
				i = skipColon(w.text, i)
			}
		}
		if err == nil {
			i, err = w.value(i)
		}
		if err != nil {
			return i, err
		}
		i = skipComma(w.text, i)
	}
	if err == nil {
		err = w.visit(endToken)
	}
	w.room++
	return i + 1, err
}

// string shows the string at i.
func (w *textWalker) string(i int, kind Kind) (int, error) {
	end := skipString(w.text, i)
	inner := w.text[i+1 : end-1 : end-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		w.buf = appendUnquoted(w.buf[:0], inner)
		inner = w.buf
	}
	return end, w.visit(Token{Kind: kind, data: inner})
}
