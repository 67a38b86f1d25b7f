package engineio

import (
	"time"

	"sio.example/socketio/internal/standstill"
	"sio.example/socketio/internal/websocket"
)

// A probe is a link that wants to become the transport of a polling session.
type probe struct {
	link  link
	text  bool          // it takes text only
	pong  []byte        // the frame that answers it
	timer *time.Timer   // for the end of the upgrade, and for ticks before that
	until time.Duration // the end, on the server's clock
	wake  time.Duration // when timer fires
}

// beginUpgrade lets l begin to upgrade the session, if it may; base64 says that it takes text only. The caller has a
// ref; the reader, which it starts, gets one in any case.
func (s *Socket) beginUpgrade(l link, base64 bool, pong []byte) *probe {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs++
	if s.server.options.DisableUpgrades {
		return nil
	}
	if fx, _ := s.stepLocked(inOpened); fx&fxRefuse != 0 {
		return nil
	}
	timeout := s.server.options.UpgradeTimeout
	p := &probe{link: l, text: base64, pong: pong, until: s.server.now() + timeout}
	p.wake = p.until
	p.timer = time.AfterFunc(timeout, func() { s.onProbeTimer(p) })
	s.poll.probe = p
	return p
}

// stepLocked takes the upgrade one step and applies what can be applied under the lock. The caller answers the probe
// and closes the WebSocket that is returned.
func (s *Socket) stepLocked(in upgradeInput) (fx upgradeEffect, abandoned link) {
	s.upgrade, fx = s.upgrade.step(in)
	poll := s.poll
	if poll == nil { // it is over
		return fx, nil
	}
	p := poll.probe
	poll.makeRoom()
	if fx&fxNoop != 0 {
		poll.release(in == inTick)
	}
	if fx&fxTick != 0 {
		now := s.server.now()
		p.wake = min(now+upgradeTick, p.until)
		p.timer.Reset(max(0, p.wake-now))
	}
	if fx&fxSwitch != 0 {
		s.switchLocked(p)
	}
	if fx&fxAbandon != 0 {
		abandoned = p.link
	}
	if fx&fxForget != 0 {
		p.timer.Stop()
		poll.probe = nil
	}
	return fx, abandoned
}

// switchLocked makes the WebSocket the transport. A GET that is pending is answered (see getState.answer), and what is
// queued goes out here; what a GET has taken and is still writing goes first.
func (s *Socket) switchLocked(p *probe) {
	n, l := &s.server.counters, p.link
	if !p.text && s.codec() == &revision3 { // of whose clients many poll with text only
		s.marks.Or(markBinary)
	}
	n.sessions[s.kind].Add(-1)
	s.link, s.kind = l, l.kind()
	n.sessions[s.kind].Add(1)
	n.upgraded.Add(1)
	s.poll.signal()
	if s.poll.post == postDelivering {
		s.poll.delivered = make(chan struct{})
	}
	s.freePollingLocked()
	s.startFlushLocked()
}

// probedLocked reports whether p upgrades the session still.
func (s *Socket) probedLocked(p *probe) bool { return s.poll != nil && s.poll.probe == p }

// onProbeTimer runs on a goroutine of the timer.
func (s *Socket) onProbeTimer(p *probe) {
	s.mu.Lock()
	if !s.probedLocked(p) {
		s.mu.Unlock()
		return
	}
	in, now := inTick, s.server.now()
	if standstill.Late(now - p.wake) {
		p.until = now + s.server.options.UpgradeTimeout
		p.wake = p.until
		p.timer.Reset(p.until - now)
	}
	if now >= p.until {
		in = inTimeout
		s.server.counters.reject(RejectUpgradeTimeout)
	}
	_, abandoned := s.stepLocked(in)
	s.mu.Unlock()
	if abandoned != nil {
		abandoned.close(websocket.PolicyViolation, "upgrade timeout")
	}
}

// readUpgrade is the reader of a WebSocket that upgrades.
func (s *Socket) readUpgrade(p *probe) {
	if s.probing(p) {
		p.link.ask(true)
		s.read(p.link)
		return
	}
	s.readOut(p.link)
}

// probing reads the packets of an upgrade and reports whether the WebSocket is the transport now.
func (s *Socket) probing(p *probe) bool {
	for {
		binary, data, err := p.link.read()
		switch s.probeSaid(p, binary, data, err) {
		case probeSwitched:
			return true
		case probeOver:
			return false
		}
	}
}

// A probeVerdict is what becomes of a probe.
type probeVerdict uint8

const (
	probeOn       probeVerdict = iota
	probeSwitched              // it is the transport now
	probeOver                  // it will not be
)

// probeSaid does what is to be done about what was read from a link that upgrades.
func (s *Socket) probeSaid(p *probe, binary bool, data []byte, err error) probeVerdict {
	returned := false
	defer func() {
		if !returned { // a stream of the user's, or a Logger, has ended the goroutine
			go s.readUpgrade(p) // the same reader with its ref
		}
	}()
	v := s.stepProbe(p, binary, data, err)
	returned = true
	return v
}

func (s *Socket) stepProbe(p *probe, binary bool, data []byte, err error) probeVerdict {
	in := inViolation
	switch {
	case err != nil:
		in = inLost
	case binary:
	case string(data) == "2probe":
		in = inProbe
	case string(data) == "5":
		in = inCommit
	}
	s.mu.Lock()
	if !s.probedLocked(p) { // timed out, or the session is closed
		s.mu.Unlock()
		return probeOver
	}
	fx, abandoned := s.stepLocked(in)
	var wait chan struct{}
	if fx&fxSwitch != 0 && s.poll != nil {
		wait = s.poll.delivered
	}
	s.mu.Unlock()
	switch {
	case fx&fxSwitch != 0:
		if wait != nil {
			<-wait // the last POST is still delivering; ends when the Handler has taken its messages
		}
		return probeSwitched
	case fx&fxPong != 0:
		p.link.writeFrames(p.pong) // if it fails, Read tells
		return probeOn
	case abandoned != nil:
		s.server.counters.reject(RejectUpgradeViolation)
		abandoned.close(websocket.ProtocolError, "probe expected")
	default:
		s.server.counters.reject(RejectUpgradeLost)
	}
	return probeOver
}
