package parser

import (
	"encoding"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	jsonv1 "encoding/json"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Tuple marks a struct whose fields are sent and received as several arguments, in the order of declaration:
//
//	type Move struct {
//		_    parser.Tuple
//		X, Y int
//	}
//
// Exported fields count, but for those tagged `json:"-"`. A field of type Args, which makes sense as the
// last, stands for any number of further arguments, and a field that is a Tuple for those of its own
// fields. A pointer field is nil if its argument is null or missing. A Tuple that contains itself is sent
// and received as one value.
type Tuple struct{}

// None is the type of no arguments at all.
type None struct{ _ Tuple }

// A typePlan is what must be known of a type to send and receive its values. It is immutable.
type typePlan struct {
	of     reflect.Type
	tuple  bool
	fields []int // of a tuple, by index

	// sendsBytes tells whether a value may hold a []byte that is to become an attachment, or a json.Number, and
	// takesAny whether one may hold one of them, or an interface to be filled. They are false for most
	// types, which then cost no more than the JSON library does.
	sendsBytes bool
	takesAny   bool

	// takesFloat tells whether a value may hold a float to be filled, floatStrings whether it may come as a string, and
	// odd whether the JSON library would refuse to decode into it what encoding/json decodes.
	takesFloat   bool
	floatStrings bool
	odd          bool

	// foreign tells whether a value may hold one whose MarshalJSONTo has the library write for it.
	foreign bool
}

var (
	tupleType = reflect.TypeFor[Tuple]()
	bytesType = reflect.TypeFor[[]byte]()

	rawMessageType = reflect.TypeFor[jsonv1.RawMessage]()
	rawValueType   = reflect.TypeFor[jsontext.Value]()
	numberType     = reflect.TypeFor[jsonv1.Number]()
)

var typePlans sync.Map // map[reflect.Type]*typePlan

// recentPlans saves most of what it costs to look into typePlans, which is done four times for an event and its answer.
// A type has one place, which it may share with others.
var recentPlans [256]atomic.Pointer[typePlan]

func planOf(t reflect.Type) *typePlan {
	recent := &recentPlans[reflect.ValueOf(t).Pointer()>>5%uintptr(len(recentPlans))] // t is a pointer
	if p := recent.Load(); p != nil && p.of == t {
		return p
	}
	p := makePlan(t)
	recent.Store(p)
	return p
}

func makePlan(t reflect.Type) *typePlan {
	if p, ok := typePlans.Load(t); ok {
		return p.(*typePlan)
	}
	p := &typePlan{
		of:         t,
		sendsBytes: reaches(t, sends, nil),
		takesAny:   reaches(t, takes, nil),
		foreign:    encodesItself(t, nil),
	}
	p.inspect(t, nil)
	if t.Kind() == reflect.Struct {
		p.tuple, p.fields = tupleFields(t)
		p.tuple = p.tuple && !nestsItself(t, nil)
	}
	actual, _ := typePlans.LoadOrStore(t, p)
	return actual.(*typePlan)
}

func tupleFields(t reflect.Type) (tuple bool, fields []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Name == "_" && f.Type == tupleType:
			tuple = true
		case f.IsExported() && f.Tag.Get("json") != "-":
			fields = append(fields, i)
		}
	}
	return tuple, fields
}

// nestsItself tells whether t is a Tuple that would spread for ever. around are the Tuples t is a field of.
func nestsItself(t reflect.Type, around []reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	tuple, fields := tupleFields(t)
	if !tuple {
		return false
	}
	if slices.Contains(around, t) {
		return true
	}
	around = append(around, t)
	for _, i := range fields {
		if nestsItself(t.Field(i).Type, around) {
			return true
		}
	}
	return false
}

// direction tells reaches what it is asked for.
type direction bool

const (
	sends direction = true
	takes direction = false
)

// reaches tells whether a value of type t can lead to a []byte or an interface. Types that encode or
// decode themselves hide what is in them. seen are the types around t: coming back to one adds nothing.
func reaches(t reflect.Type, d direction, seen map[reflect.Type]bool) bool {
	if t == bytesType || t == numberType || d == takes && (t == rawMessageType || t == rawValueType) {
		return true // raw JSON must be watched for placeholders
	}
	if seen[t] || hides(t, d) {
		return false
	}
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		if e := t.Elem(); e.Kind() == reflect.Uint8 {
			return false // [N]byte, or a slice type of its own
		}
	case reflect.Struct:
	default:
		return false
	}
	if seen == nil {
		seen = make(map[reflect.Type]bool)
	}
	seen[t] = true
	if t.Kind() != reflect.Struct {
		return reaches(t.Elem(), d, seen)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		ignored := !f.IsExported() && !f.Anonymous || f.Tag.Get("json") == "-"
		if !ignored && reaches(f.Type, d, seen) {
			return true
		}
	}
	return false
}

// encodesItself tells whether a value of type t can lead to one that has a MarshalJSONTo. seen are the types around t.
func encodesItself(t reflect.Type, seen map[reflect.Type]bool) bool {
	switch {
	case t.Kind() == reflect.Interface || reflect.PointerTo(t).Implements(marshalerTo):
		return true
	case seen[t]:
		return false
	}
	if seen == nil {
		seen = make(map[reflect.Type]bool)
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return encodesItself(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if encodesItself(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

var (
	marshalerTo = reflect.TypeFor[json.MarshalerTo]()

	senders = []reflect.Type{
		marshalerTo, reflect.TypeFor[json.Marshaler](),
		reflect.TypeFor[encoding.TextAppender](), reflect.TypeFor[encoding.TextMarshaler](),
	}
	takers = []reflect.Type{
		reflect.TypeFor[json.UnmarshalerFrom](), reflect.TypeFor[json.Unmarshaler](),
		reflect.TypeFor[encoding.TextUnmarshaler](),
	}
)

// hides tells whether a type encodes or decodes itself. Methods of a pointer count where values are received; of what
// is sent only some values have an address, and the methods of others are not called, as encoding/json has it.
func hides(t reflect.Type, d direction) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	methods := senders
	if d == takes {
		t, methods = reflect.PointerTo(t), takers
	}
	for _, m := range methods {
		if t.Implements(m) {
			return true
		}
	}
	return false
}
