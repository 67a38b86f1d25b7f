package client_test

import (
	"strings"
	"testing"
	"time"

	"sio.example/socketio/client"
)

// recovering answers CONNECT as a server with connection state recovery.
func recovering(p *puppet, sid, pid string, missed ...string) {
	for _, text := range missed { // before CONNECT, as the official server does
		p.say(text)
	}
	p.say(`40{"sid":"` + sid + `","pid":"` + pid + `"}`)
}

func TestRecovery(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		setMute(p, true)
		s := m.Socket("/", nil)
		var d diary
		d.keep(s)
		s.Open()
		expectWire(t, p, `40`)
		recovering(p, "one", "secret")
		d.expect(t, "connect")
		if s.Recovered() {
			t.Error("recovered at first")
		}
		p.say(`42["a",1]`)
		p.drop()
		pass(2 * time.Second)
		d.expect(t, `a [1]`, "disconnect transport close")
		expectWire(t, p, `40{"pid":"secret"}`) // no offset yet
		recovering(p, "two", "secret2")
		if d.expect(t, "connect"); s.Recovered() {
			t.Error("recovered under another pid")
		}
		p.say(`42["b",1,"offset1"]`)
		p.say(`42["b","offset2"]`)
		p.say(`42["c",{"no":"string"}]`)
		d.expect(t, `b [1,"offset1"]`, `b ["offset2"]`, `c [{"no":"string"}]`)
		s.SetAuth(map[string]string{"token": "t"})
		p.drop()
		pass(3 * time.Second)
		expectWire(t, p, `40{"pid":"secret2","offset":"offset2","token":"t"}`)
		recovering(p, "two", "secret2", `42["missed",1,"offset3"]`, `42["missed",2,"offset4"]`)
		d.expect(t, "disconnect transport close", "connect", `missed [1,"offset3"]`, `missed [2,"offset4"]`)
		if !s.Recovered() || s.ID() != "two" {
			t.Errorf("recovered %v, id %s", s.Recovered(), s.ID())
		}
		s.SetAuth(struct {
			PID    string `json:"pid"`
			Offset int    `json:"offset"`
		}{"own", 7})
		p.drop()
		pass(5 * time.Second)
		expectWire(t, p, `40{"pid":"own","offset":7}`)
		recovering(p, "three", "third")
		d.expect(t, "disconnect transport close", "connect")
		s.SetAuth(nil)
		p.drop()
		pass(5 * time.Second)
		expectWire(t, p, `40{"pid":"third"}`) // the offset was another session's
		p.say(`40{"sid":"four"}`)
		d.expect(t, "disconnect transport close", "connect")
		p.say(`42["b","text"]`)
		p.drop()
		pass(5 * time.Second)
		expectWire(t, p, `40`)
	})
}

// A server that sends without end before it answers CONNECT is not asked to do that again.
func TestRecoveryIsForgottenAfterAFlood(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		setMute(p, true)
		s := m.Socket("/", nil)
		s.Open()
		expectWire(t, p, `40`)
		recovering(p, "one", "secret")
		p.say(`42["a","offset"]`)
		p.drop()
		pass(2 * time.Second)
		expectWire(t, p, `40{"pid":"secret","offset":"offset"}`)
		text := `42["flood","` + strings.Repeat("x", 1<<20) + `"]`
		for range 17 {
			p.say(text)
		}
		pass(4 * time.Second)
		expectWire(t, p, `40`)
	})
}
