package engineio

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/websocket"
)

// A clientUpgrade is the way of one session from polling to a link (EIO v4 §upgrade). It needs ClientSocket.mu.
//
//	dialing ── open ──▶ probing ── 3probe ──▶ pausing ── polling rests ──▶ committing ── 5 sent ──▶ upgraded
//	   ├───────────────────┴─────────────────────┴── failure, timeout ──▶ polling again
//	   └── the next transport that both ends have, if there is one ◀───────────┘
//
// While it pauses nothing is sent (see clientPollState): what went out over the one transport could overtake what
// went out over the other. The server answers the GET for that, and it is the last to deliver what came by polling
// before the link delivers.
type clientUpgrade struct {
	stage  upgradeStage
	kind   transportKind
	ctx    context.Context
	cancel context.CancelFunc // ends dialing
	link   link               // from probing on
	timer  *time.Timer
}

type upgradeStage uint8

const (
	stageDialing upgradeStage = iota
	stageProbing
	stagePausing
	stageCommitting // its outcome is the session's
)

// defaultUpgradeTimeout is as long as a server waits by default.
const defaultUpgradeTimeout = 10 * time.Second

var (
	errUpgradeTimeout = errtext.New("engineio: upgrade takes too long")
	errProbe          = errtext.New("engineio: unexpected packet")
)

// upgradeOrder are the transports that a session is upgraded to, the better first. Officially all that both ends have
// are tried at once, with a head start for WebTransport (engine.io-client, SocketWithUpgrade._probe).
var upgradeOrder = [...]transportKind{kindStream, kindWebSocket}

// startUpgradeLocked begins an upgrade to the first transport from at on in upgradeOrder that both ends want.
func (s *ClientSocket) startUpgradeLocked(d *clientDialer, at int) {
	if s.state != sessionOpen || d.opts.DisableUpgrade {
		return
	}
	for _, kind := range upgradeOrder[at:] {
		if name := kind.String(); !slices.Contains(d.transports, name) || !slices.Contains(s.handshake.Upgrades, name) {
			continue
		}
		timeout := cmp.Or(max(d.opts.UpgradeTimeout, 0), defaultUpgradeTimeout)
		u := &clientUpgrade{kind: kind}
		u.ctx, u.cancel = context.WithCancel(context.Background())
		u.timer = time.AfterFunc(timeout, func() { s.failUpgrade(u, errUpgradeTimeout) })
		s.up = u
		s.refs++
		go s.dialUpgrade(d, u) // owned by the session, ends when the link is open or given up; unref lets Done go on
		return
	}
}

// dialUpgrade opens the link and sends the probe.
func (s *ClientSocket) dialUpgrade(d *clientDialer, u *clientUpgrade) {
	defer s.unref()
	l, err := d.link(u.ctx, u.kind, s.handshake.SID)
	if err != nil {
		s.failUpgrade(u, err)
		return
	}
	s.mu.Lock()
	given := s.up != u
	if !given {
		u.link, u.stage = l, stageProbing
		s.refs++
	}
	s.mu.Unlock()
	if given {
		l.abort()
		l.wait()
		return
	}
	s.startReading(l, u)
	s.tracePacket(u.kind, true, probePacket.packet())
	writePacket(l, probePacket) // if it fails, so does read
}

// writePacket writes a packet to a link that nobody else writes to.
func writePacket(l link, p *Prepared) error {
	b := newBatch(nil, l, &revision4, false)
	defer b.put()
	b.items = append(b.items, parcel{p, 0})
	l.encode(b)
	return l.writeFrames(b.bufs...)
}

func (s *ClientSocket) tracePacket(kind transportKind, sent bool, p packet.Packet) {
	if t := s.trace; t != nil && t.Packet != nil {
		t.Packet(kind.String(), sent, p)
	}
}

// upgrading reports whether what the link says belongs to the upgrade, and not to the session.
func (s *ClientSocket) upgrading(u *clientUpgrade) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return u.stage < stageCommitting
}

// handleProbe does what is to be done about what the link says during the upgrade.
func (s *ClientSocket) handleProbe(u *clientUpgrade, binary bool, data []byte, err error) verdict {
	probed := err == nil && !binary && string(data) == "3probe"
	if probed {
		s.tracePacket(u.kind, false, packet.Packet{Type: packet.Pong, Data: data[1:]})
	}
	if err == nil {
		err = errProbe
	}
	s.mu.Lock()
	given, p := s.up != u, s.poll // given up: its link is closed
	pause := !given && probed && u.stage == stageProbing
	var fx clientPollEffect
	if pause {
		u.stage = stagePausing
		fx = s.stepPollingLocked(p, pollPause)
	}
	s.mu.Unlock()
	switch {
	case pause:
		s.stepped(p, u, fx)
		return readAnew
	case !given:
		s.failUpgrade(u, err)
	}
	return readNoMore
}

// commit tells the server that the link is the transport from now on.
func (s *ClientSocket) commit(u *clientUpgrade) {
	s.tracePacket(u.kind, true, upgradePacket.packet())
	b := newBatch(s, u.link, s.codec(), s.base64)
	b.items = append(b.items, parcel{upgradePacket, 0})
	u.link.encode(b)
	all, err := u.link.tryWrite(b.bufs[0])
	b.put()
	if err != nil { // the server did not get it
		s.failCommit(u, err)
		return
	}
	s.mu.Lock()
	if s.up != u { // the session is closed
		s.mu.Unlock()
		return
	}
	p := s.poll
	s.up, s.poll, s.link, s.kind = nil, nil, u.link, u.kind
	u.timer.Stop()
	if !all || s.queuedLocked() {
		s.startFlushLocked(!all)
	}
	fx := s.drainedLocked()
	cancel := u.cancel
	u.ctx, u.cancel, u.timer = nil, nil, nil // the reader keeps u
	s.mu.Unlock()
	cancel()
	p.dialer.close()
	s.traceUpgrade(u.kind, nil)
	s.closeStopped(fx, false)
}

// failCommit is failUpgrade where it was not too late after all.
func (s *ClientSocket) failCommit(u *clientUpgrade, err error) {
	s.mu.Lock()
	if s.up == u {
		u.stage = stagePausing
	}
	s.mu.Unlock()
	s.failUpgrade(u, err)
}

// failUpgrade gives the upgrade up, unless it is too late, and goes on with polling, or with the next transport.
func (s *ClientSocket) failUpgrade(u *clientUpgrade, err error) {
	s.mu.Lock()
	if s.up != u || u.stage == stageCommitting {
		s.mu.Unlock()
		return
	}
	p := s.poll
	s.up = nil
	fx := s.stepPollingLocked(p, pollResume)
	closing := s.drainedLocked()
	s.mu.Unlock()
	u.abort(websocket.NormalClosure, "")
	s.traceUpgrade(u.kind, errtext.Wrap("engineio: probe error", err))
	s.closeStopped(closing, false)
	s.stepped(p, nil, fx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startUpgradeLocked(p.dialer, slices.Index(upgradeOrder[:], u.kind)+1)
}

// abort ends what has begun, and tells the server so on the link. It must not be called with the lock.
func (u *clientUpgrade) abort(status websocket.Status, text string) {
	u.timer.Stop()
	u.cancel()
	if u.link != nil {
		u.link.close(status, text)
	}
}

func (s *ClientSocket) traceUpgrade(kind transportKind, err error) {
	if t := s.trace; t != nil && t.Upgrade != nil {
		t.Upgrade(kind.String(), err)
	}
	if l := s.logger; l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("engineio: upgrade", "sid", s.shortID(), "transport", kind.String(), "error", err)
	}
}
