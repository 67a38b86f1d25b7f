package client

// A DisconnectReason says why a socket is not connected any more. It is the cause of the context of its handlers.
type DisconnectReason string

// The reasons, as the official client names them. After those of the last group the Manager connects again, unless
// reconnection is off.
const (
	// ReasonServerDisconnect: the server disconnected the socket. Connect or Open must be called to come back.
	ReasonServerDisconnect DisconnectReason = "io server disconnect"
	// ReasonClientDisconnect: Disconnect or Close was called.
	ReasonClientDisconnect DisconnectReason = "io client disconnect"
	// ReasonForcedClose: the Manager was closed. If it was only the session that Engine returned, the Manager connects
	// again.
	ReasonForcedClose DisconnectReason = "forced close"

	// ReasonPingTimeout: the server did not send its ping in time.
	ReasonPingTimeout DisconnectReason = "ping timeout"
	// ReasonTransportClose: the server closed the connection, or the network did.
	ReasonTransportClose DisconnectReason = "transport close"
	// ReasonTransportError: reading or writing failed.
	ReasonTransportError DisconnectReason = "transport error"
	// ReasonParseError: the server sent something that is no packet.
	ReasonParseError DisconnectReason = "parse error"
)

// Error makes the reason usable as the cause of a context.
func (r DisconnectReason) Error() string { return string(r) }

// Is makes errors.Is(reason, ErrDisconnected) true.
func (r DisconnectReason) Is(target error) bool { return target == ErrDisconnected }

// own reports whether it was this end that ended the connection; what it has not handled by then is not wanted.
func (r DisconnectReason) own() bool { return r == ReasonClientDisconnect || r == ReasonForcedClose }
