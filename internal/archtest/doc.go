// Package archtest holds the tests that keep the repository in the shape that ARCHITECTURE.md promises: which package
// may import which, what is documented, how long files and functions are, what the exported API is, and that the Go
// code shown in documents is code that compiles and runs.
//
// It has no code of its own. After a wanted change of the exported API run
//
//	go test ./internal/archtest -run TestAPI -update
package archtest
