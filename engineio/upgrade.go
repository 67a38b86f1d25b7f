package engineio

// The upgrade from polling to WebSocket (EIO v4 §upgrade) as a state machine without sockets, clocks or locks.
//
//	polling ── opened ──▶ waiting ── probe ──▶ probed ── commit ──▶ upgraded
//	   ▲                     │ └────────────── commit ────────────────▲
//	   └── violation, loss, timeout ──┴─────────┘
//
// While it runs, polling stays the transport of the session, and whatever goes wrong costs only the new WebSocket.
type upgradeState uint8

const (
	upgradePolling upgradeState = iota // no second transport
	upgradeWaiting                     // a WebSocket is open and has said nothing
	upgradeProbed                      // its probe was answered
	upgradeDone                        // WebSocket is the transport; sessions that began there are here from the start
	upgradeOver                        // the session is closed
)

type upgradeInput uint8

const (
	inOpened    upgradeInput = iota // a WebSocket with the id of this session is open
	inProbe                         // it said "2probe"
	inCommit                        // it said "5"
	inViolation                     // it said something else
	inLost                          // it is gone
	inTimeout                       // UpgradeTimeout has passed since it was opened
	inTick                          // upgradeTick has passed since the last noop, or since the probe
	inClosed                        // the session is closed
)

// upgradeEffect is a set of things to do.
type upgradeEffect uint8

const (
	fxAdopt   upgradeEffect = 1 << iota // the WebSocket that opened is the one that upgrades; start UpgradeTimeout
	fxRefuse                            // close the WebSocket that opened
	fxPong                              // answer "3probe"
	fxNoop                              // answer a pending GET with "6", so that the client can pause polling
	fxTick                              // tick after upgradeTick
	fxSwitch                            // the WebSocket becomes the transport
	fxAbandon                           // close the WebSocket that upgrades
	fxForget                            // forget it, and its timer
)

// step is the whole machine.
func (s upgradeState) step(in upgradeInput) (upgradeState, upgradeEffect) {
	if in == inClosed {
		switch s {
		case upgradeWaiting, upgradeProbed:
			return upgradeOver, fxAbandon | fxForget
		}
		return upgradeOver, 0
	}
	switch s {
	case upgradePolling:
		if in == inOpened {
			return upgradeWaiting, fxAdopt
		}
	case upgradeWaiting, upgradeProbed:
		switch in {
		case inOpened:
			return s, fxRefuse
		case inProbe: // a second one is answered as the first
			if s == upgradeProbed {
				return upgradeProbed, fxPong
			}
			return upgradeProbed, fxPong | fxNoop | fxTick
		case inCommit: // without a probe as well, as the official server takes it
			return upgradeDone, fxSwitch | fxForget
		case inViolation, inTimeout:
			return upgradePolling, fxAbandon | fxForget
		case inLost:
			return upgradePolling, fxForget
		case inTick:
			if s == upgradeProbed {
				return s, fxNoop | fxTick
			}
		}
	default:
		if in == inOpened {
			return s, fxRefuse
		}
	}
	return s, 0
}
