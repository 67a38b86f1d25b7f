package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
)

// hooks writes down what happens to rooms; name tells what to call a socket, and its room.
func (r *recorder) hooks(name func(id string) string) *socketio.RoomHooks {
	return &socketio.RoomHooks{
		Created: func(n *socketio.Namespace, room string) { r.add("%s: %s created", n.Name(), name(room)) },
		Joined:  func(s *socketio.Socket, room string) { r.add("%s joined %s", name(s.ID()), name(room)) },
		Left:    func(s *socketio.Socket, room string) { r.add("%s left %s", name(s.ID()), name(room)) },
		Deleted: func(n *socketio.Namespace, room string) { r.add("%s: %s deleted", n.Name(), name(room)) },
	}
}

func TestRoomHooks(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		ids := map[string]string{}
		name := func(id string) string {
			if short, ok := ids[id]; ok {
				return short
			}
			return id
		}
		_, early := f.connected("/")
		ids[early.ID()] = "early"
		_ = early.Join("old")
		off := f.OnRooms(rec.hooks(func(id string) string {
			if len(id) == 20 && ids[id] == "" {
				ids[id] = fmt.Sprint("s", len(ids))
			}
			return name(id)
		}))
		_, a := f.connected("/")
		rec.expect(t, "/: s1 created", "s1 joined s1")
		_ = a.Join("room", "old")
		synctest.Wait()
		_ = early.Join("room")
		rec.expect(t, "/: room created", "s1 joined room", "s1 joined old", "early joined room")
		_ = a.Leave("room")
		_ = early.Leave("room")
		rec.expect(t, "s1 left room", "early left room", "/: room deleted")
		_ = f.In("old").SocketsJoin(t.Context(), "new")
		synctest.Wait()
		rec.mu.Lock()
		if len(rec.log) != 3 || rec.log[0] != "/: new created" {
			t.Errorf("SocketsJoin: %q", rec.log)
		}
		rec.log = nil
		rec.mu.Unlock()
		a.Disconnect(true)
		synctest.Wait()
		rec.mu.Lock()
		slices.Sort(rec.log)
		rec.mu.Unlock()
		rec.expect(t, "/: s1 deleted", "s1 left new", "s1 left old", "s1 left s1")
		off()
		_ = early.Join("another")
		rec.expect(t)
	})
}

// Hooks run outside of all locks: they may join, leave, broadcast, ask, wait, panic and end their goroutine.
func TestRoomHooksMayDoAnything(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.OnRooms(&socketio.RoomHooks{
			Joined: func(s *socketio.Socket, room string) {
				if room != "room" {
					return
				}
				_ = s.Join("another")
				_ = s.Leave("another")
				_ = f.To("room").Emit("welcome")
				_, _ = f.In("room").FetchSockets(t.Context())
				<-time.After(time.Second)
				panic("boom")
			},
			Left: func(*socketio.Socket, string) { runtime.Goexit() },
		})
		f.OnRooms(rec.hooks(func(id string) string { return id[:min(len(id), 10)] }))
		c, s := f.connected("/")
		_ = s.Join("room")
		_ = s.Leave("room")
		_ = s.Join("room", "last")
		_ = s.Leave("last")
		c.expect(`42["welcome"]`)
		<-time.After(10 * time.Second)
		rec.mu.Lock()
		log := slices.DeleteFunc(slices.Clone(rec.log),
			func(line string) bool { return !strings.Contains(line, "last") })
		rec.mu.Unlock()
		id := s.ID()[:10]
		if want := []string{"/: last created", id + " joined last",
			id + " left last", "/: last deleted"}; !slices.Equal(log, want) {
			t.Errorf("%q, want %q", log, want)
		}
		if f.Stats().Panics == 0 || !strings.Contains(f.logs.String(), "boom") {
			t.Error("the panic was not reported")
		}
	})
}

// Who registers while others are slow is not told of what was there before.
func TestRoomHooksAreNotToldOfWhatWasBefore(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		hold := make(chan struct{})
		f.OnRooms(&socketio.RoomHooks{Created: func(*socketio.Namespace, string) { <-hold }})
		_, s := f.connected("/")
		_ = s.Join("old")
		var rec recorder
		f.OnRooms(rec.hooks(func(id string) string { return id[:min(len(id), 3)] }))
		_ = s.Join("new")
		close(hold)
		rec.expect(t, "/: new created", s.ID()[:3]+" joined new")
	})
}

// Children of a parent have its hooks.
func TestRoomHooksOfChildren(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		p := f.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool { return name != "/no" })
		off := p.OnRooms(rec.hooks(func(id string) string { return id[:min(len(id), 4)] }))
		_, s := f.connected("/child")
		id := s.ID()[:4]
		rec.expect(t, fmt.Sprintf("/child: %s created", id), fmt.Sprintf("%s joined %s", id, id))
		off()
		_, s = f.connected("/other")
		_ = s.Join("room")
		rec.expect(t)
	})
}

// Shutdown waits for hooks, and says so if it cannot.
func TestShutdownWaitsForRoomHooks(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		hold := make(chan struct{})
		var rec recorder
		f.OnRooms(&socketio.RoomHooks{Deleted: func(*socketio.Namespace, string) {
			<-hold
			rec.add("told")
		}})
		f.connected("/")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := f.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "room hooks") {
			t.Errorf("error %v", err)
		}
		close(hold)
		if err := f.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		rec.expect(t, "told")
	})
}
