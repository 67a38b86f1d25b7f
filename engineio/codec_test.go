package engineio

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/engineio/packet"
)

// Nothing but a codec says how packets are written and which end asks for signs of life: a revision that writes binary
// data with a head, separates packets of polling by lines, and has the client ask, is one more value.
func TestAnotherRevision(t *testing.T) {
	other := revision4
	other.revision, other.query, other.binaryHead = 99, "other", "\x04"
	other.frame = func(*Prepared) []byte { return nil }
	other.decode = func(frame []byte, binary, base64 bool) (packet.Packet, error) {
		if binary {
			frame = frame[1:]
		}
		return revision4.decode(frame, binary, base64)
	}
	other.nextOfPayload = func(body []byte, offset int) (packet.Packet, int, error) {
		return packet.Next(bytes.ReplaceAll(body, []byte("\n"), []byte{0x1e}), offset)
	}
	other.appendPayload = func(dst []byte, start int, p packet.Packet) []byte {
		at := len(dst)
		dst = packet.AppendPayload(dst, start, p)
		if at > start {
			dst[at] = '\n'
		}
		return dst
	}
	other.server = heartbeatRole{says: pongPacket, awaits: packet.Ping}
	codecs = append(codecs, &other)
	defer func() { codecs = codecs[:len(codecs)-1] }()

	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = echo
		const query = "EIO=other&transport="
		a := e.do("GET", query+"polling", "")
		rec := e.session(0)
		q := query + "polling&sid=" + rec.socket.ID()
		if a.status != 200 || rec.socket.Protocol() != 99 {
			t.Fatalf("handshake %d %q", a.status, a.body)
		}
		if a := e.do("GET", handshakeQuery+"&sid="+rec.socket.ID(), ""); a.status != 400 {
			t.Errorf("a request of revision 4 is answered %d", a.status)
		}
		e.do("POST", q, "4a\n4b\n2").want(t, 200, "ok")
		e.do("GET", q, "").want(t, 200, "4a\n4b\n3")
		rec.socket.Close()
		e.do("GET", q, "")

		p, _ := e.dial(query + "websocket")
		p.read()
		rec = e.session(1)
		for range 3 {
			<-time.After(40 * time.Second) // the server waits 45 s for a ping
			p.send("2")
			p.want("3")
		}
		p.conn.Write(frame(2, "\x04bytes"))
		if op, payload, err := p.next(); op != 2 || payload != "\x04bytes" || err != nil {
			t.Errorf("frame %d %q, %v", op, payload, err)
		}
		synctest.Wait()
		<-time.After(46 * time.Second)
		rec.want(PingTimeout)
		p.conn.Close()
	})
}
