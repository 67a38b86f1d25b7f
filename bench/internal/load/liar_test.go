package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sio.example/socketio/bench/internal/wsframe"
)

// A liar is a server that answers as well as asked for, or as badly.
type liar struct {
	t        *testing.T
	listener net.Listener
	// answer gives the answers to a message, the n-th of its connection from 0: frames without their header.
	answer func(c *liarConn, n int, op byte, p []byte) []reply
	// keepOpen leaves connections open that said goodbye.
	keepOpen bool
	// closeAfter ends a connection when it has got so many messages; 0 never.
	closeAfter int

	mu    sync.Mutex
	conns []*liarConn
	wg    sync.WaitGroup
}

type reply struct {
	op   byte
	text string
}

type liarConn struct {
	conn net.Conn
	mu   sync.Mutex // of writes
	room string
}

func newLiar(t *testing.T) *liar {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{t: t, listener: listener}
	t.Cleanup(func() {
		_ = listener.Close()
		l.mu.Lock()
		for _, c := range l.conns {
			_ = c.conn.Close()
		}
		l.mu.Unlock()
		l.wg.Wait()
	})
	return l
}

// start accepts connections; the fields must have been set.
func (l *liar) start() {
	l.wg.Go(func() {
		for {
			conn, err := l.listener.Accept()
			if err != nil {
				return
			}
			c := &liarConn{conn: conn}
			l.mu.Lock()
			l.conns = append(l.conns, c)
			l.mu.Unlock()
			l.wg.Go(func() { l.serve(c) })
		}
	})
}

func (l *liar) port() int { return l.listener.Addr().(*net.TCPAddr).Port }

func (c *liarConn) write(replies ...reply) {
	var b []byte
	for _, r := range replies {
		b = append(b, 0x80|r.op)
		if len(r.text) < 126 {
			b = append(b, byte(len(r.text)))
		} else {
			b = append(b, 126, byte(len(r.text)>>8), byte(len(r.text)))
		}
		b = append(b, r.text...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.conn.Write(b)
}

func (l *liar) serve(c *liarConn) {
	defer func() {
		if !l.keepOpen {
			_ = c.conn.Close()
		}
	}()
	r := bufio.NewReader(c.conn)
	request, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	fmt.Fprintf(c.conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "+
		"Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", wsAccept)
	if request.Header.Get("Sec-WebSocket-Key") != wsKey {
		return
	}
	c.write(reply{wsframe.Text, `0{"sid":"x"}`})
	for n := 0; l.closeAfter == 0 || n < l.closeAfter; {
		op, p, err := readMasked(r)
		switch {
		case err != nil:
			return
		case op == wsframe.Close:
			c.write(reply{wsframe.Close, string(p)})
			return
		case string(p) == "40":
			c.write(reply{wsframe.Text, `40{"sid":"y"}`}, reply{wsframe.Text, "2"}, reply{wsframe.Ping, "hello"})
		case string(p) == "41", string(p) == "3", op == wsframe.Pong:
		case bytes.HasPrefix(p, []byte("427[")):
			c.room = strings.Trim(string(p[len(`427["join",`):]), `"]`)
			c.write(reply{wsframe.Text, "437[]"})
		default:
			c.write(l.answer(c, n, op, p)...)
			n++
		}
	}
}

func readMasked(r *bufio.Reader) (op byte, p []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(head[1] & 0x7f)
	if n == 126 {
		var size [2]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return 0, nil, err
		}
		n = int(size[0])<<8 | int(size[1])
	}
	p = make([]byte, 4+n)
	if _, err := io.ReadFull(r, p); err != nil {
		return 0, nil, err
	}
	key := p[:4]
	for i := range p[4:] {
		p[4+i] ^= key[i&3]
	}
	return head[0] & 15, p[4:], nil
}

// honest gives the right answer to all that the scenarios of one connection send.
func honest(_ *liarConn, _ int, op byte, p []byte) []reply {
	text := string(p)
	if op == wsframe.Text && text[2] != '[' && text[1] == '2' { // an acknowledgement is asked for
		id, rest, _ := strings.Cut(text[2:], "[")
		_, args, _ := strings.Cut(rest, ",")
		return []reply{{wsframe.Text, "43" + id + "[" + args}}
	}
	return []reply{{op, text}}
}

// toAll sends what is broadcast to all connections, and to those of a room what is for it.
func (l *liar) toAll(_ *liarConn, _ int, _ byte, p []byte) []reply {
	text := string(p)
	room := ""
	if rest, ok := strings.CutPrefix(text, `42["room","`); ok {
		name, payload, _ := strings.Cut(rest, `",`)
		room, text = name, `42["room",`+payload
	}
	l.mu.Lock()
	conns := l.conns
	l.mu.Unlock()
	for _, c := range conns {
		if c.room == room {
			c.write(reply{wsframe.Text, text})
		}
	}
	return nil
}

// renumber changes the id of a message by some.
func renumber(text string, by int) string {
	before, after, _ := strings.Cut(text, `"id":`)
	id, _ := strconv.Atoi(after[:idDigits])
	return before + `"id":` + strconv.Itoa(id+by) + after[idDigits:]
}
