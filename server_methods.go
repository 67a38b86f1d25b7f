package socketio

import (
	"context"
	"iter"
)

// The methods of this file are those of the main namespace, so that what a Server can do is found where it is looked
// for. TestMethodsAreForwarded fails when one is missing.

// Name is "/", the name of the main namespace.
func (s *Server) Name() string { return s.mainNamespace.Name() }

// Use adds middleware of the main namespace: it decides who may connect there. See [Namespace.Use].
func (s *Server) Use(middleware func(ctx context.Context, s *Socket) error) {
	s.mainNamespace.Use(middleware)
}

// UseEvents adds middleware around the handlers of all events in the main namespace; see [Namespace.UseEvents].
func (s *Server) UseEvents(mw ...Middleware) { s.mainNamespace.UseEvents(mw...) }

// OnConnection adds a function that is called for each socket once it is connected to the main namespace, before its
// first event is handled. The returned function removes it; see [Namespace.OnConnection].
func (s *Server) OnConnection(fn func(s *Socket)) (off func()) {
	return s.mainNamespace.OnConnection(fn)
}

// Handle adds a handler for an event of all sockets of the main namespace. The returned function removes it; see
// [Namespace.Handle], and the function [Handle] for events with types.
func (s *Server) Handle(name string, h SocketHandler) (off func()) {
	return s.mainNamespace.Handle(name, h)
}

// Emit sends an event to all sockets of the main namespace; see [BroadcastOperator.Emit].
func (s *Server) Emit(name string, args ...any) error { return s.mainNamespace.Emit(name, args...) }

// Send sends an event called "message" to all sockets of the main namespace; see [BroadcastOperator.Emit].
func (s *Server) Send(args ...any) error { return s.mainNamespace.Send(args...) }

// EmitWithAck sends an event to all sockets of the main namespace, and collects their acknowledgements; see
// [BroadcastOperator.EmitWithAck].
func (s *Server) EmitWithAck(ctx context.Context, name string, args ...any) ([]Args, error) {
	return s.mainNamespace.EmitWithAck(ctx, name, args...)
}

// To returns an operator that reaches the sockets of the main namespace that are in any of rooms; see
// [BroadcastOperator.To].
func (s *Server) To(rooms ...string) BroadcastOperator { return s.mainNamespace.To(rooms...) }

// In is To.
func (s *Server) In(rooms ...string) BroadcastOperator { return s.mainNamespace.In(rooms...) }

// Except returns an operator that reaches the sockets of the main namespace that are in none of rooms.
func (s *Server) Except(rooms ...string) BroadcastOperator { return s.mainNamespace.Except(rooms...) }

// Local returns an operator that reaches the sockets of the main namespace on this server of a cluster alone.
func (s *Server) Local() BroadcastOperator { return s.mainNamespace.Local() }

// Volatile returns an operator whose events are dropped for those whose connection can't take them at once; see
// [BroadcastOperator.Volatile].
func (s *Server) Volatile() BroadcastOperator { return s.mainNamespace.Volatile() }

// Compress returns an operator whose events are compressed where the transport can do it, or not.
func (s *Server) Compress(on bool) BroadcastOperator { return s.mainNamespace.Compress(on) }

// Sockets iterates over the sockets of the main namespace that are connected to this server, in no particular order.
func (s *Server) Sockets() iter.Seq[*Socket] { return s.mainNamespace.Sockets() }

// Socket returns the socket of the main namespace with this id, if it is connected to this server.
func (s *Server) Socket(id string) (*Socket, bool) { return s.mainNamespace.Socket(id) }

// FetchSockets describes the sockets of the main namespace, those on other servers of a cluster too.
func (s *Server) FetchSockets(ctx context.Context) ([]*RemoteSocket, error) {
	return s.mainNamespace.FetchSockets(ctx)
}

// SocketsJoin puts all sockets of the main namespace into rooms.
func (s *Server) SocketsJoin(ctx context.Context, rooms ...string) error {
	return s.mainNamespace.SocketsJoin(ctx, rooms...)
}

// SocketsLeave takes all sockets of the main namespace out of rooms.
func (s *Server) SocketsLeave(ctx context.Context, rooms ...string) error {
	return s.mainNamespace.SocketsLeave(ctx, rooms...)
}

// DisconnectSockets disconnects all sockets of the main namespace; with close, their connections too.
func (s *Server) DisconnectSockets(ctx context.Context, close bool) error {
	return s.mainNamespace.DisconnectSockets(ctx, close)
}

// ServerSideEmit sends an event to the other servers of a cluster; see [Namespace.ServerSideEmit].
func (s *Server) ServerSideEmit(name string, args ...any) error {
	return s.mainNamespace.ServerSideEmit(name, args...)
}

// ServerSideEmitWithAck asks the other servers of a cluster; see [Namespace.ServerSideEmitWithAck].
func (s *Server) ServerSideEmitWithAck(ctx context.Context, name string, args ...any) ([]Args, error) {
	return s.mainNamespace.ServerSideEmitWithAck(ctx, name, args...)
}

// OnServerSide adds a listener for an event that another server of the cluster sent; see [Namespace.OnServerSide].
func (s *Server) OnServerSide(name string, h Handler) (off func()) {
	return s.mainNamespace.OnServerSide(name, h)
}

// OnRooms has h called for what happens to rooms of the main namespace; see Namespace.OnRooms.
func (s *Server) OnRooms(h *RoomHooks) (off func()) { return s.mainNamespace.OnRooms(h) }

// Ready returns nil once events of other servers of the cluster arrive in the main namespace; see Namespace.Ready.
func (s *Server) Ready(ctx context.Context) error { return s.mainNamespace.Ready(ctx) }
