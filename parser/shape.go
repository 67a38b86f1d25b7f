package parser

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// A shape is what must be known of a type to walk its values, and to decode Go values into them, without JSON text:
// what tags and embedding mean is that of encoding/json. It is immutable but for what is made on demand.
type shape struct {
	of   reflect.Type
	kind reflect.Kind

	// Whether a value is sent by way of JSON text, one that has an address is, and whether one is received so: its type
	// encodes or decodes itself, or is one that only the JSON library knows how to take.
	sendsText, sendsTextByAddress, takesText bool

	once   sync.Once
	elem   *shape       // of a pointer, slice, array or map
	key    *shape       // of a map
	fields []shapeField // of a struct, in order
	names  map[string]int
	folded map[string]int // by name in lower case; the first of several
	fixed  bool           // all fields are always sent
}

// A shapeField is a field of a struct, or of one that is embedded.
type shapeField struct {
	name      string
	index     []int
	shape     *shape
	omitEmpty bool
	omitZero  bool
	quoted    bool // its value is a string that holds JSON
	tagged    bool
}

var shapes sync.Map // map[reflect.Type]*shape

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{of: t, kind: t.Kind()}
	s.judge()
	actual, _ := shapes.LoadOrStore(t, s)
	return actual.(*shape)
}

// inner makes what is made on demand: a type may contain itself.
func (s *shape) inner() *shape {
	s.once.Do(func() {
		switch s.kind {
		case reflect.Map:
			s.key = shapeOf(s.of.Key())
			s.elem = shapeOf(s.of.Elem())
		case reflect.Pointer, reflect.Slice, reflect.Array:
			s.elem = shapeOf(s.of.Elem())
		case reflect.Struct:
			s.fields, _ = fieldsOf(s.of)
			s.index()
		}
	})
	return s
}

// judge finds out what goes by way of JSON text.
func (s *shape) judge() {
	t := s.of
	if t == numberType || t == bytesType {
		return
	}
	s.sendsText, s.takesText = hides(t, sends), hides(t, takes)
	s.sendsTextByAddress = t.Kind() != reflect.Interface && !s.sendsText && hides(reflect.PointerTo(t), sends)
	text := false
	switch t.Kind() {
	case reflect.Slice:
		text = t.Elem().Kind() == reflect.Uint8 // base64
	case reflect.Array:
		s.takesText = s.takesText || t.Elem().Kind() == reflect.Uint8
	case reflect.Map:
		text = !plainKey(t.Key())
	case reflect.Struct:
		_, plain := fieldsOf(t)
		text = !plain
	case reflect.Complex64, reflect.Complex128, reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Invalid:
		text = true // to be refused, or null
	}
	s.sendsText, s.takesText = s.sendsText || text, s.takesText || text || t == rawMessageType || t == rawValueType
}

// plainKey tells whether the keys of a map are strings or integers that make no text of their own.
func plainKey(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return !hides(t, sends) && !hides(t, takes) && !hides(reflect.PointerTo(t), sends)
	}
	return false
}

func (s *shape) index() {
	s.names, s.folded, s.fixed = make(map[string]int), make(map[string]int), true
	for i, f := range s.fields {
		s.names[f.name] = i
		if _, ok := s.folded[fold(f.name)]; !ok {
			s.folded[fold(f.name)] = i
		}
		if f.omitEmpty || f.omitZero || len(f.index) > 1 {
			s.fixed = false
		}
	}
}

// fold is what names that differ by case only have in common.
func fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// field returns the index of the field that a member goes to, or -1. exact tells whether it is called just so.
func (s *shape) field(name string) (i int, exact bool) {
	if i, ok := s.names[name]; ok {
		return i, true
	}
	if i, ok := s.folded[fold(name)]; ok {
		return i, false
	}
	return -1, false
}

// An embedding is a struct whose fields are looked for.
type embedding struct {
	t     reflect.Type
	index []int
	twice bool // it is embedded more than once on its level, so that its fields are ambiguous
}

// fieldsOf returns the fields of a struct, with those of embedded ones, by the rules of encoding/json: of several that
// have one name the least deep counts, of those one with a tag, and if that leaves several, none. plain is false if
// only the JSON library knows what to make of the type.
func fieldsOf(t reflect.Type) (fields []shapeField, plain bool) {
	plain = true
	visited := make(map[reflect.Type]bool)
	for level := []embedding{{t: t}}; len(level) > 0; {
		var next []embedding
		for _, e := range level {
			if visited[e.t] {
				continue
			}
			visited[e.t] = true
			for i := range e.t.NumField() {
				f, deeper, ok := fieldAt(e, i)
				switch {
				case !ok:
					plain = false
				case deeper != nil:
					next = embed(next, *deeper)
				case f != nil:
					fields = append(fields, *f)
					if e.twice {
						fields = append(fields, *f)
					}
				}
			}
		}
		level = next
	}
	return dominant(fields), plain
}

// embed adds an embedded struct to those of its level.
func embed(level []embedding, e embedding) []embedding {
	for i := range level {
		if level[i].t == e.t {
			level[i].twice = true
			return level
		}
	}
	return append(level, e)
}

// fieldAt is field i of a struct, or what it embeds, or neither; ok is false if that takes the JSON library.
func fieldAt(e embedding, i int) (f *shapeField, deeper *embedding, ok bool) {
	sf := e.t.Field(i)
	under := sf.Type
	if under.Name() == "" && under.Kind() == reflect.Pointer {
		under = under.Elem()
	}
	tag := sf.Tag.Get("json")
	switch {
	case tag == "-", !sf.IsExported() && !(sf.Anonymous && under.Kind() == reflect.Struct):
		return nil, nil, true
	case !sf.IsExported() && sf.Type.Kind() == reflect.Pointer:
		return nil, nil, false // nobody can set it
	}
	name, options, _ := strings.Cut(tag, ",")
	f = &shapeField{name: name, index: append(slices.Clone(e.index), i), tagged: name != ""}
	if !plainName(name) || tag == "-," || !f.option(options, sf.Type) {
		return nil, nil, false
	}
	if name == "" && sf.Anonymous && under.Kind() == reflect.Struct {
		return nil, &embedding{t: under, index: f.index, twice: e.twice}, options == ""
	}
	if name == "" {
		f.name = sf.Name
	}
	f.shape = shapeOf(sf.Type)
	return f, nil, true
}

// plainName tells whether all readings of tags agree about a name.
func plainName(name string) bool {
	return !strings.ContainsAny(name, "\"'`\\ ") && strings.ToValidUTF8(name, "") == name
}

// option notes the options of a tag. It reports false for one that only the JSON library knows.
func (f *shapeField) option(options string, t reflect.Type) bool {
	for options != "" {
		var o string
		o, options, _ = strings.Cut(options, ",")
		switch o {
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
		case "string":
			if t.Kind() == reflect.Pointer && t.Name() == "" {
				t = t.Elem()
			}
			if hides(t, sends) || hides(t, takes) || hides(reflect.PointerTo(t), sends) {
				return false
			}
			switch k := t.Kind(); {
			case k == reflect.Bool, k == reflect.String, k >= reflect.Int && k <= reflect.Float64:
				f.quoted = true
			default:
				return false
			}
		default:
			return false
		}
	}
	return true
}

// dominant leaves of the fields that have one name the one that counts.
func dominant(all []shapeField) []shapeField {
	var fields []shapeField
	for i, f := range all {
		best := true
		for j, g := range all {
			if i == j || f.name != g.name {
				continue
			}
			deeper := len(f.index) > len(g.index) || len(f.index) == len(g.index) && g.tagged && !f.tagged
			equal := len(f.index) == len(g.index) && f.tagged == g.tagged
			if deeper || equal {
				best = false
				break
			}
		}
		if best {
			fields = append(fields, f)
		}
	}
	slices.SortStableFunc(fields, func(a, b shapeField) int { return slices.Compare(a.index, b.index) })
	return fields
}

// isZeroer is what the option omitzero asks, if a type has it.
type isZeroer interface{ IsZero() bool }

// at returns the field of a struct, and whether a pointer led to it; ok is false if that is nil.
func (f *shapeField) at(v reflect.Value) (field reflect.Value, pointed, ok bool) {
	if len(f.index) == 1 {
		return v.Field(f.index[0]), false, true
	}
	for i, n := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, true, false
			}
			v, pointed = v.Elem(), true
		}
		v = v.Field(n)
	}
	return v, pointed, true
}

// omits tells whether a field is left out for what it holds.
func (f *shapeField) omits(v reflect.Value) bool {
	if f.omitEmpty {
		switch v.Kind() {
		case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
			if v.Len() == 0 {
				return true
			}
		case reflect.Struct:
		default:
			if v.IsZero() {
				return true
			}
		}
	}
	return f.omitZero && isZero(v)
}

// isZero is what the option omitzero means by zero.
func isZero(v reflect.Value) bool {
	switch {
	case v.IsZero() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface):
		return true
	case v.Type().Implements(zeroerType):
		return v.Interface().(isZeroer).IsZero()
	case reflect.PointerTo(v.Type()).Implements(zeroerType):
		p := reflect.New(v.Type())
		p.Elem().Set(v)
		return p.Interface().(isZeroer).IsZero()
	}
	return v.IsZero()
}

var (
	zeroerType = reflect.TypeFor[isZeroer]()
)
