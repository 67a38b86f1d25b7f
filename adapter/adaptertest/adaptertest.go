// Package adaptertest is the suite that each adapter must pass.
//
// It plays the namespaces and the sockets, so it needs neither a server nor a network of its own. Each test runs on a
// single node, and again with the sockets spread over several, if the adapter can have them:
//
//	func TestAdapter(t *testing.T) {
//		adaptertest.Run(t, func(t testing.TB, n int) []adapter.Factory {
//			return []adapter.Factory{adapter.NewMemory} // one node, however many are asked for
//		})
//	}
//
// A cluster need not deliver at once. The suite waits for what must arrive, and to see that nothing else does it sends
// one more broadcast behind it: broadcasts of one node to one room or to all must arrive in order.
package adaptertest

import (
	"fmt"
	"testing"

	"sio.example/socketio/adapter"
)

// Nodes returns the factories of n new nodes that form a cluster, with no traffic of earlier ones; fewer if the
// adapter can't have so many. Resources are released with t.Cleanup. The suite closes the adapters it makes.
type Nodes func(t testing.TB, n int) []adapter.Factory

// Run runs the suite.
func Run(t *testing.T, nodes Nodes) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("nodes=%d", n), func(t *testing.T) {
			if got := len(nodes(t, n)); got < n {
				t.Skipf("the adapter runs on %d node", got)
			}
			for _, test := range tests {
				t.Run(test.name, func(t *testing.T) { test.run(t, newWorld(t, nodes, n)) })
			}
		})
	}
}

var tests = []struct {
	name string
	run  func(t *testing.T, w *world)
}{
	{"Targets", testTargets},
	{"ManyRooms", testManyRooms},
	{"Flags", testFlags},
	{"Order", testOrder},
	{"EncodeError", testEncodeError},
	{"Flush", testFlush},
	{"NoLockHeld", testNoLockHeld},
	{"JoinLeave", testJoinLeave},
	{"JoinTwice", testJoinTwice},
	{"OwnRoom", testOwnRoom},
	{"Sender", testSender},
	{"Leaving", testLeaving},
	{"JoinSameID", testJoinSameID},
	{"LargeRoom", testLargeRoom},
	{"ManyRoomsOfOne", testManyRoomsOfOne},
	{"Fetch", testFetch},
	{"JoinAllLeaveRooms", testJoinAllLeaveRooms},
	{"DisconnectAll", testDisconnectAll},
	{"Acks", testAcks},
	{"AcksNobody", testAcksNobody},
	{"AcksArrivalOrder", testAcksArrivalOrder},
	{"AcksTimeout", testAcksTimeout},
	{"AcksContextDone", testAcksContextDone},
	{"AcksBreak", testAcksBreak},
	{"AcksTwice", testAcksTwice},
	{"AcksGone", testAcksGone},
	{"AcksForgotten", testAcksForgotten},
	{"AcksClose", testAcksClose},
	{"ServerSideEmit", testServerSideEmit},
	{"ServerCount", testServerCount},
	{"Close", testClose},
	{"Model", testModel},
	{"ExactlyOnce", testExactlyOnce},
	{"GoneStaysGone", testGoneStaysGone},
}
