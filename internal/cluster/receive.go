package cluster

import (
	"context"
)

// receive handles what comes over a topic. It is called by the Bus, and does not wait but for members to be queued
// to.
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
	case kindBroadcast, kindJoin, kindLeave, kindDisconnect:
		err = n.act(m)
	case kindEvent:
		err = n.event(m)
	case kindAsk:
		err = n.ask(m)
	case kindFetch:
		n.serve(m, func(ctx context.Context) { n.fetch(ctx, m) })
	case kindQuery:
		n.serve(m, func(ctx context.Context) { n.query(ctx, m) })
	case kindCancel:
		n.stopServing(func(s served) bool { return s == served{m.Node, m.Request} })
	case kindAnswer, kindDone:
		n.mu.Lock()
		r := n.requests[m.Request]
		n.mu.Unlock()
		if r != nil {
			r.answer(m)
		}
	} // what a later version says is ignored
	if err != nil {
		n.report("read", err)
	}
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
	p, err := decodePacket(m.Frames)
	if err != nil {
		return err
	}
	return n.Memory.Broadcast(p, m.Target)
}

// event queues a server-side event for the listeners: what else comes does not wait for them.
func (n *node) event(m *message) error {
	args, err := decodeArgs(m.Frames)
	if err != nil {
		return err
	}
	size := len(m.Name) + 64
	for _, f := range m.Frames {
		size += len(f.Data)
	}
	ok := n.events.add(size, func() {
		if n.ctx.Err() == nil {
			_, _ = n.ns.ServerSide(n.ctx, m.Name, args, false) // its errors are the listeners', which are reported there
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
	p, err := decodePacket(m.Frames)
	if err != nil {
		n.refuse(m, err)
		return err
	}
	asked := make(chan struct{})
	ok := n.serve(m, func(ctx context.Context) {
		var sent uint64
		failed := errExited
		delivered := false
		defer func() { // also if user code calls runtime.Goexit
			if !delivered {
				close(asked)
			}
			if ctx.Err() == nil {
				done := &message{Request: m.Request, Count: sent, Error: textOf(failed)}
				n.publish(n.answerTopic(m.Node), kindDone, done)
			}
		}()
		var last error
		deliver := func(int) {
			delivered = true
			close(asked)
		}
		for args, err := range n.Memory.DeliverWithAck(ctx, p, m.Target, deliver) {
			if err != nil {
				last = err
				continue
			}
			frames, err := encodeArgs(args)
			if err != nil {
				n.report("publish", err)
			}
			sent++ // also if that gets lost: then the other node knows
			n.publish(n.answerTopic(m.Node), kindAnswer, &message{Request: m.Request, Frames: frames})
		}
		failed = last
	})
	if ok {
		<-asked
	}
	return nil
}

// fetch answers with the sockets of this node.
func (n *node) fetch(ctx context.Context, m *message) {
	found, err := n.Memory.Fetch(ctx, m.Target)
	done := &message{Request: m.Request, Error: textOf(err)}
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
	if ctx.Err() == nil {
		n.publish(n.answerTopic(m.Node), kindDone, done)
	}
}

// query asks the listeners of this node for an answer.
func (n *node) query(ctx context.Context, m *message) {
	args, err := decodeArgs(m.Frames)
	if err == nil {
		args, err = n.ns.ServerSide(ctx, m.Name, args, true)
	}
	if ctx.Err() != nil {
		return
	}
	done := &message{Request: m.Request}
	if err == nil {
		answer := &message{Request: m.Request}
		if answer.Frames, err = encodeArgs(args); err == nil {
			done.Count = 1
			n.publish(n.answerTopic(m.Node), kindAnswer, answer)
		}
	}
	done.Error = textOf(err)
	n.publish(n.answerTopic(m.Node), kindDone, done)
}
