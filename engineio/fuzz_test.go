package engineio

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// FuzzServer plays a script of hostile and of ordinary clients against a server: raw bytes instead of requests, POSTs,
// polls, WebSocket frames and bytes instead of frames, upgrades, and time that passes. Whatever happens, the server
// serves the next client, calls each Handler as it promises, and nothing is left of the sessions.
//
// The script is a sequence of steps: an operation, a length, and as many bytes for it.
func FuzzServer(f *testing.F) {
	step := func(op byte, data string) string { return string([]byte{op, byte(len(data))}) + data }
	f.Add([]byte(step(1, "4hello\x1ebAQID") + step(2, "") + step(1, "3\x1e1\x1e4x")))
	f.Add([]byte(step(2, "") + step(2, "") + step(2, "")))
	f.Add([]byte(step(3, "") + step(4, "4hello") + step(5, "\x01\x02") + step(4, "1")))
	f.Add([]byte(step(6, "") + step(4, "2probe") + step(2, "") +
		step(4, "5") + step(4, "4x") + step(7, "30") + step(4, "3")))
	f.Add([]byte(step(6, "") + step(6, "") + step(4, "5") + step(6, "") + step(1, "4x") + step(8, "abc")))
	f.Add([]byte(step(3, "") + step(9, "\x81\x85\x00\x00\x00\x004\x01\x02\x03\x04\x01\x00\x80\x00") + step(7, "\xff")))
	f.Add([]byte(step(0, "GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\nPOST /")))
	f.Add([]byte(step(0, "POST /engine.io/?EIO=4&transport=polling&sid=S HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "+
		"chunked\r\n\r\n1\r\n4\r\n")))
	f.Add([]byte(step(0, "GET /engine.io/?EIO=4&transport=websocket&sid=S HTTP/1.1\r\nHost: x\r\nConnection: "+
		"upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x81")))
	f.Add([]byte(step(1, "4close") + step(10, "") + step(2, "") + step(7, "\xff\xff")))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 2000 {
			return
		}
		bubble(t, &Options{MaxQueuePackets: 50, MaxPayload: 500}, func(t *testing.T, e *env) {
			e.onMsg = func(r *recorder, m Message) {
				echo(r, m)
				if strings.HasPrefix(string(m.Data), "close") {
					r.socket.Close()
				}
			}
			query, rec := e.open()
			play(t, e, script, query, rec)
			e.onMsg = echo
			q, _ := e.open()
			e.do("POST", q, "4still here").want(t, 200, "ok")
			e.do("GET", q, "").want(t, 200, "4still here")
		})
	})
}

// FuzzOldServer is FuzzServer with a session of revision 3, whose POSTs are text, binary or forms.
func FuzzOldServer(f *testing.F) {
	step := func(op byte, data string) string { return string([]byte{op, byte(len(data))}) + data }
	f.Add([]byte(step(1, "6:4hello") + step(2, "") + step(1, "1:21:14:4xyz")))
	f.Add([]byte(step(1, "\x00\x06\xff4hello\x01\x02\xff\x04a") + step(2, "")))
	f.Add([]byte(step(1, "d=6%3A4hello") + step(2, "") + step(2, "")))
	f.Add([]byte(step(3, "") + step(4, "2") + step(5, "\x04\x02") + step(4, "b4AQ==") + step(5, "\x09")))
	f.Add([]byte(step(6, "") + step(4, "2probe") + step(2, "") + step(4, "5") + step(4, "2") + step(7, "\xff\xff\xff")))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 2000 {
			return
		}
		o := &Options{MaxQueuePackets: 50, MaxPayload: 500, AllowEIO3: true, JSONP: true}
		bubble(t, o, func(t *testing.T, e *env) {
			e.onMsg = func(r *recorder, m Message) {
				if echo(r, m); strings.HasPrefix(string(m.Data), "close") {
					r.socket.Close()
				}
			}
			more, kind := "", "text/plain"
			if n := len(script); n > 0 && script[0]&0x40 != 0 {
				more = "&j=0"
			} else if n > 0 && script[0]&0x80 != 0 {
				kind = octetStream
			}
			query, rec := e.openOld("")
			play(t, e, script, query+more, rec, "Content-Type", kind)
			e.onMsg = echo
			q, _ := e.openOld("")
			e.do("POST", q, "7:4stilll").want(t, 200, "ok")
			e.do("GET", q, "").want(t, 200, "7:4stilll")
		})
	})
}

// play plays the script to the session of rec; header is that of its POSTs.
func play(t *testing.T, e *env, script []byte, query string, rec *recorder, header ...string) {
	eio, _, _ := strings.Cut(query, "&")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var conns []*memnet.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	// dial returns a connection whose input is read and thrown away.
	dial := func(request string) {
		c, err := e.net.Dial(ctx)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		go io.Copy(io.Discard, c) // ends with the connection
		io.WriteString(c, strings.ReplaceAll(request, "sid=S", "sid="+rec.socket.ID()))
	}
	write := func(b []byte) {
		if len(conns) > 0 {
			c := conns[len(conns)-1]
			c.SetWriteDeadline(time.Now().Add(time.Second))
			c.Write(b)
		}
	}
	for len(script) >= 2 && len(conns) < 20 {
		op, n := script[0]%11, min(int(script[1]), len(script)-2)
		data := script[2 : 2+n]
		script = script[2+n:]
		switch op {
		case 0:
			dial(string(data))
		case 1:
			go e.doContext(ctx, "POST", query, strings.NewReader(string(data)), header...) // ends with cancel
		case 2:
			go e.doContext(ctx, "GET", query, nil) // ends with cancel
		case 3, 6:
			q := eio + "&transport=websocket"
			if op == 6 {
				q += "&sid=S"
			}
			dial("GET /engine.io/?" + q + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		case 4:
			write(frame(1, string(data)))
		case 5:
			write(frame(2, string(data)))
		case 7:
			d := time.Duration(0)
			for _, b := range data {
				d += time.Duration(b) * 100 * time.Millisecond
			}
			<-time.After(min(d, time.Minute))
		case 8:
			rec.socket.Send(SendOptions{Volatile: n%2 == 1, Defer: n%3 == 1}, text(fmt.Sprintf("%q", data)))
		case 9:
			write(data)
		case 10:
			if n%2 == 0 {
				rec.socket.Close()
			} else if len(conns) > 0 {
				conns[len(conns)-1].Reset()
			}
		}
		synctest.Wait()
	}
}
