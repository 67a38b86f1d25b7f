package client

// SetRandom replaces the random numbers of the delays.
func (m *Manager) SetRandom(fn func() float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.backoff.Random = fn
}
