// Package adapter holds the rooms of a namespace, and the interface behind which a cluster hides.
//
// An Adapter knows which members are in which rooms and carries broadcasts to them. Memory is the one for a single
// node; adapters for clusters embed it. The package never touches a connection: it hands opaque packets to Members,
// which enqueue them.
package adapter

import (
	"context"
	"errors"
	"iter"

	"sio.example/socketio/parser"
)

// The errors callers branch on.
var (
	// ErrClosed is returned by Join after Close, and ends a BroadcastWithAck that Close interrupts.
	ErrClosed = errors.New("adapter: closed")
	// ErrExists is returned by Join when another member with the same id is present.
	ErrExists = errors.New("adapter: another member has this id")
	// ErrGone ends a BroadcastWithAck of which all results have come but those of members that left meanwhile.
	ErrGone = errors.New("adapter: a member left without acknowledging")
	// ErrTooManyAcks ends a BroadcastWithAck of which all results have come but those of members that could not be
	// asked.
	ErrTooManyAcks = errors.New("adapter: a member has too many unanswered acknowledgements")
)

// A Target says who receives a broadcast: the members of any of Rooms (no rooms: of the namespace) that are in none of
// Except and are not Sender. A member receives one copy however many rooms it shares. If Socket is set it is the member
// with that id, if there is one, whatever Rooms and Except say.
//
// Socket and Sender are ids of members, not rooms: a member may leave the room that is called by its id, and others may
// join it. An adapter for a cluster whose other nodes know rooms only tells them as a room, and as one of Except.
type Target struct {
	Rooms  []string
	Except []string
	Socket string
	Sender string
	Flags  Flags
}

// Flags modify a broadcast.
type Flags struct {
	Local      bool // this node only
	Volatile   bool // may be dropped for a member that can't take it now
	NoCompress bool
}

// Encoded is a packet in the wire form of the namespace's transports; opaque to adapters.
type Encoded any

// A Socket describes a socket anywhere in the cluster.
type Socket struct {
	ID        string
	Handshake *Handshake
	Rooms     []string
	// Data is what was stored with the socket, or nil; for one on another node a parser.Args with that as its one
	// value.
	Data any
}

// A Member is one local socket. Rooms hold Members, so that a broadcast needs no look-up by id. Members are told apart
// by ==, so their dynamic type must be a pointer or otherwise comparable.
type Member interface {
	// ID never changes. Members of one namespace have different ids.
	ID() string
	// Deliver enqueues; it never blocks and takes no lock that is held while calling an adapter. Adapters may call it
	// with a lock held. The calls for one e come from one goroutine, one after another, followed by Local.Flush.
	Deliver(e Encoded, to *Target)
	// DeliverWithAck enqueues a packet with an acknowledgement id of the member's; ack is called at most once, from
	// any goroutine, and never blocks. No Flush follows. It returns a function that forgets the acknowledgement, which
	// may be called at any time, also after ack. A member that leaves need not call ack: the adapter notices LeaveAll.
	// nil means that it has queued nothing, since it waits for too many already.
	DeliverWithAck(p *parser.Packet, to *Target, ack func(parser.Args)) (forget func())
	// Describe returns a snapshot. No lock is held, so it may ask the adapter for the member's rooms.
	Describe() Socket
	// Disconnect ends the member's part in the namespace, and with close its whole connection. No lock is held.
	Disconnect(close bool)
	// Leaving reports whether the member has been disconnected, and is about to leave by LeaveAll: it is in its rooms
	// and does not count as one of a Target any more. It never blocks and takes no lock; adapters may hold one.
	Leaving() bool
}

// Local is the namespace an adapter works for, as narrow as an adapter needs it.
type Local interface {
	Name() string
	// Encode makes the wire form once, for all members. It may run user code (marshalers): no lock is held.
	Encode(p *parser.Packet, to *Target) (Encoded, error)
	// Flush is called once after e was delivered to the last member, even if there was none, with no lock held.
	Flush(e Encoded)
	// ServerSide hands an event of another node to the namespace's listeners; if wantAck it returns the
	// acknowledgement.
	ServerSide(ctx context.Context, name string, args parser.Args, wantAck bool) (parser.Args, error)
}

// A Factory makes the adapter of one namespace.
type Factory func(ns Local) (Adapter, error)

// An Adapter keeps the rooms of one namespace and carries broadcasts. It is safe for concurrent use. The interface is
// sealed: embed *Memory to implement it, so that methods can be added later.
//
// A method that acts on a Target acts on those that are members at one moment during the call: a member that stays in
// the target from before the call until it returns is met exactly once, even if it moves between the target's rooms.
type Adapter interface {
	// Join puts m into rooms, and into the namespace even if there are none. A member that left by LeaveAll can come
	// back, so a caller whose Join may race with its own LeaveAll must look again afterwards and repeat the latter.
	Join(m Member, rooms ...string) error
	// Leave takes m out of rooms; it remains in the namespace.
	Leave(m Member, rooms ...string) error
	// LeaveAll takes m out of all rooms and the namespace. Broadcasts that wait for its acknowledgement wait no more.
	LeaveAll(m Member)
	// Rooms returns the rooms of the local member called id, in no particular order; nil if there is none.
	Rooms(id string) []string
	// Broadcast delivers p. An error means that it could not be encoded (then nobody got it) or not be published.
	Broadcast(p *parser.Packet, to Target) error
	// BroadcastWithAck sends p when the iteration begins, and yields one result a client in the order of arrival; an
	// error ends it. ctx is the timeout: the results that came in time are yielded before its error. When every client
	// has acknowledged the iteration ends without an error; when the only ones missing have left, with ErrGone, or
	// could not be asked, with ErrTooManyAcks. Nobody to send to: nothing is yielded. However it ends, outstanding
	// acknowledgements are forgotten.
	BroadcastWithAck(ctx context.Context, p *parser.Packet, to Target) iter.Seq2[parser.Args, error]
	// Fetch describes the sockets of the target, in no particular order.
	Fetch(ctx context.Context, to Target) ([]Socket, error)
	// JoinAll puts the target's sockets into rooms; LeaveRooms takes them out. Other nodes may do so a little later.
	JoinAll(ctx context.Context, to Target, rooms ...string) error
	LeaveRooms(ctx context.Context, to Target, rooms ...string) error
	// DisconnectAll disconnects the target's sockets, and with close their connections.
	DisconnectAll(ctx context.Context, to Target, close bool) error
	// ServerSideEmit sends an event to the other nodes; with wantAck it yields one result a node. Nothing happens
	// before the iteration begins.
	ServerSideEmit(ctx context.Context, name string, args parser.Args, wantAck bool) iter.Seq2[parser.Args, error]
	// ServerCount is how many nodes share the namespace, this one among them.
	ServerCount(ctx context.Context) (int, error)
	// Close ends what waits. Members are not disconnected. It may be called more than once.
	Close() error
	sealed()
}
