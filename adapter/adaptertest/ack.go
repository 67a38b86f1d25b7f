package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

// yes acknowledges at once, inside DeliverWithAck.
func yes(m *member, name string, ack func(parser.Args)) { ack(parser.NewArgs(m.id)) }

// collect iterates over a broadcast with acknowledgements, calling each, if not nil, after each result.
func collect(t testing.TB, ctx context.Context, nd *node, to adapter.Target, each func(n int)) ([]string, error) {
	t.Helper()
	var got []string
	for args, err := range nd.BroadcastWithAck(ctx, event("question"), to) {
		if err != nil {
			return got, err
		}
		got = append(got, text(t, args))
		if each != nil {
			each(len(got))
		}
	}
	return got, nil
}

// want fails the test unless got holds these ids, in any order.
func want(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	got = slices.Clone(got)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: results of %v, want %v", what, got, want)
	}
}

// quiet fails the test when a member still waits for an acknowledgement.
func (w *world) quiet() {
	w.t.Helper()
	for _, m := range w.members {
		// Other nodes may forget a little later.
		m.awaitThat(w.t, "its acknowledgements to be forgotten", func() bool { return len(m.acks) == 0 })
	}
}

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func testAcks(t *testing.T, w *world) {
	for i, rooms := range [][]string{{"red"}, {"red", "blue"}, {"blue"}, {}} {
		m := w.add(fmt.Sprintf("m%d", i), rooms...)
		m.answer = yes
		if i%2 == 1 { // from another goroutine, after DeliverWithAck returned
			var asked sync.WaitGroup
			t.Cleanup(asked.Wait)
			m.answer = func(m *member, name string, ack func(parser.Args)) {
				asked.Go(func() { yes(m, name, ack) }) // the clean-up waits for it
			}
		}
	}
	for _, nd := range w.nodes {
		for _, test := range []struct {
			to   adapter.Target
			want []string
		}{
			{adapter.Target{}, []string{"m0", "m1", "m2", "m3"}},
			{adapter.Target{Rooms: []string{"red", "blue"}}, []string{"m0", "m1", "m2"}},
			{adapter.Target{Rooms: []string{"red"}, Except: []string{"blue"}}, []string{"m0"}},
		} {
			got, err := collect(t, patient(t), nd, test.to, nil)
			if err != nil {
				t.Errorf("%+v: %v", test.to, err)
			}
			want(t, fmt.Sprintf("%+v", test.to), got, test.want...)
		}
	}
	w.quiet()
	got, err := collect(t, patient(t), w.nodes[0], adapter.Target{Flags: adapter.Flags{Local: true}}, nil)
	if err != nil {
		t.Error(err)
	}
	for _, m := range w.members {
		if slices.Contains(got, m.id) != (m.node == w.nodes[0]) {
			t.Errorf("local broadcast: results of %v", got)
		}
	}
}

func testAcksNobody(t *testing.T, w *world) {
	w.add("a").answer = yes
	for _, nd := range w.nodes {
		for _, to := range []adapter.Target{{Rooms: []string{"nowhere"}}, {Except: []string{"a"}}} {
			if got, err := collect(t, patient(t), nd, to, nil); err != nil || len(got) != 0 {
				t.Errorf("%+v: got %v, %v, want nothing", to, got, err)
			}
		}
	}
}

func testAcksArrivalOrder(t *testing.T, w *world) {
	acks := make(chan func(), 16)
	for i := range 6 {
		w.add(fmt.Sprintf("m%d", i)).answer = func(m *member, name string, ack func(parser.Args)) {
			acks <- func() { yes(m, name, ack) }
		}
	}
	var asked sync.WaitGroup
	defer asked.Wait()
	var pending []func()
	first := make(chan struct{})
	asked.Go(func() { // the deferred Wait waits for it
		for range w.members {
			pending = append(pending, <-acks)
		}
		slices.Reverse(pending)
		pending[0]()
		close(first)
	})
	// Each answer is sent when the one before has been yielded.
	n := 0
	got, err := collect(t, patient(t), w.nodes[0], adapter.Target{}, func(int) {
		<-first
		if n++; n < len(pending) {
			pending[n]()
		}
	})
	if err != nil || len(got) != len(w.members) {
		t.Errorf("got %v, %v", got, err)
	}
	w.quiet()
}

func testAcksTimeout(t *testing.T, w *world) {
	for i := range 6 {
		m := w.add(fmt.Sprintf("m%d", i))
		if i%2 == 0 {
			m.answer = yes
		}
	}
	ctx, cancel := context.WithCancel(patient(t))
	got, err := collect(t, ctx, w.nodes[0], adapter.Target{}, func(n int) {
		if n == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	want(t, "partial results", got, "m0", "m2", "m4")
	w.quiet()
	cancel()
}

func testAcksContextDone(t *testing.T, w *world) {
	w.add("a").answer = yes
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := collect(t, ctx, w.nodes[0], adapter.Target{}, nil); !errors.Is(err, context.Canceled) || got != nil {
		t.Errorf("got %v, %v, want the context's error", got, err)
	}
	w.settle()
	if got := w.receivers("question"); got != nil {
		t.Errorf("sent to %v though the context was done", got)
	}
}

func testAcksBreak(t *testing.T, w *world) {
	for i := range 6 {
		m := w.add(fmt.Sprintf("m%d", i))
		if i < 3 {
			m.answer = yes
		}
	}
	seq := w.nodes[0].BroadcastWithAck(patient(t), event("question"), adapter.Target{})
	w.settle()
	if got := w.receivers("question"); got != nil {
		t.Errorf("sent to %v before the iteration began", got)
	}
	for _, err := range seq {
		if err != nil {
			t.Error(err)
		}
		break
	}
	w.quiet()
}

func testAcksTwice(t *testing.T, w *world) {
	for i := range 4 {
		w.add(fmt.Sprintf("m%d", i)).answer = func(m *member, name string, ack func(parser.Args)) {
			yes(m, name, ack)
			yes(m, name, ack)
		}
	}
	got, err := collect(t, patient(t), w.nodes[0], adapter.Target{}, nil)
	if err != nil {
		t.Error(err)
	}
	want(t, "each answered twice", got, "m0", "m1", "m2", "m3")
}

// testAcksGone has a local member leave. That members of other nodes leave need not be noticed.
func testAcksGone(t *testing.T, w *world) {
	to := adapter.Target{Rooms: []string{"room"}}
	var members []*member
	for len(members) < 3 {
		if m := w.add(fmt.Sprintf("m%d", len(w.members))); m.node == w.nodes[0] {
			m.join(t, "room")
			members = append(members, m)
		}
	}
	stays, left, leaves := members[0], members[1], members[2]
	var late func(parser.Args)
	stays.answer = yes
	left.answer = func(m *member, name string, ack func(parser.Args)) { late = ack; m.leaveAll() }
	got, err := collect(t, patient(t), w.nodes[0], to, func(int) { leaves.leaveAll() })
	if !errors.Is(err, adapter.ErrGone) {
		t.Errorf("error %v, want ErrGone", err)
	}
	want(t, "those that stayed", got, stays.id)
	late(parser.NewArgs("too late"))
	w.quiet()

	got, err = collect(t, patient(t), w.nodes[0], to, nil)
	if err != nil {
		t.Errorf("error %v though all members answered", err)
	}
	want(t, "afterwards", got, stays.id)
}

// testAcksForgotten leaves nothing behind when nobody answers.
func testAcksForgotten(t *testing.T, w *world) {
	for i := range 200 {
		w.add(fmt.Sprintf("m%d", i))
	}
	last := w.members[len(w.members)-1]
	for range 20 {
		ctx, cancel := context.WithCancel(patient(t))
		var wg sync.WaitGroup
		wg.Go(func() { // waited for below
			last.awaitAck(t)
			cancel()
		})
		if got, err := collect(t, ctx, w.nodes[0], adapter.Target{}, nil); !errors.Is(err, context.Canceled) ||
			got != nil {
			t.Errorf("got %v, %v, want the context's error", got, err)
		}
		wg.Wait()
		w.quiet()
	}
}

func testAcksClose(t *testing.T, w *world) {
	m := w.add("m0")
	var wg sync.WaitGroup
	wg.Go(func() { // waited for below
		m.awaitAck(t)
		if err := m.node.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if got, err := collect(t, patient(t), m.node, adapter.Target{}, nil); !errors.Is(err, adapter.ErrClosed) ||
		got != nil {
		t.Errorf("got %v, %v, want ErrClosed", got, err)
	}
	wg.Wait()
	if m.pending() != 0 {
		t.Error("the acknowledgement was not forgotten")
	}
}

func testServerSideEmit(t *testing.T, w *world) {
	var mu sync.Mutex
	heard := map[int]int{}
	for _, nd := range w.nodes {
		nd.serverSide = func(name string, args parser.Args, wantAck bool) (parser.Args, error) {
			mu.Lock()
			defer mu.Unlock()
			heard[nd.index]++
			if name != "ping" || text(t, args) != "hello" {
				t.Errorf("node %d: got %s(%v)", nd.index, name, args)
			}
			return parser.NewArgs(fmt.Sprint(nd.index)), nil
		}
	}
	var got, expected []string
	for args, err := range w.nodes[0].ServerSideEmit(patient(t), "ping", parser.NewArgs("hello"), true) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, text(t, args))
	}
	for i := range w.nodes[1:] {
		expected = append(expected, fmt.Sprint(i+1))
	}
	want(t, "other nodes", got, expected...)
	for range w.nodes[0].ServerSideEmit(patient(t), "ping", parser.NewArgs("hello"), false) {
		t.Error("a result though none was asked for")
	}
	eventually(t, "the second event", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for i := range w.nodes[1:] {
			if heard[i+1] != 2 {
				return false
			}
		}
		return true
	})
	if heard[0] != 0 {
		t.Error("a node heard its own event")
	}
}
