package recoverymodel

import (
	"os"
	"strings"
	"testing"
	"time"
)

// large reports whether the larger form is wanted, which takes some minutes and gigabytes (make recovery-model).
func large() bool { return os.Getenv("SIO_RECOVERY_MODEL") == "large" }

// TestScenarios: each scenario keeps the promise, whatever happens in whatever order.
func TestScenarios(t *testing.T) {
	for _, sc := range Scenarios {
		t.Run(sc.Name, func(t *testing.T) {
			if sc.Large && !large() {
				t.Skip("only in the larger form")
			}
			if sc.Long && testing.Short() {
				t.Skip("takes half a minute under the race detector")
			}
			if !sc.Large {
				explore(t, sc)
				return
			}
			for _, part := range sc.Parts() {
				t.Run(part.choices(), func(t *testing.T) { explore(t, part) })
			}
		})
	}
}

func explore(t *testing.T, sc *Scenario) {
	began := time.Now()
	r := Explore(sc, 0, 150_000_000)
	t.Logf("%d states, %d moves, %d deep, %v", r.States, r.Moves, r.Depth, time.Since(began).Round(time.Second))
	if r.Broken != nil {
		t.Errorf("%v\n%v", r.Broken, r.Broken.History)
	} else if !r.Complete {
		t.Error("not all states were visited")
	}
}

// where says in which scenario each planted bug is looked for.
var where = [numBugs]string{
	BugLockDropped: "one", BugLiveLater: "one", BugReplayLater: "one", BugReplayFirst: "one",
	BugInlineConnect: "one-connect", BugInlineDisconnect: "one", BugInlineResume: "one",
	BugOffsetLow: "one", BugOffsetHigh: "one", BugUsedTwice: "one-end", BugOffsetOnce: "one", BugZombieKept: "one",
	BugZombieTold: "one", BugTrimForgotten: "one-trim", BugHeadNotKept: "one-trim", BugExceptIgnored: "one-rooms",
	BugLastRoomsOnly: "one-rooms", BugJoinedForgotten: "one-rooms", BugVolatileLogged: "one-volatile",
	BugVolatileText: "one-volatile", BugStaleOffset: "one-end", BugNoOffsetRefused: "one",
	BugKickOnlyConnected: "one-end", BugRoomsOnlyConnected: "one-rooms", BugRefusedLoses: "one-end",
	BugClaimLost: "one", BugShortEnds: "one-trim",
	BugJoinAfterAsk: "two-interest", BugNoFence: "three-interest", BugNoVector: "two", BugHoldDropped: "two",
	BugNodeVector: "three-again", BugOwnComponent: "two-drain", BugLoserStays: "two-trim-kick",
	BugVolatileNumber: "three-volatile", BugControlForgotten: "two-trim-kick", BugAnswerVector: "two-kill-other",
	BugBackForgotten: "two-kill-other", BugCopyLate: "two-kill-home", BugHomeKeeps: "two-trim-kick",
	BugCopyAnswers: "three-copies", BugAnswerForgotten: "two-kill-other", BugForeignNotLogged: "two",
	BugCopyWithoutLog: "two-kill-other", BugWaitsForTheDead: "two-kill-home", BugDrainForgets: "two-drain",
}

// TestPlantedBugs: the explorer finds each mistake, and what it prints is a history that shows it.
func TestPlantedBugs(t *testing.T) {
	for bug := Bug(1); bug < numBugs; bug++ {
		if BugNames[bug] == "" || where[bug] == "" {
			t.Errorf("bug %d has no name, or no scenario", bug)
			continue
		}
		t.Run(strings.ReplaceAll(BugNames[bug], " ", "_"), func(t *testing.T) {
			r := Explore(Find(where[bug]), bug, 1_000_000)
			if r.Broken == nil {
				t.Fatalf("not found in %d states of %s", r.States, where[bug])
			}
			text, bad := r.Broken.History.Tell(bug)
			if bad != r.Broken.What || !strings.Contains(text, "   1. ") {
				t.Errorf("told as %q, broken is %q", text, r.Broken.What)
			}
			t.Logf("after %d states:\n%s", r.States, r.Broken.Explain(bug))
			h, err := Parse(r.Broken.History.String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.Replay(bug); err == nil || !strings.Contains(err.Error(), bad) {
				t.Errorf("played again: %v, want %q", err, bad)
			}
		})
	}
}

// TestRandomWalks: scenarios of up to three nodes, three clients and six events keep the promise in random histories.
func TestRandomWalks(t *testing.T) {
	walks := uint64(5_000)
	if large() {
		walks = 2_000_000
	}
	var seeds []uint64
	for seed := range walks {
		seeds = append(seeds, seed)
	}
	// These have shown mistakes of the design.
	seeds = append(seeds, 5035, 8678, 22644, 34471, 127199, 362142, 2306718, 3653330)
	moves, full := 0, 0
	for _, seed := range seeds {
		n, over, broken := Walk(RandomScenario(seed), 0, seed)
		if broken != nil {
			t.Fatalf("seed %d\n%v\n%v", seed, broken, broken.History)
		}
		moves += n
		if over {
			full++
		}
	}
	t.Logf("%d walks, %d moves; %d ended before, because their arrays were full", len(seeds), moves, full)
	if full > len(seeds)/100 {
		t.Errorf("%d of %d walks were cut short", full, len(seeds))
	}
}

// TestHistories: a history comes back from its text, and shows the clients the same again.
func TestHistories(t *testing.T) {
	for seed := range uint64(200) {
		sc := RandomScenario(seed)
		h := History{Scenario: sc}
		if newMachine(sc, 0).wander(seed, &h.Moves) {
			continue
		}
		again, err := Parse("\n# a comment\n" + strings.ReplaceAll(h.String(), "\n", " # and another\n\n"))
		if err != nil {
			t.Fatalf("%v\n%v", err, h)
		}
		if again.String() != h.String() {
			t.Fatalf("%v came back as %v", h, again)
		}
		want, err := h.Replay(0)
		if err != nil {
			t.Fatalf("%v\n%v", err, h)
		}
		got, err := again.Replay(0)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d observations, then %d: %v", len(want), len(got), err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("observation %d: %v, then %v", i, want[i], got[i])
			}
		}
	}
}

func TestHistoriesThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", "emit at=0", "scenario", "scenario nothing", "scenario walk-01", "scenario one\nfly at=0", "scenario one\nemit",
		"scenario one\nemit at=x", "scenario one\nemit from=0", "scenario one\nemit at=1000", "scenario one\nread conn=1",
		"scenario one\nread conn=1.1.1",
	} {
		if h, err := Parse(text); err == nil {
			t.Errorf("%q is %v", text, h)
		}
	}
	h, err := Parse("scenario one\nnotice conn=0.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Replay(0); err == nil || !strings.Contains(err.Error(), "move 1, notice conn=0.1, is not possible") {
		t.Errorf("an impossible move: %v", err)
	}
}

// TestObservations: what clients see of a plain recovery.
func TestObservations(t *testing.T) {
	h, err := Parse(`
		scenario one
		emit at=0
		lose conn=0.1 after=1
		emit at=0                # missed
		dial client=0 node=0
		read conn=0.2            # the server had not noticed
		accept conn=0.2
		emit at=0`)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := h.Replay(0)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || seen[0].String() != "client 0: event 0" {
		t.Errorf("before the history is over: %v", seen)
	}
	h.Moves = append(h.Moves, Move{Kind: MoveLose, A: 0, B: 2, C: 3})
	if seen, err = h.Replay(0); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"client 0: event 0", "client 0: session 0 recovered=true", "client 0: event 1", "client 0: event 2",
	}
	for i, o := range seen {
		if i >= len(want) || o.String() != want[i] {
			t.Errorf("observation %d: %v", i, o)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d observations, want %d", len(seen), len(want))
	}
}
