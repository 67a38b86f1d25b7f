package engineio

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const oldQuery = "EIO=3&transport=polling"

// openOld opens a session of revision 3 by polling.
func (e *env) openOld(more string) (query string, rec *recorder) {
	e.t.Helper()
	e.mu.Lock()
	n := len(e.sessions)
	e.mu.Unlock()
	a := e.do("GET", oldQuery+more, "")
	open := regexp.MustCompile(`^(\d+):(0\{"sid":"([^"]+)",.*"maxPayload":\d+\})$`).FindStringSubmatch(a.body)
	if a.status != 200 || open == nil || open[1] != fmt.Sprint(len(open[2])) {
		e.t.Fatalf("handshake: %d %q, %v", a.status, a.body, a.err)
	}
	return oldQuery + "&sid=" + open[3], e.session(n)
}

func oldOptions() *Options { return &Options{AllowEIO3: true} }

// Polling of revision 3: text with lengths in UTF-16 code units, base64, and binary payloads in both directions.
func TestRevision3Polling(t *testing.T) {
	bubble(t, oldOptions(), func(t *testing.T, e *env) {
		e.onMsg = echo
		for _, query := range []string{oldQuery, "transport=polling"} {
			e.do("GET", query, "")
			if p := e.session(len(e.sessions) - 1).socket.Protocol(); p != 3 {
				t.Errorf("%s: Protocol() is %d", query, p)
			}
		}
		if n := e.Stats().EIO3; n != 2 {
			t.Errorf("EIO3 is %d", n)
		}
		q, rec := e.openOld("")
		e.do("GET", handshakeQuery+"&sid="+rec.socket.ID(), "").want(t, 400, code3)
		e.do("GET", "EIO=5&transport=polling&sid="+rec.socket.ID(), "").want(t, 400, code3)

		e.do("POST", q, "3:4€x4:4😀x0:1:4").want(t, 200, "ok")
		e.do("GET", q, "").want(t, 200, "3:4€x4:4😀x1:4")

		e.do("POST", q, "3:4ab6:b4AQID").want(t, 200, "ok")
		a := e.do("GET", q, "")
		a.want(t, 200, "\x00\x03\xff4ab\x01\x04\xff\x04\x01\x02\x03")
		if got := a.header.Get("Content-Type"); got != "application/octet-stream" {
			t.Errorf("Content-Type %q", got)
		}
		long := strings.Repeat("ü", 300)
		e.do("POST", q, "\x01\x03\xff\x04\x09\x08\x00\x06\x00\x01\xff4"+long+"\x00\x04\xffb4AQ", "Content-Type", octetStream).
			want(t, 200, "ok")
		e.do("GET", q, "").
			want(t, 200, "\x01\x03\xff\x04\x09\x08\x00\x06\x00\x01\xff4"+long+"\x01\x02\xff\x04\x01")
		e.do("POST", q, "", "Content-Type", octetStream).want(t, 200, "ok")
		if got := e.do("POST", q, "1:1"); got.status != 200 {
			t.Errorf("close is answered %d", got.status)
		}
		rec.want(TransportClose)

		q, rec = e.openOld("&b64=1")
		e.do("POST", q, "8:b4AQIDBA").want(t, 200, "ok")
		a = e.do("GET", q, "")
		a.want(t, 200, "10:b4AQIDBA==")
		if got := a.header.Get("Content-Type"); got != "text/plain; charset=UTF-8" {
			t.Errorf("Content-Type %q", got)
		}
		rec.socket.Close()
		e.do("GET", q, "").want(t, 200, "1:1")
		rec.want(ForcedClose)
	})
}

// Rows E-20 to E-22: what is no payload ends the session, and nothing is allocated for what is only announced.
func TestRevision3Malformed(t *testing.T) {
	for _, c := range []struct {
		body     string
		binary   bool
		messages string // before it
	}{
		{"", false, ""},
		{"99999999999:4a", false, ""},
		{"-1:4", false, ""},
		{"3:ab", false, ""},
		{"x:4a", false, ""},
		{"1e1:4a", false, ""},
		{strings.Repeat("9", 10_000) + ":4", false, ""},
		{strings.Repeat("0", 10_000) + ":4", false, ""},
		{":4a", false, ""},
		{"2:4a2", false, "a"},
		{"2:4a1:", false, "a"},
		{"2:4a3:49", false, "a"},
		{"2:4😀", false, ""}, // ends within the character
		{"2:4\xff", false, ""},
		{"2:9x", false, ""},
		{"2:b4", false, "[]"}, // an empty message, then the next one
		{"3:b2A", false, ""},
		{"1:b", false, ""},
		{"6:b4?QID", false, ""},
		{"\x00\x09\x09\x09\x09\x09\x09\x09\x09\xff4", true, ""},
		{"\x00" + strings.Repeat("\x09", 10_000), true, ""},
		{"\x00\x02", true, ""},
		{"\x00\xff4a", true, ""},
		{"\x00\x0a\xff4a", true, ""},
		{"\x02\x02\xff4a", true, ""},
		{"\x00\x02\xff4a\x00\x03\xff4a", true, "a"},
		{"\x00\x02\xff4\xff", true, ""},
		{"\x01\x02\xff\x02a", true, ""},
		{"\x01\x00\xff", true, ""},
		{"\x00\x00\xff", true, ""},
	} {
		bubble(t, oldOptions(), func(t *testing.T, e *env) {
			q, rec := e.openOld("")
			var header []string
			if c.binary {
				header = []string{"Content-Type", octetStream}
			}
			a := e.do("POST", q, c.body, header...)
			if c.messages == "[]" {
				a.want(t, 200, "ok")
				rec.socket.Close()
				e.do("GET", q, "")
			} else {
				a.want(t, 400, "")
				rec.want(ParseError)
				e.rejected(RejectPayload, 1)
			}
			if got := rec.texts(); got != c.messages {
				t.Errorf("%.40q: messages %q", c.body, got)
			}
		})
	}
}

// A client of revision 3 asks, on each transport, and is ended by its silence. It may not answer what nobody asked.
func TestRevision3Heartbeat(t *testing.T) {
	bubble(t, oldOptions(), func(t *testing.T, e *env) {
		q, rec := e.openOld("")
		for range 3 {
			<-time.After(44 * time.Second)
			got := e.later("GET", q, "")
			e.do("POST", q, "1:2").want(t, 200, "ok")
			(<-got).want(t, 200, "1:3")
		}
		<-time.After(45*time.Second + time.Millisecond)
		rec.want(PingTimeout)
		e.do("GET", q, "").want(t, 400, code1)

		q, rec = e.openOld("")
		e.do("POST", q, "1:3").want(t, 400, "")
		rec.want(TransportError)
		e.rejected(RejectHeartbeat, 1)
	})
}

// Sessions of both revisions wait for different times, each for its own.
func TestRevisionsSideBySide(t *testing.T) {
	bubble(t, oldOptions(), func(t *testing.T, e *env) {
		old, _ := e.dial("EIO=3&transport=websocket")
		old.read()
		rec := e.session(0)
		young, other := e.ws()
		<-time.After(10 * time.Second)
		old.send("2")
		old.want("3")
		young.want("2")
		young.wantClose("close 1008 ping timeout")
		other.want(PingTimeout)
		if got := rec.socket.Context().Err(); got != nil {
			t.Fatalf("the old session has ended: %v", got)
		}
		begun := time.Now()
		old.wantClose("close 1008 ping timeout")
		if d := time.Since(begun); d != 10*time.Second {
			t.Errorf("the old session has ended %v later", d)
		}
		rec.want(PingTimeout)
	})
}

// WebSocket of revision 3: binary frames have a type, and a client without them takes base64.
func TestRevision3WebSocket(t *testing.T) {
	bubble(t, oldOptions(), func(t *testing.T, e *env) {
		e.onMsg = echo
		p, _ := e.dial("EIO=3&transport=websocket")
		p.read()
		p.send("4text", "2")
		p.want("4text", "3")
		p.conn.Write(frame(2, "\x04\x01\x02"))
		p.want("[040102]")
		p.send("b4AQ==")
		p.want("[0401]")
		shared := Prepare(Message{Binary: true, Data: []byte("x")})
		words := text("words")
		young, rec := e.ws()
		for range 3 { // the frame that is kept for all is used from the second time on
			for _, s := range []*Socket{e.session(0).socket, rec.socket} {
				s.Send(SendOptions{}, shared)
				s.Send(SendOptions{}, words)
			}
			p.want("[0478]", "4words")
			young.want("[78]", "4words")
		}
		young.conn.Close()

		p.conn.Write(frame(2, "\x05"))
		p.wantClose("close 1002 malformed packet")
		e.session(0).want(ParseError)

		p, _ = e.dial("EIO=3&transport=websocket&b64=1")
		p.read()
		p.send("b4AQI=")
		p.want("b4AQI=")
		p.conn.Close()
	})
}

// A client that asks and asks and does not read is owed one answer.
func TestRevision3PingsAreNotCollected(t *testing.T) {
	bubble(t, oldOptions(), func(t *testing.T, e *env) {
		q, rec := e.openOld("")
		for range 3 {
			e.do("POST", q, strings.Repeat("1:2", 1000)).want(t, 200, "ok")
		}
		e.do("GET", q, "").want(t, 200, "1:3")
		rec.socket.Close()
		e.do("GET", q, "")
	})
}

// The upgrade of revision 3: the pending GET is ended with a noop, and what is queued follows.
func TestRevision3Upgrade(t *testing.T) {
	bubble(t, oldOptions(), func(t *testing.T, e *env) {
		e.onMsg = echo
		q, rec := e.openOld("")
		got := e.later("GET", q, "")
		p := e.probe(q)
		p.send("2probe")
		p.want("3probe")
		(<-got).want(t, 200, "1:6")
		rec.socket.Send(SendOptions{}, Prepare(Message{Binary: true, Data: []byte{7}}))
		p.send("5")
		p.want("[0407]")
		p.send("2", "4on")
		p.want("3", "4on")
		<-time.After(46 * time.Second)
		rec.want(PingTimeout)
		p.conn.Close()
		synctest.Wait()
	})
}

// A GET that has overtaken the packet which completes the upgrade does not take what is queued away from the WebSocket.
func TestGetThatOvertakesTheUpgrade(t *testing.T) {
	bubble(t, oldOptions(), func(t *testing.T, e *env) {
		q, rec := e.openOld("")
		rec.socket.Send(SendOptions{}, text("queued"))
		p := e.probe(q)
		got := e.later("GET", q, "")
		p.send("2probe", "5")
		p.want("3probe", "4queued")
		(<-got).want(t, 400, code3)
		p.conn.Close()
		rec.want(TransportClose)

		q, rec = e.openOld("") // a client that goes on polling is answered
		rec.socket.Send(SendOptions{}, text("queued"))
		p = e.probe(q)
		e.do("GET", q, "").want(t, 200, "7:4queued")
		p.conn.Close()
		rec.socket.Close()
		e.do("GET", q, "")
	})
}

// Each transport of revision 3 says for itself whether it takes binary data: a client whose polling does not, as that
// for Node, has a WebSocket that does.
func TestBinaryBehindTheUpgrade(t *testing.T) {
	for _, c := range []struct{ open, probe, want string }{
		{oldQuery + "&b64=1", "", "[0401]"},
		{oldQuery + "&b64=1", "&b64=1", "b4AQ=="},
		{handshakeQuery + "&b64=1", "", "bAQ=="},
		{handshakeQuery + "&b64=1", "&b64=1", "bAQ=="},
	} {
		bubble(t, oldOptions(), func(t *testing.T, e *env) {
			e.do("GET", c.open, "")
			rec := e.session(0)
			p := e.probe(strings.TrimSuffix(c.open, "&b64=1") + "&sid=" + rec.socket.ID() + c.probe)
			p.send("2probe", "5")
			p.want("3probe")
			rec.socket.Send(SendOptions{}, Prepare(Message{Binary: true, Data: []byte{1}}))
			p.want(c.want)
			p.conn.Close()
			rec.want(TransportClose)
		})
	}
}
