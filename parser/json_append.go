package parser

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	jsonv1 "encoding/json"

	"github.com/go-json-experiment/json/jsontext"
)

// any writes any value. The types that data without a type of its own is made of are written here,
// which is several times as fast as reflection; all others by the JSON library. depth is how many
// arrays and objects are open.
func (e *encoder) any(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		e.buf = append(e.buf, "null"...)
	case string:
		e.string(v)
	case bool:
		e.buf = strconv.AppendBool(e.buf, v)
	case int:
		e.buf = strconv.AppendInt(e.buf, int64(v), 10)
	case int32:
		e.buf = strconv.AppendInt(e.buf, int64(v), 10)
	case int64:
		e.buf = strconv.AppendInt(e.buf, v, 10)
	case uint64:
		e.buf = strconv.AppendUint(e.buf, v, 10)
	case float64:
		e.float(v)
	case []byte:
		return e.bytes(v)
	case jsonv1.Number:
		text := cmp.Or(string(v), "0") // as encoding/json has it
		if !isNumber(text) {
			return fmt.Errorf("%w: %q", errNumber, v)
		}
		e.buf = append(e.buf, text...)
	case rawArg:
		return v.src.appendJSON(e, v.i, depth)
	case []any, map[string]any, []string, map[string]string, Object, Args:
		if depth >= e.limits.MaxDepth {
			return errDepth
		}
		return e.container(v, depth+1)
	default:
		return e.library(v)
	}
	return nil
}

func (e *encoder) container(v any, depth int) error {
	switch v := v.(type) {
	case []any:
		return writeArray(e, v, v == nil, func(item any) error { return e.any(item, depth) })
	case map[string]any:
		return writeObject(e, v, func(item any) error { return e.any(item, depth) })
	case []string:
		return writeArray(e, v, v == nil, func(item string) error { e.string(item); return nil })
	case Object:
		return e.ordered(v, depth)
	case Args:
		return e.nested(v, depth)
	case map[string]string:
		return writeObject(e, v, func(item string) error { e.string(item); return nil })
	}
	return nil
}

// ordered writes an object with its members as they are.
func (e *encoder) ordered(o Object, depth int) error {
	if o == nil {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	e.buf = append(e.buf, '{')
	for i, m := range o {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.string(m.Name)
		e.buf = append(e.buf, ':')
		if err := e.any(m.Value, depth); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, '}')
	return nil
}

func writeArray[T any](e *encoder, items []T, null bool, write func(T) error) error {
	if null {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	e.buf = append(e.buf, '[')
	for i, item := range items {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		if err := write(item); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, ']')
	return nil
}

func writeObject[T any](e *encoder, members map[string]T, write func(T) error) error {
	if members == nil {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	comma := false
	e.buf = append(e.buf, '{')
	for key, item := range members {
		if comma {
			e.buf = append(e.buf, ',')
		}
		comma = true
		e.string(key)
		e.buf = append(e.buf, ':')
		if err := write(item); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, '}')
	return nil
}

// string writes a JSON string; what is not UTF-8 in s becomes U+FFFD.
func (e *encoder) string(s string) {
	if plainPrefix([]byte(s), 0) == len(s) && utf8.ValidString(s) { // the conversion copies nothing
		e.buf = append(append(append(e.buf, '"'), s...), '"')
		return
	}
	e.buf, _ = jsontext.AppendQuote(e.buf, s) // the error only tells about invalid UTF-8
}

// float writes a number, or null if JSON has none for it, as JSON.stringify does.
func (e *encoder) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.buf = append(e.buf, "null"...)
		return
	}
	e.buf = appendFloat(e.buf, f, 64)
}

// bytes writes a placeholder for a copy of data, which the caller may go on to change.
func (e *encoder) bytes(data []byte) error {
	switch {
	case data == nil:
		e.buf = append(e.buf, "null"...)
	case e.noBinary:
		e.buf = base64.StdEncoding.AppendEncode(append(e.buf, '"'), data)
		e.buf = append(e.buf, '"')
	default:
		num, err := e.attach(e.own(data))
		if err != nil {
			return err
		}
		e.buf = appendPlaceholder(e.buf, num)
	}
	return nil
}
