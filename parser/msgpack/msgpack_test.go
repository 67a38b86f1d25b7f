package msgpack_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
)

// unhex is bytes written as digits, with blanks where that reads better.
func unhex(tb testing.TB, digits string) []byte {
	tb.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func encode(tb testing.TB, p parser.Parser, packet *parser.Packet) []byte {
	tb.Helper()
	frames, err := p.Encode(nil, packet)
	if err != nil || len(frames) != 1 || !frames[0].Binary {
		tb.Fatalf("%+v: %v, %v", packet, frames, err)
	}
	return frames[0].Data
}

func decode(data []byte) (*parser.Packet, error) {
	return msgpack.Parser(nil).NewDecoder().Add(parser.Frame{Binary: true, Data: data})
}

func mustDecode(tb testing.TB, data []byte) *parser.Packet {
	tb.Helper()
	p, err := decode(data)
	if err != nil {
		tb.Fatalf("%x: %v", data, err)
	}
	return p
}

// event is an event with one argument, in MessagePack.
func event(argument []byte) []byte {
	return append([]byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1x"), argument...)
}

// TestPacketsOnTheWire: what the official server and clients put there, as it was recorded from them.
func TestPacketsOnTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		packet *parser.Packet
		wire   string
	}{
		"event": {&parser.Packet{Type: parser.Event, Name: "hi", Args: parser.NewArgs(1)},
			"83 a474797065 02 a464617461 92 a26869 01 a36e7370 a12f"},
		"event with bytes in a namespace": {&parser.Packet{Type: parser.Event, Namespace: "/x", Name: "b",
			Args: parser.NewArgs([]byte{1, 2, 3})},
			"83 a474797065 02 a464617461 92 a162 c403010203 a36e7370 a22f78"},
		"event to be acknowledged": {&parser.Packet{Type: parser.Event, Name: "hi", HasID: true, ID: 300},
			"84 a474797065 02 a464617461 91 a26869 a26964 cd012c a36e7370 a12f"},
		"acknowledgement": {&parser.Packet{Type: parser.Ack, HasID: true, Args: parser.NewArgs(nil, true)},
			"84 a26964 00 a474797065 03 a464617461 92 c0 c3 a36e7370 a12f"},
		"connect":            {&parser.Packet{Type: parser.Connect}, "82 a474797065 00 a36e7370 a12f"},
		"connect with null":  {&parser.Packet{Args: parser.NewArgs(nil)}, "82 a474797065 00 a36e7370 a12f"},
		"connect to another": {&parser.Packet{Namespace: "/a"}, "82 a474797065 00 a36e7370 a22f61"},
		"connect with payload": {&parser.Packet{Args: parser.NewArgs(map[string]string{"sid": "x"})},
			"83 a474797065 00 a464617461 81 a3736964 a178 a36e7370 a12f"},
		"disconnect": {&parser.Packet{Type: parser.Disconnect}, "82 a474797065 01 a36e7370 a12f"},
		"connect error": {&parser.Packet{Type: parser.ConnectError,
			Args: parser.NewArgs(json.RawMessage(`{"message":"no"}`))},
			"83 a474797065 04 a464617461 81 a76d657373616765 a26e6f a36e7370 a12f"},
	} {
		got := encode(t, msgpack.Parser(nil), c.packet)
		if want := unhex(t, c.wire); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", name, got, want)
		}
		p := mustDecode(t, got)
		want := *c.packet
		if want.Namespace == "" {
			want.Namespace = "/"
		}
		if p.Type != want.Type || p.Namespace != want.Namespace || p.HasID != want.HasID || p.ID != want.ID ||
			p.Name != want.Name {
			t.Errorf("%s: %+v", name, p)
		}
		buf := append(make([]byte, 0, 100), "before"...)
		buf, frames, err := msgpack.Parser(nil).(parser.Appender).AppendEncode(buf, nil, c.packet)
		if err != nil || string(buf) != "before"+string(got) || len(frames) != 1 || !bytes.Equal(frames[0].Data, got) {
			t.Errorf("%s: appended as %x, %v, %v", name, buf, frames, err)
		}
	}
}

// TestValuesOnTheWire has each form of each value: what is sent, and what is understood.
func TestValuesOnTheWire(t *testing.T) {
	at := time.Date(2026, 11, 28, 5, 0, 0, 123_000_000, time.UTC)
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		value any    // decoded into any
		wire  string // the beginning of it
		form  bool   // it is understood, and nothing that is sent
	}{
		{value: nil, wire: "c0"},
		{value: true, wire: "c3"},
		{value: false, wire: "c2"},
		{value: 0.0, wire: "00"},
		{value: 127.0, wire: "7f"},
		{value: 128.0, wire: "cc80"},
		{value: 255.0, wire: "ccff"},
		{value: 256.0, wire: "cd0100"},
		{value: 65535.0, wire: "cdffff"},
		{value: 65536.0, wire: "ce00010000"},
		{value: 4294967295.0, wire: "ceffffffff"},
		{value: 4294967296.0, wire: "cf0000000100000000"},
		{value: int64(1)<<53 + 1, wire: "cf0020000000000001"},
		{value: uint64(math.MaxUint64), wire: "cfffffffffffffffff"},
		{value: -1.0, wire: "ff"},
		{value: -32.0, wire: "e0"},
		{value: -33.0, wire: "d0df"},
		{value: -128.0, wire: "d080"},
		{value: -129.0, wire: "d1ff7f"},
		{value: -32768.0, wire: "d18000"},
		{value: -32769.0, wire: "d2ffff7fff"},
		{value: -2147483648.0, wire: "d280000000"},
		{value: -2147483649.0, wire: "d3ffffffff7fffffff"},
		{value: int64(math.MinInt64), wire: "d38000000000000000"},
		{value: 1.0, wire: "d300000000 00000001", form: true},
		{value: 1.5, wire: "cb3ff8000000000000"},
		{value: 1e300, wire: "cb7e37e43c8800759c"},
		{value: math.Inf(-1), wire: "cbfff0000000000000"},
		{value: math.Copysign(0, -1), wire: "cb8000000000000000"},
		{value: 5.0, wire: "cb4014000000000000", form: true},
		{value: float64(float32(0.1)), wire: "ca3dcccccd", form: true},
		{value: "", wire: "a0"},
		{value: "é", wire: "a2c3a9"},
		{value: long(31), wire: "bf78"},
		{value: long(32), wire: "d92078"},
		{value: long(256), wire: "da010078"},
		{value: long(65536), wire: "db0001000078"},
		{value: []byte{}, wire: "c400"},
		{value: []byte(long(255)), wire: "c4ff78"},
		{value: []byte(long(256)), wire: "c5010078"},
		{value: []byte(long(65536)), wire: "c60001000078"},
		{value: []any{}, wire: "90"},
		{value: make([]any, 15), wire: "9fc0"},
		{value: make([]any, 16), wire: "dc0010c0"},
		{value: make([]any, 65536), wire: "dd00010000c0"},
		{value: map[string]any{}, wire: "80"},
		{value: map[string]any{"a": map[string]any{"b": []any{[]byte{1}, at}}}, wire: "81a16181a16292c40101d700"},
		{value: at, wire: "d700 000001a2208644fb"},
		// What clients send in one form and we in another.
		{value: nil, wire: "d40000", form: true},                                            // undefined
		{value: nil, wire: "d7007fffffffffffffff", form: true},                              // new Date(NaN) and beyond
		{value: time.UnixMilli(-1).UTC(), wire: "d700ffffffffffffffff", form: true},         // before 1970
		{value: []byte{1, 2}, wire: "c702000102", form: true},                               // ArrayBuffer
		{value: []byte{}, wire: "c700 00", form: true},                                      //
		{value: []byte{1}, wire: "c8000100 01", form: true},                                 //
		{value: []byte{1}, wire: "c900000001 00 01", form: true},                            //
		{value: time.Unix(1, 0).UTC(), wire: "d6ff00000001", form: true},                    // timestamps
		{value: time.Unix(1, 5).UTC(), wire: "d7ff0000001400000001", form: true},            //
		{value: time.Unix(-1, 5).UTC(), wire: "c70cff00000005ffffffffffffffff", form: true}, //
		{value: map[string]any{"1": "a", "-7": "b"}, wire: "8201a161 f9a162", form: true},   // keys that are integers
	} {
		start := unhex(t, c.wire)
		if !c.form {
			frame := encode(t, msgpack.Parser(nil), &parser.Packet{Type: parser.Ack, HasID: true,
				Args: parser.NewArgs(c.value)})
			_, value, _ := bytes.Cut(frame, []byte("\xa4data\x91"))
			value = bytes.TrimSuffix(value, []byte("\xa3nsp\xa1/"))
			if !bytes.HasPrefix(value, start) {
				t.Errorf("%T: sent as %.20x, want %x", c.value, value, start)
			}
			start = value
		}
		var got any
		if err := mustDecode(t, event(start)).Args.Bind(&got); err != nil || !reflect.DeepEqual(got, c.value) {
			t.Errorf("%.20x: %#v, %v", start, got, err)
		}
	}
	var nan float64
	if err := mustDecode(t, event(unhex(t, "cb7ff8000000000001"))).Args.Bind(&nan); err != nil || nan == nan {
		t.Errorf("NaN: %v, %v", nan, err)
	}
}

// TestTimes: milliseconds by default, which is all that a Date has; all of it as timestamps.
func TestTimes(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2026, 11, 28, 5, 0, 0, 123456789, time.UTC), time.Unix(0, 0), time.Unix(1<<32-1, 0),
		time.Unix(1<<32, 0), time.Unix(1<<34, 1), time.Unix(-1, 999_999_999), time.Unix(1, 1),
	} {
		for _, timestamps := range []bool{false, true} {
			p := msgpack.Parser(&msgpack.Options{Timestamps: timestamps})
			frame := encode(t, p, &parser.Packet{Type: parser.Event, Name: "x", Args: parser.NewArgs(at, &at)})
			want := at
			if !timestamps {
				want = time.UnixMilli(at.UnixMilli())
			}
			var a time.Time
			var b any
			err := mustDecode(t, frame).Args.Bind(&a, &b)
			if c, _ := b.(time.Time); err != nil || !a.Equal(want) || !c.Equal(want) {
				t.Errorf("%v, timestamps %v: %v, %v, %v", at, timestamps, a, b, err)
			}
		}
	}
}

// TestPrefixesAreRefused: of each packet each beginning (M-1), at the byte where it ends or before.
func TestPrefixesAreRefused(t *testing.T) {
	for _, frame := range seeds(t) {
		if _, err := decode(frame); err != nil {
			continue
		}
		for n := range frame {
			_, err := decode(frame[:n:n])
			var syntax *parser.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset > n {
				t.Errorf("%x: %v", frame[:n], err)
			}
		}
		if _, err := decode(append(bytes.Clone(frame), 0xc0)); err == nil {
			t.Errorf("%x and a byte more: no error", frame)
		}
	}
}

// TestWhatIsRefused names the fault and its place (M-2 to M-4), and takes no memory for what is announced.
func TestWhatIsRefused(t *testing.T) {
	argument := len(event(nil))
	for _, c := range []struct {
		name  string
		frame []byte
		want  string // "" if it is taken
	}{
		{"empty", nil, "parser: unexpected end at byte 0"},
		{"an array", []byte("\x90"), "parser: packet that is no map at byte 0"},
		{"a number", []byte("\x02"), "parser: packet that is no map at byte 0"},
		{"the unused byte", event([]byte("\xc1")), at("byte that begins no value", argument)},
		{"no members", []byte("\x80"), "parser: unknown packet type at byte 0"},
		{"type 99", []byte("\x82\xa4type\x63\xa3nsp\xa1/"), "parser: unknown packet type at byte 6"},
		{"type 5", []byte("\x82\xa4type\x05\xa3nsp\xa1/"), "parser: unknown packet type at byte 6"},
		{"type -1", []byte("\x82\xa4type\xff\xa3nsp\xa1/"), "parser: unknown packet type at byte 6"},
		{"type 0.5", []byte("\x82\xa4type\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\xa3nsp\xa1/"),
			"parser: unknown packet type at byte 6"},
		{"type as text", []byte("\x82\xa4type\xa10\xa3nsp\xa1/"), "parser: unknown packet type at byte 6"},
		{"type 2^64-1", []byte("\x82\xa4type\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa3nsp\xa1/"),
			"parser: unknown packet type at byte 6"},
		{"type as a float", []byte("\x82\xa4type\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xa3nsp\xa1/"), ""},
		{"no namespace", []byte("\x81\xa4type\x00"), "parser: invalid namespace at byte 0"},
		{"nsp 5", []byte("\x82\xa4type\x00\xa3nsp\x05"), "parser: invalid namespace at byte 11"},
		{"nsp empty", []byte("\x82\xa4type\x00\xa3nsp\xa0"), "parser: invalid namespace at byte 11"},
		{"nsp without a slash", []byte("\x82\xa4type\x00\xa3nsp\xa1x"), "parser: invalid namespace at byte 11"},
		{"nsp as bytes", []byte("\x82\xa4type\x00\xa3nsp\xc4\x01/"), "parser: invalid namespace at byte 11"},
		{"a long nsp", []byte("\x82\xa4type\x00\xa3nsp\xda\x04\x01/" + strings.Repeat("x", 1024)),
			"parser: namespace too long at byte 11"},
		{"type twice", []byte("\x83\xa4type\x00\xa3nsp\xa1/\xa4type\x00"),
			"parser: member of a packet that is there twice at byte 13"},
		{"event without data", []byte("\x82\xa4type\x02\xa3nsp\xa1/"), "parser: invalid payload at byte 0"},
		{"event without a name", []byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x90"), "parser: invalid event name at byte 18"},
		{"event called null", []byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xc0"),
			"parser: invalid event name at byte 19"},
		{"event called connect", []byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa7connect"),
			"parser: reserved event name at byte 19"},
		{"event called 7", []byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\x07"), ""},
		{"event in a map", []byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x80"), "parser: invalid payload at byte 18"},
		{"connect with a list", []byte("\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x90"), "parser: invalid payload at byte 18"},
		{"connect with null", []byte("\x83\xa4type\x00\xa3nsp\xa1/\xa4data\xc0"), "parser: invalid payload at byte 18"},
		{"connect with undefined", []byte("\x83\xa4type\x00\xa3nsp\xa1/\xa4data\xd4\x00\x00"), ""},
		{"disconnect with data", []byte("\x83\xa4type\x01\xa3nsp\xa1/\xa4data\x80"), "parser: invalid payload at byte 18"},
		{"error without data", []byte("\x82\xa4type\x04\xa3nsp\xa1/"), "parser: invalid payload at byte 0"},
		{"error with text", []byte("\x83\xa4type\x04\xa3nsp\xa1/\xa4data\xa1x"), ""},
		{"id as text", []byte("\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xa11"),
			"parser: illegal acknowledgement id at byte 22"},
		{"id null", []byte("\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xc0"),
			"parser: illegal acknowledgement id at byte 22"},
		{"id undefined", []byte("\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa1x\xa2id\xd4\x00\x00"), ""},
		{"id -1", []byte("\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xff"),
			"parser: illegal acknowledgement id at byte 22"},
		{"id 2^53", []byte("\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xcf\x00\x20\x00\x00\x00\x00\x00\x00"),
			"parser: illegal acknowledgement id at byte 22"},
		{"id of a connect", []byte("\x83\xa4type\x00\xa3nsp\xa1/\xa2id\x00"),
			"parser: illegal acknowledgement id at byte 16"},
		{"another member", []byte("\x83\xa4type\x00\xa3nsp\xa1/\xa7options\x81\xa8compress\xc3"), ""},
		{"a member called 1", []byte("\x83\xa4type\x00\xa3nsp\xa1/\x01\xc0"), ""},
		{"a member called null", []byte("\x83\xa4type\x00\xa3nsp\xa1/\xc0\xc0"),
			at("name of a member that is neither a string nor an integer", 13)},
		{"no UTF-8", event([]byte("\xa1\xff")), at("string that is not UTF-8", argument)},
		{"half a surrogate pair", event([]byte("\xa3\xed\xa0\x80")), at("string that is not UTF-8", argument)},
		{"array of 2^32-1", event([]byte("\xdd\xff\xff\xff\xff\xc0")), at("unexpected end", argument)},
		{"map of 2^32-1", event([]byte("\xdf\xff\xff\xff\xff\xc0")), at("unexpected end", argument)},
		{"map of half of what is left", event([]byte("\xde\x00\x02\xa1a\xc0\xa1b")), at("unexpected end", argument+8)},
		{"bytes of 2^32-1", event([]byte("\xc6\xff\xff\xff\xff\xc0")), at("unexpected end", argument)},
		{"string of 2^32-1", event([]byte("\xdb\xff\xff\xff\xff\xc0")), at("unexpected end", argument)},
		{"extension of 2^32-1", event([]byte("\xc9\xff\xff\xff\xff\x00\xc0")), at("unexpected end", argument)},
		{"extension 1", event([]byte("\xd4\x01\x00")), at("unknown extension", argument)},
		{"extension 0 of two", event([]byte("\xd5\x00\x00\x00")), at("unknown extension", argument)},
		{"extension 0 of sixteen", event([]byte("\xd8\x00" + strings.Repeat("x", 16))), at("unknown extension", argument)},
		{"timestamp of three", event([]byte("\xc7\x03\xff\x00\x00\x00")), at("unknown extension", argument)},
		{"a second of a billion", event([]byte("\xd7\xff\xee\x6b\x28\x00\x00\x00\x00\x00")), at("unknown extension",
			argument)},
		{"depth 1000", event(append(bytes.Repeat([]byte{0x91}, 999), 0x90)), ""},
		{"depth 1001", event(append(bytes.Repeat([]byte{0x91}, 1000), 0x90)), at("nested too deeply", argument+1000)},
		{"depth 10^5", event(append(bytes.Repeat([]byte{0x91}, 1e5), 0x90)), at("nested too deeply", argument+1000)},
		{"objects 10^5", event(append(bytes.Repeat([]byte("\x81\xa0"), 1e5), 0x90)), at("nested too deeply", argument+2000)},
		{"objects as names 10^6", event(bytes.Repeat([]byte{0x81}, 1e6)),
			at("name of a member that is neither a string nor an integer", argument+1)},
		{"arrays as names 10^6", event(bytes.Repeat([]byte{0x81, 0x91}, 1e6)),
			at("name of a member that is neither a string nor an integer", argument+1)},
		{"objects as names of the packet 10^6", bytes.Repeat([]byte{0x81}, 1e6),
			at("name of a member that is neither a string nor an integer", 1)},
		{"10,001 arguments", append([]byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdc\x27\x12\xa1x"),
			make([]byte, 10_001)...), "parser: too many arguments at byte 18"},
		{"10,001 answers", append([]byte("\x84\xa4type\x03\xa3nsp\xa1/\xa2id\x00\xa4data\xdc\x27\x11"),
			make([]byte, 10_001)...), "parser: too many arguments at byte 22"},
	} {
		var err error
		if n := testing.AllocsPerRun(1, func() { _, err = decode(c.frame) }); n > 40 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
		if got := errorText(err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	d := msgpack.Parser(nil).NewDecoder()
	for _, want := range []string{"parser: text frame at byte 0", "parser: decoder used after an error at byte 0"} {
		if _, err := d.Add(parser.Frame{Data: []byte(`2["x"]`)}); errorText(err) != want {
			t.Errorf("text: %v", err)
		}
	}
}

func at(msg string, offset int) string {
	return (&parser.SyntaxError{Msg: msg, Offset: offset}).Error()
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestLimitsAreNamed: the log says which option to set.
func TestLimitsAreNamed(t *testing.T) {
	p := msgpack.Parser(&msgpack.Options{MaxNamespace: 3, MaxArguments: 1, MaxDepth: 1})
	for want, frame := range map[string][]byte{
		"MaxNamespace": []byte("\x82\xa4type\x00\xa3nsp\xa4/abc"),
		"MaxArguments": []byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x93\xa1x\x01\x02"),
		"":             event([]byte("\x91\x90")),
	} {
		_, err := p.NewDecoder().Add(parser.Frame{Binary: true, Data: frame})
		var limit parser.LimitError
		if !errors.As(err, &limit) || limit.Limit() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, packet := range []*parser.Packet{
		{Type: parser.Event, Name: "x", Namespace: "/abc"},
		{Type: parser.Event, Name: "x", Args: parser.NewArgs(1, 2)},
		{Type: parser.Event, Name: "x", Args: parser.NewArgs([]any{[]any{}})},
	} {
		if _, err := p.Encode(nil, packet); err == nil {
			t.Errorf("%+v: sent", packet)
		}
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("on purpose") }

type fails struct{}

func (fails) MarshalJSON() ([]byte, error) { return nil, errors.New("on purpose") }

// TestWhatCannotBeSent: an error, and what was there before stays.
func TestWhatCannotBeSent(t *testing.T) {
	type cyclic struct{ Next *cyclic }
	ring := &cyclic{}
	ring.Next = ring
	for name, packet := range map[string]*parser.Packet{
		"type":               {Type: 5},
		"id of a connect":    {HasID: true},
		"ack without an id":  {Type: parser.Ack},
		"id":                 {Type: parser.Ack, HasID: true, ID: 1 << 53},
		"reserved":           {Type: parser.Event, Name: "connect"},
		"namespace":          {Namespace: "x"},
		"namespace, UTF-8":   {Namespace: "/\xff"},
		"connect with text":  {Args: parser.NewArgs("x")},
		"two payloads":       {Args: parser.NewArgs(struct{}{}, struct{}{})},
		"disconnect":         {Type: parser.Disconnect, Args: parser.NewArgs(struct{}{})},
		"function":           {Type: parser.Event, Name: "x", Args: parser.NewArgs(func() {})},
		"cycle":              {Type: parser.Event, Name: "x", Args: parser.NewArgs(ring)},
		"panic":              {Type: parser.Event, Name: "x", Args: parser.NewArgs(panics{})},
		"error":              {Type: parser.Event, Name: "x", Args: parser.NewArgs(fails{})},
		"error after a part": {Type: parser.Event, Name: "x", Args: parser.NewArgs([]any{1, fails{}})},
	} {
		before := []parser.Frame{{Data: []byte("before")}}
		frames, err := msgpack.Parser(nil).Encode(before, packet)
		if err == nil || len(frames) != 1 || !strings.HasPrefix(err.Error(), "msgpack: encode: ") {
			t.Errorf("%s: %v, %v", name, frames, err)
		}
		buf, frames, err := msgpack.Parser(nil).(parser.Appender).AppendEncode([]byte("before"), before, packet)
		if err == nil || len(frames) != 1 || string(buf) != "before" {
			t.Errorf("%s: %v, %q, %v", name, frames, buf, err)
		}
	}
}

// TestNamesAreRemembered: the second event of a kind allocates its packet only, and a decoder that knows no names can
// be let go of.
func TestNamesAreRemembered(t *testing.T) {
	d := msgpack.Parser(nil).NewDecoder()
	add := func(frame []byte) *parser.Packet {
		p, err := d.Add(parser.Frame{Binary: true, Data: frame})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if add([]byte("\x82\xa4type\x00\xa3nsp\xa1/")); !d.(parser.Resettable).IsReset() {
		t.Error("a decoder that has read a CONNECT is not reset")
	}
	frame := []byte("\x83\xa4type\x02\xa3nsp\xa5/room\xa4data\x92\xa3say\xa2hi")
	if p := add(frame); p.Name != "say" || p.Namespace != "/room" || d.(parser.Resettable).IsReset() {
		t.Errorf("%+v", p)
	}
	if n := testing.AllocsPerRun(100, func() { add(frame) }); n > 1 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

// TestArgumentsStayAsTheyCame: sent on they are the same bytes, and nobody's buffer.
func TestArgumentsStayAsTheyCame(t *testing.T) {
	frame := event(unhex(t,
		"84 a161 cb7ff8000000000000 a162 c403010203 a163 d700000001a2208644fb a164 cfffffffffffffffff"))
	p := mustDecode(t, bytes.Clone(frame))
	again := encode(t, msgpack.Parser(nil), &parser.Packet{Type: parser.Ack, HasID: true, Args: p.Args})
	want := bytes.TrimPrefix(frame, event(nil))
	if !bytes.Contains(again, append([]byte("\xa4data\x91"), want...)) {
		t.Errorf("%x became %x", frame, again)
	}
	text, err := parser.JSON(nil).Encode(nil, &parser.Packet{Type: parser.Event, Name: "x", Args: p.Args})
	if err != nil || string(text[0].Data) != `51-["x",{"a":null,"b":{"_placeholder":true,"num":0},`+
		`"c":"2026-11-28T05:00:00.123Z","d":18446744073709551615}]` {
		t.Errorf("as JSON: %s, %v", text[0].Data, err)
	}
	if !p.Args.HasBinary() || p.Args.Kind(0) != parser.KindObject {
		t.Error("kind, or bytes")
	}
}

// TestMaxDecoded bounds what interfaces take, wherever they stand.
func TestMaxDecoded(t *testing.T) {
	p := msgpack.Parser(&msgpack.Options{MaxDecoded: 5000})
	few, many := event(bytes.Repeat([]byte("\x91\x81\xa1a"), 1)), event(append([]byte("\xdc\x00\x64"),
		bytes.Repeat([]byte("\x81\xa1a\xc0"), 100)...))
	few = append(few, 0xc0)
	for _, c := range []struct {
		frame []byte
		ok    bool
	}{{few, true}, {many, false}} {
		got, err := p.NewDecoder().Add(parser.Frame{Binary: true, Data: c.frame})
		if err != nil {
			t.Fatal(err)
		}
		var typed []map[string]*int
		if err := got.Args.Bind(&typed); err != nil {
			t.Errorf("typed: %v", err)
		}
		for _, dst := range []any{new(any), new([]any), new([]map[string]any)} {
			if err := got.Args.Bind(dst); (err == nil) != c.ok {
				t.Errorf("%T: %v", dst, err)
			}
		}
	}
}
