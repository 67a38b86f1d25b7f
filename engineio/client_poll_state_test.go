package engineio

import "testing"

// The steps that the machine is for.
func TestClientPollSteps(t *testing.T) {
	state := func(phase clientPollPhase, getting, posting bool) clientPollState {
		return clientPollState{phase: phase, getting: getting, posting: posting}
	}
	for _, c := range []struct {
		name   string
		from   clientPollState
		in     clientPollInput
		queued bool
		to     clientPollState
		fx     clientPollEffect
	}{
		{"begins", state(pollRunning, false, false), pollBegin, false, state(pollRunning, true, false), pollGet},
		{"begins with a POST too", state(pollRunning, false, false), pollBegin, true, state(pollRunning, true, true),
			pollGet | pollPost},
		{"posts before it may get", state(pollRunning, false, false), pollQueue, true, state(pollRunning, false, true),
			pollPost},
		{"gets again", state(pollRunning, true, false), pollGot, false, state(pollRunning, true, false), pollGet},
		{"posts what is queued", state(pollRunning, true, false), pollQueue, true, state(pollRunning, true, true), pollPost},
		{"posts one at a time", state(pollRunning, true, true), pollQueue, true, state(pollRunning, true, true), 0},
		{"posts again", state(pollRunning, true, true), pollPosted, true, state(pollRunning, true, true), pollPost},
		{"has posted all", state(pollRunning, true, true), pollPosted, false, state(pollRunning, true, false), 0},
		{"pauses", state(pollRunning, true, true), pollPause, true, state(pollPausing, true, true), 0},
		{"posts no more", state(pollPausing, true, true), pollPosted, true, state(pollPausing, true, false), 0},
		{"begins no POST", state(pollPausing, true, false), pollQueue, true, state(pollPausing, true, false), 0},
		{"rests after a GET", state(pollPausing, true, false), pollGot, true, state(pollPaused, false, false), pollRest},
		{"rests after a POST", state(pollPausing, false, true), pollPosted, true, state(pollPaused, false, false), pollRest},
		{"resumes while it pauses", state(pollPausing, true, false), pollResume, true, state(pollRunning, true, true),
			pollPost},
		{"resumes", state(pollPaused, false, false), pollResume, true, state(pollRunning, true, true), pollGet | pollPost},
		{"has not paused", state(pollRunning, true, false), pollResume, false, state(pollRunning, true, false), 0},
		{"tells at once", state(pollRunning, true, false), pollTell, false, state(pollTelling, true, true), pollTellIt},
		{"tells after the POST", state(pollRunning, true, true), pollTell, false, state(pollTelling, true, true), 0},
		{"then tells", state(pollTelling, true, true), pollPosted, true, state(pollTelling, true, true), pollTellIt},
		{"gets no more", state(pollTelling, true, true), pollGot, false, state(pollTelling, false, true), 0},
		{"has told", state(pollTelling, true, true), pollTold, false, state(pollOver, true, false), 0},
		{"has told last", state(pollTelling, false, true), pollTold, false, state(pollOver, false, false), pollFree},
		{"is lost", state(pollRunning, true, true), pollLost, true, state(pollOver, true, true), 0},
		{"is lost at rest", state(pollPaused, false, false), pollLost, true, state(pollOver, false, false), pollFree},
		{"frees last", state(pollOver, false, true), pollPosted, true, state(pollOver, false, false), pollFree},
	} {
		if to, fx := c.from.step(c.in, c.queued); to != c.to || fx != c.fx {
			t.Errorf("%s: %+v and %b, want %+v and %b", c.name, to, fx, c.to, c.fx)
		}
	}
}

// In all states that can come about, whatever comes: nothing is begun that is under way already, or may not be; a
// rest is a rest; connections are freed once, when nobody uses them; and what is queued is not forgotten.
func TestClientPollSequences(t *testing.T) {
	type situation struct {
		state        clientPollState
		begun, freed bool
	}
	seen := map[situation]bool{}
	var visit func(at situation)
	visit = func(at situation) {
		if seen[at] {
			return
		}
		seen[at] = true
		for in := range clientPollInput(pollInputs) {
			if !possible(at.state, in) || (in == pollBegin) == at.begun {
				continue
			}
			for _, queued := range []bool{false, true} {
				to, fx := at.state.step(in, queued)
				was := at.state
				switch in { // the one that has ended makes room
				case pollGot:
					was.getting = false
				case pollPosted, pollTold:
					was.posting = false
				}
				bad := fx&pollGet != 0 && (was.getting || to.phase != pollRunning) ||
					fx&(pollPost|pollTellIt) != 0 && was.posting ||
					fx&pollPost != 0 && (!queued || to.phase != pollRunning) ||
					fx&pollTellIt != 0 && to.phase != pollTelling ||
					fx&(pollRest|pollFree) != 0 && (to.getting || to.posting) ||
					(fx&pollRest != 0) != (to.phase == pollPaused && at.state.phase != pollPaused) ||
					fx&pollFree != 0 && (at.freed || to.phase != pollOver) ||
					to.getting != (was.getting || fx&pollGet != 0) ||
					to.posting != (was.posting || fx&(pollPost|pollTellIt) != 0) ||
					to.phase == pollRunning && queued && !to.posting ||
					to.phase == pollRunning && at.begun && !to.getting ||
					at.state.phase >= pollTelling && to.phase < at.state.phase
				if bad {
					t.Errorf("%+v, %d, queued %v: %+v and %b", at, in, queued, to, fx)
				}
				next := situation{to, at.begun || in == pollBegin, at.freed || fx&pollFree != 0}
				if to.phase == pollOver && !to.getting && !to.posting && !next.freed {
					t.Errorf("%+v, %d: the connections are not freed", at, in)
				}
				visit(next)
			}
		}
	}
	visit(situation{})
	if len(seen) < 13 {
		t.Errorf("%d situations seen", len(seen))
	}
}

// possible reports whether in can come in that state.
func possible(s clientPollState, in clientPollInput) bool {
	switch in {
	case pollGot:
		return s.getting
	case pollPosted:
		return s.posting
	case pollTold:
		return s.posting && s.phase == pollTelling
	case pollTell, pollLost, pollQueue:
		return s.phase < pollTelling
	case pollPause:
		return s.getting && s.phase == pollRunning
	case pollResume:
		return s.phase < pollTelling
	}
	return true
}
