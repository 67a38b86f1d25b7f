//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test the server, or the hostile clients, when it starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		if err := serve(context.Background(), os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	if len(os.Args) == 5 && os.Args[1] == "attack" {
		if err := command(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestKinds lets one client of each kind loose, for a moment. How much that takes is not for a test to say.
func TestKinds(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"-honest", "2", "-n", "1", "-before", "300ms", "-d", "1s", "-json"}
	if err := command(t.Context(), args, &out, &errs); err != nil {
		t.Fatalf("%v\n%s", err, &errs)
	}
	var all []result
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != len(attacks) {
		t.Fatalf("%d results", len(all))
	}
	for i, r := range all {
		if r.Kind != attacks[i].name || r.Want != 1 || r.During.P99 < r.During.P50 {
			t.Errorf("%+v", r)
		}
		if strings.Count(r.row(), "|") != strings.Count(strings.Split(header, "\n")[0], "|") {
			t.Errorf("the row %q does not fit the header", r.row())
		}
	}
}

// TestJudge: too much memory, or an honest client that is cut, is an error where a limit is asked for.
func TestJudge(t *testing.T) {
	for _, r := range []result{{Memory: 40 << 20, Kernel: 30 << 20}, {HonestCut: 1}} {
		if err := (&settings{limit: 64}).judge([]result{r}); err == nil {
			t.Errorf("%+v passes", r)
		}
		if err := (&settings{}).judge([]result{r}); err != nil {
			t.Errorf("without a limit: %v", err)
		}
	}
	if err := (&settings{limit: 64}).judge([]result{{Memory: 30 << 20, Kernel: 30 << 20}}); err != nil {
		t.Error(err)
	}
}

// TestLook: an echo that has not come counts as long as it is waited for.
func TestLook(t *testing.T) {
	c := &crowd{sent: map[echo]time.Time{{1, 1}: time.Now().Add(-time.Hour)}, took: []time.Duration{1, 2, 3}}
	if l, _ := c.look(); l.P50 != 3 || l.P99 < time.Hour {
		t.Errorf("%+v", l)
	}
	if l, _ := c.look(); l != (latency{}) {
		t.Errorf("again: %+v", l)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{{"-kinds", "nothing"}, {"more"}, {"-n", "x"}} {
		if err := command(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q are taken", args)
		}
	}
}
