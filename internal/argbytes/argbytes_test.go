package argbytes_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/internal/argbytes"
	"sio.example/socketio/internal/taggedparser"
	"sio.example/socketio/parser"
)

// shown is what another parser sees of arguments.
func shown(t testing.TB, args parser.Args) []string {
	t.Helper()
	var all []string
	for i := range args.Len() {
		err := args.Walk(i, func(t parser.Token) error {
			text := fmt.Sprint(t.Kind, " ", t.Len(), " ")
			switch t.Kind {
			case parser.KindNumber:
				i, isInt := t.Int64()
				u, isUint := t.Uint64()
				if !isInt {
					i = 0
				}
				if !isUint {
					u = 0
				}
				all = append(all, fmt.Sprintf("%s%d %v %d %v %x %v", text, i, isInt, u, isUint,
					math.Float64bits(t.Float64()), t.IsFloat32()))
			case parser.KindTime:
				all = append(all, text+t.Time().String())
			case parser.KindBool:
				all = append(all, fmt.Sprint(text, t.Bool()))
			default:
				all = append(all, text+string(t.Append(nil)))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

var zone = time.FixedZone("somewhere", -5*3600-1800)

// received are arguments that came from a peer, in JSON and in another format.
func received(t testing.TB, p parser.Parser, args ...any) parser.Args {
	frames, err := p.Encode(nil, &parser.Packet{Type: parser.Ack, HasID: true, Args: parser.NewArgs(args...)})
	if err != nil {
		t.Fatal(err)
	}
	d := p.NewDecoder()
	for _, f := range frames {
		p, err := d.Add(f)
		if err != nil {
			t.Fatal(err)
		}
		if p != nil {
			return p.Args
		}
	}
	t.Fatal("no packet")
	return parser.Args{}
}

// placeholder looks like one of an attachment.
type placeholder struct {
	Placeholder bool `json:"_placeholder"`
	Num         int  `json:"num"`
}

func TestAnotherParserSeesTheSame(t *testing.T) {
	type inner struct {
		At    time.Time
		Bytes []byte `json:"bytes,omitempty"`
	}
	deep := any("x")
	for range 500 {
		deep = []any{deep}
	}
	for _, c := range []struct {
		args parser.Args
		raw  bool // it stays JSON text
	}{
		{parser.NewArgs(), true},
		{parser.NewArgs(nil, true, false, 1, -1, "é\u2028<", int64(math.MinInt64), uint64(math.MaxUint64), 0.1), true},
		{parser.NewArgs(math.NaN()), false},
		{parser.NewArgs(math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1e300, float64(1<<53), float64(1<<60)), false},
		{parser.NewArgs(float32(0.1), float32(2)), false},
		{parser.NewArgs(time.Unix(1<<40, 5).In(zone), time.Unix(-1, 0).UTC()), false},
		{parser.NewArgs(map[string]any{"a": []any{[]byte{0, 255}, []byte{}}}), false},
		{parser.NewArgs([]any{inner{At: time.Unix(0, 0).UTC(), Bytes: []byte{1}}, math.NaN(), json.Number("1e999")}), false},
		{parser.NewArgs(deep, json.RawMessage(`{"b":1,"a":2,"b":3}`)), true},
		{parser.NewArgs(placeholder{true, 0}, []byte("x")), false},
		{parser.NewArgs(placeholder{true, 0}), true},
		{received(t, parser.JSON(nil), map[string]any{"n": 1.0, "big": 1e21, "b": []byte{7}}, json.Number("-0")), false},
		{received(t, taggedparser.New(nil), math.NaN(), []any{float32(3), time.Unix(3, 4).UTC()}, []byte("x")), false},
	} {
		b, err := argbytes.Append([]byte("before"), c.args)
		if err != nil || !strings.HasPrefix(string(b), "before") {
			t.Errorf("%v: %q, %v", c.args, b, err)
			continue
		}
		got, err := argbytes.Parse(b[len("before"):])
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
			continue
		}
		if a, b := shown(t, c.args), shown(t, got); !reflect.DeepEqual(a, b) {
			t.Errorf("%v\nis seen as   %q\nand after as %q", c.args, a, b)
		}
		for i := range got.Len() {
			if _, ok := got.Raw(i); c.raw && !ok {
				t.Errorf("%v: argument %d has no text any more", c.args, i)
			}
		}
	}
}

type bomb struct{}

// MarshalJSON panics.
func (bomb) MarshalJSON() ([]byte, error) { panic("user code") }

func TestWhatCannotBeEncoded(t *testing.T) {
	for _, v := range []any{bomb{}, make(chan int), []any{time.Unix(0, 0), func() {}}} {
		if b, err := argbytes.Append([]byte("x"), parser.NewArgs(v)); err == nil || string(b) != "x" {
			t.Errorf("%T: %q, %v", v, b, err)
		}
	}
	if _, err := argbytes.Parse(nil); err == nil {
		t.Error("nothing parses")
	}
}

// FuzzParse: what parses is the same when it is appended again.
func FuzzParse(f *testing.F) {
	for _, args := range []parser.Args{
		parser.NewArgs(), parser.NewArgs(1, "x", []byte{1}), parser.NewArgs(math.NaN(), time.Unix(1, 2).In(zone)),
		parser.NewArgs(map[string]any{"a": []any{float32(1), uint64(math.MaxUint64), json.Number("1e5"), nil, true}}, 1e300),
	} {
		b, err := argbytes.Append(nil, args)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		args, err := argbytes.Parse(b)
		if err != nil {
			return
		}
		again, err := argbytes.Append(nil, args)
		if err != nil {
			var argument *parser.ArgumentError
			if errors.As(err, &argument) {
				return
			}
			t.Fatalf("%v: %v", args, err)
		}
		second, err := argbytes.Parse(again)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		if a, b := shown(t, args), shown(t, second); !reflect.DeepEqual(a, b) {
			t.Errorf("%q\n%q", a, b)
		}
	})
}
