package socketio

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sio.example/socketio/engineio"
)

// A nameSet is what a map would be, with an index once it is long: 30,000 rooms joined by middleware took seconds.
func TestNameSetIsASet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s nameSet
	want := make(map[string]bool)
	for i := range 20_000 {
		name := fmt.Sprint(r.IntN(100))
		if r.IntN(3) == 0 || i > 10_000 {
			s.remove(name)
			delete(want, name)
		} else {
			s.add(name)
			want[name] = true
		}
		if s.len() != len(want) || s.has(name) != want[name] || s.index == nil && s.len() > maxSearched {
			t.Fatalf("%d names, want %d; %s is in: %v", s.len(), len(want), name, s.has(name))
		}
		for _, n := range s.list {
			if !want[n] {
				t.Fatalf("%q is in", n)
			}
		}
	}
	if s.list != nil || s.index != nil {
		t.Error("an empty set holds memory")
	}
}

// Many namespaces on one connection are found and removed without a search through all of them.
func TestManyNamespacesOfOneConnection(t *testing.T) {
	const n = 1000
	c := &conn{eng: new(engineio.Socket), srv: &server{opts: Options{MaxNamespaces: n}}}
	var all []*Socket
	for i := range n {
		s := &Socket{name: fmt.Sprint("/", i), conn: c}
		all = append(all, s)
		c.add(s)
	}
	if c.countSockets() != n || len(c.listSockets()) != n || c.countLinked() > maxSearched {
		t.Fatalf("%d sockets, %d of them in a list", c.countSockets(), c.countLinked())
	}
	for i, s := range all {
		if c.socket(s.name) != s {
			t.Fatalf("%s not found", s.name)
		}
		c.remove(s, true)
		c.remove(s, true)
		if c.socket(s.name) != nil || c.countSockets() != n-1-i || !c.wasIn(s.name) {
			t.Fatalf("%s was not removed", s.name)
		}
	}
	if len(c.listSockets()) != 0 || c.cold.byName != nil || c.cold.left.latest.len() != n {
		t.Errorf("%d sockets, %d namespaces left", len(c.listSockets()), c.cold.left.latest.len())
	}
	for range 3 { // as many as there may be are remembered, and not for ever
		for i := range n {
			c.noteLeft(fmt.Sprint("/later", i))
		}
	}
	if !c.wasIn("/later0") || c.wasIn("/0") {
		t.Error("the wrong ones are remembered")
	}
	c.add(all[0])
	if c.noteLeft("/0"); !slices.Contains(c.listSockets(), all[0]) {
		t.Error("not back again")
	}
	c.unlink(all[0])
	c.add(all[0])
	if c.wasIn("/0") {
		t.Error("left, and in")
	}
}
