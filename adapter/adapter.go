// Package adapter holds the rooms of a namespace, and the interface behind which a cluster hides.
//
// An Adapter knows which members are in which rooms and carries broadcasts to them. Memory is the one for a single
// node; adapters for clusters embed it. The package never touches a connection: it hands opaque packets to Members,
// which enqueue them.
package adapter

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/seal"
	"sio.example/socketio/parser"
)

// The errors callers branch on.
var (
	// ErrClosed is returned by Join after Close, and ends a BroadcastWithAck that Close interrupts.
	ErrClosed = errtext.New("adapter: closed")
	// ErrExists is returned by Join when another member with the same id is present.
	ErrExists = errtext.New("adapter: another member has this id")
	// ErrGone ends a BroadcastWithAck of which all results have come but those of members that left meanwhile.
	ErrGone = errtext.New("adapter: a member left without acknowledging")
	// ErrNodeGone is why a node does not answer any more: it has left, or has not been heard of for too long.
	ErrNodeGone = errtext.New("adapter: the node is gone")
	// ErrAnswerLost is why the answers of a node are not complete: one was lost, or the question.
	ErrAnswerLost = errtext.New("adapter: an answer of the node was lost")
	// ErrTooManyAcks ends a BroadcastWithAck of which all results have come but those of members that could not be
	// asked, or for whose answers there was no memory while others are waited for.
	ErrTooManyAcks = errtext.New("adapter: a member has too many unanswered acknowledgements")
)

// A Target says who receives a broadcast: the members of any of Rooms (no rooms: of the namespace) that are in none
// of Except and are not Sender. A member receives one copy however many rooms it shares. If Socket is set it is the
// member with that id, if there is one, whatever Rooms and Except say.
//
// Socket and Sender are ids of members, not rooms: a member may leave the room that is called by its id, and others
// may join it. An adapter for a cluster whose other nodes know rooms only tells them as a room, and as one of Except.
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

// An Acknowledgement is how a member was settled that had been asked.
type Acknowledgement struct {
	Args parser.Args
	Size int   // bytes that it counts in the memory of the member's connection until ReleaseAck
	Err  error // ErrGone: the member is disconnected; ErrTooManyAcks: there was no memory for what it answered
}

// A Member is one local socket. Rooms hold Members, so that a broadcast needs no look-up by id. Members are told
// apart by ==. The methods are safe for concurrent use; "no lock may be held" is about locks that the adapter also
// takes when it is called.
//
// The interface is for use: adapters get Members from the namespace, and only this module implements it.
type Member interface {
	// ID never changes. Members of one namespace have different ids.
	ID() string
	// Deliver enqueues; it never blocks and takes no lock that is held while calling an adapter. Adapters may call it
	// with a lock held. The calls for one e come from one goroutine, one after another, followed by Local.Flush.
	Deliver(e Encoded, to *Target)
	// DeliverWithAck is Deliver for a packet that was encoded with the acknowledgement id. nil means that the member
	// was asked: then ack is called at most once, by any goroutine, perhaps before DeliverWithAck has returned; with
	// an error as soon as the member is disconnected, which is before LeaveAll. ErrTooManyAcks: it waits for too many
	// already. ErrGone: it is not connected, and counts as no member. No lock may be held.
	DeliverWithAck(e Encoded, id uint64, to *Target, ack func(m Member, a Acknowledgement)) error
	// ForgetAck gives the acknowledgement up. It may be called at any time, also after ack.
	ForgetAck(id uint64)
	// ReleaseAck says, once for each acknowledgement without an error, that it is held no more. size is its Size. No
	// lock may be held.
	ReleaseAck(size int)
	// Describe returns a snapshot. No lock may be held: it asks the adapter for the member's rooms.
	Describe() Socket
	// Disconnect ends the member's part in the namespace, and with close its whole connection. It does not wait for
	// that, and calls LeaveAll, at once or soon: no lock may be held.
	Disconnect(close bool)
	// Leaving reports whether the member has been disconnected, and is about to leave by LeaveAll: it is in its rooms
	// and does not count as one of a Target any more. It never blocks and takes no lock; adapters may hold one.
	Leaving() bool
	// Sealed keeps other modules from implementing the interface.
	Sealed(seal.Mark)
}

// Local is the namespace an adapter works for, as narrow as an adapter needs it. The methods are safe for concurrent
// use; for locks see [Member].
//
// The interface is for use: a Factory gets one, and only this module implements it. In the test of an adapter,
// package adaptertest plays it; a struct that embeds a Local can replace single methods.
type Local interface {
	// Name is the name of the namespace, such as "/" or "/admin".
	Name() string
	// Encode makes the wire form once, for all members. members is how many there are, about; 0 if that is not known.
	// It may run user code (marshalers): no lock may be held.
	Encode(p *parser.Packet, members int) (Encoded, error)
	// AckID returns an id for a packet that several members are to acknowledge. It differs from those that the
	// members give to packets of their own.
	AckID() uint64
	// Place is called once between Encode and the first Member.Deliver, also if there is no member, and never for a
	// packet that is to be acknowledged: e takes its place among what the namespace sends, which from there to Flush
	// waits. No lock may be held, and until Flush nothing may be done but call Deliver.
	Place(e Encoded, to *Target)
	// Flush is called once after e was delivered to the last member, even if there was none, with no lock held.
	Flush(e Encoded)
	// ServerSide hands an event of another node to the namespace's listeners; if wantAck it returns the
	// acknowledgement. It runs user code, which may take long: no lock may be held, and what other nodes publish
	// should not wait for it.
	ServerSide(ctx context.Context, name string, args parser.Args, wantAck bool) (parser.Args, error)
	// Report tells of something that went wrong and that no caller learns of: what could not be published, a
	// subscription that is lost, a message that cannot be read. It is counted and logged, few of one cause, and given
	// to the server's OnError, which is user code: no lock may be held. what names the cause in a word or two, such
	// as "publish", and never holds anything that comes from outside.
	Report(what string, err error)
	// Guard calls fn, for an adapter on a goroutine of its own: all that may run user code, such as Encode, what calls it,
	// and what encodes the arguments of others. A panic in fn is recovered, if the server recovers those, and counted.
	// failed is called with the error of fn, or with what the user code did instead of returning: if that was
	// runtime.Goexit the goroutine ends after failed has returned, and the adapter goes on with another one.
	Guard(fn func() error, failed func(err error))
	// Hold says that the adapter keeps n bytes more of what other nodes sent, such as answers that are waited for, or
	// fewer. It reports false if the server has no memory for so much; then they do not count, and are not to be kept.
	Hold(n int) bool
	// Sealed keeps other modules from implementing the interface.
	Sealed(seal.Mark)
}

// A Factory makes the adapter of one namespace. ctx is for that alone: it is done when the server is closed, and
// after the time that clients wait for a namespace. The code that asks for the namespace waits for the factory, and
// mostly without a ctx, so a factory MUST NOT wait for a network: it returns an adapter that connects by itself, works
// for the members of this node meanwhile, says with Ready when it is connected, and with Local.Report what goes wrong.
// An error is one that waiting does not cure; the namespace then refuses all clients with it.
type Factory func(ctx context.Context, ns Local) (Adapter, error)

// An Adapter keeps the rooms of one namespace and carries broadcasts. It is safe for concurrent use. The interface is
// sealed: embed *Memory to implement it, so that methods can be added later.
//
// A method that acts on a Target acts on those that are members at one moment during the call: a member that stays in
// the target from before the call until it returns is met exactly once, even if it moves between the target's rooms.
//
// # Publishing
//
// What an adapter for several nodes does with a broadcast:
//
//   - Broadcast MUST encode and queue at once, and MUST NOT wait for a network. It publishes on a goroutine of the
//     adapter's, in the order of the calls.
//   - What waits to be published MUST be bounded in bytes. What is beyond the bound, and what the engine does not
//     take, is lost for the other nodes, MUST be told to Local.Report, and MUST reach the members of this node all
//     the same.
//   - Where the engine gives each message a place in an order of its own (the offset of a stream), members of this
//     node get the message when that is known, in that order: after Broadcast has returned, and not before others
//     that came first. If it never comes to be known, they get it without.
//   - What one goroutine broadcasts to one target (the same room, the same set of rooms, or all) MUST arrive at each
//     member in that order. Between targets nothing is promised: an engine may send rooms over channels of their own.
//     Nor is it between Broadcast and BroadcastWithAck. On the node that broadcasts, all of one goroutine's arrives
//     in order, unless offsets are waited for. JoinAll, LeaveRooms and DisconnectAll of one goroutine MUST be carried
//     out by each node in that order, and before what it broadcasts to all afterwards.
//   - A member gets a broadcast at most once, also if the engine repeats messages or other nodes appear and vanish.
//   - Once Ready, and when Join has returned nil, broadcasts that other nodes begin from then on reach the member,
//     unless the engine is known to be away, or does not confirm a subscription within a time that the adapter sets.
//     That MUST be told to Local.Report.
//
// # Asking
//
// Requests to other nodes end with ctx. What has come is returned with the error, a *MissingError that names the
// nodes whose answers are missing. A node that leaves, or is not heard of any more, is not waited for; nor is one whose
// answer was lost, or that did not get the question: an adapter MUST find that out, by a time of its own at the latest,
// also if ctx never ends. A node that answers twice counts once. What other nodes answer counts in the server's memory
// while it is kept (Local.Hold).
type Adapter interface {
	// Join puts m into rooms, and into the namespace even if there are none. An error matches ErrExists or ErrClosed, or
	// is the adapter's own. A member that left by LeaveAll can come back, so a caller whose Join may race with its own
	// LeaveAll must look again afterwards and repeat the latter.
	Join(m Member, rooms ...string) error
	// Leave takes m out of rooms; it remains in the namespace. To leave a room that m is not in is no error.
	Leave(m Member, rooms ...string) error
	// LeaveAll takes m out of all rooms and the namespace. Broadcasts that wait for its acknowledgement wait no more.
	LeaveAll(m Member)
	// Rooms returns the rooms of the local member called id, in no particular order; nil if there is none.
	Rooms(id string) []string
	// ObserveRooms has h called for what happens to the rooms of this node from now on, until stop is called.
	ObserveRooms(h *RoomHooks) (stop func())
	// Broadcast delivers p. An error means that it could not be encoded, and that nobody got it.
	Broadcast(p *parser.Packet, to Target) error
	// BroadcastWithAck sends p when the iteration begins, and yields one result a client in the order of arrival; an
	// error ends it. ctx is the timeout: the results that came in time are yielded before its error. When every
	// client has acknowledged the iteration ends without an error; when the only ones missing have left, with
	// ErrGone, or could not be asked, with ErrTooManyAcks. Nobody to send to: nothing is yielded. The error of a
	// packet that cannot be encoded is the only thing yielded, and nobody got it. However the iteration ends,
	// outstanding acknowledgements are forgotten; other nodes are told so.
	BroadcastWithAck(ctx context.Context, p *parser.Packet, to Target) iter.Seq2[parser.Args, error]
	// Fetch describes the sockets of the target, in no particular order.
	Fetch(ctx context.Context, to Target) ([]Socket, error)
	// JoinAll puts the target's sockets into rooms; LeaveRooms takes them out. Other nodes may do so a little later.
	JoinAll(ctx context.Context, to Target, rooms ...string) error
	LeaveRooms(ctx context.Context, to Target, rooms ...string) error
	// DisconnectAll disconnects the target's sockets, and with close their connections.
	DisconnectAll(ctx context.Context, to Target, close bool) error
	// ServerSideEmit sends an event to the other nodes. With wantAck it yields one result a node, and an error at the
	// end if some are missing; without, it yields nothing, or the error of sending. Nothing happens before the
	// iteration begins.
	ServerSideEmit(ctx context.Context, name string, args parser.Args, wantAck bool) iter.Seq2[parser.Args, error]
	// ServerCount is how many nodes share the namespace, this one among them.
	ServerCount(ctx context.Context) (int, error)
	// Ready returns nil once what other nodes publish arrives here; else the error of ctx, or ErrClosed.
	Ready(ctx context.Context) error
	// Close ends what waits. Members are not disconnected. It may be called more than once.
	Close() error
	sealed()
}

// An Inliner is an adapter that says whether its Join, Leave and LeaveAll only touch memory: no waiting, no user
// code. The goroutine that reads from a client then calls them itself, which saves one. It is optional; without it
// the answer is no, but for a Memory that nothing is built upon.
type Inliner interface {
	Inline() bool
}

// Inline reports whether a may be called by those who must not wait; see Inliner. Memory is no Inliner itself, since
// adapters that embed it would inherit the answer.
func Inline(a Adapter) bool {
	if i, ok := a.(Inliner); ok {
		return i.Inline()
	}
	_, ok := a.(*Memory)
	return ok
}

// A MissingError says of which nodes the answers to a request are missing, and why.
type MissingError struct {
	Nodes []string // names that the adapter gives them, in order
	Err   error    // that of the ctx, ErrNodeGone, ErrAnswerLost, or one of the adapter's own
}

// Error names the nodes.
func (e *MissingError) Error() string {
	return fmt.Sprintf("adapter: no answer of %s: %v", strings.Join(e.Nodes, ", "), errtext.Text(e.Err))
}

// Unwrap returns why.
func (e *MissingError) Unwrap() error { return e.Err }
