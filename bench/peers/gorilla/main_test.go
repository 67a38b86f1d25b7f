//go:build linux

package main

import (
	"testing"

	"sio.example/socketio/bench/internal/load/loadtest"
)

func TestGorilla(t *testing.T) { loadtest.Run(t, newHub(), "polling", "echodeflate", "bcastdeflate") }
