// Package recoverymodel is a model of connection state recovery: clients that come back within a time have the same
// id, rooms and data, and get what was sent to them meanwhile, once and in order. Only tests use it. The decisions
// that it proves are in docs/adr/0059 (one process), 0060 (a cluster) and 0061 (the offset).
//
// # The model
//
// A state holds nodes with their logs, sessions, copies and questions, a bus that keeps the order of each sender to
// each receiver and no other, connections with both their ends, and clients with their offsets. It changes by atomic
// moves; what an implementation must do in one step is one move. Explore visits every state that a Scenario can reach.
// Walk makes random moves in larger ones. What breaks the promise is found where it happens, and at the end of each
// history, where nothing may be waiting and nothing may be missing; the history is then shortened, and told in words
// and numbered.
//
// The checker is apart from what it checks: it notes for each session what it is owed (truth, in client.go) when the
// event takes its place, and looks at nothing but what clients handle. A client behaves as the official one: it takes
// the last argument of an event for the offset if that is a string, keeps it over a new session, and comes back when
// its connection is closed, but not after DISCONNECT.
//
// Each Bug is a mistake that somebody could make in the code. A test plants one after the other, and fails if the
// explorer does not find it.
//
// # What it leaves out
//
// Time: a session may expire whenever its client is away, and a node may die whenever it lives. Nodes agree on who is
// dead after they have taken all that the dead one had sent; one that is taken for dead and is not (a bus cut in two)
// is not modelled. A client handles what is on its way to it in one go when its connection is lost or the history is
// over, because nothing else depends on when it does; scenarios that are Eager do without this shortcut. Clients are
// alike, so one is lost and the other looks on, but for Scenario.LastLossy. Sessions have rooms; data goes where rooms
// go. There are no callbacks but middleware, no restart of a node, and no official nodes. Offsets are vectors; that a
// position of a node stands for one is that node's log. With Scenario.Interest the node that asks has subscribed to
// the rooms already.
//
// A large scenario is explored in Parts, each of which fixes the node that dies, the client that is lost, and where
// each event is emitted.
//
// # Histories
//
// A History has a text form, for use by whatever runs the same moves with real code in virtual time, and compares what
// its clients see with the Observations of Replay:
//
//	scenario one               # a name that Find knows; walk-N and process-N are random, from the seed N
//	emit at=0                  # the next emit of the scenario, at a node
//	lose conn=0.1 after=1      # the first connection of client 0 is lost once the client has handled one more packet
//	dial client=0 node=0       # and CONNECT is sent, with pid and offset if the client has them
//	read conn=0.2              # the server handles CONNECT
//	accept conn=0.2            # middleware lets it in: CONNECT, what was missed, live
//
// The other moves are
//
//	take from=1 to=0           # a node takes the next message of another off the bus
//	deliver conn=0.1 packets=1 # a client handles packets
//	close conn=0.1 after=0     # a client sees that the server closed the connection
//	notice conn=0.1            # the server learns that a connection is lost; until then the client is missing unnoticed
//	refuse conn=0.2            # middleware does not let it in
//	copy node=0 session=0      # a node copies a session to its second
//	expire node=0 session=0    # the time of a session is over
//	trim node=0                # a log loses its oldest entry
//	kill node=0 keep=2         # a node dies; of what it had sent to each other node, two messages still come
//	detect node=1 dead=0       # a node learns of it
//	drain node=0               # a node gives its sessions away and closes its connections
//	exit node=0                # and ends
//	settle node=0              # the second half of a step that a planted bug has cut in two
//
// Sessions and events are numbered in the order in which they begin and are emitted. Empty lines do not count, nor
// does what follows a #.
package recoverymodel
