package socketio

// PendingAcks is how many acknowledgements s waits for.
func PendingAcks(s *Socket) int { return s.acks.Len() }
