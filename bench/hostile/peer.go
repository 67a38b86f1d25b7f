package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"sio.example/socketio/bench/internal/wsframe"
)

// tiny is the receive buffer of those who do not read: what they are sent shall wait at the server.
const tiny = 4096

// A peer is a WebSocket client without a library, which does what the attack wants.
type peer struct {
	conn net.Conn
	in   *bufio.Reader

	mu  sync.Mutex // of writes
	out []byte
}

// dial opens a session. buffer is that of the kernel for what comes, 0 its default. The connection is closed with ctx.
func dial(ctx context.Context, addr string, buffer int) (*peer, error) {
	conn, err := connect(ctx, addr, buffer)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	p := &peer{conn: conn, in: bufio.NewReader(conn)}
	_, err = fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nConnection: "+
		"Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr)
	if err != nil {
		return nil, err
	}
	re, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return nil, err
	}
	if re.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.New(re.Status)
	}
	return p, nil
}

func connect(ctx context.Context, addr string, buffer int) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err == nil && buffer > 0 {
		err = conn.(*net.TCPConn).SetReadBuffer(buffer)
	}
	return conn, err
}

// send sends one message of text.
func (p *peer) send(text string) error { return p.write(wsframe.Text, []byte(text), 0) }

// write sends one message but for its last bytes.
func (p *peer) write(op byte, payload []byte, less int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out, _ = wsframe.Append(p.out[:0], op, payload)
	_, err := p.conn.Write(p.out[:len(p.out)-less])
	if cap(p.out) > 64<<10 {
		p.out = nil
	}
	return err
}

// next reads one message and answers pings.
func (p *peer) next() (string, error) {
	for {
		text, op, err := p.frame()
		switch {
		case err != nil:
			return "", err
		case op == wsframe.Close:
			return "", io.EOF
		case op != wsframe.Text:
		case text == "2":
			if err := p.send("3"); err != nil {
				return "", err
			}
		default:
			return text, nil
		}
	}
}

func (p *peer) frame() (text string, op byte, err error) {
	head, err := p.in.Peek(2)
	if err != nil {
		return "", 0, err
	}
	more := 2
	switch head[1] {
	case 126:
		more = 4
	case 127:
		more = 10
	}
	if head, err = p.in.Peek(more); err != nil {
		return "", 0, err
	}
	size := 0
	if more == 2 {
		size = int(head[1])
	}
	for _, b := range head[2:] {
		size = size<<8 | int(b)
	}
	frame := make([]byte, more+size)
	if _, err := io.ReadFull(p.in, frame); err != nil {
		return "", 0, err
	}
	op, payload, _, err := wsframe.Next(frame)
	return string(payload), op, err
}

// await reads until a message begins so.
func (p *peer) await(prefix string) error {
	for {
		text, err := p.next()
		if err != nil || strings.HasPrefix(text, prefix) {
			return err
		}
	}
}

// drain reads, and answers pings, until the end.
func (p *peer) drain() {
	for {
		if _, err := p.next(); err != nil {
			return
		}
	}
}

// A poll is a session on polling.
type poll struct {
	addr, sid string
	client    *http.Client
}

func openPoll(ctx context.Context, addr string) (*poll, error) {
	p := &poll{addr: addr, client: &http.Client{Transport: &http.Transport{IdleConnTimeout: time.Second}}}
	open, err := p.request(ctx, http.MethodGet, "")
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(open, `"sid":"`)
	sid, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return nil, fmt.Errorf("opened with %q", open)
	}
	p.sid = sid
	return p, nil
}

func (p *poll) path() string {
	if p.sid == "" {
		return "/socket.io/?EIO=4&transport=polling"
	}
	return "/socket.io/?EIO=4&transport=polling&sid=" + p.sid
}

func (p *poll) request(ctx context.Context, method, body string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+p.addr+p.path(), strings.NewReader(body))
	if err != nil {
		return "", err
	}
	re, err := p.client.Do(r)
	if err != nil {
		return "", err
	}
	defer re.Body.Close()
	text, err := io.ReadAll(re.Body)
	if err == nil && re.StatusCode != http.StatusOK {
		err = errors.New(strconv.Itoa(re.StatusCode) + " " + string(text))
	}
	return string(text), err
}

// ask sends a GET whose answer nobody reads.
func (p *poll) ask(ctx context.Context) error {
	conn, err := connect(ctx, p.addr, tiny)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", p.path(), p.addr)
	return err
}
