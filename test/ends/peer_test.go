package ends

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/test/internal/wire"
)

// patience is how long something may take at most. Nothing that passes waits for it.
const patience = 5 * time.Minute

// A route is a transport, or a moment between two, at which a session can end.
type route string

const (
	polling   route = "polling"       // with a GET that waits for packets
	away      route = "polling, away" // between two GETs
	webSocket route = "websocket"
	upgraded  route = "upgraded"      // from polling to WebSocket
	upgrading route = "in an upgrade" // the probe was answered, and a GET waits
	stream    route = "stream"        // a stream of bytes, see engineio.Server.ServeStream
)

var routes = []route{polling, away, webSocket, upgraded, upgrading, stream}

// A peer is the client's end of a session, by hand: it says what it is told to say, and hears all.
type peer struct {
	t      *testing.T
	route  route
	target wire.Target
	sid    string

	get, post *wire.HTTP
	parked    bool // the answer to a GET is awaited
	ws        *wire.WebSocket
	stream    *streamPeer

	polls   bool     // the session is on polling
	silent  bool     // pings are not answered
	hasCut  bool     // the connections are closed at this end
	held    []string // packets that came and were not looked at
	refused []string // answers to POSTs but "ok"
}

// open opens a session on a route, whose streams are served at an address of their own.
func open(t *testing.T, r route, target wire.Target, streams string) *peer {
	t.Helper()
	p := &peer{t: t, route: r, target: target}
	t.Cleanup(p.abort)
	switch r {
	case webSocket:
		p.ws = p.dialWebSocket("")
	case stream:
		p.stream = dialStream(t, streams)
		p.send("0")
	default:
		p.polls = true
		p.get, p.post = p.dial(), p.dial()
		p.startGet("")
	}
	var hello wire.Handshake
	if err := json.Unmarshal([]byte(strings.TrimPrefix(p.next(), "0")), &hello); err != nil {
		t.Fatal(err)
	}
	p.sid = hello.SID
	return p
}

// settle brings a session that has joined its namespaces to the moment that its route is about.
func (p *peer) settle() {
	p.t.Helper()
	switch p.route {
	case polling:
		p.startGet(p.sid)
	case upgraded, upgrading:
		p.ws = p.dialWebSocket(p.sid)
		p.send("2probe")
		if frame, err := p.ws.Read(); err != nil || string(frame.Payload) != "3probe" {
			p.t.Fatalf("the probe was answered with %q, %v", frame.Payload, err)
		}
		if p.route == upgrading {
			p.startGet(p.sid)
			return
		}
		p.send("5")
		_, _ = p.get.Close(), p.post.Close()
		p.get, p.post, p.polls = nil, nil, false
	}
}

func (p *peer) dial() *wire.HTTP {
	p.t.Helper()
	h, err := p.target.HTTP()
	if err != nil {
		p.t.Fatal(err)
	}
	return h
}

func (p *peer) dialWebSocket(sid string) *wire.WebSocket {
	p.t.Helper()
	ws, err := p.target.WebSocket(p.target.URL("websocket", sid), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return ws
}

func (p *peer) startGet(sid string) {
	p.t.Helper()
	if p.parked {
		return
	}
	if err := p.get.Start(http.MethodGet, p.target.URL("polling", sid), nil, nil); err != nil {
		p.t.Fatal(err)
	}
	p.parked = true
}

// send sends Engine.IO packets on the newest connection, with one write. That there is none any more is no error.
func (p *peer) send(packets ...string) {
	switch {
	case p.stream != nil:
		p.stream.write(packets...)
	case p.ws != nil:
		var frames []wire.Frame
		for _, packet := range packets {
			frames = append(frames, wire.Frame{Opcode: wire.Text, Payload: []byte(packet)})
		}
		_ = p.ws.Write(frames...)
	default:
		p.postPacket(strings.Join(packets, "\x1e"))
	}
}

// say sends packets on the transport that the session is on, with one write or in one POST.
func (p *peer) say(packets ...string) {
	if p.polls {
		p.postPacket(strings.Join(packets, "\x1e"))
		return
	}
	p.send(packets...)
}

// sayBinary sends a binary message.
func (p *peer) sayBinary(data []byte) {
	switch {
	case p.polls:
		p.postPacket(string(wire.EncodePayload([]wire.Packet{wire.Bin(data)})))
	case p.stream != nil:
		p.stream.writeBinary(data)
	default:
		_ = p.ws.Write(wire.Frame{Opcode: wire.Binary, Payload: data})
	}
}

func (p *peer) postPacket(packet string) {
	answer, err := p.post.Do(http.MethodPost, p.target.URL("polling", p.sid), nil, []byte(packet))
	switch {
	case err != nil: // the connection is gone
		p.post.Close()
		p.post = p.dial()
		p.refused = append(p.refused, "POST gone")
	case string(answer.Body) != "ok":
		if answer.Header.Get("Connection") == "close" {
			p.post.Close()
			p.post = p.dial()
		}
		p.refused = append(p.refused, "POST "+shortly(answer))
	}
}

// shortly is an answer that is no "ok": its status, and the code in it.
func shortly(answer *wire.Response) string {
	var problem struct {
		Code *int `json:"code"`
	}
	text := strconv.Itoa(answer.Status)
	if json.Unmarshal(answer.Body, &problem) == nil && problem.Code != nil {
		text += " code " + strconv.Itoa(*problem.Code)
	}
	return text
}

// next is the next packet but noops, large events and pings, which it answers. When there can be none any more it
// is what the server's end of the connection looks like, in parentheses.
func (p *peer) next() string {
	for {
		for len(p.held) > 0 {
			packet := p.held[0]
			p.held = p.held[1:]
			switch {
			case packet == "6", strings.HasPrefix(packet, `42["large"`):
			case packet == "2":
				if !p.silent {
					p.say("3")
				}
			default:
				return packet
			}
		}
		if end := p.receive(); end != "" {
			return end
		}
	}
}

// receive waits for packets, on the transport that the session is on.
func (p *peer) receive() (end string) {
	switch {
	case p.polls:
		p.startGet(p.sid)
		answer, err := p.get.Finish(http.MethodGet)
		p.parked = false
		switch {
		case err != nil:
			return "(cut)"
		case answer.Status != http.StatusOK:
			return "(GET " + shortly(answer) + ")"
		}
		for _, packet := range strings.Split(string(answer.Body), "\x1e") {
			p.held = append(p.held, packet)
		}
		return ""
	case p.stream != nil:
		packet, err := p.stream.read()
		if err != nil {
			return "(cut)"
		}
		p.held = append(p.held, packet)
		return ""
	}
	return p.receiveFrame(p.ws)
}

func (p *peer) receiveFrame(ws *wire.WebSocket) (end string) {
	frame, err := ws.Read()
	switch {
	case err != nil:
		return "(cut)"
	case frame.Opcode == wire.CloseFrame:
		status, text := frame.CloseStatus()
		return "(close " + strings.TrimSpace(strconv.Itoa(status)+" "+text) + ")"
	case frame.Opcode == wire.Text:
		p.held = append(p.held, string(frame.Payload))
	}
	return ""
}

// hear listens until nothing can come any more, and returns what came: packets, and ends of connections in
// parentheses. Late is an event that it sends as soon as it knows that the session has ended.
func (p *peer) hear(late string) string {
	var heard []string
	for {
		packet := p.next()
		heard = append(heard, packet)
		if packet == "1" || strings.HasPrefix(packet, "(") {
			break
		}
	}
	slices.Sort(heard[:len(heard)-1]) // the order between namespaces is nobody's matter
	heard = append(heard, p.refused...)
	p.refused = nil
	p.say(late)
	if p.polls {
		if len(p.refused) > 0 && p.refused[0] != "POST 400 code 1" {
			heard = append(heard, "late "+p.refused[0])
		}
		if len(p.refused) == 0 {
			heard = append(heard, "late POST ok")
		}
	}
	if p.route == upgrading {
		// Whether the GET was there is a matter of luck: each tenth of a second it is answered, with a noop.
		heard[0] = strings.Replace(heard[0], "(GET 400 code 1)", "1", 1)
		end := p.receiveFrame(p.ws)
		for end == "" {
			end = p.receiveFrame(p.ws)
		}
		heard = append(heard, "probe", end)
	}
	return strings.Join(heard, " ")
}

// abort closes all connections, and says nothing.
func (p *peer) abort() {
	for _, h := range []*wire.HTTP{p.get, p.post} {
		if h != nil {
			_ = h.Close()
		}
	}
	if p.ws != nil {
		_ = p.ws.Close()
	}
	if p.stream != nil {
		_ = p.stream.conn.Close()
	}
}
