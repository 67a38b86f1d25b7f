package socketio

import (
	"iter"
	"slices"
	"strings"
)

// Namespaces iterates over the namespaces that exist now, those that a ParentNamespace has made included, by name.
func (s *Server) Namespaces() iter.Seq[*Namespace] {
	return func(yield func(*Namespace) bool) {
		all := s.srv.all()
		slices.SortFunc(all, func(a, b *Namespace) int { return strings.Compare(a.name, b.name) })
		for _, n := range all {
			if !yield(n) {
				return
			}
		}
	}
}

// SocketCount is how many sockets are connected to the main namespace, about; see [Namespace.SocketCount].
func (s *Server) SocketCount() int { return s.mainNamespace.SocketCount() }

// SocketCount is how many sockets are connected to this process, about: those count that are about to be connected, or
// have been disconnected a moment ago.
func (n *Namespace) SocketCount() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.sockets.Len()
}
