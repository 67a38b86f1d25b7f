package socketio

import "sync/atomic"

// roomList are rooms of operators: a list that is never changed. Longer ones share their memory with those they were
// made of, so that adding one after the other takes no time that grows with the square of their number. nil is empty.
type roomList struct {
	list      []string
	tailTaken atomic.Bool // the room behind list is taken, by the one that was made of this first
	few       [2]string   // where most lists lie
}

func (n *roomList) all() []string {
	if n == nil {
		return nil
	}
	return n.list
}

// with returns the list with more behind it.
func (n *roomList) with(more []string) *roomList {
	if len(more) == 0 {
		return n
	}
	old := n.all()
	next := new(roomList)
	switch {
	case len(old)+len(more) <= len(next.few):
		next.list = append(append(next.few[:0], old...), more...)
	case cap(old)-len(old) >= len(more) && len(old) > len(next.few) && n.tailTaken.CompareAndSwap(false, true):
		next.list = append(old, more...)
	default:
		next.list = append(append(make([]string, 0, max(2*len(old), len(old)+len(more))), old...), more...)
	}
	return next
}
