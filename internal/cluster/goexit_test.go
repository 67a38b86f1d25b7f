package cluster_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	socketio "sio.example/socketio"
	"sio.example/socketio/internal/cluster/membus"
)

// A listener for outgoing events that calls runtime.Goexit harms neither the node that hears of a broadcast nor the
// call that asks.
func TestGoexitInOutgoingListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newServers(t, membus.Faults{})
		var exits atomic.Int64
		for s := range c.servers[1].IO().Sockets() {
			s.OnAnyOutgoing(func(string, socketio.Args) {
				exits.Add(1)
				runtime.Goexit()
			})
		}
		const emits = 3
		for range emits {
			if err := c.servers[0].IO().Emit("event"); err != nil {
				t.Fatal(err)
			}
			if got := c.heard(); len(got) != len(c.servers) {
				t.Errorf("heard %v", got)
			}
		}
		asks := make(chan int)
		for _, srv := range c.servers[:2] {
			go func() { // ends when all have answered
				all, err := srv.IO().EmitWithAck(context.Background(), "question")
				if err != nil {
					t.Error(err)
				}
				asks <- len(all)
			}()
			if n := <-asks; n != len(c.servers) {
				t.Errorf("%d answers", n)
			}
		}
		if n := exits.Load(); n != emits+2 {
			t.Errorf("the listener was called %d times", n)
		}
	})
}
