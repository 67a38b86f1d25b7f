package socketio

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Lists of rooms that begin alike do not get in each other's way, and making a long one room by room copies it seldom.
func TestRoomListIsImmutable(t *testing.T) {
	var n *roomList
	var want []string
	copies := 0
	for i := range 1000 {
		room := fmt.Sprint(i)
		other := n.with([]string{"x", "y"}) // before or after the one that goes on
		next := n.with([]string{room})
		late := n.with([]string{"z"})
		want = append(want, room)
		if !slices.Equal(next.all(), want) || !slices.Equal(n.all(), want[:i]) {
			t.Fatalf("%v and %v after %d", n.all(), next.all(), i)
		}
		if o, l := other.all(), late.all(); strings.Join(o[i:], "") != "xy" || strings.Join(l[i:], "") != "z" {
			t.Fatalf("%v and %v", o[i:], l[i:])
		}
		n = next
	}
	n = nil
	for i := range 1000 {
		next := n.with([]string{fmt.Sprint(i)})
		if i > 0 && &next.list[0] != &n.list[0] {
			copies++
		}
		n = next
	}
	if copies > 15 {
		t.Errorf("%d copies for 1,000 rooms", copies)
	}
	if n.with(nil) != n || (*roomList)(nil).with(nil) != nil {
		t.Error("adding nothing makes a list")
	}
}
