package parser

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	jsonv1 "encoding/json"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	legacy "github.com/go-json-experiment/json/v1"

	"sio.example/socketio/internal/errtext"
)

// Errors of Encode that are ours; others come from the JSON library.
var (
	errType = errors.New("packet of unknown type")
	errID   = errors.New("acknowledgement id where there can be none, or none where there must be one, " +
		"or above 2^53-1")
	errReserved    = errors.New("event name is reserved")
	errNamespace   = errors.New("namespace must begin with a slash, hold no comma, be UTF-8 and not too long")
	errPayload     = errors.New("payload must be one object, or absent")
	errAttachments = errors.New("too many attachments")
	errArguments   = errors.New("too many arguments")
	errDepth       = errors.New("value nested too deeply, or cyclic")
	errNumber      = errors.New("json.Number that is no number")
	errImpostor    = errors.New("a value beside attachments looks like the placeholder of one")
)

// encodeOptions make the JSON library do what encoding/json does, but for what costs something and no peer needs: the
// order of keys, and escapes for text within HTML.
var encodeOptions = json.JoinOptions(
	legacy.DefaultOptionsV1(),
	json.Deterministic(false),
	jsontext.EscapeForHTML(false),
	jsontext.EscapeForJS(false),
)

// An encoder writes one packet into a scratch buffer. It is an io.Writer for the JSON library.
type encoder struct {
	buf      []byte
	files    [][]byte
	marks    int // placeholders written
	limits   *JSONOptions
	noBinary bool // bytes become base64
	borrow   bool // attachments are not copied
	resent   []resent

	// What the JSON library writes with, made when first needed, and anew after an error: one for types that
	// hold no bytes, and one that calls back for each []byte.
	plain, binary *jsontext.Encoder
	current       *jsontext.Encoder // one of them, or that of the second pass
	foreign       bool              // what current writes may hold types that encode themselves

	binaryOptions    json.Options
	nonFiniteOptions json.Options // call back for each NaN and infinity, too
	fault            error        // of a call back
}

// What is kept for the next packet at most: of the scratch buffer, in bytes, and of the list of attachments.
const (
	maxScratch = 64 << 10
	maxFiles   = 16
)

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	bytes := json.JoinMarshalers(json.MarshalToFunc(e.marshalBytes), json.MarshalToFunc(marshalNumber))
	e.binaryOptions = json.JoinOptions(encodeOptions, json.WithMarshalers(bytes))
	e.nonFiniteOptions = json.JoinOptions(encodeOptions, json.WithMarshalers(
		json.JoinMarshalers(bytes, json.MarshalToFunc(marshalNonFinite))))
	return e
}}

// newEncoder takes one from the pool; free returns it. One that user code panicked through is not
// returned.
func (p *jsonParser) newEncoder() *encoder {
	e := encoders.Get().(*encoder)
	e.limits = &p.limits
	return e
}

func (e *encoder) free() {
	buf := e.buf[:0]
	if cap(buf) > maxScratch {
		buf, e.plain, e.binary = nil, nil, nil
	}
	clear(e.files[:cap(e.files)])
	files := e.files[:0]
	if cap(files) > maxFiles {
		files = nil
	}
	e.buf, e.files, e.marks, e.limits, e.noBinary, e.borrow, e.fault = buf, files, 0, nil, false, false, nil
	clear(e.resent)
	if e.resent = e.resent[:0]; cap(e.resent) > maxFiles {
		e.resent = nil
	}
	encoders.Put(e)
}

// Write appends what the JSON library wrote.
func (e *encoder) Write(text []byte) (int, error) {
	e.buf = append(e.buf, text...)
	return len(text), nil
}

// Encode appends the frames of p to dst. Values that JSON cannot hold, and a panic in a value's own
// MarshalJSON, yield an error, and dst as it was.
func (p *jsonParser) Encode(dst []Frame, packet *Packet) (frames []Frame, err error) {
	_, frames, err = p.appendEncode(nil, dst, packet, false)
	return frames, err
}

// AppendEncode makes the JSON parser an Appender.
func (p *jsonParser) AppendEncode(buf []byte, dst []Frame, packet *Packet) (text []byte, frames []Frame, err error) {
	return p.appendEncode(buf, dst, packet, true)
}

func (p *jsonParser) appendEncode(buf []byte, dst []Frame, packet *Packet, borrow bool) (text []byte, frames []Frame,
	err error) {
	defer func() {
		if r := recover(); r != nil {
			text, frames, err = buf, dst, errtext.Errorf("parser: encode: panic: %v", r)
		}
	}()
	e := p.newEncoder()
	e.borrow = borrow
	text, err = e.encode(buf, packet)
	if err != nil {
		e.free()
		return buf, dst, errtext.Errorf("parser: encode: %w", err)
	}
	frames = append(dst, Frame{Data: text[len(buf):len(text):len(text)]})
	for _, file := range e.files {
		frames = append(frames, Frame{Binary: true, Data: file})
	}
	e.free()
	return text, frames, nil
}

// receive encodes values and makes received arguments of them, as if they had come over the wire.
func (p *jsonParser) receive(values []any) (rec *received, err error) {
	defer func() {
		if r := recover(); r != nil {
			rec, err = nil, errtext.Errorf("parser: encode: panic: %v", r)
		}
	}()
	// What never leaves the process is not bound by the limits of the wire.
	limits := JSONOptions{MaxAttachments: len(values) + 1<<20, MaxDepth: hardMaxDepth, MaxArguments: len(values),
		decoded: math.MaxUint32}
	e := p.newEncoder()
	e.limits = &limits
	rec = &received{}
	err = e.values(values)
	if err == nil {
		err = e.verify()
	}
	if err == nil {
		rec.text = bytes.Clone(e.buf)
		files := e.files
		e.files = nil // they are not ours any more
		rec.spans = rec.inline[:0]
		d := jsonDecoder{limits: &limits}
		rec.packet.Type, rec.packet.decoded = Ack, limits.decoded
		if _, msg := d.array(rec, 1); msg != "" {
			err = errors.New(msg)
		} else if len(files) > 0 {
			marks, _, _ := findPlaceholders(nil, rec.text, rec.spans, len(files))
			rec.binary = &attachments{marks: marks, files: files}
		}
	}
	e.free()
	if err != nil {
		return nil, errtext.Errorf("parser: encode: %w", err)
	}
	return rec, nil
}

// encode appends the text frame of a packet; its attachments are in e.files.
func (e *encoder) encode(dst []byte, p *Packet) ([]byte, error) {
	if err := e.check(p); err != nil {
		return nil, err
	}
	var err error
	switch p.Type {
	case Event, Ack:
		err = e.array(p)
	default:
		err = e.payload(p)
	}
	if err == nil {
		err = e.verify()
	}
	if err != nil {
		return nil, err
	}
	if dst == nil { // exactly as much as is needed
		var room [64]byte
		header := e.appendHeader(room[:0], p)
		dst = append(make([]byte, 0, len(header)+len(e.buf)), header...)
	} else {
		dst = e.appendHeader(dst, p)
	}
	return append(dst, e.buf...), nil
}

// check judges all of a packet but its arguments.
func (e *encoder) check(p *Packet) error {
	if p.Type > ConnectError {
		return errType
	}
	if p.HasID != (p.Type == Ack) && p.Type != Event || p.ID > maxID {
		return errID
	}
	if p.Type == Event && IsReserved(p.Name) {
		return fmt.Errorf("%w: %q", errReserved, p.Name)
	}
	if n := p.Namespace; n != "" && n != "/" && (n[0] != '/' || len(n) > e.limits.MaxNamespace ||
		strings.IndexByte(n, ',') >= 0 || !utf8.ValidString(n)) {
		return errNamespace
	}
	return nil
}

// appendHeader appends all that stands before the JSON text.
func (e *encoder) appendHeader(dst []byte, p *Packet) []byte {
	wire := byte(p.Type)
	if len(e.files) > 0 {
		wire += binaryEvent - byte(Event)
	}
	dst = append(dst, '0'+wire)
	if len(e.files) > 0 {
		dst = append(strconv.AppendInt(dst, int64(len(e.files)), 10), '-')
	}
	if p.Namespace != "" && p.Namespace != "/" {
		dst = append(append(dst, p.Namespace...), ',')
	}
	if p.HasID {
		dst = strconv.AppendUint(dst, p.ID, 10)
	}
	return dst
}

// array writes the JSON text of an Event or Ack.
func (e *encoder) array(p *Packet) error {
	e.buf = append(e.buf, '[')
	if p.Type == Event {
		e.string(p.Name)
	}
	n := p.Args.Len()
	if n > e.limits.MaxArguments {
		return errArguments
	}
	for i := range n {
		if i > 0 || p.Type == Event {
			e.buf = append(e.buf, ',')
		}
		if err := e.argument(p.Args, i, 1); err != nil {
			return fmt.Errorf("argument %d: %w", i, err)
		}
	}
	e.buf = append(e.buf, ']')
	return nil
}

// values writes an array of values.
func (e *encoder) values(values []any) error {
	return e.array(&Packet{Type: Ack, Args: Args{values: values}})
}

// payload writes the JSON text of a Connect or ConnectError, which has no attachments: bytes in it
// become base64. An empty one is left out, as null is.
func (e *encoder) payload(p *Packet) error {
	n := p.Args.Len()
	if n > 1 || n > 0 && p.Type == Disconnect {
		return errPayload
	}
	if n == 0 {
		return nil
	}
	e.noBinary = true
	if err := e.argument(p.Args, 0, 0); err != nil {
		return err
	}
	switch {
	case string(e.buf) == "null":
		e.buf = e.buf[:0]
	case e.buf[0] == '{', e.buf[0] == '"' && p.Type == ConnectError:
	default:
		return errPayload
	}
	return nil
}

// nested writes arguments that stand within a value, as an array.
func (e *encoder) nested(a Args, depth int) error {
	e.buf = append(e.buf, '[')
	for i := range a.Len() {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		if err := e.argument(a, i, depth); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, ']')
	return nil
}

func (e *encoder) argument(a Args, i, depth int) error {
	if a.src != nil {
		return a.src.appendJSON(e, i, depth)
	}
	return e.any(a.values[i], depth)
}

// library has the JSON library write a value.
func (e *encoder) library(v any) error {
	start, files, marks := len(e.buf), len(e.files), e.marks
	enc, options := &e.plain, encodeOptions
	if !e.noBinary {
		if plan := planOf(reflect.TypeOf(v)); plan.sendsBytes {
			enc, options, e.foreign = &e.binary, e.binaryOptions, plan.foreign
		}
	}
	if *enc == nil {
		*enc = jsontext.NewEncoder(e, options)
	}
	err := e.libraryWith(*enc, v)
	if err == nil {
		return nil
	}
	*enc = nil
	if e.fault != nil {
		return e.fault // the library says more about where than about what
	}
	var unsupported *legacy.UnsupportedValueError
	if !errors.As(err, &unsupported) || !nonFinite[unsupported.Str] {
		return err
	}
	// There is no option to have NaN become null; it is so rare that it may cost a second pass.
	e.buf, e.files, e.marks = e.buf[:start], e.files[:files], marks
	return e.libraryWith(jsontext.NewEncoder(e, e.nonFiniteOptions), v)
}

func (e *encoder) libraryWith(enc *jsontext.Encoder, v any) error {
	e.current = enc
	err := json.MarshalEncode(enc, v)
	e.current = nil
	if err == nil {
		e.buf = e.buf[:len(e.buf)-1] // without the line break
	}
	return err
}

// nonFinite are the values that JSON has no number for, as the library names them.
var nonFinite = map[string]bool{"NaN": true, "+Inf": true, "-Inf": true}

func isFloat(k reflect.Kind) bool { return k == reflect.Float32 || k == reflect.Float64 }

// marshalNonFinite writes null for a NaN or an infinity, as JSON.stringify does. v is a pointer to
// any value there is.
func marshalNonFinite(enc *jsontext.Encoder, v any) error {
	p := reflect.ValueOf(v)
	if p.Kind() != reflect.Pointer || !isFloat(p.Elem().Kind()) {
		return errors.ErrUnsupported
	}
	if f := p.Elem().Float(); f-f == 0 {
		return errors.ErrUnsupported
	}
	return enc.WriteToken(jsontext.Null)
}

// marshalNumber writes a json.Number, which the library takes for a string, or knows itself since Go 1.27.
func marshalNumber(enc *jsontext.Encoder, n jsonv1.Number) error {
	if isName(enc.StackIndex(enc.StackDepth())) {
		return errors.ErrUnsupported
	}
	text := cmp.Or(string(n), "0") // as encoding/json has it
	if !isNumber(text) {
		return fmt.Errorf("%w: %q", errNumber, n)
	}
	if quoted, _ := json.GetOption(enc.Options(), json.StringifyNumbers); quoted {
		text = `"` + text + `"`
	}
	return enc.WriteValue(jsontext.Value(text))
}

// marshalBytes writes a placeholder.
func (e *encoder) marshalBytes(enc *jsontext.Encoder, data []byte) error {
	// A type that encodes itself may hand the options it was given, and so this function, to an encoder
	// of its own: nobody knows what becomes of that one's text.
	if e.noBinary || data == nil || enc != e.current {
		return errors.ErrUnsupported
	}
	if !e.borrow || e.foreign { // a type's own MarshalJSONTo may use the memory again
		data = bytes.Clone(data)
	}
	num, err := e.attach(data)
	if err != nil {
		e.fault = err
		return err
	}
	var room [len(placeholderHead) + 24]byte
	return enc.WriteValue(appendPlaceholder(room[:0], num))
}

// own is what to attach for bytes that the user has too, and may go on to change.
func (e *encoder) own(data []byte) []byte {
	if e.borrow {
		return data
	}
	return bytes.Clone(data)
}

// attach adds an attachment, which nobody may change from then on, and returns its number.
func (e *encoder) attach(data []byte) (num int, err error) {
	if len(e.files) >= e.limits.MaxAttachments {
		return 0, errAttachments
	}
	e.files = append(e.files, data)
	e.marks++
	return len(e.files) - 1, nil
}

// raw writes a received argument as it came. Its attachments get new numbers.
func (e *encoder) raw(rec *received, i int) error {
	s := rec.spans[i]
	at := s.start
	for _, m := range rec.marksIn(i) {
		e.buf = append(e.buf, rec.text[at:m.start]...)
		at = m.end
		num, err := e.reattach(rec.attached().files[m.num])
		if err != nil {
			return err
		}
		e.buf = appendPlaceholder(e.buf, num)
	}
	e.buf = append(e.buf, rec.text[at:s.end]...)
	return nil
}

// reattach adds a received attachment, once even if several placeholders stand for it.
func (e *encoder) reattach(data []byte) (num int, err error) {
	if e.noBinary {
		return 0, errPayload
	}
	if len(data) == 0 {
		return e.attach(data)
	}
	for _, r := range e.resent {
		if r.first == &data[0] && r.size == len(data) {
			e.marks++
			return r.num, nil
		}
	}
	if num, err = e.attach(e.own(data)); err == nil {
		e.resent = append(e.resent, resent{&data[0], len(data), num})
	}
	return num, err
}

// A resent attachment is a received one, which lies at first, that is attached as num.
type resent struct {
	first     *byte
	size, num int
}

// verify judges the text as a whole.
func (e *encoder) verify() error {
	// No peer of ours would take what is nested deeper than this; counting brackets tells quickly that
	// it cannot be.
	deepest := e.limits.MaxDepth
	if bytes.Count(e.buf, []byte("["))+bytes.Count(e.buf, []byte("{")) > deepest {
		var far bool // which nobody asks for
		if _, msg := scanValue(e.buf, 0, 0, deepest, &far); msg != "" {
			return errDepth
		}
	}
	return e.verifyMarks()
}

// verifyMarks makes sure that nothing but attachments looks like one. A peer might have sent us, as an
// ordinary object in a packet without attachments, what becomes a placeholder when it is sent on beside
// some: with a wrong number it would have every receiver drop its connection.
func (e *encoder) verifyMarks() error {
	if len(e.files) == 0 {
		return nil
	}
	key := []byte(`"` + placeholderKey + `"`)
	if bytes.Count(e.buf, key) == e.marks && !bytes.Contains(e.buf, []byte(`\u`)) {
		return nil
	}
	w := placeholderWalk{text: e.buf, count: len(e.files)}
	w.value(0)
	if len(w.found) != e.marks {
		return errImpostor
	}
	var room [len(placeholderHead) + 24]byte
	for _, m := range w.found {
		if m.num == noAttachment || !bytes.Equal(e.buf[m.start:m.end], appendPlaceholder(room[:0], int(m.num))) {
			return errImpostor
		}
	}
	return nil
}
