package client

import (
	"slices"
	"sync"
	"testing"
)

// TestScenarios plays all scenarios: the Go client against the official server and against ours, and the official
// client against the official server, which says whether the scenario is right.
func TestScenarios(t *testing.T) {
	official := officialSide(startScript(t, "official_server.js"))
	oracle := officialKind(startScript(t, "official_client.js"))
	for _, pairing := range []struct {
		name string
		kind kind
		side side
	}{
		{"official client and server", oracle, official},
		{"official client", oracle, ourSide},
		{"official server", ourKind, official},
		{"both ours", ourKind, ourSide},
	} {
		t.Run(pairing.name, func(t *testing.T) {
			for _, sc := range scenarios {
				t.Run(sc.name, func(t *testing.T) {
					if sc.skip != nil {
						sc.skip(t, pairing.kind, pairing.side)
					}
					before := take(t)
					inAllModes(t, sc.only, func(t *testing.T, m mode) { play(t, sc, pairing.side, pairing.kind, m) })
					settle(t, before)
				})
			}
		})
	}
}

// inAllModes runs a test in each mode, all at the same time: they mostly wait.
func inAllModes(t *testing.T, only func(mode) bool, fn func(t *testing.T, m mode)) {
	t.Helper()
	var wg sync.WaitGroup
	for _, m := range modes {
		if only == nil || only(m) {
			wg.Go(func() { t.Run(m.name, func(t *testing.T) { fn(t, m) }) }) // owned by the test, which waits
		}
	}
	wg.Wait()
}

var scenarios = slices.Concat(talking, breaking, buffering, lasting)
