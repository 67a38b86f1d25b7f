package load

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"sio.example/socketio/bench/internal/wsframe"
	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
)

// packedDigits is how many bytes an id has in MessagePack, after packedFirst: they are all of one length there, too.
const packedDigits = 4

// packedFirst is firstID.
var packedFirst = []byte{0xce, 0x00, 0x0f, 0x42, 0x40}

// pack makes a packet of what it is in JSON, with an attachment if there is one.
func pack(text []byte, attachment []byte) []byte {
	d := parser.JSON(nil).NewDecoder()
	p, err := d.Add(parser.Frame{Data: bytes.Clone(text)})
	if err == nil && p == nil {
		p, err = d.Add(parser.Frame{Binary: true, Data: attachment})
	}
	if err != nil {
		panic(fmt.Sprintf("%s: %v", text, err)) // it is one of ours
	}
	frames, err := msgpack.Parser(nil).Encode(nil, p)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", text, err))
	}
	return frames[0].Data
}

// packedIn are the places of firstID in a packet.
func packedIn(data []byte) (at []int) {
	for from := 0; ; {
		i := bytes.Index(data[from:], packedFirst)
		if i < 0 {
			return at
		}
		at = append(at, from+i+1)
		from += i + len(packedFirst)
	}
}

// frame is a packet as it is sent.
func (g *generator) frame(dst []byte, text string) []byte {
	op, data := byte(wsframe.Text), []byte(text)
	if g.cfg.Msgpack {
		op, data = wsframe.Binary, pack(data[1:], nil)
	}
	dst, _ = wsframe.Append(dst, op, data)
	return dst
}

// is tells whether a message is the packet that has this text in JSON.
func (g *generator) is(op byte, p []byte, text string) bool {
	if g.cfg.Msgpack {
		return op == wsframe.Binary && bytes.Equal(p, pack([]byte(text)[1:], nil))
	}
	return op == wsframe.Text && string(p) == text
}

// isConnect tells whether a message lets a client in.
func (g *generator) isConnect(op byte, p []byte) bool {
	if g.cfg.Msgpack {
		return op == wsframe.Binary && bytes.Contains(p, []byte("\xa4type\x00"))
	}
	return op == wsframe.Text && bytes.HasPrefix(p, []byte("40"))
}

// packedRequest numbers a packet that is sent.
func packedRequest(data []byte) *numbered {
	frame, start := wsframe.Append(nil, wsframe.Binary, data)
	at := packedIn(data)
	starts := make([]int, len(at))
	for i := range at {
		at[i], starts[i] = at[i]+start, start
	}
	return newDigits(frame, at, starts, packedDigits)
}

// packedAnswer numbers a packet that is expected.
func packedAnswer(data []byte) *numbered { return newDigits(data, packedIn(data), nil, packedDigits) }

// packedBlob is a lane of attachments, which are no messages of their own.
func packedBlob(l *lane, header, blob []byte) *receiver {
	data := pack(header[1:], blob)
	at := bytes.Index(data, []byte("1000000"))
	frame, start := wsframe.Append(nil, wsframe.Binary, data)
	l.request = newNumbered(frame, []int{at + start}, []int{start})
	return &receiver{lane: l, packed: true, expect: newNumbered(data, []int{at}, nil)}
}

// packedNumber is the number of a message that has the right contents.
func (r *receiver) packedNumber(p []byte) (number int, ok bool) {
	if len(p) != len(r.expect.text) {
		return 0, false
	}
	if id := p[r.expect.at[0]:]; r.expect.width == packedDigits {
		number = int(binary.BigEndian.Uint32(id)) - firstID
	} else if number, ok = parseID(id); !ok {
		return 0, false
	}
	want := newDigits(r.expect.text, r.expect.at, nil, r.expect.width)
	want.set(firstID + number)
	return number, number >= 0 && bytes.Equal(p, want.text)
}
