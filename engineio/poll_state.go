package engineio

// The requests of a session on polling, as state machines without sockets, clocks or locks, beside that of the upgrade.
//
// The GETs:
//
//	none ── came ──▶ parked, or late while a link upgrades ── release ──▶ released
//	 ▲                 │                                                   │
//	 └──── answered ───┴──────────────── answered ─────────────────────────┘
//	                   └─ take ─▶ writing ── written ──▶ none
//
// The next GET may come while one is still writing: its client has the answer before the handler has returned. So each
// of the states before take exists once more with the bit getWriting. A GET that comes while another is pending
// overlaps.
//
// The POSTs: none ── came ──▶ reading ── read ──▶ delivering, and from either ── done ──▶ none. One that comes before
// that overlaps.
type getState uint8

const (
	getNone     getState = iota // no GET is pending
	getParked                   // one waits for something to answer
	getLate                     // likewise; it came when an upgrade was under way already
	getReleased                 // one is to answer now, with a noop if there is nothing else: the client pauses polling

	getWriting getState = 4 // is added while another GET writes messages

	getStates = 8
)

type getInput uint8

const (
	inGet        getInput = iota // a GET has come
	inLateGet                    // likewise, while an upgrade is under way
	inRelease                    // the link that upgrades has been answered
	inReleaseAll                 // it waits for polling to pause
	inTake                       // the pending GET takes messages
	inAnswered                   // it takes something else, or is gone
	inWritten                    // the one that took messages has written them, or failed to

	getInputs = iota
)

// pending is the state of the GET that is pending, as if none was writing.
func (g getState) pending() getState { return g &^ getWriting }

// waits reports whether a GET is pending.
func (g getState) waits() bool { return g.pending() != getNone }

// writing reports whether one is writing messages.
func (g getState) writing() bool { return g&getWriting != 0 }

// step is the machine. It reports false for what must not happen in that state, or makes an overlap of it: the state
// stays.
func (g getState) step(in getInput) (next getState, ok bool) {
	pending, writing := g.pending(), g&getWriting
	switch in {
	case inGet, inLateGet:
		if pending != getNone {
			return g, false
		}
		if in == inLateGet {
			return writing | getLate, true
		}
		return writing | getParked, true
	case inRelease, inReleaseAll: // whether or not one is pending
		if pending == getParked || pending == getLate && in == inReleaseAll {
			return writing | getReleased, true
		}
		return g, true
	case inTake:
		if pending == getNone || writing != 0 {
			return g, false
		}
		return getWriting, true
	case inAnswered:
		return writing, pending != getNone
	case inWritten:
		return pending, writing != 0
	}
	return g, false
}

// A getAnswer is what a pending GET is to do.
type getAnswer uint8

const (
	answerNothing  getAnswer = iota // it waits
	answerMessages                  // what is queued
	answerClose                     // a close packet, as the queue is empty and the session is to close
	answerNoop
	answerFinal  // what the end of the session left for it
	answerRefuse // as if it had come after the upgrade
)

// pollFacts are what an answer depends on beside the state.
type pollFacts struct {
	closed, draining bool // the session
	upgraded         bool // it has a link
	queued           bool // something waits to be sent
}

// answer is what the pending GET is to do.
//
// A client that upgrades by the book has no GET pending when it completes the upgrade: the probe, or the tick after it,
// has ended the last one. Of those that have, a GET from before the upgrade is ended with a noop all the same; one that
// came later raced with the end of polling, and is refused as if it had come after it.
func (g getState) answer(f pollFacts) getAnswer {
	released := g.pending() == getReleased
	switch {
	case !g.waits():
		return answerNothing
	case f.closed:
		return answerFinal
	case f.upgraded && g.pending() == getLate:
		return answerRefuse
	case f.upgraded, g.writing() && released:
		return answerNoop
	case g.writing():
		return answerNothing
	case f.queued:
		return answerMessages
	case f.draining:
		// Alone in its payload, as officially: a client acts on it before it looks at the messages it came with.
		return answerClose
	case released:
		return answerNoop
	}
	return answerNothing
}

// A postState is the state of the POSTs.
type postState uint8

const (
	postNone       postState = iota
	postReading              // the body of one is being read
	postDelivering           // its packets are handed to the Handler, or it is answered

	postStates = iota
)

type postInput uint8

const (
	inPost postInput = iota // a POST has come
	inBody                  // its body is here
	inDone                  // it is answered

	postInputs = iota
)

// step is the machine, as that of the GETs.
func (p postState) step(in postInput) (next postState, ok bool) {
	switch {
	case in == inPost && p == postNone:
		return postReading, true
	case in == inBody && p == postReading:
		return postDelivering, true
	case in == inDone && p != postNone:
		return postNone, true
	}
	return p, false
}
