package work

import (
	"strings"

	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
)

// packed does with an event in MessagePack what use does with one in JSON; the argument is what follows its name.
func packed(dst func() any) func(argument string) {
	return func(argument string) {
		p := msgpack.Parser(nil)
		frame := []byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1x" + argument)
		got, err := p.NewDecoder().Add(parser.Frame{Binary: true, Data: frame})
		if err != nil {
			return
		}
		if dst != nil {
			_ = got.Args.Bind(dst()) // what does not fit is an error, and has its price too
			return
		}
		values, err := got.Args.Values()
		if err != nil {
			panic(err)
		}
		for _, args := range []parser.Args{parser.NewArgs(values...), got.Args} {
			_, _ = p.Encode(nil, &parser.Packet{Type: parser.Event, Name: "y", Args: args})
			_, _ = parser.JSON(nil).Encode(nil, &parser.Packet{Type: parser.Event, Name: "y", Args: args})
		}
	}
}

func fresh[T any]() any { return new(T) }

// list is an array of about n bytes of an item, as MessagePack has it.
func list(item string) func(n int) string {
	return func(n int) string {
		count := n / len(item)
		return string([]byte{0xdd, byte(count >> 24), byte(count >> 16), byte(count >> 8), byte(count)}) +
			strings.Repeat(item, count)
	}
}

func msgpackRows() (rows []row) {
	for _, c := range []struct{ name, item string }{
		{"nulls", "\xc0"}, {"small numbers", "\x01"}, {"floats", "\xcb\x00\x00\x00\x00\x00\x00\x00\x01"},
		{"huge integers", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"}, {"undefined", "\xd4\x00\x00"},
		{"dates", "\xd7\x00\x00\x00\x01\xa2\x20\x86\x44\xfb"}, {"timestamps", "\xd6\xff\x00\x00\x00\x01"},
		{"empty strings", "\xa0"}, {"short strings", "\xa1a"}, {"no bytes", "\xc4\x00"}, {"array buffers", "\xc7\x01\x00a"},
		{"arrays", "\x90"}, {"objects", "\x80"}, {"objects of one", "\x81\xa0\xc0"}, {"objects with a number",
			"\x81\x01\xc0"},
		{"nested arrays", strings.Repeat("\x91", 900) + "\x90"}, {"nested objects", strings.Repeat("\x81\xa0", 900) + "\x80"},
		{"the same key", "\x8f" + strings.Repeat("\xa1x\xc0", 15)},
	} {
		rows = append(rows,
			row{"msgpack: " + c.name, list(c.item), packed(nil)},
			row{"msgpack: " + c.name + " into a tree", list(c.item), packed(fresh[tree])},
			row{"msgpack: " + c.name + " into structs", list(c.item), packed(fresh[[]numbers])},
			row{"msgpack: " + c.name + " into maps", list(c.item), packed(fresh[[]map[string]string])},
		)
	}
	announce := func(head, rest string) func(n int) string {
		return func(n int) string { return strings.Repeat(head, min(n/len(head), 900)) + strings.Repeat(rest, n) }
	}
	return append(rows,
		row{"msgpack: arrays that announce all that is left", func(n int) string {
			return string([]byte{0xdd, 0, 0, byte(n >> 8), byte(n)}) + strings.Repeat("\xdd\x00\x00\x00\x01", n/5)
		}, packed(nil)},
		row{"msgpack: nested arrays that announce too much", announce("\xdd\xff\xff\xff\xff", "\xc0"), packed(nil)},
		row{"msgpack: a long string", func(n int) string {
			return string([]byte{0xdb, 0, 0, byte(n >> 8), byte(n)}) + strings.Repeat("x", n)
		}, packed(nil)},
		row{"msgpack: a long key into a struct", func(n int) string {
			return "\x81" + string([]byte{0xdb, 0, 0, byte(n >> 8), byte(n)}) + strings.Repeat("x", n) + "\xc0"
		}, packed(fresh[numbers])},
	)
}
