package engineio

// The requests of a client on polling, as a state machine without a network, clocks or locks. At most one GET and one
// POST are under way at a time.
//
//	          pause             none under way
//	running ────────▶ pausing ────────────────▶ paused (an upgrade commits)
//	   ▲                 │                         │
//	   └──── resume ─────┴──────── resume ─────────┘
//
//	one of these ── tell ──▶ telling ── told ──▶ over
//	             └─ lost ──────────────────────▶ over
//
// While it is running one GET follows the other, and a POST goes out when there is something to send. Telling takes the
// place of a POST: it waits for the one that is under way.
type clientPollState struct {
	phase   clientPollPhase
	getting bool // a GET is under way, or what it brought is being handled
	posting bool // a POST is under way
}

type clientPollPhase uint8

const (
	pollRunning clientPollPhase = iota
	pollPausing                 // nothing new begins before the upgrade is over
	pollPaused                  // nothing is under way either
	pollTelling                 // the session is closed, and the server is told
	pollOver                    // the session is closed, and nothing begins any more
)

type clientPollInput uint8

const (
	pollBegin  clientPollInput = iota // GETs may begin
	pollQueue                         // something is queued
	pollGot                           // a GET has ended, and what it brought is handled
	pollPosted                        // a POST has ended
	pollPause                         // an upgrade wants to send "5"
	pollResume                        // it has failed
	pollTell                          // the session is closed, and the server does not know
	pollLost                          // the session is closed, and the server knows or is gone
	pollTold                          // it was told

	pollInputs = iota
)

// clientPollEffect is a set of things to do.
type clientPollEffect uint8

const (
	pollGet    clientPollEffect = 1 << iota // make a GET
	pollPost                                // make a POST
	pollTellIt                              // tell the server with a POST
	pollRest                                // the upgrade may commit
	pollFree                                // close the connections
)

// step is the whole machine. Queued says that there is something to send.
func (p clientPollState) step(in clientPollInput, queued bool) (clientPollState, clientPollEffect) {
	switch in {
	case pollGot:
		p.getting = false
	case pollPosted:
		p.posting = false
	case pollTold:
		p.posting, p.phase = false, pollOver
	case pollPause:
		if p.phase == pollRunning {
			p.phase = pollPausing
		}
	case pollResume:
		if p.phase == pollPausing || p.phase == pollPaused {
			p.phase = pollRunning
		}
	case pollTell:
		if p.phase < pollTelling {
			p.phase = pollTelling
		}
	case pollLost:
		p.phase = pollOver
	}
	return p.begin(in == pollBegin || in == pollGot || in == pollResume, queued)
}

// begin is what follows from the state. Get says whether a GET may be made now: the first is made when the session is
// told to.
func (p clientPollState) begin(get, queued bool) (clientPollState, clientPollEffect) {
	var fx clientPollEffect
	idle := !p.getting && !p.posting
	switch p.phase {
	case pollRunning:
		if get && !p.getting {
			p.getting = true
			fx |= pollGet
		}
		if queued && !p.posting {
			p.posting = true
			fx |= pollPost
		}
	case pollPausing:
		if idle {
			p.phase = pollPaused
			fx |= pollRest
		}
	case pollTelling:
		if !p.posting {
			p.posting = true
			fx |= pollTellIt
		}
	case pollOver:
		if idle {
			fx |= pollFree
		}
	}
	return p, fx
}
