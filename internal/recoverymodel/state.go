package recoverymodel

import (
	"errors"
	"unsafe"
)

// The arrays of a state have room for this much. A scenario that needs more panics.
const (
	maxNodes   = 3
	maxClients = 3
	maxPids    = 7 // sessions in all
	maxEvents  = 6
	maxConns   = 6
	maxStays   = 5
	maxPackets = 10 // on the way to one client
	maxChannel = 10 // messages from one node to another
	maxRooms   = 2
	maxFlight  = 8 // sessions that messages carry
)

// A vec says for each origin up to which sequence something has gone. It is the offset of a cluster; in one process
// only the first component moves.
type vec [maxNodes]int8

func (v vec) max(w vec) vec {
	for i := range v {
		v[i] = max(v[i], w[i])
	}
	return v
}

// within reports whether w has gone as far as v everywhere.
func (v vec) within(w vec) bool { return v.max(w) == w }

// stale reports whether v is older than w: a client never goes back, so v was said before w.
func (v vec) stale(w vec) bool { return v != w && v.within(w) }

// An offset is what a client sends with its pid.
type offset struct {
	V     vec
	State offsetState
}

type offsetState int8

const (
	offsetNone offsetState = iota // no event of any session has come yet
	offsetGood
	offsetUnreadable // the last string was not an offset
)

// A stay is the time of a socket in a room, in the coordinates of the offset.
type stay struct {
	Room     int8
	From, To vec
	Open     bool
}

// has reports whether an event of this place was emitted during the stay.
func (y *stay) has(o, seq int8) bool { return seq > y.From[o] && (y.Open || seq <= y.To[o]) }

// A session is what survives the connection, and moves between nodes.
type session struct {
	Pid, Client int8
	Start       vec  // CONNECT of the session: nothing before it is for it
	Base        vec  // up to here Back has what was missed, beyond it the log of the node does
	Floor       vec  // of what Back should have, this much was trimmed before
	Resumed     vec  // the offset by which the present owner came back
	Gen         int8 // how often it has moved
	Claimed     bool
	Dirty       bool // changed since it was copied
	NStays      int8
	Stays       [maxStays]stay
	NBack       int8
	Back        [maxEvents]item
}

// An item is an event with the vector that its node had once it was taken.
type item struct {
	Ev int8
	V  vec
}

type eventKind int8

// The kinds of what is emitted. Leave, join and kick are what SocketsLeave, SocketsJoin and DisconnectSockets publish.
const (
	kindPlain eventKind = iota
	kindVolatile
	kindAck
	kindJoin
	kindLeave
	kindKick
)

func (k eventKind) control() bool { return k >= kindJoin }

// kept reports whether the log keeps it. All kinds have a number.
func (k eventKind) kept() bool { return k == kindPlain || k.control() }

type target int8

const (
	toAll target = iota
	toRoom
	toSocket
)

// An event is something emitted, with its place.
type event struct {
	Kind        eventKind
	Origin, Seq int8
	To          target
	Room, Pid   int8 // of To
	Except      int8 // a room, or -1
	Other       int8 // the room of a join or leave
	Text        bool // the last argument is a string
}

type packetKind int8

const (
	packetConnect packetKind = iota
	packetEvent
	packetDisconnect
)

type packet struct {
	Kind packetKind
	Pid  int8 // of CONNECT
	Ev   int8
	HasV bool // the last argument is an offset
	V    vec
}

type phase int8

const (
	phaseOffered phase = iota // CONNECT is on its way
	phaseAsking               // other nodes are asked
	phaseClaimed              // the session is its own, middleware runs
	phaseFresh                // it gets a new session, middleware runs
	phaseHalf                 // only of planted bugs: some of the last step was done
	phaseLive
	phaseDone // over at the server
)

// A conn is a connection with both its ends.
type conn struct {
	Client, Serial, Node int8
	Phase                phase
	Cut                  bool // the client has lost it
	Greeted              bool // the client has had CONNECT
	Since                int8 // the event before which it became live
	Pid                  int8 // offered, or -1
	Offset               offset
	Reason               reason
	Sess                 session
	NDown                int8
	Down                 [maxPackets]packet
}

type recordState int8

const (
	recordNone   recordState = iota
	recordAbsent             // the session is here, its client is not
	recordMoving             // handed over to another node as soon as the fence is reached
	recordMoved
	recordExpired
	recordEnded
	recordLimbo // only of planted bugs
)

// A record is what a node knows of a session that no connection of its own has.
type record struct {
	State    recordState
	To       int8 // of moving and moved
	ToRound  int8 // of the question that moving answers
	Gen      int8 // of the session, once it has moved
	Round    int8
	Offset   offset
	Fence    vec
	Cover    vec // the log of this node has nothing up to here for the session
	Sess     session
	HasCopy  bool
	Home     int8
	CopyV    vec // what the copy reflects
	Copy     session
	CopyFrom vec // the log has nothing up to here for the copy
	Ask      ask
	Waiting  uint8 // the nodes that wait for what this one is going to get
	Waits    [maxNodes]question
	Given    bool // moved without having been asked, and not confirmed yet
}

// An ask is the question for a session, at the node that asks.
type ask struct {
	Active  bool
	Chased  bool
	Await   uint8
	Hint    int8 // 1 + the node that the session was moved to
	HintVia int8 // 1 + the node that said so
	HintGen int8
	Reason  reason
	Fence   vec
	Offset  offset
}

// A question is what a chaser has asked.
type question struct {
	Round  int8
	Offset offset
	Fence  vec
	Via    int8 // 1 + the node that said where the session went
	Gen    int8
}

type messageKind int8

const (
	messageEvent messageKind = iota
	messageAsk
	messageAnswer
	messageNone
	messageMoved
	messageUsed
	messageCopy
	messageDrop
	messageOwn
	messageGot
)

type message struct {
	Kind    messageKind
	Ev, Pid int8
	Round   int8
	Via     int8 // 1 + the node that said that the session is here
	Gen     int8 // of the session, in what says that it has moved
	Offset  offset
	Fence   vec
	Dead    uint8
	To      int8
	Reason  reason
	Slot    int8 // 1 + where in Flight the session is
}

type channel struct {
	N   int8
	Msg [maxChannel]message
}

const targets = 1 + maxRooms + maxPids

type node struct {
	Alive, Draining bool
	Dead            uint8 // the nodes that it knows to be dead
	Published       int8
	V               vec
	NLog            int8
	Log             [maxEvents]item
	NPending        int8 // only of planted bugs: logged, not yet delivered
	Pending         [maxEvents]item
	Trimmed         [targets]vec
	TrimmedControl  vec
	Records         [maxPids]record
}

type client struct {
	Pid    int8 // of the last CONNECT, or -1
	Serial int8 // of the last connection
	Offset offset
	Gone   bool // the server has told it to go, and it does not come back by itself
}

// A truth is what the checker knows of a session; nothing of the implementation reads it.
type truth struct {
	Client         int8
	Start          vec
	Got            [maxNodes]int8 // 1 + the last event of each origin that the client has handled
	Ended, Expired bool
	Short          bool // given up because the log was too short
	Killed         bool // the home was killed
	Covered        bool // and the second had all it needs
	NStays         int8
	Stays          [maxStays]stay
}

type state struct {
	Nodes                           [maxNodes]node
	Bus                             [maxNodes][maxNodes]channel
	NConns                          int8
	Conns                           [maxConns]conn
	Clients                         [maxClients]client
	NEvents                         int8
	Events                          [maxEvents]event
	Flying                          uint8
	Flight                          [maxFlight]session // sessions in messages; Flying says which
	NPids                           int8
	Truths                          [maxPids]truth
	Current                         [maxClients]int8
	Losses, Deaths, Trims, Expiries int8 // left
	Refusals, Drains                int8
	Killed                          uint8 // nodes
	Dropped                         uint8 // events that some log has lost
}

// bytes are those of the state. All its fields are single bytes, so there is no padding, and arrays are zero beyond
// their length.
func (s *state) bytes() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(s)), unsafe.Sizeof(*s)) }

// set copies a state. The race detector, which would look at each of its bytes, has nothing to find: only one goroutine
// has it.
//
//go:norace
func (s *state) set(from *state) { *s = *from }

var errTooLarge = errors.New("recoverymodel: the scenario is too large for the arrays of a state")

func push[T any](a []T, n *int8, v T) {
	if int(*n) == len(a) {
		panic(errTooLarge)
	}
	a[*n] = v
	*n++
}

// remove takes a[i] out and keeps the order.
func remove[T any](a []T, n *int8, i int) {
	var zero T
	copy(a[i:], a[i+1:*n])
	*n--
	a[*n] = zero
}
