package cluster

import (
	"context"
	"testing"

	"sio.example/socketio/adapter"
	"sio.example/socketio/internal/cluster/membus"
	"sio.example/socketio/parser"
)

// plainLocal is a namespace of which only what requests need is played.
type plainLocal struct{ adapter.Local }

func (plainLocal) Name() string                         { return "/" }
func (plainLocal) Report(string, error)                 {}
func (plainLocal) Hold(int) bool                        { return true }
func (plainLocal) Guard(fn func() error, _ func(error)) { _ = fn() }

// A request that has ended takes nothing any more: neither nodes that are to be waited for, nor answers.
func TestRequestThatHasEnded(t *testing.T) {
	bus := membus.New(membus.Faults{}).Node()
	a, err := New(bus, nil)(t.Context(), plainLocal{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = a.Close(), bus.Close()
	})
	n := a.(*node)
	r := n.newRequest(true)
	n.endRequest(r)
	r.await("other")
	if r.answer(&message{Kind: kindAnswer, Node: "other"}, 1, true) || len(r.waiting) > 0 {
		t.Error("it is kept")
	}
	r.local(parser.Args{})
	r.finish("other", nil)
	r.miss("other", adapter.ErrNodeGone)
	if err := n.collect(context.Background(), r, func(result) bool { return true }); err != nil {
		t.Error(err)
	}
}
