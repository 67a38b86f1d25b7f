package socketio

import "context"

// The methods of this file are those of the operator without a filter, so that what a Namespace can do is found where
// it is looked for. TestMethodsAreForwarded fails when one is missing.

// Emit sends an event to all sockets of the namespace; see [BroadcastOperator.Emit].
func (n *Namespace) Emit(name string, args ...any) error {
	return n.BroadcastOperator.Emit(name, args...)
}

// Send sends an event called "message" to all sockets of the namespace; see [BroadcastOperator.Emit].
func (n *Namespace) Send(args ...any) error { return n.BroadcastOperator.Send(args...) }

// EmitWithAck sends an event to all sockets of the namespace, and collects their acknowledgements; see
// [BroadcastOperator.EmitWithAck].
func (n *Namespace) EmitWithAck(ctx context.Context, name string, args ...any) ([]Args, error) {
	return n.BroadcastOperator.EmitWithAck(ctx, name, args...)
}

// To returns an operator that reaches the sockets that are in any of rooms; see [BroadcastOperator.To].
func (n *Namespace) To(rooms ...string) BroadcastOperator { return n.BroadcastOperator.To(rooms...) }

// In is To.
func (n *Namespace) In(rooms ...string) BroadcastOperator { return n.BroadcastOperator.In(rooms...) }

// Except returns an operator that reaches the sockets that are in none of rooms.
func (n *Namespace) Except(rooms ...string) BroadcastOperator {
	return n.BroadcastOperator.Except(rooms...)
}

// Local returns an operator that reaches the sockets on this server of a cluster alone.
func (n *Namespace) Local() BroadcastOperator { return n.BroadcastOperator.Local() }

// Volatile returns an operator whose events are dropped for those whose connection can't take them at once; see
// [BroadcastOperator.Volatile].
func (n *Namespace) Volatile() BroadcastOperator { return n.BroadcastOperator.Volatile() }

// Compress returns an operator whose events are compressed where the transport can do it, or not.
func (n *Namespace) Compress(on bool) BroadcastOperator { return n.BroadcastOperator.Compress(on) }

// FetchSockets describes the sockets of the namespace, those on other servers of a cluster too.
func (n *Namespace) FetchSockets(ctx context.Context) ([]*RemoteSocket, error) {
	return n.BroadcastOperator.FetchSockets(ctx)
}

// SocketsJoin puts all sockets of the namespace into rooms.
func (n *Namespace) SocketsJoin(ctx context.Context, rooms ...string) error {
	return n.BroadcastOperator.SocketsJoin(ctx, rooms...)
}

// SocketsLeave takes all sockets of the namespace out of rooms.
func (n *Namespace) SocketsLeave(ctx context.Context, rooms ...string) error {
	return n.BroadcastOperator.SocketsLeave(ctx, rooms...)
}

// DisconnectSockets disconnects all sockets of the namespace; with close, their connections too.
func (n *Namespace) DisconnectSockets(ctx context.Context, close bool) error {
	return n.BroadcastOperator.DisconnectSockets(ctx, close)
}
