// Package adaptertest is the suite that each adapter must pass.
//
// It plays the namespaces and the sockets, so it needs neither a server nor a network of its own. Each test runs on a
// single node, and again with the sockets spread over several, if the adapter can have them:
//
//	func TestAdapter(t *testing.T) {
//		adaptertest.Run(t, func(t testing.TB, n int) adaptertest.Cluster {
//			return adaptertest.Cluster{Factories: []adapter.Factory{adapter.NewMemory}} // one node, however many are asked for
//		})
//	}
//
// A cluster need not deliver at once. The suite waits for what must arrive, and to see that nothing else does it
// sends one more broadcast to the same target behind it: what one node broadcasts to one target must arrive in order,
// and what it broadcasts to different ones need not.
//
// All nodes are of the adapter under test. So the suite asks for more than nodes of another make could do: when the
// node that asked for acknowledgements gives up, other nodes forget theirs.
package adaptertest

import (
	"fmt"
	"testing"

	"sio.example/socketio/adapter"
)

// A Cluster is what the suite tests.
type Cluster struct {
	// Factories make the nodes, which find each other, with no traffic of earlier ones. There may be fewer than were
	// asked for if the adapter can't have so many. The suite closes the adapters it makes.
	Factories []adapter.Factory

	// Lossy says that messages between nodes may be lost or come twice. Then only those tests are run that look at
	// what is promised all the same.
	Lossy bool

	// Block keeps what the node of Factories[i] publishes from being taken, so that publishing waits, until resume is
	// called. If it is nil, the tests that need it are skipped.
	Block func(i int) (resume func())

	// Fail has all that the node of Factories[i] publishes fail until mend is called. If it is nil, the tests that need
	// it are skipped.
	Fail func(i int) (mend func())
}

// Nodes returns a new cluster of n nodes, 1 or 3. It is called for each test. Resources are released with t.Cleanup.
type Nodes func(t testing.TB, n int) Cluster

// Run runs the suite as subtests of t, one after another, on one node and on three. What does not happen fails a test
// after five minutes; nothing else in it depends on how fast the adapter is.
func Run(t *testing.T, nodes Nodes) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("nodes=%d", n), func(t *testing.T) {
			c := nodes(t, n)
			if got := len(c.Factories); got < n {
				t.Skipf("the adapter runs on %d node", got)
			}
			for _, test := range tests {
				if c.Lossy && !test.lossy {
					continue
				}
				t.Run(test.name, func(t *testing.T) { test.run(t, newWorld(t, nodes(t, n), n)) })
			}
		})
	}
}

var tests = []struct {
	name  string
	run   func(t *testing.T, w *world)
	lossy bool // asks for nothing that loss prevents
}{
	{"Targets", testTargets, false},
	{"ManyRooms", testManyRooms, false},
	{"Flags", testFlags, false},
	{"Order", testOrder, false},
	{"EncodeError", testEncodeError, true},
	{"Flush", testFlush, true},
	{"NoLockHeld", testNoLockHeld, true},
	{"JoinLeave", testJoinLeave, false},
	{"JoinTwice", testJoinTwice, false},
	{"OwnRoom", testOwnRoom, false},
	{"Sender", testSender, false},
	{"Leaving", testLeaving, false},
	{"JoinSameID", testJoinSameID, false},
	{"LargeRoom", testLargeRoom, false},
	{"ManyRoomsOfOne", testManyRoomsOfOne, false},
	{"Fetch", testFetch, false},
	{"JoinAllLeaveRooms", testJoinAllLeaveRooms, false},
	{"DisconnectAll", testDisconnectAll, false},
	{"Acks", testAcks, false},
	{"AcksNobody", testAcksNobody, false},
	{"AcksArrivalOrder", testAcksArrivalOrder, false},
	{"AcksTimeout", testAcksTimeout, false},
	{"AcksContextDone", testAcksContextDone, false},
	{"AcksBreak", testAcksBreak, false},
	{"AcksTwice", testAcksTwice, false},
	{"AcksGone", testAcksGone, false},
	{"AcksForgotten", testAcksForgotten, false},
	{"AcksClose", testAcksClose, false},
	{"ServerSideEmit", testServerSideEmit, false},
	{"ServerCount", testServerCount, false},
	{"Close", testClose, true},
	{"Model", testModel, false},
	{"ExactlyOnce", testExactlyOnce, false},
	{"Exact", testExact, false},
	{"AckIDs", testAckIDs, true},
	{"RoomHooks", testRoomHooks, false},
	{"RoomHooksInOrder", testRoomHooksInOrder, true},
	{"Ready", testReady, true},
	{"FactoryDoesNotWait", testFactoryDoesNotWait, true},
	{"PublishingIsNotWaitedFor", testPublishingIsNotWaitedFor, false},
	{"PublishingFails", testPublishingFails, true},
	{"AtMostOnce", testAtMostOnce, true},
	{"ExactBeyondText", testExactBeyondText, false},
	{"UserCode", testUserCode, false},
	{"HeldAnswers", testHeldAnswers, false},
	{"Partial", testPartial, true},
	{"LostAnswers", testLostAnswers, true},
	{"GoneStaysGone", testGoneStaysGone, true},
}
