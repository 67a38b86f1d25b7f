package siotest_test

import (
	"flag"
	"fmt"
	"sync"
	"testing"
)

// run runs a test within an example, which has no *testing.T. It runs it once, whatever -count says, and shows its
// output only if it fails.
func run(test func(t *testing.T)) {
	verbose := flag.Lookup("test.v")
	before := verbose.Value.String()
	_ = verbose.Value.Set("false")
	defer func() { _ = verbose.Value.Set(before) }()
	var once sync.Once
	ok := testing.RunTests(
		func(string, string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "Test", F: func(t *testing.T) { once.Do(func() { test(t) }) }}},
	)
	if !ok {
		fmt.Println("the test fails")
	}
}
