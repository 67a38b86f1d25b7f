package parser_test

import (
	"strings"
	"testing"

	"sio.example/socketio/parser"
)

// A boxed is a value that the JSON library encodes.
type boxed struct{ Inner any }

// A value that holds itself by way of Args is an error, and not the end of the process.
func TestWalkOfACycleThroughArgs(t *testing.T) {
	m := map[string]any{}
	throughMap := parser.NewArgs(m)
	m["self"] = throughMap
	b := new(boxed)
	throughStruct := parser.NewArgs(b)
	b.Inner = throughStruct
	for name, args := range map[string]parser.Args{"map": throughMap, "struct": throughStruct} {
		tokens := 0
		err := args.Walk(0, func(parser.Token) error { tokens++; return nil })
		if err == nil || tokens > 100_000 {
			t.Errorf("%s: %d tokens, %v", name, tokens, err)
		}
	}
	_, err := parser.JSON(nil).Encode(nil, &parser.Packet{Type: parser.Event, Name: "x", Args: throughMap})
	if err == nil {
		t.Error("encoded")
	}
}

// What was received counts with what it stands within.
func TestWalkCountsTheDepthOfReceivedText(t *testing.T) {
	const deep = 9_990
	d := parser.JSON(&parser.JSONOptions{MaxDepth: 10_000}).NewDecoder()
	text := `2["x",` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "]"
	p, err := d.Add(parser.Frame{Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	within := func(n int) parser.Args {
		var v any = p.Args
		for range n {
			v = []any{v}
		}
		return parser.NewArgs(v)
	}
	nothing := func(parser.Token) error { return nil }
	if err := within(5).Walk(0, nothing); err != nil {
		t.Error(err)
	}
	if err := within(50).Walk(0, nothing); err == nil {
		t.Error("walked beyond the limit")
	}
}
