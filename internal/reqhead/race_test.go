//go:build race

package reqhead

const raceEnabled = true
