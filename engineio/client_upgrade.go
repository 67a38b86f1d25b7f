package engineio

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/websocket"
)

// A clientUpgrade is the way of one session from polling to WebSocket (EIO v4 §upgrade). It needs ClientSocket.mu.
//
//	dialing ── open ──▶ probing ── 3probe ──▶ pausing ── GET and POST have ended ──▶ committing ── 5 sent ──▶ upgraded
//	   └───────────────────┴─────────────────────┴── failure, timeout ──▶ polling again
//
// While it pauses nothing is sent: what went out over the one transport could overtake what went out over the other. The
// server answers the GET for that, and it is the last to deliver what came by polling before the WebSocket delivers.
type clientUpgrade struct {
	stage  upgradeStage
	ctx    context.Context
	cancel context.CancelFunc // ends dialing
	conn   *websocket.Conn    // from probing on
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
	errUpgradeTimeout = errors.New("engineio: upgrade takes too long")
	errProbe          = errors.New("engineio: unexpected packet")
)

// startUpgradeLocked begins an upgrade if both sides want it.
func (s *ClientSocket) startUpgradeLocked(d *clientDialer) {
	if s.state != sessionOpen || d.opts.DisableUpgrade ||
		!slices.Contains(d.transports, transportWebSocket) || !slices.Contains(s.handshake.Upgrades, transportWebSocket) {
		return
	}
	timeout := d.opts.UpgradeTimeout
	def(&timeout, defaultUpgradeTimeout)
	u := &clientUpgrade{}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	u.timer = time.AfterFunc(timeout, func() { s.failUpgrade(u, errUpgradeTimeout) })
	s.up = u
	s.holds++
	go s.dialUpgrade(d, u) // owned by the session, ends when the WebSocket is open or given up; release lets Done go on
}

// dialUpgrade opens the WebSocket and sends the probe.
func (s *ClientSocket) dialUpgrade(d *clientDialer, u *clientUpgrade) {
	defer s.release()
	conn, err := d.webSocket(u.ctx, s.handshake.SID)
	if err != nil {
		s.failUpgrade(u, err)
		return
	}
	s.mu.Lock()
	if s.up != u {
		s.mu.Unlock()
		conn.Abort()
		conn.Wait()
		return
	}
	u.conn, u.stage = conn, stageProbing
	s.holds++
	s.mu.Unlock()
	go s.read(conn, u) // the reader: owned by the session, ends with the connection, and release lets Done go on
	s.tracePacket(true, probePacket.packet())
	conn.WriteFrames(probePacket.appendMasked(nil, false)) // if it fails, so does Read
}

func (s *ClientSocket) tracePacket(sent bool, p packet.Packet) {
	if t := s.trace; t != nil && t.Packet != nil {
		t.Packet(transportWebSocket, sent, p)
	}
}

// pausing reports whether nothing may be sent by polling any more.
func (s *ClientSocket) pausing() bool { return s.up != nil && s.up.stage >= stagePausing }

// upgrading reports whether what the WebSocket says belongs to the upgrade, and not to the session.
func (s *ClientSocket) upgrading(u *clientUpgrade) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return u.stage < stageCommitting
}

// handleProbe does what is to be done about what the WebSocket says during the upgrade.
func (s *ClientSocket) handleProbe(c *websocket.Conn, u *clientUpgrade, op websocket.Opcode, data []byte, err error) verdict {
	probed := err == nil && op == websocket.Text && string(data) == "3probe"
	if probed {
		s.tracePacket(false, packet.Packet{Type: packet.Pong, Data: data[1:]})
	}
	s.mu.Lock()
	if s.up != u { // given up; its connection is closed
		s.mu.Unlock()
		return readNoMore
	}
	if probed && u.stage == stageProbing {
		u.stage = stagePausing
		paused := s.pausedLocked()
		s.mu.Unlock()
		s.commit(paused)
		return readAnew
	}
	s.mu.Unlock()
	if err == nil {
		err = errProbe
	}
	s.failUpgrade(u, err)
	return readNoMore
}

// pausedLocked is the upgrade that the caller has to commit, as polling has just come to rest.
func (s *ClientSocket) pausedLocked() *clientUpgrade {
	u, p := s.up, s.poll
	if u == nil || u.stage != stagePausing || p == nil || p.polling || p.posting {
		return nil
	}
	u.stage = stageCommitting
	return u
}

// commit tells the server that the WebSocket is the transport from now on. u may be nil.
func (s *ClientSocket) commit(u *clientUpgrade) {
	if u == nil {
		return
	}
	s.tracePacket(true, upgradePacket.packet())
	all, err := u.conn.TryWriteFrames(upgradePacket.appendMasked(nil, false))
	s.mu.Lock()
	if s.up != u { // the session is closed
		s.mu.Unlock()
		return
	}
	if err != nil { // the server did not get it
		u.stage = stagePausing
		s.mu.Unlock()
		s.failUpgrade(u, err)
		return
	}
	p := s.poll
	s.up, s.poll, s.conn, s.ws = nil, nil, u.conn, true
	u.timer.Stop()
	if !all || s.queuedLocked() {
		b := s.newBatchLocked(u.conn)
		b.tried = !all
		s.startFlushLocked(b)
	}
	fx := s.drainedLocked()
	cancel := u.cancel
	u.ctx, u.cancel, u.timer = nil, nil, nil // the reader keeps u
	s.mu.Unlock()
	cancel()
	p.dialer.close()
	s.traceUpgrade(nil)
	s.finish(fx, false)
}

// failUpgrade gives the upgrade up, unless it is too late, and goes on with polling.
func (s *ClientSocket) failUpgrade(u *clientUpgrade, err error) {
	s.mu.Lock()
	if s.up != u || u.stage == stageCommitting {
		s.mu.Unlock()
		return
	}
	s.up = nil
	s.startPollLocked(nil)
	s.startPostLocked()
	fx := s.drainedLocked()
	s.mu.Unlock()
	u.abort()
	s.traceUpgrade(errtext.Wrap("engineio: probe error", err))
	s.finish(fx, false)
}

// abort ends what has begun. It must not be called with the lock.
func (u *clientUpgrade) abort() {
	u.timer.Stop()
	u.cancel()
	if u.conn != nil {
		u.conn.Close(websocket.NormalClosure, "")
	}
}

func (s *ClientSocket) traceUpgrade(err error) {
	if t := s.trace; t != nil && t.Upgrade != nil {
		t.Upgrade(transportWebSocket, err)
	}
	if l := s.logger; l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("engineio: upgrade", "sid", s.shortID(), "transport", transportWebSocket, "error", err)
	}
}
