package adapter_test

import (
	"testing"

	"sio.example/socketio/adapter"
	"sio.example/socketio/adapter/adaptertest"
)

func TestMemory(t *testing.T) {
	adaptertest.Run(t, func(testing.TB, int) adaptertest.Cluster {
		return adaptertest.Cluster{Factories: []adapter.Factory{adapter.NewMemory}}
	})
}
