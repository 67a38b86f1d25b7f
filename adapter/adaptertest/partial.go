package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

// testPartial asks nodes that may not answer: what has come is there, once, and an error that names the others.
func testPartial(t *testing.T, w *world) {
	if !w.cluster.Lossy {
		t.Skip("no answer is lost")
	}
	var here []string
	for i := range 2 * len(w.nodes) {
		m := w.add(fmt.Sprintf("m%d", i))
		m.answer = yes
		if m.node == w.nodes[0] {
			here = append(here, m.id)
		}
	}
	check := func(what string, got, here []string, err error) {
		t.Helper()
		got = slices.Sorted(slices.Values(got))
		unique := slices.Compact(slices.Clone(got))
		var missing *adapter.MissingError
		switch {
		case len(got) == 0 && errors.Is(err, context.DeadlineExceeded): // before anything was asked
		case len(unique) != len(got):
			t.Errorf("%s: %v: twice", what, got)
		case slices.ContainsFunc(here, func(id string) bool { return !slices.Contains(got, id) }):
			t.Errorf("%s: %v: want those of this node, %v, at least", what, got, here)
		case err == nil && len(got) != len(w.members):
			t.Errorf("%s: %v and no error, want %d", what, got, len(w.members))
		case err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, adapter.ErrAnswerLost):
			t.Errorf("%s: error %v, want that of the context, or ErrAnswerLost", what, err)
		case errors.As(err, &missing) && (len(missing.Nodes) == 0 || len(missing.Nodes) >= len(w.nodes)):
			t.Errorf("%s: error %v names %d nodes", what, err, len(missing.Nodes))
		case err != nil && here != nil && missing == nil: // what this node has, it has at once
			t.Errorf("%s: error %v, want one that names nodes", what, err)
		}
	}
	partial := 0
	for i := 0; i < 40 && (i < 5 || partial == 0); i++ {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		sockets, err := w.nodes[0].Fetch(ctx, adapter.Target{})
		check("fetch", ids(sockets), here, err)
		cancel()
		if err != nil {
			partial++
		}
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		got, err := collect(t, ctx, w.nodes[0], adapter.Target{}, nil)
		check("acknowledgements", got, nil, err)
		cancel()
	}
	if partial == 0 && len(w.nodes) > 1 {
		t.Error("nothing was lost: the test saw no partial result")
	}
}

// testLostAnswers asks without a near end: a node whose answer was lost, or that did not get the question, is named,
// and not waited for until the context ends.
func testLostAnswers(t *testing.T, w *world) {
	if !w.cluster.Lossy {
		t.Skip("no answer is lost")
	}
	for i := range 2 * len(w.nodes) {
		w.add(fmt.Sprintf("m%d", i)).answer = yes
	}
	for _, nd := range w.nodes {
		nd.serverSide = func(_ string, args parser.Args, _ bool) (parser.Args, error) { return args, nil }
	}
	check := func(what string, got, all int, err error) (lost bool) {
		t.Helper()
		var missing *adapter.MissingError
		switch {
		case err == nil && got != all:
			t.Errorf("%s: %d of %d and no error", what, got, all)
		case err != nil && (!errors.As(err, &missing) || !errors.Is(err, adapter.ErrAnswerLost) ||
			len(missing.Nodes) == 0 || len(missing.Nodes) >= len(w.nodes)):
			t.Errorf("%s: error %v, want one that names other nodes, of lost answers", what, err)
		}
		return err != nil
	}
	lost := 0
	for i := 0; i < 40 && (i < 5 || lost == 0); i++ {
		sockets, err := w.nodes[0].Fetch(patient(t), adapter.Target{})
		if check("fetch", len(sockets), len(w.members), err) {
			lost++
		}
		got, err := collect(t, patient(t), w.nodes[0], adapter.Target{}, nil)
		check("acknowledgements", len(got), len(w.members), err)
		answers := 0
		err = nil
		for _, failed := range w.nodes[0].ServerSideEmit(patient(t), "query", parser.NewArgs(), true) {
			if err = failed; err == nil {
				answers++
			}
		}
		check("server-side event", answers, len(w.nodes)-1, err)
	}
	if lost == 0 && len(w.nodes) > 1 {
		t.Error("nothing was lost: the test saw no partial result")
	}
}

// testHeldAnswers: what other nodes answer counts until the request ends, and is not kept where there is no memory.
func testHeldAnswers(t *testing.T, w *world) {
	const size = 100_000
	for i := range 2 * len(w.nodes) {
		m := w.add(fmt.Sprintf("m%d", i))
		m.answer = func(_ *member, _ string, ack func(parser.Args)) { ack(parser.NewArgs(strings.Repeat("x", size))) }
	}
	nd := w.nodes[0]
	remote := len(w.members) - 2
	n := 0
	for _, err := range nd.BroadcastWithAck(patient(t), event("question"), adapter.Target{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == len(w.members) && nd.holds() < remote*size {
			t.Errorf("%d answers of %d bytes of other nodes are waited for, and %d bytes counted", remote, size, nd.holds())
		}
	}
	if n != len(w.members) || nd.holds() != 0 {
		t.Errorf("%d answers, and afterwards %d bytes are counted", n, nd.holds())
	}
	if len(w.nodes) == 1 {
		return
	}
	nd.mu.Lock()
	nd.most = 2*size + size/2
	nd.mu.Unlock()
	got, failed := 0, error(nil)
	for _, err := range nd.BroadcastWithAck(patient(t), event("question"), adapter.Target{}) {
		if failed = err; err == nil {
			got++
		}
	}
	if !errors.Is(failed, adapter.ErrTooManyAcks) || got != 4 { // two of this node, and two for which there is memory
		t.Errorf("with memory for two answers of other nodes: %d, %v, want 4 and ErrTooManyAcks", got, failed)
	}
	if nd.holds() != 0 {
		t.Errorf("afterwards %d bytes are counted", nd.holds())
	}
}

// testUserCode: marshalers and parsers that panic, or call runtime.Goexit, on a node that did not emit, harm no other
// broadcast and no other request.
func testUserCode(t *testing.T, w *world) {
	if len(w.nodes) == 1 {
		t.Skip("the user code runs on the goroutine that emits")
	}
	for i := range len(w.nodes) {
		w.add(fmt.Sprintf("m%d", i), "room").answer = yes
	}
	bad := w.nodes[1]
	var harm atomic.Pointer[func()]
	bad.encode = func(p *parser.Packet) error {
		if p.Name == "harm" {
			(*harm.Load())()
		}
		return nil
	}
	panics := func() { panic("user code") }
	for what, fn := range map[string]func(){"panic": panics, "runtime.Goexit": runtime.Goexit} {
		harm.Store(&fn)
		before := bad.reported()
		for _, to := range []adapter.Target{{}, {Rooms: []string{"room"}}} {
			w.broadcast(w.nodes[0], "harm", to)
			name := fmt.Sprintf("%s was survived by what is for %v", what, to.Rooms)
			w.broadcast(w.nodes[0], name, to)
			w.members[1].await(t, name)
		}
		eventually(t, "two reports", func() bool { return bad.reported() >= before+2 })

		got := 0
		var failed error
		for _, err := range w.nodes[0].BroadcastWithAck(patient(t), event("harm"), adapter.Target{}) {
			if failed = err; err == nil {
				got++
			}
		}
		if got != len(w.nodes)-1 || failed == nil {
			t.Errorf("%s: %d answers and error %v, want %d and an error", what, got, failed, len(w.nodes)-1)
		}
		if got, err := collect(t, patient(t), w.nodes[0], adapter.Target{}, nil); len(got) != len(w.nodes) || err != nil {
			t.Errorf("after %s: answers of %v, %v", what, got, err)
		}
	}
}
