package parser_test

import (
	"encoding/binary"
	"fmt"
	"math"

	"sio.example/socketio/parser"
)

// An encoder of another format sees a value as tokens: what the struct's tags mean is settled.
func ExampleArgs_Walk() {
	type reading struct {
		Sensor string    `json:"sensor"`
		Value  float64   `json:"value"`
		Unit   string    `json:"unit,omitempty"`
		Raw    []byte    `json:"raw"`
		Count  uint64    `json:"count"`
		Notes  []string  `json:"notes"`
		Skip   chan bool `json:"-"`
	}
	args := parser.NewArgs(reading{Sensor: "a", Value: math.NaN(), Raw: []byte{1, 2}, Count: math.MaxUint64,
		Notes: []string{"x"}})
	err := args.Walk(0, func(t parser.Token) error {
		switch t.Kind {
		case parser.KindArray, parser.KindObject:
			fmt.Println(t.Kind, t.Len())
		case parser.KindEnd, parser.KindNull:
			fmt.Println(t.Kind)
		case parser.KindBytes:
			fmt.Println(t.Kind, t.Bytes())
		case parser.KindBool:
			fmt.Println(t.Kind, t.Bool())
		default:
			fmt.Println(t.Kind, string(t.Append(nil)))
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// object 5
	// key sensor
	// string a
	// key value
	// number NaN
	// key raw
	// bytes [1 2]
	// key count
	// number 18446744073709551615
	// key notes
	// array 1
	// string x
	// end
	// end
	// <nil>
}

// A Decoder hands over what it has read; no JSON text is made of it to bind it.
func ExampleDecoded() {
	args, err := parser.Decoded([]any{
		parser.Object{
			{Name: "sensor", Value: "a"},
			{Name: "value", Value: math.Inf(1)},
			{Name: "count", Value: uint64(1) << 63},
		},
	}, &parser.DecodedOptions{MaxDepth: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	var reading struct {
		Sensor string
		Value  float64
		Count  uint64
	}
	fmt.Println(args.Bind(&reading), reading)
	var wrong []struct{ Sensor int }
	fmt.Println(args.Bind(&wrong))
	// Output:
	// <nil> {a +Inf 9223372036854775808}
	// parser: argument 0: cannot decode object into Go []struct { Sensor int }
}

// appendValue is the heart of an encoder: here of a format with a tag before each value.
func appendValue(buf []byte, args parser.Args, i int) ([]byte, error) {
	err := args.Walk(i, func(t parser.Token) error {
		switch t.Kind {
		case parser.KindNull:
			buf = append(buf, 'n')
		case parser.KindNumber:
			if n, ok := t.Int64(); ok {
				buf = binary.AppendVarint(append(buf, 'i'), n)
			} else {
				buf = binary.BigEndian.AppendUint64(append(buf, 'f'), math.Float64bits(t.Float64()))
			}
		case parser.KindString, parser.KindKey:
			buf = binary.AppendUvarint(append(buf, 's'), uint64(t.Len()))
			buf = t.Append(buf)
		case parser.KindBytes:
			buf = binary.AppendUvarint(append(buf, 'b'), uint64(t.Len()))
			buf = t.Append(buf)
		case parser.KindArray:
			buf = binary.AppendUvarint(append(buf, 'a'), uint64(t.Len()))
		case parser.KindObject:
			buf = binary.AppendUvarint(append(buf, 'o'), uint64(t.Len()))
		}
		return nil
	})
	return buf, err
}

func Example_encoder() {
	buf, err := appendValue(nil, parser.NewArgs([]any{"a", -1, nil}), 0)
	fmt.Printf("%q %v\n", buf, err)
	// Output: "a\x03s\x01ai\x01n" <nil>
}
