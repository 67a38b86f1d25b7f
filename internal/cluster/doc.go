// Package cluster is an adapter for several nodes that exchange nothing but bytes, over a Bus. It is the second
// subject of adaptertest, and what an adapter for a message broker is to grow from: messages, requests that name the
// nodes that have not answered, acknowledgements over nodes, a list of the nodes that are alive. It is internal while
// its messages are of its own making: the official formats come with the engines that have them.
//
// Broadcasts to one room go over a topic of the room's, to which only nodes with members in it subscribe. Everything
// else goes over the topic of the namespace; answers go over one of the node that has asked.
//
// # Goroutines
//
// An adapter publishes on one goroutine, which exists while something waits to be published; it subscribes on another
// one likewise; what other nodes say is handled on a third, and their server-side events on a fourth. One goroutine
// sends heartbeats and forgets nodes that are not heard of, until Close. Each request that this node serves and that
// takes time has one, until it is answered, given up by the node that asked, or the adapter is closed. What the Bus
// calls only queues.
//
// User code (marshalers, parsers, listeners) runs on the third and the fourth, and on those of requests. It may end
// them: others go on.
package cluster

import "context"

// A Bus carries bytes between nodes.
type Bus interface {
	// Publish hands msg to all that have subscribed to topic. It returns when the engine has taken it, and MUST
	// return when ctx is done. It is called by one goroutine of an adapter at a time. What one adapter publishes to
	// one topic MUST arrive in order; it may be lost, or come again later. Over several topics nothing is promised.
	// msg is not changed afterwards.
	Publish(ctx context.Context, topic string, msg []byte) error
	// Subscribe has recv called for what is published to topic from when it returns until cancel is called, and
	// perhaps once more: for one topic one call at a time. recv does not wait for a network. It must not keep msg
	// from being read by others.
	Subscribe(ctx context.Context, topic string, recv func(msg []byte)) (cancel func(), err error)
	// Close ends the subscriptions.
	Close() error
}
