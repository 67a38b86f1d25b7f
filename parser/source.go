package parser

import "math"

// A source is what received arguments are views of. It is immutable, and safe for concurrent use. There are two:
// received, which is JSON text, and decoded, which is values that a parser made itself; a view is some arguments of one
// of them.
type source interface {
	// count is how many arguments there are.
	count() int
	// kind is what argument i is.
	kind(i int) Kind
	// decode decodes argument i into dst, a pointer to one destination: neither a Tuple nor Args.
	decode(i int, dst any) error
	// walk shows argument i token by token; depth is how many arrays and objects are open around it.
	walk(i, depth int, visit func(Token) error) error
	// appendJSON writes argument i as JSON; depth is how many arrays and objects are open around it.
	appendJSON(e *encoder, i, depth int) error
	// hasBinary tells whether argument i holds bytes.
	hasBinary(i int) bool
	// raw is the JSON text of argument i, if it has one that says it all.
	raw(i int) (text []byte, ok bool)
}

// A view is n arguments of a source, from first on.
type view struct {
	source
	first, n int
}

func (p *view) count() int                  { return p.n }
func (p *view) kind(i int) Kind             { return p.source.kind(p.first + i) }
func (p *view) decode(i int, dst any) error { return p.source.decode(p.first+i, dst) }
func (p *view) walk(i, depth int, visit func(Token) error) error {
	return p.source.walk(p.first+i, depth, visit)
}
func (p *view) appendJSON(e *encoder, i, depth int) error {
	return p.source.appendJSON(e, p.first+i, depth)
}
func (p *view) hasBinary(i int) bool     { return p.source.hasBinary(p.first + i) }
func (p *view) raw(i int) ([]byte, bool) { return p.source.raw(p.first + i) }

// partOf is n arguments of a source, from first on.
func partOf(src source, first, n int) Args {
	if first == 0 && n == src.count() {
		return Args{src: src}
	}
	if p, ok := src.(*view); ok {
		src, first = p.source, p.first+first
	}
	return Args{src: &view{src, first, n}}
}

// What follows makes JSON text a source.

func (r *received) count() int { return len(r.spans) }

func (r *received) kind(i int) Kind {
	s := r.spans[i]
	switch r.text[s.start] {
	case '{':
		if marks := r.marksIn(i); len(marks) > 0 && marks[0].start == s.start {
			return KindBytes
		}
		return KindObject
	case '[':
		return KindArray
	case '"':
		return KindString
	case 't', 'f':
		return KindBool
	case 'n':
		return KindNull
	}
	return KindNumber
}

func (r *received) appendJSON(e *encoder, i, _ int) error { return e.raw(r, i) }

func (r *received) hasBinary(i int) bool { return len(r.marksIn(i)) > 0 }

func (r *received) raw(i int) (text []byte, ok bool) {
	if r.hasBinary(i) {
		return nil, false
	}
	return r.textOf(i), true
}

// textOf is the text of argument i, with the placeholders of attachments.
func (r *received) textOf(i int) []byte {
	s := r.spans[i]
	return r.text[s.start:s.end:s.end]
}

// noArguments is the source of none.
var noArguments = &received{}

// kilobytes is a limit in KiB as received has it, where 0 means the default.
func kilobytes(limit int) uint32 {
	return uint32(min(uint64(max(limit, 0))+1023, math.MaxUint32<<10) >> 10)
}
