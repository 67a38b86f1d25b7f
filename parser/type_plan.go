package parser

import (
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
)

// inspect finds out takesFloat, floatStrings and odd. seen are the types around t.
func (p *typePlan) inspect(t reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] || hides(t, takes) {
		return
	}
	if seen == nil {
		seen = make(map[reflect.Type]bool)
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		p.takesFloat = true
	case reflect.Interface:
		p.takesFloat = true // may hold a pointer to one
	case reflect.Complex64, reflect.Complex128, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		p.odd = true // takes null only
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		p.inspect(t.Elem(), seen)
	case reflect.Struct:
		p.odd = p.odd || isOdd(t)
		names := make(map[string]bool)
		p.inspectFields(t, names, seen)
	}
}

// inspectFields inspects the fields of a struct; names are those of the fields so far.
func (p *typePlan) inspectFields(t reflect.Type, names map[string]bool, seen map[reflect.Type]bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if tag == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if under := indirect(f.Type); name == "" && f.Anonymous && under.Kind() == reflect.Struct {
			if !seen[under] {
				seen[under] = true
				p.inspectFields(under, names, seen)
			}
			continue
		}
		if name == "" {
			name = f.Name
		}
		name = strings.ToLower(strings.ToUpper(name))
		if names[name] {
			p.odd = true // two names that differ by case only are ambiguous to the library
		}
		names[name] = true
		if strings.Contains(options, "string") {
			p.inspectString(f.Type)
		}
		p.inspect(f.Type, seen)
	}
}

// inspectString inspects the type of a field whose value is a string in JSON, or ought to be: the library refuses that
// for most types, where encoding/json ignores it.
func (p *typePlan) inspectString(t reflect.Type) {
	switch indirect(t).Kind() {
	case reflect.Float32, reflect.Float64:
		p.floatStrings = true
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
	default:
		p.odd = true
	}
}

// indirect is what a pointer points to, or any other type itself.
func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// isOdd tells whether the library would refuse a struct type for its tags, names or embedded fields.
func isOdd(t reflect.Type) bool {
	return json.Unmarshal([]byte("{}"), reflect.New(t).Interface(), decodeOptions) != nil
}
