package cluster_test

import (
	"testing"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/adapter/adaptertest"
	"sio.example/socketio/internal/cluster"
	"sio.example/socketio/internal/cluster/membus"
)

// TestSuite runs the suite over networks that do what networks do.
func TestSuite(t *testing.T) {
	for _, test := range []struct {
		name   string
		faults membus.Faults
		lossy  bool
	}{
		{"perfect", membus.Faults{}, false},
		{"reordered", membus.Faults{Seed: 1, Reorder: true}, false},
		{"repeated", membus.Faults{Seed: 2, Reorder: true, Duplicate: 200}, false},
		{"lossy", membus.Faults{Seed: 3, Reorder: true, Duplicate: 100, Drop: 100}, true},
	} {
		if testing.Short() && test.name != "repeated" {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			adaptertest.Run(t, nodes(test.faults, test.lossy))
		})
	}
}

func nodes(faults membus.Faults, lossy bool) adaptertest.Nodes {
	return func(t testing.TB, n int) adaptertest.Cluster {
		net := membus.New(faults)
		var buses []*membus.Bus
		c := adaptertest.Cluster{
			Lossy: lossy,
			Block: func(i int) func() { return buses[i].Block() },
			Fail:  func(i int) func() { return buses[i].Fail() },
		}
		for range n {
			bus := net.Node()
			t.Cleanup(func() {
				if err := bus.Close(); err != nil {
					t.Error(err)
				}
			})
			buses = append(buses, bus)
			c.Factories = append(c.Factories, adapter.Factory(cluster.New(bus, &cluster.Options{
				// Nobody is given up because the machine is slow; what a heartbeat mends is mended soon.
				Heartbeat: 20 * time.Millisecond, NodeTimeout: time.Hour, SubscribeTimeout: time.Hour, MaxQueueBytes: 1 << 20,
			})))
		}
		return c
	}
}
