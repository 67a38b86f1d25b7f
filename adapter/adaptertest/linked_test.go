package adaptertest_test

import (
	"context"
	"iter"
	"sync"
	"testing"

	"sio.example/socketio/adapter"
	"sio.example/socketio/adapter/adaptertest"
	"sio.example/socketio/parser"
)

// TestLinked runs the half of the suite that needs several nodes.
func TestLinked(t *testing.T) {
	adaptertest.Run(t, func(_ testing.TB, n int) adaptertest.Cluster {
		c := new(links)
		factories := make([]adapter.Factory, n)
		for i := range factories {
			factories[i] = c.newAdapter
		}
		return adaptertest.Cluster{Factories: factories}
	})
}

// links is a cluster whose nodes call each other: the simplest one there is.
type links struct {
	mu    sync.Mutex
	nodes []*linked
}

type linked struct {
	*adapter.Memory
	ns      adapter.Local
	cluster *links
}

func (c *links) newAdapter(_ context.Context, ns adapter.Local) (adapter.Adapter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &linked{Memory: adapter.New(ns), ns: ns, cluster: c}
	c.nodes = append(c.nodes, l)
	return l, nil
}

// reach returns this node, and the others unless to is local.
func (l *linked) reach(to adapter.Target) []*linked {
	nodes := []*linked{l}
	if !to.Flags.Local {
		nodes = append(nodes, l.others()...)
	}
	return nodes
}

func (l *linked) others() []*linked {
	l.cluster.mu.Lock()
	defer l.cluster.mu.Unlock()
	var nodes []*linked
	for _, n := range l.cluster.nodes {
		if n != l {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (l *linked) Broadcast(p *parser.Packet, to adapter.Target) error {
	if err := l.Memory.Broadcast(p, to); err != nil || to.Flags.Local {
		return err
	}
	for _, n := range l.others() {
		var apart sync.WaitGroup
		apart.Go(func() { // waited for below: user code may end it
			n.ns.Guard(func() error { return n.Memory.Broadcast(p, to) }, func(err error) { n.ns.Report("read", err) })
		})
		apart.Wait()
	}
	return nil
}

// hold counts what another node has answered, and reports whether there is memory for it.
func (l *linked) hold(from *linked, args parser.Args) (size int, ok bool) {
	if from == l {
		return 0, true
	}
	for i := range args.Len() {
		text, _ := args.Raw(i)
		size += len(text)
	}
	if !l.ns.Hold(size) {
		return 0, false
	}
	return size, true
}

func (l *linked) BroadcastWithAck(
	ctx context.Context, p *parser.Packet, to adapter.Target,
) iter.Seq2[parser.Args, error] {
	type result struct {
		from *linked
		args parser.Args
		err  error
	}
	return func(yield func(parser.Args, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		results := make(chan result)
		var wg sync.WaitGroup
		for _, n := range l.reach(to) {
			wg.Go(func() { // ends with ctx; the last of them, below, waits for it
				n.ns.Guard(func() error {
					for args, err := range n.Memory.BroadcastWithAck(ctx, p, to) {
						results <- result{n, args, err}
					}
					return nil
				}, func(err error) { results <- result{n, parser.Args{}, err} })
			})
		}
		var last sync.WaitGroup
		last.Go(func() { wg.Wait(); close(results) }) // waited for before returning
		defer last.Wait()
		defer func() {
			for range results { // let those that are about to send go
			}
		}()
		defer cancel()
		var failed error
		held := 0
		defer func() { l.ns.Hold(-held) }()
		for r := range results {
			size, ok := l.hold(r.from, r.args)
			held += size
			switch {
			case r.err != nil:
				failed = r.err
			case !ok:
				failed = adapter.ErrTooManyAcks
			case !yield(r.args, nil):
				return
			}
		}
		if failed != nil {
			yield(parser.Args{}, failed)
		}
	}
}

func (l *linked) Fetch(ctx context.Context, to adapter.Target) ([]adapter.Socket, error) {
	var all []adapter.Socket
	for _, n := range l.reach(to) {
		sockets, err := n.Memory.Fetch(ctx, to)
		if err != nil {
			return nil, err
		}
		all = append(all, sockets...)
	}
	return all, nil
}

func (l *linked) JoinAll(ctx context.Context, to adapter.Target, rooms ...string) error {
	for _, n := range l.reach(to) {
		if err := n.Memory.JoinAll(ctx, to, rooms...); err != nil {
			return err
		}
	}
	return nil
}

func (l *linked) LeaveRooms(ctx context.Context, to adapter.Target, rooms ...string) error {
	for _, n := range l.reach(to) {
		if err := n.Memory.LeaveRooms(ctx, to, rooms...); err != nil {
			return err
		}
	}
	return nil
}

func (l *linked) DisconnectAll(ctx context.Context, to adapter.Target, close bool) error {
	for _, n := range l.reach(to) {
		if err := n.Memory.DisconnectAll(ctx, to, close); err != nil {
			return err
		}
	}
	return nil
}

func (l *linked) ServerSideEmit(
	ctx context.Context, name string, args parser.Args, wantAck bool,
) iter.Seq2[parser.Args, error] {
	return func(yield func(parser.Args, error) bool) {
		for _, n := range l.others() {
			res, err := n.ns.ServerSide(ctx, name, args, wantAck)
			if wantAck && !yield(res, err) {
				return
			}
		}
	}
}

func (l *linked) ServerCount(context.Context) (int, error) { return len(l.others()) + 1, nil }
