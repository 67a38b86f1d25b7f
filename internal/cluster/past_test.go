package cluster

import (
	"fmt"
	"testing"
	"time"
)

// What is remembered of the past is bounded in number and in age, and so is how it is kept.
func TestPastIsBounded(t *testing.T) {
	p := past{limit: 10}
	now := time.Unix(0, 0)
	for i := range 1000 {
		p.note(forgotten{node: fmt.Sprint(i)}, mark{seq: uint64(i), at: now.Add(time.Duration(i))})
	}
	if len(p.all) != 10 || p.all[forgotten{node: "999"}].seq != 999 {
		t.Errorf("%d are remembered", len(p.all))
	}
	for i := range 1000 { // one that comes and goes
		p.note(forgotten{node: "999"}, mark{seq: uint64(1000 + i), at: now.Add(time.Duration(1000 + i))})
	}
	if len(p.all) > 10 || len(p.order) > 20 || p.all[forgotten{node: "999"}].seq != 1999 {
		t.Errorf("%d are remembered in a list of %d", len(p.all), len(p.order))
	}
	p.expire(now.Add(1999))
	if len(p.all) != 1 {
		t.Errorf("%d are remembered that are not that old", len(p.all))
	}
	p.expire(now.Add(2000))
	if len(p.all) != 0 || len(p.order) != 0 {
		t.Errorf("%d are remembered in a list of %d", len(p.all), len(p.order))
	}
}
