//go:build linux

package floor_test

import (
	"testing"

	"sio.example/socketio/bench/internal/floor"
	"sio.example/socketio/bench/internal/load/loadtest"
)

func TestFloor(t *testing.T) { loadtest.Run(t, floor.New(nil), "echodeflate", "bcastdeflate") }

func TestModel(t *testing.T) { loadtest.Run(t, floor.New(floor.Typed), "echodeflate", "bcastdeflate") }
