package engineio

import (
	"iter"

	"sio.example/socketio/engineio/packet"
)

// A codec is what a revision of the protocol says that others say differently: how packets are written, and which end
// asks whether the other lives. A session has the one that its handshake named. It is immutable.
type codec struct {
	revision int
	query    string // what requests say in their parameter EIO

	// decode decodes a frame of a link; base64 says that text may hold a binary message.
	decode func(frame []byte, binary, base64 bool) (packet.Packet, error)
	// decodePayload are the packets of a request of polling, up to the first that is wrong; appendPayload appends one
	// to those that begin at start.
	decodePayload func(body []byte) iter.Seq2[packet.Packet, error]
	appendPayload func(dst []byte, start int, p packet.Packet) []byte
	// binaryHead is what a frame has before the data of a binary message.
	binaryHead string
	// frame is the whole WebSocket frame of a packet, made once for all sessions of this revision, or nil if that is
	// not worth it.
	frame func(p *Prepared) []byte

	server, client heartbeatRole
}

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
	decodePayload: packet.Payload,
	appendPayload: packet.AppendPayload,
	frame:         (*Prepared).shortFrame,
	server:        heartbeatRole{asks: true, says: pingPacket, awaits: packet.Pong},
	client:        heartbeatRole{says: pongPacket, awaits: packet.Ping},
}

// codecs are the revisions that are served, by the number that a session has for its own.
var codecs = []*codec{&revision4}

// codecNamed is the number of the revision that the parameter EIO names.
func codecNamed(query string) (n uint8, ok bool) {
	for n, c := range codecs {
		if c.query == query {
			return uint8(n), true
		}
	}
	return 0, false
}

// codec is the revision that the session speaks.
func (s *Socket) codec() *codec { return codecs[s.revision] }

// startHeartbeatLocked begins to watch over the peer.
func (s *Socket) startHeartbeatLocked() {
	if o := &s.server.options; s.codec().server.asks {
		s.arm(o.PingInterval)
	} else {
		s.heartbeat = heartbeatWaiting
		s.silentLocked(true)
		s.arm(o.PingInterval + o.PingTimeout)
	}
}
