package msgpack_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
)

// seeds are frames to begin with.
func seeds(tb testing.TB) (frames [][]byte) {
	tb.Helper()
	for _, e := range typicals(tb) {
		frames = append(frames, encode(tb, msgpack.Parser(nil), packet(e.typed)))
	}
	for _, p := range []*parser.Packet{
		{Type: parser.Connect, Args: parser.NewArgs(map[string]any{"token": "x"})},
		{Type: parser.Disconnect, Namespace: "/admin"},
		{Type: parser.ConnectError, Args: parser.NewArgs("no")},
		{Type: parser.Ack, HasID: true, ID: 70000, Args: parser.NewArgs(nil, true, -1, 1.5, []any{}, time.Unix(1, 2))},
		{Type: parser.Event, Name: "numbers", Args: parser.NewArgs([]int64{-129, -33000, -1 << 40, 200, 70000, 1 << 40},
			float32(0.1), uint64(1)<<63, []any{map[string][]byte{"a": {1}}})},
	} {
		frames = append(frames, encode(tb, msgpack.Parser(&msgpack.Options{Timestamps: true}), p))
	}
	return append(frames,
		[]byte("\x84\xa4type\x02\xa4data\x93\xa1x\xd4\x00\x00\xc7\x02\x00ab\xa7options\x81\xa8compress\xc3\xa3nsp\xa1/"),
		event([]byte("\xdd\xff\xff\xff\xff")), event([]byte("\x82\x01\xa1a\xf9\xd7\x00\x00\x00\x01\xa2\x20\x86\x44\xfb")),
		event([]byte("\xd6\xff\x00\x00\x00\x01")), event([]byte("\xd9\x01a")), event([]byte("\xde\x00\x01\xda\x00\x01a\xc2")),
	)
}

// FuzzDecode: no frame panics or costs more than its bytes allow; what is taken means the same in each way in which it
// can be asked for, and comes back the same when it is sent on.
func FuzzDecode(f *testing.F) {
	for _, frame := range seeds(f) {
		f.Add(frame)
	}
	p := msgpack.Parser(&msgpack.Options{MaxDecoded: 1 << 20, Timestamps: true})
	f.Fuzz(func(t *testing.T, frame []byte) {
		kept := bytes.Clone(frame)
		got, err := p.NewDecoder().Add(parser.Frame{Binary: true, Data: frame})
		if err != nil {
			if got != nil {
				t.Error("a packet and an error")
			}
			return
		}
		if len(got.Args.String()) > 400 {
			t.Errorf("text of %d bytes", len(got.Args.String()))
		}
		again := *got
		if got.Type == parser.Ack && !got.HasID {
			again.HasID = true
		}
		frames, err := p.Encode(nil, &again)
		if err != nil {
			t.Fatalf("%x: sent on: %v", kept, err)
		}
		second, err := p.NewDecoder().Add(frames[0])
		if err != nil {
			t.Fatalf("%x: sent on as %x: %v", kept, frames[0].Data, err)
		}
		if second.Name != got.Name || second.Namespace != got.Namespace || second.ID != got.ID ||
			second.Args.Len() != got.Args.Len() {
			t.Fatalf("%+v became %+v", got, second)
		}
		third, err := p.Encode(nil, second)
		if err != nil || !bytes.Equal(third[0].Data, frames[0].Data) {
			t.Fatalf("%x: sent on as %x, and then as %v, %v", kept, frames[0].Data, third, err)
		}
		for i := range got.Args.Len() {
			bindAlike(t, got.Args.Slice(i, i+1), second.Args.Slice(i, i+1))
		}
		if !bytes.Equal(frame, kept) {
			t.Errorf("%x was changed to %x", kept, frame)
		}
	})
}

// bindAlike binds two arguments that mean the same.
func bindAlike(t *testing.T, a, b parser.Args) {
	t.Helper()
	for _, typ := range []reflect.Type{
		reflect.TypeFor[any](), reflect.TypeFor[map[string]any](), reflect.TypeFor[[]any](), reflect.TypeFor[part](),
		reflect.TypeFor[person](),
		reflect.TypeFor[map[int]string](), reflect.TypeFor[[][]byte](), reflect.TypeFor[[2]float32](),
		reflect.TypeFor[time.Time](), reflect.TypeFor[uint16](),
	} {
		x, y := reflect.New(typ), reflect.New(typ)
		errX, errY := a.Bind(x.Interface()), b.Bind(y.Interface())
		if (errX == nil) != (errY == nil) {
			t.Errorf("%v into %v: %v; and %v", a, typ, errX, errY)
		}
		if v, w := fmt.Sprintf("%v", x.Elem()), fmt.Sprintf("%v", y.Elem()); errX == nil && v != w {
			t.Errorf("%v into %v: %s; and %s", a, typ, v, w)
		}
	}
}
