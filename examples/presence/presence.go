// Package presence shows who is online, for one process: users may have several connections, and count once.
package presence

import (
	"context"
	"maps"
	"slices"
	"sync"

	"sio.example/socketio"
	"sio.example/socketio/event"
)

// A User is who has connected.
type User struct {
	Name string `json:"name"`
}

// The events, all of which the server sends.
const (
	Here event.Of[[]string] = "here" // to a new connection: who is online, in the order of the alphabet
	Came event.Of[string]   = "came" // to all others: the first connection of somebody
	Went event.Of[string]   = "went" // to all: the last connection of somebody has ended
)

// Register adds the namespace /presence to a server.
func Register(io *socketio.Server) {
	ns := io.Of("/presence")
	b := &board{connections: make(map[string]int)}
	ns.Use(func(_ context.Context, s *socketio.Socket) error {
		var u User
		if err := s.Handshake().Auth.Bind(&u); err != nil || u.Name == "" {
			return &socketio.ConnectError{Message: "a name is needed"}
		}
		s.SetData(u)
		return nil
	})
	ns.OnConnection(func(s *socketio.Socket) {
		u, _ := socketio.Data[User](s)
		b.enter(s, u.Name)
		s.OnDisconnect(func(socketio.DisconnectReason) { b.leave(ns, u.Name) })
	})
}

// A board counts connections. The lock is held while the events are sent, which never waits, so that everybody gets
// them in the order in which things happened.
type board struct {
	mu          sync.Mutex
	connections map[string]int // by the name of the user
}

func (b *board) enter(s *socketio.Socket, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connections[name]++
	if b.connections[name] == 1 {
		_ = Came.Emit(s.Broadcast(), name) // a string can be encoded, and there is nobody to tell of anything else
	}
	_ = Here.Emit(s, slices.Sorted(maps.Keys(b.connections)))
}

func (b *board) leave(ns *socketio.Namespace, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connections[name]--
	if b.connections[name] == 0 {
		delete(b.connections, name)
		_ = Went.Emit(ns, name)
	}
}
