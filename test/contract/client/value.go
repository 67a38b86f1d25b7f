package main

import (
	"encoding/base64"
	"fmt"
	"math"
	"time"

	"sio.example/socketio/parser"
)

// binaryKey is the only key of an object that stands for bytes: {"$bin": base64}.
const binaryKey = "$bin"

// withBinary returns v, which was decoded from JSON, with bytes for the objects that stand for them.
func withBinary(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = withBinary(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if text, ok := v[binaryKey].(string); ok && len(v) == 1 {
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", binaryKey, err)
			}
			return data, nil
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			var err error
			if out[k], err = withBinary(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// plain is the opposite: a received value in a form that JSON has. As in JavaScript, infinities become null.
func plain(v any) any {
	switch v := v.(type) {
	case []byte:
		return map[string]any{binaryKey: base64.StdEncoding.EncodeToString(v)}
	case int64:
		return float64(v) // as JavaScript has it
	case uint64:
		return float64(v)
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.000Z") // toJSON of a Date
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil
		}
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	}
	return v
}

// plainArgs is plain for arguments. It never returns nil, which JSON would not make a list of.
func plainArgs(args parser.Args) ([]any, error) {
	values, err := args.Values()
	if err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = plain(v)
	}
	return out, nil
}
