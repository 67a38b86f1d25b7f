package cluster

import (
	"context"
	"sync"

	"sio.example/socketio/adapter"
)

// receive takes what comes over a topic. It is called by the Bus, and runs no user code: what does is queued. It waits
// only if too much is queued already.
func (n *node) receive(topic string, msg []byte) {
	m, err := parseMessage(msg)
	if err != nil {
		n.report("read", err)
		return
	}
	if m.Node == n.id || !n.note(topic, m) {
		return
	}
	switch m.Kind {
	case kindHello:
		n.publish(n.topic, kindHeartbeat, &message{Request: n.firstRequest()})
	case kindHeartbeat:
		n.stopServing(func(s served) bool { return s.node == m.Node && s.id < m.Request })
	case kindGoodbye:
		n.removePeer(m.Node, true)
	case kindAnswer, kindDone:
		n.answer(m, len(msg))
	case kindNot:
		for _, id := range m.Requests {
			if r := n.request(id); r != nil {
				r.miss(m.Node, adapter.ErrAnswerLost)
			}
		}
	default:
		n.in.addWait(len(msg)+64, func() {
			if n.ctx.Err() == nil {
				n.ns.Guard(func() error { return n.handle(m) }, func(err error) { n.report("read", err) })
			}
		})
	}
}

// handle does what a message says that was queued.
func (n *node) handle(m *message) error {
	switch m.Kind {
	case kindBroadcast, kindJoin, kindLeave, kindDisconnect:
		return n.act(m)
	case kindEvent:
		return n.event(m)
	case kindAsk:
		return n.ask(m)
	case kindFetch:
		n.serve(m, func(ctx context.Context, done *message) error { return n.fetch(ctx, m, done) })
	case kindQuery:
		n.serve(m, func(ctx context.Context, done *message) error { return n.query(ctx, m, done) })
	case kindCancel:
		n.stopServing(func(s served) bool { return s == served{m.Node, m.Request} })
	case kindStill:
		n.answerStill(m)
	} // what a later version says is ignored
	return nil
}

// act does to the members of this node what the message says.
func (n *node) act(m *message) error {
	switch m.Kind {
	case kindJoin:
		return n.Memory.JoinAll(n.ctx, m.Target, m.Rooms...)
	case kindLeave:
		return n.Memory.LeaveRooms(n.ctx, m.Target, m.Rooms...)
	case kindDisconnect:
		return n.Memory.DisconnectAll(n.ctx, m.Target, m.Close)
	}
	if len(m.Target.Rooms) == 1 && m.Target.Socket == "" && !n.HasRoom(m.Target.Rooms[0]) {
		return nil
	}
	p, err := n.eventOf(m)
	if err != nil {
		return err
	}
	return n.Memory.Broadcast(p, m.Target)
}

// event queues a server-side event for the listeners: what else comes does not wait for them.
func (n *node) event(m *message) error {
	args, err := argsOf(m.Args)
	if err != nil {
		return err
	}
	ok := n.events.add(len(m.Name)+len(m.Args)+64, func() {
		if n.ctx.Err() == nil {
			n.ns.Guard(func() error {
				_, _ = n.ns.ServerSide(n.ctx, m.Name, args, false) // its errors are reported where the listeners are
				return nil
			}, func(err error) { n.report("serve", err) })
		}
	})
	if !ok {
		n.report("serve", errFull)
	}
	return nil
}

// ask asks the members of this node, and has their answers sent. It returns when they have been asked, so that they
// get what comes next behind that.
func (n *node) ask(m *message) error {
	p, err := n.eventOf(m)
	if err != nil {
		n.refuse(m, err)
		return err
	}
	asked := make(chan struct{})
	ok := n.serve(m, func(ctx context.Context, done *message) (failed error) {
		delivered := sync.OnceFunc(func() { close(asked) })
		defer delivered() // also if user code calls runtime.Goexit
		for args, err := range n.Memory.DeliverWithAck(ctx, p, m.Target, func(int) { delivered() }) {
			if err != nil {
				failed = err
				continue
			}
			answer := &message{Request: m.Request}
			if answer.Args, err = bytesOf(args); err != nil {
				n.report("publish", err)
			}
			done.Count++ // also if that gets lost: then the other node knows
			n.publish(n.answerTopic(m.Node), kindAnswer, answer)
		}
		return failed
	})
	if ok {
		<-asked
	}
	return nil
}

// fetch answers with the sockets of this node.
func (n *node) fetch(ctx context.Context, m, done *message) error {
	found, err := n.Memory.Fetch(ctx, m.Target)
	for i := range found {
		info, err := describe(&found[i])
		if err != nil { // Data that cannot be encoded
			n.report("publish", err)
			found[i].Data = nil
			if info, err = describe(&found[i]); err != nil {
				continue
			}
		}
		done.Sockets = append(done.Sockets, info)
	}
	return err
}

// query asks the listeners of this node for an answer.
func (n *node) query(ctx context.Context, m, done *message) error {
	args, err := argsOf(m.Args)
	if err == nil {
		args, err = n.ns.ServerSide(ctx, m.Name, args, true)
	}
	if err != nil || ctx.Err() != nil {
		return err
	}
	answer := &message{Request: m.Request}
	if answer.Args, err = bytesOf(args); err != nil {
		return err
	}
	done.Count = 1
	n.publish(n.answerTopic(m.Node), kindAnswer, answer)
	return nil
}

// answerStill says which of the requests of another node are not served. It has been queued behind them, and the answer
// comes behind theirs: what the other node still waits for was lost.
func (n *node) answerStill(m *message) {
	not := &message{}
	n.mu.Lock()
	for _, id := range m.Requests {
		if n.serving[served{m.Node, id}] == nil {
			not.Requests = append(not.Requests, id)
		}
	}
	n.mu.Unlock()
	if not.Requests != nil {
		n.publish(n.answerTopic(m.Node), kindNot, not)
	}
}
