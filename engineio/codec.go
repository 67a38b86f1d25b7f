package engineio

import (
	"cmp"

	"sio.example/socketio/engineio/packet"
)

// A codec is what a revision of the protocol says that others say differently: how packets are written, and which end
// asks whether the other lives. A session has the one that its handshake named. It is immutable.
type codec struct {
	revision int
	query    string // what requests say in their parameter EIO

	// decode decodes a frame of a link; base64 says that text may hold a binary message.
	decode func(frame []byte, binary, base64 bool) (packet.Packet, error)
	// nextOfPayload is packet.Next of a request of polling; appendPayload appends a packet to those that begin at start.
	nextOfPayload nextPacket
	appendPayload func(dst []byte, start int, p packet.Packet) []byte
	// nextOfBinaryPayload and appendBinaryPayload are the same of payloads that are not text; nil without such.
	nextOfBinaryPayload nextPacket
	appendBinaryPayload func(dst []byte, start int, p packet.Packet) []byte
	// binaryHead is what a frame has before the data of a binary message, and base64Head what text has before its
	// base64.
	binaryHead, base64Head string
	// frame is the whole WebSocket frame of a packet, made once for all sessions of this revision, or nil if that is
	// not worth it.
	frame func(p *Prepared) []byte

	server, client heartbeatRole
}

// nextPacket decodes the packet of a payload at an offset, and returns that of the next one; io.EOF if there is none.
type nextPacket func(payload []byte, offset int) (p packet.Packet, next int, err error)

// A heartbeatRole is what one end does to learn whether the other lives (EIO v4 §heartbeat).
type heartbeatRole struct {
	asks   bool        // it speaks first, when the interval is over; otherwise it answers
	says   *Prepared   // what it sends
	awaits packet.Type // what the other end sends; from an end that has the wrong direction comes what this one says
}

// revision4 is Engine.IO 4.
var revision4 = codec{
	revision: 4,
	query:    "4",
	decode: func(frame []byte, binary, base64 bool) (packet.Packet, error) {
		if base64 && !binary {
			return packet.DecodeTextOnly(frame)
		}
		return packet.Decode(frame, binary)
	},
	nextOfPayload: packet.Next,
	appendPayload: packet.AppendPayload,
	base64Head:    "b",
	frame:         (*Prepared).shortFrame,
	server:        heartbeatRole{asks: true, says: pingPacket, awaits: packet.Pong},
	client:        heartbeatRole{says: pongPacket, awaits: packet.Ping},
}

// revision3 is Engine.IO 3, which only the server speaks: the client asks, and binary messages have a type.
var revision3 = codec{
	revision: 3,
	query:    "3",
	decode: func(frame []byte, binary, _ bool) (packet.Packet, error) {
		return packet.Decode3(frame, binary)
	},
	nextOfPayload: packet.Next3,
	appendPayload: func(dst []byte, _ int, p packet.Packet) []byte {
		return packet.AppendPayload3(dst, p)
	},
	nextOfBinaryPayload: packet.NextBinary3,
	appendBinaryPayload: func(dst []byte, _ int, p packet.Packet) []byte {
		return packet.AppendBinaryPayload3(dst, p)
	},
	binaryHead: string(rune(packet.Message)),
	base64Head: "b4",
	frame: func(p *Prepared) []byte {
		if p.m.Binary { // the frame that is kept is that of revision 4, which is the same for text
			return nil
		}
		return p.shortFrame()
	},
	server: heartbeatRole{says: pongPacket, awaits: packet.Ping},
	client: heartbeatRole{asks: true, says: pingPacket, awaits: packet.Pong},
}

// codecs are the revisions that can be served, by the number that a session has for its own.
var codecs = []*codec{&revision4, &revision3}

// codecNamed is the number of the revision that the parameter EIO names. Without it, that is 3, as officially; but what
// is neither is not taken for it.
func codecNamed(query string) (n uint8, ok bool) {
	for n, c := range codecs {
		if c.query == cmp.Or(query, revision3.query) {
			return uint8(n), true
		}
	}
	return 0, false
}

// named reports whether the parameter EIO names this revision.
func (c *codec) named(query string) bool {
	n, ok := codecNamed(query)
	return ok && codecs[n] == c
}

// serves reports whether the server opens sessions of a revision.
func (s *Server) serves(n uint8) bool { return codecs[n] != &revision3 || s.options.AllowEIO3 }

// codec is the revision that the session speaks.
func (s *Socket) codec() *codec { return codecs[s.revision] }

// startHeartbeatLocked begins to watch over the peer.
func (s *Socket) startHeartbeatLocked() {
	if o := &s.server.options; s.codec().server.asks {
		s.arm(o.PingInterval)
	} else {
		s.heartbeat = heartbeatWaiting
		s.silentLocked(true)
		s.armIn(heartbeatSilence, o.PingInterval+o.PingTimeout)
	}
}
