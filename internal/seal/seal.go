// Package seal closes interfaces that are exported for use, not to be satisfied: each has a method that takes a Mark,
// which no other module can name. So methods can be added to them later.
package seal

// A Mark is the parameter of the method that seals.
type Mark struct{}
