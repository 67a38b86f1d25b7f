package socketio

// PendingAcks is how many acknowledgements s waits for.
func PendingAcks(s *Socket) int { return s.acks.Len() }

// Plain is what is logged of a client's text.
func Plain(s string) string { return plain(s) }
