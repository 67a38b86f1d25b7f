package engineio

// RefuseSessions lets no new session in from now on: those who ask get 503 and Retry-After, as after Shutdown. Sessions
// that are open go on, upgrades among them. It is how a server is emptied before Shutdown; there is no way back.
func (s *Server) RefuseSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// CloseForShutdown is Close for the reason that Shutdown has: the Handler is told ErrServerClosed, a WebSocket gets the
// status "going away", and a client on polling that has no request pending has three seconds from its last one.
func (s *Socket) CloseForShutdown() { s.drain(serverClosed) }
