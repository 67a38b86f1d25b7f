package parser

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	jsonv1 "encoding/json"

	"sio.example/socketio/internal/errtext"
)

// DecodedOptions are limits for arguments that a parser has decoded itself. The zero value of each means its default;
// nil means all defaults.
type DecodedOptions struct {
	MaxDepth int // nesting of arrays and objects, as JSONOptions.MaxDepth; default 1000, at most 10,000

	// MaxDecoded limits the memory that binding one argument to interfaces may take, as JSONOptions.MaxDecoded does.
	// Default: 64 MiB, or 48 times what the argument would have as JSON text, about, if that is more.
	MaxDecoded int
}

// Errors of Decoded.
var errDecodedType = errors.New("value of a type that a parser may not make")

// A decoded is the arguments that a parser has decoded itself.
type decoded struct {
	values []any
	budget int // for one argument that is decoded into interfaces
}

// An Object is an object among the values of Decoded, with its members as they came: in order, even if a name comes
// twice. It takes a fraction of the memory of a map. Bind makes a map[string]any of it where there is no other type.
type Object []Member

// MarshalJSON returns the object as JSON text, for one that stands within a value of another type. There, bytes are an
// error.
func (o Object) MarshalJSON() ([]byte, error) {
	rec, err := standard.receive([]any{o})
	if err != nil {
		return nil, err
	}
	text, ok := rec.raw(0)
	if !ok {
		return nil, errRawBinary
	}
	return text, nil
}

// A Member is one of an Object.
type Member struct {
	Name  string
	Value any
}

// Decoded returns received arguments made of values that a parser's Decoder has decoded itself. They may be: nil, bool,
// any type of integer, float32 and float64, json.Number, string in valid UTF-8, []byte, time.Time, []any, Object and
// map[string]any, to any depth. Nothing of them may be changed from then on, by nobody: Bind copies arrays and objects,
// and hands bytes over as they are.
//
// Values do not go through JSON text when they are bound, or shown by Walk, so that nothing is lost that JSON cannot
// say. Decoded looks at each value once, for its type and its depth; that the values fit into memory, the Decoder has
// to see to.
func Decoded(values []any, opts *DecodedOptions) (Args, error) {
	if len(values) == 0 {
		return Args{}, nil
	}
	var o DecodedOptions
	if opts != nil {
		o = *opts
	}
	c := decodedCheck{maxDepth: min(cmp.Or(max(o.MaxDepth, 0), defaultMaxDepth), hardMaxDepth)}
	for i, v := range values {
		if err := c.value(v, 1); err != nil {
			return Args{}, errtext.Errorf("parser: decoded: %w", &ArgumentError{Index: i, Err: err})
		}
	}
	budget := max(o.MaxDecoded, 0)
	if budget == 0 {
		budget = max(defaultMaxDecoded, decodedFactor*min(c.size, math.MaxInt/decodedFactor))
	}
	return Args{src: &decoded{values, budget}}, nil
}

// A decodedCheck looks at what a parser has decoded.
type decodedCheck struct {
	maxDepth int
	size     int // of it all as JSON text, about
}

// value checks one value; depth is how many arrays and objects are open around it.
func (c *decodedCheck) value(v any, depth int) error {
	switch v := v.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64, time.Time:
		c.size += 8
	case jsonv1.Number:
		if !isNumber(string(v)) {
			return errNumber
		}
		c.size += len(v)
	case string:
		c.size += len(v) + 3
	case []byte:
		c.size += 8
	case []any:
		if depth >= c.maxDepth {
			return errDepth
		}
		c.size += 3
		for _, item := range v {
			if err := c.value(item, depth+1); err != nil {
				return err
			}
		}
	case Object:
		if depth >= c.maxDepth {
			return errDepth
		}
		c.size += 3
		for _, m := range v {
			c.size += len(m.Name) + 3
			if err := c.value(m.Value, depth+1); err != nil {
				return err
			}
		}
	case map[string]any:
		if depth >= c.maxDepth {
			return errDepth
		}
		c.size += 3
		for name, item := range v {
			c.size += len(name) + 3
			if err := c.value(item, depth+1); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%w: %T", errDecodedType, v)
	}
	return nil
}

// kindOf is the kind of a value that a parser has decoded.
func kindOf(v any) Kind {
	switch v := v.(type) {
	case nil:
		return KindNull
	case bool:
		return KindBool
	case string:
		return KindString
	case time.Time:
		return KindTime
	case []byte:
		if v == nil {
			return KindNull
		}
		return KindBytes
	case []any:
		if v == nil {
			return KindNull
		}
		return KindArray
	case Object:
		if v == nil {
			return KindNull
		}
		return KindObject
	case map[string]any:
		if v == nil {
			return KindNull
		}
		return KindObject
	}
	return KindNumber
}

// numberOf is the token of a number that a parser has decoded.
func numberOf(v any) Token {
	switch v := v.(type) {
	case int:
		return intToken(int64(v))
	case int8:
		return intToken(int64(v))
	case int16:
		return intToken(int64(v))
	case int32:
		return intToken(int64(v))
	case int64:
		return intToken(v)
	case uint:
		return uintToken(uint64(v))
	case uint8:
		return uintToken(uint64(v))
	case uint16:
		return uintToken(uint64(v))
	case uint32:
		return uintToken(uint64(v))
	case uint64:
		return uintToken(v)
	case float32:
		return floatToken(float64(v), float32Bits)
	case float64:
		return floatToken(v, float64Bits)
	case jsonv1.Number:
		return literalToken([]byte(v))
	}
	return Token{}
}

func (d *decoded) count() int { return len(d.values) }

func (d *decoded) kind(i int) Kind { return kindOf(d.values[i]) }

func (d *decoded) walk(i, depth int, visit func(Token) error) error {
	w := valueWalker{visit}
	return w.any(d.values[i], depth)
}

func (d *decoded) appendJSON(e *encoder, i, depth int) error { return e.any(d.values[i], depth) }

func (d *decoded) raw(int) (text []byte, ok bool) { return nil, false }

func (d *decoded) hasBinary(i int) bool { return holdsBytes(d.values[i]) }

func holdsBytes(v any) bool {
	switch v := v.(type) {
	case []byte:
		return v != nil
	case []any:
		for _, item := range v {
			if holdsBytes(item) {
				return true
			}
		}
	case Object:
		for _, m := range v {
			if holdsBytes(m.Value) {
				return true
			}
		}
	case map[string]any:
		for _, item := range v {
			if holdsBytes(item) {
				return true
			}
		}
	}
	return false
}

// A copier copies what a parser has decoded into the types of Args.Values.
type copier struct{ budget int }

// value copies one value. When the budget is used up it returns quickly, and what it returns means nothing.
func (c *copier) value(v any) any {
	switch v := v.(type) {
	case nil, bool, time.Time:
		return v
	case float64:
		c.budget -= numberCost
		return v
	case string:
		c.budget -= stringCost + len(v)
		return v
	case []byte:
		if v == nil {
			return nil
		}
		return v
	case []any:
		if v == nil {
			return nil
		}
		return c.list(v)
	case Object, map[string]any:
		if kindOf(v) == KindNull {
			return nil
		}
		m := make(map[string]any)
		c.object(m, v)
		return m
	}
	c.budget -= numberCost
	return plainNumber(numberOf(v))
}

// plainNumber is a number as Args.Values has it: a float64 unless that might lose something of an integer.
func plainNumber(t Token) any {
	switch t.form {
	case signedInt:
		if n := int64(t.bits); n > maxID || n < -maxID {
			return n
		}
	case unsignedInt:
		switch {
		case t.bits > math.MaxInt64:
			return t.bits
		case t.bits > maxID:
			return int64(t.bits)
		}
	}
	return t.Float64()
}

func (c *copier) list(items []any) any {
	c.budget -= sliceCost + slotCost*len(items)
	if c.budget < 0 {
		return nil
	}
	list := make([]any, len(items))
	for i, item := range items {
		if list[i] = c.value(item); c.budget < 0 {
			return nil
		}
	}
	return list
}

// object adds the members of an object to m.
func (c *copier) object(m map[string]any, members any) {
	c.budget -= mapCost
	_ = eachMember(members, func(name string, v any) error {
		v = c.value(v)
		if c.budget < 0 {
			return errDecodedSize
		}
		before := len(m)
		m[name] = v
		if n := len(m); n > before {
			c.budget -= memberRoom(n) + len(name)
		}
		return nil
	})
}

// eachMember calls fn for the members of an object, until it returns an error.
func eachMember(object any, fn func(name string, v any) error) error {
	switch o := object.(type) {
	case Object:
		for _, m := range o {
			if err := fn(m.Name, m.Value); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, v := range o {
			if err := fn(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// memberRoom is what the n-th member of a map costs.
func memberRoom(n int) int {
	switch {
	case n == 1:
		return mapRoomCost
	case n == 9:
		return mapMoreCost
	case n > 9:
		return memberCost
	}
	return 0
}
