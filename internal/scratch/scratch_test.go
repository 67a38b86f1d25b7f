package scratch

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sio.example/socketio/engineio"
	"sio.example/socketio/parser"
)

var event = parser.Packet{Type: parser.Event, Namespace: "/", Name: "news", Args: parser.NewArgs(1, []byte("x"))}

// Both ways make the same frames, with an Appender and without.
func TestPacketIsEncoded(t *testing.T) {
	json := parser.JSON(nil)
	var want []engineio.Message
	frames, err := json.Encode(nil, &event)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		want = append(want, engineio.Message(f))
	}
	same := func(a, b engineio.Message) bool { return a.Binary == b.Binary && string(a.Data) == string(b.Data) }
	for _, enc := range []parser.Appender{nil, json.(parser.Appender)} {
		s := For(event)
		for range 2 {
			if err := s.Encode(json, enc); err != nil || !slices.EqualFunc(s.Messages(), want, same) {
				t.Errorf("%v, %v", s.Messages(), err)
			}
		}
		if err := s.Prepare(json, 3); err != nil || len(s.Prepared) != len(want) ||
			!same(s.Prepared[1].Message(), want[1]) {
			t.Errorf("%v, %v", s.Prepared, err)
		}
		s.Free()
	}
}

// badParser fails after it has made a frame.
type badParser struct{ parser.Parser }

func (badParser) Encode(dst []parser.Frame, _ *parser.Packet) ([]parser.Frame, error) {
	return append(dst, parser.Frame{Data: []byte("half")}), errors.New("no")
}

// What failed to be encoded leaves nothing behind, and neither does what was freed.
func TestNothingIsKept(t *testing.T) {
	for range 50 {
		s := For(event)
		if s.Encode(badParser{}, nil) == nil || s.Prepare(badParser{}, 1) == nil || len(s.Prepared) != 0 {
			t.Fatal("encoded")
		}
		s.Free()
		if s.Name != "" || s.Args.Len() != 0 || len(s.frames)+len(s.messages)+len(s.Prepared) != 0 {
			t.Fatalf("%+v", s)
		}
		for _, f := range s.frames[:cap(s.frames)] {
			if f.Data != nil {
				t.Fatalf("%q is kept", f.Data)
			}
		}
	}
	large := For(parser.Packet{Type: parser.Event, Namespace: "/",
		Name: "x", Args: parser.NewArgs(strings.Repeat("x", 2*maxText))})
	json := parser.JSON(nil)
	if err := large.Encode(json, json.(parser.Appender)); err != nil || cap(large.text) < maxText {
		t.Fatal(err)
	}
	large.Free()
	for range 100 {
		if s := For(event); s == large {
			t.Error("a large text is kept")
		}
	}
}

// The frames that Prepare borrows go back empty, also when the parser has failed or panicked halfway.
func TestFramesGoBackEmpty(t *testing.T) {
	for range 50 { // a pool may drop what it gets
		for _, p := range []parser.Parser{parser.JSON(nil), badParser{}, halfwayParser{}} {
			frames := frameSlices.Get()
			*frames = make([]parser.Frame, 0, 4)
			frameSlices.Put(frames)
			s := For(event)
			func() {
				defer func() { _ = recover() }()
				defer s.Free()
				_ = s.Encode(p, nil)
			}()
			for _, f := range s.frames[:cap(s.frames)] {
				if f.Data != nil {
					t.Fatalf("%T: %q is kept with the packet", p, f.Data)
				}
			}
			func() {
				defer func() { _ = recover() }()
				_, _ = Prepare(nil, p, &event, 1)
			}()
			frames = frameSlices.Get()
			for _, f := range (*frames)[:cap(*frames)] {
				if f.Data != nil {
					t.Fatalf("%T: %q is kept", p, f.Data)
				}
			}
		}
	}
}

// halfwayParser panics after it has made a frame.
type halfwayParser struct{ parser.Parser }

func (halfwayParser) Encode(dst []parser.Frame, _ *parser.Packet) ([]parser.Frame, error) {
	_ = append(dst, parser.Frame{Data: []byte("half")})
	panic("no")
}
