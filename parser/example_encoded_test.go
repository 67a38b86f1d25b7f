package parser_test

import (
	"encoding/binary"
	"fmt"

	"sio.example/socketio/parser"
)

// pairs is the format of the example: 'i' and eight bytes are an integer, 's', a length and its bytes a string, 'a' and
// a number an array of as many values.
type pairs struct{}

func (pairs) ReadToken(data []byte, at int) (t parser.Token, next int) {
	switch tag, at := data[at], at+1; tag {
	case 'i':
		return parser.IntToken(int64(binary.BigEndian.Uint64(data[at:]))), at + 8
	case 's':
		n := int(data[at])
		return parser.StringToken(data[at+1 : at+1+n]), at + 1 + n
	case 'a':
		return parser.ArrayToken(int(data[at])), at + 1
	default:
		return parser.Token{Kind: parser.KindNull}, at
	}
}

// Arguments may stay in their format: what a handler binds is read from the bytes of the message.
func ExampleEncoded() {
	data := append([]byte("a\x02s\x02hii"), 0, 0, 0, 0, 0, 0, 0, 7)
	e := &parser.Encoded{Reader: pairs{}, Data: data, Starts: []int{0}}
	args := e.Args()
	var list []any
	fmt.Println(args.Bind(&list), list)
	// Output: <nil> [hi 7]
}
