package cluster

import (
	"context"
	"iter"
	"sync"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/parser"
)

// Join puts m into rooms, and waits until broadcasts of other nodes to them arrive, for a while.
func (n *node) Join(m adapter.Member, rooms ...string) error {
	if err := n.Memory.Join(m, rooms...); err != nil {
		return err
	}
	n.topics.await(rooms)
	return nil
}

// Broadcast delivers p here, and queues it for the other nodes.
func (n *node) Broadcast(p *parser.Packet, to adapter.Target) error {
	if to.Flags.Local {
		return n.Memory.Broadcast(p, to)
	}
	frames, err := encodePacket(p)
	if err != nil {
		return err
	}
	if err := n.Memory.Broadcast(p, to); err != nil {
		return err
	}
	topic := n.topic
	if len(to.Rooms) == 1 && to.Socket == "" && !isPrivate(to.Rooms[0]) {
		topic = n.roomTopic(to.Rooms[0])
	}
	n.publish(topic, kindBroadcast, &message{Target: to, Frames: frames})
	return nil
}

// BroadcastWithAck asks the members of all nodes.
func (n *node) BroadcastWithAck(
	ctx context.Context, p *parser.Packet, to adapter.Target,
) iter.Seq2[parser.Args, error] {
	if to.Flags.Local {
		return n.Memory.BroadcastWithAck(ctx, p, to)
	}
	return func(yield func(parser.Args, error) bool) {
		frames, err := encodePacket(p)
		if err != nil {
			yield(parser.Args{}, err)
			return
		}
		r := n.newRequest(true)
		ctx, cancel := context.WithCancel(ctx)
		delivered, finished := make(chan struct{}), make(chan error, 1)
		go func() { // owned by this call, which waits for it
			err := errExited
			defer func() { finished <- err }()
			err = n.askHere(ctx, p, to, r, delivered)
		}()
		var asking sync.WaitGroup
		defer func() {
			n.endRequest(r)
			cancel()
			<-finished
			asking.Wait()
		}()
		select {
		case <-delivered:
		case err := <-finished:
			finished <- nil
			if !isClosed(delivered) { // nobody could be asked
				yield(parser.Args{}, err)
				return
			}
		}
		ask := func() {
			n.publishRequest(kindAsk, &message{Target: to, Frames: frames, Timeout: timeout(ctx)}, r)
		}
		if isClosed(n.ready) {
			ask()
		} else { // the members of this node need not wait for that
			r.await(connecting)
			asking.Go(func() { // owned by this call, which waits for it
				if n.Ready(ctx) == nil {
					n.awaitPeers(r)
					ask()
					r.finish(connecting, false, nil)
				}
			})
		}
		err = n.collect(ctx, r, func(res result) bool {
			args, err := res.args, error(nil)
			if res.m != nil {
				args, err = decodeArgs(res.m.Frames)
			}
			if err != nil {
				n.report("read", err)
				return true
			}
			return yield(args, nil)
		})
		if err != nil && err != errStopped {
			yield(parser.Args{}, err)
		}
	}
}

// askHere asks the members of this node, for r. delivered is closed once they have been; until then an error is for
// the caller.
func (n *node) askHere(
	ctx context.Context, p *parser.Packet, to adapter.Target, r *request, delivered chan struct{},
) (failed error) {
	exits := true
	defer func() {
		if exits {
			r.finish(n.id, false, errExited)
		}
	}()
	for args, err := range n.Memory.DeliverWithAck(ctx, p, to, func(int) { close(delivered) }) {
		if err == nil {
			r.local(args)
			continue
		}
		failed = err
	}
	exits = false
	if !isClosed(delivered) {
		return failed
	}
	if ctx.Err() != nil || failed == adapter.ErrClosed { // collect knows of that
		return nil
	}
	r.finish(n.id, false, failed)
	return nil
}

// errExited is the error of a node whose parser or listeners called runtime.Goexit.
var errExited = errtext.New("cluster: user code called runtime.Goexit")

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// timeout is what is left of ctx in milliseconds, or 0 if it has no end.
func timeout(ctx context.Context) uint64 {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return uint64(max(time.Until(deadline).Milliseconds(), 1))
}

// Fetch describes the sockets of all nodes. What has come is returned with an error.
func (n *node) Fetch(ctx context.Context, to adapter.Target) ([]adapter.Socket, error) {
	all, err := n.Memory.Fetch(ctx, to)
	if err != nil || to.Flags.Local {
		return all, err
	}
	if err := n.Ready(ctx); err != nil {
		return all, err
	}
	r := n.newRequest(false)
	defer n.endRequest(r)
	n.publishRequest(kindFetch, &message{Target: to, Timeout: timeout(ctx)}, r)
	err = n.collect(ctx, r, func(res result) bool {
		for _, info := range res.m.Sockets {
			s, err := info.socket()
			if err != nil {
				n.report("read", err)
				continue
			}
			all = append(all, s)
		}
		return true
	})
	return all, err
}

// JoinAll puts the sockets of all nodes into rooms.
func (n *node) JoinAll(ctx context.Context, to adapter.Target, rooms ...string) error {
	if !to.Flags.Local {
		n.publish(n.topic, kindJoin, &message{Target: to, Rooms: rooms})
	}
	return n.Memory.JoinAll(ctx, to, rooms...)
}

// LeaveRooms takes the sockets of all nodes out of rooms.
func (n *node) LeaveRooms(ctx context.Context, to adapter.Target, rooms ...string) error {
	if !to.Flags.Local {
		n.publish(n.topic, kindLeave, &message{Target: to, Rooms: rooms})
	}
	return n.Memory.LeaveRooms(ctx, to, rooms...)
}

// DisconnectAll disconnects the sockets of all nodes.
func (n *node) DisconnectAll(ctx context.Context, to adapter.Target, close bool) error {
	if !to.Flags.Local {
		n.publish(n.topic, kindDisconnect, &message{Target: to, Close: close})
	}
	return n.Memory.DisconnectAll(ctx, to, close)
}

// ServerSideEmit sends an event to the other nodes.
func (n *node) ServerSideEmit(
	ctx context.Context, name string, args parser.Args, wantAck bool,
) iter.Seq2[parser.Args, error] {
	return func(yield func(parser.Args, error) bool) {
		frames, err := encodeArgs(args)
		if err == nil && wantAck {
			err = n.Ready(ctx)
		}
		if err != nil {
			yield(parser.Args{}, err)
			return
		}
		if !wantAck {
			n.publish(n.topic, kindEvent, &message{Name: name, Frames: frames})
			return
		}
		r := n.newRequest(false)
		defer n.endRequest(r)
		n.publishRequest(kindQuery, &message{Name: name, Frames: frames, Timeout: timeout(ctx)}, r)
		err = n.collect(ctx, r, func(res result) bool { return yield(decodeArgs(res.m.Frames)) })
		if err != nil && err != errStopped {
			yield(parser.Args{}, err)
		}
	}
}

// ServerCount is how many nodes are known, and this one.
func (n *node) ServerCount(context.Context) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.peers) + 1, nil
}
