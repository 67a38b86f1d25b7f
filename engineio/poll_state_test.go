package engineio

import "testing"

// The transitions of the GETs, all of them: what is not here is not possible, and leaves the state as it is.
var getTransitions = map[getState]map[getInput]getState{
	getNone: {
		inGet: getParked, inLateGet: getLate, inRelease: getNone, inReleaseAll: getNone,
	},
	getParked: {
		inRelease: getReleased, inReleaseAll: getReleased, inTake: getWriting, inAnswered: getNone,
	},
	getLate: {
		inRelease: getLate, inReleaseAll: getReleased, inTake: getWriting, inAnswered: getNone,
	},
	getReleased: {
		inRelease: getReleased, inReleaseAll: getReleased, inTake: getWriting, inAnswered: getNone,
	},
	getWriting: {
		inGet: getWriting + getParked, inLateGet: getWriting + getLate,
		inRelease: getWriting, inReleaseAll: getWriting, inWritten: getNone,
	},
	getWriting + getParked: {
		inRelease: getWriting + getReleased, inReleaseAll: getWriting + getReleased,
		inAnswered: getWriting, inWritten: getParked,
	},
	getWriting + getLate: {
		inRelease: getWriting + getLate, inReleaseAll: getWriting + getReleased,
		inAnswered: getWriting, inWritten: getLate,
	},
	getWriting + getReleased: {
		inRelease: getWriting + getReleased, inReleaseAll: getWriting + getReleased,
		inAnswered: getWriting, inWritten: getReleased,
	},
}

func TestTransitionsOfGETs(t *testing.T) {
	reached := map[getState]bool{getNone: true}
	for range getStates { // often enough to get everywhere
		for g := range getState(getStates) {
			for in := range getInput(getInputs) {
				next, ok := g.step(in)
				want, possible := getTransitions[g][in]
				if ok != possible || ok && next != want {
					t.Errorf("state %d, input %d: %d, %v, want %d, %v", g, in, next, ok, want, possible)
				}
				if ok && reached[g] {
					reached[next] = true
				}
			}
		}
	}
	if len(reached) != getStates {
		t.Errorf("%d states are reached, want %d", len(reached), getStates)
	}
}

// What a GET answers, for each state and all facts. Each line is the first that holds.
func TestAnswersOfGETs(t *testing.T) {
	for g := range getState(getStates) {
		for bits := range 16 {
			f := pollFacts{closed: bits&1 != 0, draining: bits&2 != 0, upgraded: bits&4 != 0, queued: bits&8 != 0}
			got := g.answer(f)
			pending := g.waits()
			for _, rule := range []struct {
				what string
				ok   bool
			}{
				{"one that waits for nothing answers nothing", pending || got == answerNothing},
				{"a closed session is over", !pending || !f.closed || got == answerFinal},
				{"nothing waits once there is a link", !pending || f.closed || !f.upgraded ||
					got == answerNoop && g.pending() != getLate || got == answerRefuse && g.pending() == getLate},
				{"messages go with one GET at a time", got != answerMessages || !g.writing() && f.queued},
				{"messages do not go by polling when there is a link", got != answerMessages || !f.upgraded},
				{"the end comes after the messages", got != answerClose || f.draining && !f.queued && !g.writing()},
				{"a released GET does not wait", g.pending() != getReleased || got != answerNothing},
				{"a noop has a cause", got != answerNoop || f.upgraded || g.pending() == getReleased},
				{"what is queued goes at once", !pending || f.closed ||
					f.upgraded || g.writing() || !f.queued || got == answerMessages},
				{"it is deterministic", got == g.answer(f)},
			} {
				if !rule.ok {
					t.Errorf("state %d, %+v: answer %d: not so: %s", g, f, got, rule.what)
				}
			}
		}
	}
}

func TestTransitionsOfPOSTs(t *testing.T) {
	want := map[[2]int]postState{
		{int(postNone), int(inPost)}:       postReading,
		{int(postReading), int(inBody)}:    postDelivering,
		{int(postReading), int(inDone)}:    postNone,
		{int(postDelivering), int(inDone)}: postNone,
	}
	for p := range postState(postStates) {
		for in := range postInput(postInputs) {
			next, ok := p.step(in)
			w, possible := want[[2]int{int(p), int(in)}]
			if ok != possible || ok && next != w || !ok && next != p {
				t.Errorf("state %d, input %d: %d, %v, want %d, %v", p, in, next, ok, w, possible)
			}
		}
	}
}
