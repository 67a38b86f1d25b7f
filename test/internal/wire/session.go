package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// A Packet is one Engine.IO packet: a text one with its type digit, or the bytes of a binary message.
type Packet struct {
	Binary bool
	Data   []byte
}

func (p Packet) String() string {
	if p.Binary {
		return fmt.Sprintf("binary %q", p.Data)
	}
	return string(p.Data)
}

// Txt is a text packet.
func Txt(s string) Packet { return Packet{Data: []byte(s)} }

// Bin is a binary message.
func Bin(b []byte) Packet { return Packet{Binary: true, Data: b} }

// A Handshake is the payload of the open packet.
type Handshake struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"`
	PingTimeout  int      `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

// A Session is an Engine.IO session of protocol revision 4, on polling or WebSocket.
type Session struct {
	Handshake
	// NoPong leaves the server's pings unanswered; they are then handed out by Next.
	NoPong bool

	target  Target
	ws      *WebSocket // nil while on polling
	get     *HTTP      // the two connections of polling, kept alive
	post    *HTTP
	pending bool     // a poll was started
	queue   []Packet // received, not handed out yet
}

// OpenPolling opens a session on polling.
func OpenPolling(t Target, header http.Header) (*Session, error) {
	get, err := t.HTTP()
	if err != nil {
		return nil, err
	}
	s := &Session{target: t, get: get}
	resp, err := get.Do(http.MethodGet, t.URL("polling", ""), header, nil)
	if err != nil {
		_ = get.Close()
		return nil, err
	}
	if resp.Status != http.StatusOK {
		_ = get.Close()
		return nil, &RefusedError{resp}
	}
	if s.queue, err = DecodePayload(resp.Body); err == nil {
		err = s.opened()
	}
	if err != nil {
		_ = get.Close()
		return nil, err
	}
	return s, nil
}

// OpenWebSocket opens a session on WebSocket.
func OpenWebSocket(t Target, header http.Header) (*Session, error) {
	ws, err := t.WebSocket(t.URL("websocket", ""), header)
	if err != nil {
		return nil, err
	}
	s := &Session{target: t, ws: ws}
	if err = s.receive(); err == nil {
		err = s.opened()
	}
	if err != nil {
		_ = ws.Close()
		return nil, err
	}
	return s, nil
}

// opened takes the open packet from the queue.
func (s *Session) opened() error {
	if len(s.queue) == 0 || s.queue[0].Binary || len(s.queue[0].Data) == 0 || s.queue[0].Data[0] != '0' {
		return fmt.Errorf("%w: no open packet: %v", ErrUnexpected, s.queue)
	}
	if err := json.Unmarshal(s.queue[0].Data[1:], &s.Handshake); err != nil {
		return fmt.Errorf("wire: open packet: %w", err)
	}
	s.queue = s.queue[1:]
	return nil
}

// WebSocket is the connection of a session on WebSocket, or nil.
func (s *Session) WebSocket() *WebSocket { return s.ws }

// Send sends packets: in one POST, or as one frame each with one write.
func (s *Session) Send(ps ...Packet) error {
	if s.ws != nil {
		frames := make([]Frame, len(ps))
		for i, p := range ps {
			frames[i] = Frame{Opcode: Text, Payload: p.Data}
			if p.Binary {
				frames[i].Opcode = Binary
			}
		}
		return s.ws.Write(frames...)
	}
	resp, err := s.Post(http.MethodPost, nil, EncodePayload(ps))
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK || string(resp.Body) != "ok" {
		return fmt.Errorf("%w: POST: %d %q", ErrUnexpected, resp.Status, resp.Body)
	}
	return nil
}

// Post sends any request for the session on polling.
func (s *Session) Post(method string, header http.Header, body []byte) (*Response, error) {
	if s.post == nil {
		h, err := s.target.HTTP()
		if err != nil {
			return nil, err
		}
		s.post = h
	}
	return s.post.Do(method, s.target.URL("polling", s.SID), header, body)
}

// StartPoll sends a GET and does not wait for its answer; Next does.
func (s *Session) StartPoll() error {
	if s.pending {
		return nil
	}
	s.pending = true
	return s.get.Start(http.MethodGet, s.target.URL("polling", s.SID), nil, nil)
}

// receive waits for at least one more packet.
func (s *Session) receive() error {
	if s.ws != nil {
		return s.receiveFrame()
	}
	if err := s.StartPoll(); err != nil {
		return err
	}
	resp, err := s.get.Finish(http.MethodGet)
	s.pending = false
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK {
		return fmt.Errorf("%w: poll: %d %q", ErrUnexpected, resp.Status, resp.Body)
	}
	ps, err := DecodePayload(resp.Body)
	s.queue = append(s.queue, ps...)
	return err
}

func (s *Session) receiveFrame() error {
	f, err := s.ws.Read()
	if err != nil {
		return err
	}
	switch f.Opcode {
	case Text, Binary:
		s.queue = append(s.queue, Packet{Binary: f.Opcode == Binary, Data: f.Payload})
		return nil
	case CloseFrame:
		status, reason := f.CloseStatus()
		return &ClosedError{Status: status, Reason: reason}
	default:
		return nil
	}
}

// A ClosedError is the server's close frame, or (Status 0) its close packet on polling.
type ClosedError struct {
	Status int
	Reason string
}

func (e *ClosedError) Error() string { return fmt.Sprintf("wire: closed: %d %s", e.Status, e.Reason) }

// Unwrap is io.EOF: the session is over.
func (e *ClosedError) Unwrap() error { return io.EOF }

// Next waits for the next packet. Noops are dropped, and pings are answered and dropped unless NoPong is set.
func (s *Session) Next() (Packet, error) {
	for {
		for len(s.queue) == 0 {
			if err := s.receive(); err != nil {
				return Packet{}, err
			}
		}
		p := s.queue[0]
		s.queue = s.queue[1:]
		switch {
		case p.Binary:
			return p, nil
		case string(p.Data) == "6":
		case string(p.Data) == "2" && !s.NoPong:
			if err := s.Send(Txt("3")); err != nil {
				return Packet{}, err
			}
		case string(p.Data) == "1":
			return p, &ClosedError{}
		default:
			return p, nil
		}
	}
}

// Expect waits for the next packet and wants it to begin with prefix; it returns the rest.
func (s *Session) Expect(prefix string) (string, error) {
	p, err := s.Next()
	if err != nil {
		return "", err
	}
	rest, ok := strings.CutPrefix(string(p.Data), prefix)
	if p.Binary || !ok {
		return "", fmt.Errorf("%w: %s instead of %s", ErrUnexpected, p, prefix)
	}
	return rest, nil
}

// Connect joins a namespace; auth is JSON or empty. It returns the Socket.IO id. No event may be on its way.
func (s *Session) Connect(namespace, auth string) (string, error) {
	head := "0"
	if namespace != "/" {
		head += namespace + ","
	}
	if err := s.Send(Txt("4" + head + auth)); err != nil {
		return "", err
	}
	rest, err := s.Expect("4" + head)
	if err != nil {
		return "", err
	}
	var payload struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal([]byte(rest), &payload); err != nil {
		return "", fmt.Errorf("wire: connect: %w", err)
	}
	return payload.SID, nil
}

// Emit sends an event of the main namespace without binary arguments.
func (s *Session) Emit(name string, args ...any) error {
	text, err := json.Marshal(append([]any{name}, args...))
	if err != nil {
		return fmt.Errorf("wire: emit: %w", err)
	}
	return s.Send(Packet{Data: append([]byte("42"), text...)})
}

// Upgrade moves a session from polling to WebSocket. No poll may be pending.
func (s *Session) Upgrade() error {
	if s.ws != nil || s.pending {
		return errors.New("wire: upgrade: not now")
	}
	ws, err := s.target.WebSocket(s.target.URL("websocket", s.SID), nil)
	if err != nil {
		return err
	}
	if err := probe(ws); err != nil {
		_ = ws.Close()
		return err
	}
	s.ws = ws
	_ = s.get.Close()
	if s.post != nil {
		_ = s.post.Close()
	}
	return nil
}

func probe(ws *WebSocket) error {
	if err := ws.Write(Frame{Opcode: Text, Payload: []byte("2probe")}); err != nil {
		return err
	}
	f, err := ws.Read()
	if err != nil {
		return err
	}
	if f.Opcode != Text || string(f.Payload) != "3probe" {
		return fmt.Errorf("%w: %d %q instead of 3probe", ErrUnexpected, f.Opcode, f.Payload)
	}
	return ws.Write(Frame{Opcode: Text, Payload: []byte("5")})
}

// Close ends the session politely: a close packet on polling, a close frame on WebSocket, and the server's answer.
func (s *Session) Close() error {
	defer s.Abort()
	if s.ws == nil {
		return s.Send(Txt("1"))
	}
	if err := s.ws.Write(CloseWith(1000, "")); err != nil {
		return err
	}
	_, err := s.ws.ReadClose()
	return err
}

// Abort closes the TCP connections, and says nothing. It may be called by any goroutine.
func (s *Session) Abort() {
	if s.ws != nil {
		_ = s.ws.Close()
	}
	if s.get != nil {
		_ = s.get.Close()
	}
	if s.post != nil {
		_ = s.post.Close()
	}
}

// EncodePayload is the body of a POST (EIO v4, payload encoding).
func EncodePayload(ps []Packet) []byte {
	var b bytes.Buffer
	for i, p := range ps {
		if i > 0 {
			b.WriteByte(0x1e)
		}
		if p.Binary {
			b.WriteString("b" + base64.StdEncoding.EncodeToString(p.Data))
		} else {
			b.Write(p.Data)
		}
	}
	return b.Bytes()
}

// DecodePayload splits the answer to a poll into packets.
func DecodePayload(body []byte) ([]Packet, error) {
	var ps []Packet
	for part := range bytes.SplitSeq(body, []byte{0x1e}) {
		text, binary := bytes.CutPrefix(part, []byte("b"))
		if !binary {
			ps = append(ps, Packet{Data: part})
			continue
		}
		data, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			return ps, fmt.Errorf("wire: payload: %w", err)
		}
		ps = append(ps, Bin(data))
	}
	return ps, nil
}
