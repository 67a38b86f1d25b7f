package socketio

// A DisconnectReason says why a socket is gone. It is the cause of the socket's context.
type DisconnectReason string

// The reasons, as the official server names them.
const (
	// ReasonTransportError: reading or writing failed, or the client read too slowly.
	ReasonTransportError DisconnectReason = "transport error"
	// ReasonTransportClose: the client closed the connection.
	ReasonTransportClose DisconnectReason = "transport close"
	// ReasonForcedClose: the Engine.IO session was closed by this process, below Socket.IO.
	ReasonForcedClose DisconnectReason = "forced close"
	// ReasonPingTimeout: the client did not answer a ping in time.
	ReasonPingTimeout DisconnectReason = "ping timeout"
	// ReasonParseError: the client sent something that is no packet.
	ReasonParseError DisconnectReason = "parse error"
	// ReasonClientDisconnect: the client left the namespace.
	ReasonClientDisconnect DisconnectReason = "client namespace disconnect"
	// ReasonServerDisconnect: Disconnect or DisconnectSockets was called.
	ReasonServerDisconnect DisconnectReason = "server namespace disconnect"
	// ReasonForcedServerClose: the client broke the protocol or a limit.
	ReasonForcedServerClose DisconnectReason = "forced server close"
	// ReasonServerShuttingDown: Shutdown or Close was called.
	ReasonServerShuttingDown DisconnectReason = "server shutting down"
)

// Error makes the reason usable as the cause of a context.
func (r DisconnectReason) Error() string { return string(r) }

// Is makes errors.Is(reason, ErrDisconnected) true.
func (r DisconnectReason) Is(target error) bool { return target == ErrDisconnected }
