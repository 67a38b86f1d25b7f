//go:build race

package parser

// raceEnabled: sync.Pool forgets at random then, so allocations cannot be counted.
const raceEnabled = true
