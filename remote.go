package socketio

import (
	"context"

	"sio.example/socketio/adapter"
)

// A RemoteSocket is a snapshot of a socket that is somewhere in the cluster, and the means to reach it.
type RemoteSocket struct {
	ns     *Namespace
	flags  adapter.Flags
	socket adapter.Socket
}

// ID is the socket's id.
func (r *RemoteSocket) ID() string { return r.socket.ID }

// Handshake describes how the socket connected. It is shared: do not change it.
func (r *RemoteSocket) Handshake() *Handshake { return r.socket.Handshake }

// Rooms are the rooms that the socket was in.
func (r *RemoteSocket) Rooms() []string { return r.socket.Rooms }

// Data is what was stored with SetData, or nil. For a socket on another server of the cluster it is an Args with that
// as its one value. The function [Data] gives it a type, and works for both.
func (r *RemoteSocket) Data() any { return r.socket.Data }

// Emit sends an event to the socket. That it has gone is no error.
func (r *RemoteSocket) Emit(name string, args ...any) error { return r.operator().Emit(name, args...) }

// EmitWithAck sends an event, and waits for the acknowledgement. ctx is the timeout. It returns ErrDisconnected if the
// socket has gone, or goes meanwhile; ErrTooManyAcks; ErrServerClosed; or an error that matches ctx.Err().
func (r *RemoteSocket) EmitWithAck(ctx context.Context, name string, args ...any) (Args, error) {
	p, err := r.operator().packet(name, args)
	if err != nil {
		return Args{}, err
	}
	for a, err := range r.ns.adapter.BroadcastWithAck(ctx, p, r.operator().target()) {
		if err != nil {
			return Args{}, r.ns.remoteAckError(name, err)
		}
		return a, nil
	}
	return Args{}, ErrDisconnected
}

// Join puts the socket into rooms.
func (r *RemoteSocket) Join(ctx context.Context, rooms ...string) error {
	return r.operator().SocketsJoin(ctx, rooms...)
}

// Leave takes the socket out of rooms.
func (r *RemoteSocket) Leave(ctx context.Context, rooms ...string) error {
	return r.operator().SocketsLeave(ctx, rooms...)
}

// Disconnect disconnects the socket; see Socket.Disconnect.
func (r *RemoteSocket) Disconnect(ctx context.Context, close bool) error {
	return r.operator().DisconnectSockets(ctx, close)
}

func (r *RemoteSocket) operator() BroadcastOperator {
	return BroadcastOperator{ns: r.ns, socket: r.socket.ID, flags: r.flags}
}
