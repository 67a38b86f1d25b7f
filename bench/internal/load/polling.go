package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sio.example/socketio/bench/internal/wsframe"
)

// polling is echo over long polling. Each client has two connections: one for its GETs, one for its POSTs.
type polling struct {
	g       *generator
	clients []*pollingClient
	stopped bool
	err     error
	inside  int
}

type pollingClient struct {
	index     int
	get, post *conn
	poll      []byte // the GET request
	lane      *lane
	rx        *receiver
	stage     stage
	parked    bool   // a GET is not answered
	posting   bool   // a POST is not answered
	pong      bool   // owed to the server
	where     string // path and query
}

func newPolling(g *generator) *polling { return &polling{g: g} }

func (d *polling) open() error {
	done := func() bool {
		for d.err == nil && len(d.clients) < d.g.cfg.Connections && len(d.clients)-d.inside < inOpening {
			d.err = d.dial()
		}
		return d.err != nil || d.inside == d.g.cfg.Connections
	}
	if err := d.g.loop.runUntil(openTime, done); err != nil {
		return err
	}
	if d.err != nil {
		return fmt.Errorf("client %d: %w", d.inside+1, noEOF(d.err))
	}
	if d.inside < d.g.cfg.Connections {
		return fmt.Errorf("%d of %d clients after %v", d.inside, d.g.cfg.Connections, openTime)
	}
	return nil
}

func (d *polling) dial() (err error) {
	cl := &pollingClient{index: len(d.clients)}
	port := d.g.target.Port
	if cl.get, err = d.g.loop.dial(port, cl.index, d); err != nil {
		return err
	}
	if cl.post, err = d.g.loop.dial(port, cl.index, d); err != nil {
		return err
	}
	cl.get.client, cl.post.client = cl, cl
	cl.where = "/socket.io/?EIO=4&transport=polling"
	cl.poll = getRequest(port, cl.where)
	d.clients = append(d.clients, cl)
	d.fetch(cl)
	return nil
}

func getRequest(port int, where string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", where, port)
}

func postRequest(port int, where, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: text/plain;charset=UTF-8\r\n"+
		"Content-Length: %d\r\n\r\n%s", where, port, len(body), body)
}

func (d *polling) fetch(cl *pollingClient) {
	cl.parked = true
	d.g.loop.write(cl.get, cl.poll)
}

func (d *polling) send(cl *pollingClient, request []byte) {
	cl.posting = true
	d.g.loop.write(cl.post, request)
}

func (d *polling) begin() {
	for _, cl := range d.clients {
		cl.lane.due = 1
		d.advance(cl)
	}
}

func (d *polling) stop() { d.stopped = true }

func (d *polling) outstanding() (n int64) {
	for _, cl := range d.clients {
		n += int64(cl.rx.outstanding())
	}
	return n
}

func (d *polling) finish() { d.g.result.Faults.Lost += d.outstanding() }

// advance does what is to be done next: a GET is always waiting, and a POST follows when all is answered.
func (d *polling) advance(cl *pollingClient) {
	if cl.stage != ready || cl.get.gone || cl.post.gone {
		return
	}
	if !cl.parked {
		d.fetch(cl)
	}
	switch {
	case cl.posting:
	case cl.pong:
		cl.pong = false
		d.send(cl, postRequest(d.g.target.Port, cl.where, "3"))
	case cl.lane.due > 0 && !d.stopped && !cl.lane.exhausted():
		cl.lane.due--
		cl.posting = true
		d.g.loop.write(cl.post, cl.lane.append(nil, d.g.loop.now))
	}
}

func (d *polling) input(c *conn, data []byte) ([]byte, error) {
	cl := c.client
	body, rest, err := nextResponse(data)
	if err != nil || body == nil {
		return data, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%.100q after an answer", rest)
	}
	if c == cl.post {
		if cl.posting = false; string(body) != "ok" {
			return nil, fmt.Errorf("got %.100q for a POST", body)
		}
	} else {
		cl.parked = false
		if err := d.payload(cl, body); err != nil {
			return nil, err
		}
	}
	d.advance(cl)
	return nil, nil
}

// payload takes the packets of a GET's answer (EIO v4, "payload").
func (d *polling) payload(cl *pollingClient, body []byte) error {
	for p := range bytes.SplitSeq(body, []byte{0x1e}) {
		switch {
		case string(p) == "2":
			cl.pong = true
		case cl.stage == ready:
			if len(p) == 0 || p[0] != '4' {
				return fmt.Errorf("got packet %.100q", p)
			}
			cl.rx.take(d.g, wsframe.Text, p)
		case cl.stage == upgrading:
			sid, ok := openSID(p)
			if !ok {
				return fmt.Errorf("no open packet: %.200q", p)
			}
			cl.stage = connecting
			cl.where += "&sid=" + sid
			cl.poll = getRequest(d.g.target.Port, cl.where)
			d.fetch(cl)
			d.send(cl, postRequest(d.g.target.Port, cl.where, "40"))
		case cl.stage == connecting && bytes.HasPrefix(p, []byte("40")):
			cl.stage = ready
			d.equip(cl)
			d.inside++
		default:
			return fmt.Errorf("no CONNECT: %.200q", p)
		}
	}
	return nil
}

func openSID(p []byte) (sid string, ok bool) {
	_, after, ok := bytes.Cut(p, []byte(`"sid":"`))
	if !ok || p[0] != '0' {
		return "", false
	}
	id, _, ok := bytes.Cut(after, []byte(`"`))
	return string(id), ok && len(id) > 0
}

func (d *polling) equip(cl *pollingClient) {
	request := postRequest(d.g.target.Port, cl.where, fmt.Sprintf(`42["echo",%s]`, payload(cl.index, d.g.cfg.textSize())))
	body := bytes.Index(request, []byte("\r\n\r\n"))
	at := idsIn(request[body:])
	for i := range at {
		at[i] += body
	}
	cl.lane = &lane{sender: cl.post, members: 1, request: newNumbered(request, at, nil)}
	cl.rx = d.g.receiver(cl.lane, `42["echo",%s]`, cl.index)
}

func (d *polling) ended(c *conn, err error) {
	if d.err == nil {
		d.err = err
	}
	if c.client.stage == ready {
		faults := &d.g.result.Faults
		faults.note(&faults.Closed, "client %d: %v", c.client.index, noEOF(err))
	}
}

// nextResponse is the body of the HTTP answer that data begins with; nil if it has not come in full.
func nextResponse(data []byte) (body, rest []byte, err error) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, data, nil
	}
	head := data[:end+2]
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return nil, nil, fmt.Errorf("answer %.200q", data)
	}
	length, err := contentLength(head)
	if err != nil {
		return nil, nil, err
	}
	data = data[end+4:]
	if len(data) < length {
		return nil, data, nil
	}
	return data[:length:length], data[length:], nil
}

var errLength = errors.New("an answer without Content-Length")

func contentLength(head []byte) (int, error) {
	const name = "content-length:"
	for line := range bytes.Lines(head) {
		if len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name) {
			return strconv.Atoi(string(bytes.TrimSpace(line[len(name):])))
		}
	}
	return 0, errLength
}
