package socketio_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"sio.example/socketio/internal/taggedparser"
	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
)

// parsers are those that the tests of the server go through: the default one, MessagePack, and one that has nothing in
// common with either.
var parsers = []namedParser{
	{"json", nil},
	{"msgpack", msgpack.Parser(nil)},
	{"tagged", tagged},
}

type namedParser struct {
	name   string
	parser parser.Parser // nil is the default
}

var tagged = taggedparser.New(nil)

// eachParser runs fn for each of parsers.
func eachParser(t *testing.T, fn func(t *testing.T, p parser.Parser)) {
	t.Helper()
	for _, p := range parsers {
		t.Run(p.name, func(t *testing.T) {
			t.Helper()
			fn(t, p.parser)
		})
	}
}

// A translator lets a client that is written in the default format speak another one: it keeps what the test says and
// reads in JSON text, with attachments. A nil translator changes nothing.
type translator struct {
	parser parser.Parser
	out    parser.Decoder // of the text that is sent
	in     parser.Decoder // of what is received
}

func newTranslator(p parser.Parser) *translator {
	if p == nil || !slices.ContainsFunc(parsers, func(other namedParser) bool { return other.parser == p }) {
		return nil
	}
	return &translator{parser: p, out: parser.JSON(nil).NewDecoder(), in: p.NewDecoder()}
}

// send returns what to send for a message, an Engine.IO packet without its type: nothing as long as attachments are
// missing, and what cannot be translated as it is.
func (t *translator) send(f parser.Frame) []parser.Frame {
	p, err := t.out.Add(f)
	if err == nil && p == nil {
		return nil
	}
	if err == nil {
		if frames, err := t.parser.Encode(nil, p); err == nil {
			return frames
		}
	}
	t.out = parser.JSON(nil).NewDecoder()
	return []parser.Frame{f}
}

// receive returns the messages in the default format that a received one stands for.
func (t *translator) receive(f parser.Frame) []parser.Frame {
	p, err := t.in.Add(f)
	if err != nil || p == nil {
		return []parser.Frame{f}
	}
	frames, err := parser.JSON(nil).Encode(nil, p)
	if err != nil {
		return []parser.Frame{f}
	}
	return frames
}

// frames are what a wsClient writes for a text.
func (t *translator) frames(c *wsClient, text string) (b []byte) {
	if t == nil || !strings.HasPrefix(text, "4") {
		return c.frame(opText, []byte(text))
	}
	for _, f := range t.send(parser.Frame{Data: []byte(text[1:])}) {
		if f.Binary {
			b = append(b, c.frame(opBinary, f.Data)...)
		} else {
			b = append(b, c.frame(opText, append([]byte("4"), f.Data...))...)
		}
	}
	return b
}

// packets are what a pollClient posts for some.
func (t *translator) packets(packets []string) (all []string) {
	if t == nil {
		return packets
	}
	for _, p := range packets {
		f := parser.Frame{}
		if data, ok := strings.CutPrefix(p, "b"); ok {
			f.Binary = true
			f.Data, _ = base64.StdEncoding.DecodeString(data)
		} else if text, ok := strings.CutPrefix(p, "4"); ok {
			f.Data = []byte(text)
		} else {
			all = append(all, p)
			continue
		}
		for _, f := range t.send(f) {
			if f.Binary {
				all = append(all, "b"+base64.StdEncoding.EncodeToString(f.Data))
			} else {
				all = append(all, "4"+string(f.Data))
			}
		}
	}
	return all
}

// texts are the packets that a binary message stands for, attachments with prefix before what encode makes of them.
func (t *translator) texts(data []byte, encode func(data []byte) string) (all []string) {
	for _, f := range t.receive(parser.Frame{Binary: true, Data: data}) {
		if f.Binary {
			all = append(all, "b"+encode(f.Data))
		} else {
			all = append(all, "4"+string(f.Data))
		}
	}
	return all
}
