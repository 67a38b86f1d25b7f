package socketio

// All functions of this file need conn.mu.

// socket returns the socket of a namespace, or nil.
func (c *conn) socket(name string) *Socket {
	for s := c.firstSocket; s != nil; s = s.next {
		if s.name == name {
			return s
		}
	}
	if c.cold != nil {
		return c.cold.byName[name]
	}
	return nil
}

// listSockets returns the sockets.
func (c *conn) listSockets() (all []*Socket) {
	for s := c.firstSocket; s != nil; s = s.next {
		all = append(all, s)
	}
	if c.cold != nil {
		for _, s := range c.cold.byName {
			all = append(all, s)
		}
	}
	return all
}

// countSockets is how many sockets there are.
func (c *conn) countSockets() (n int) {
	n = c.countLinked()
	if c.cold != nil {
		n += len(c.cold.byName)
	}
	return n
}

func (c *conn) countLinked() (n int) {
	for s := c.firstSocket; s != nil; s = s.next {
		n++
	}
	return n
}

// add adds a socket of a namespace that has none.
func (c *conn) add(s *Socket) {
	if c.countLinked() < maxSearched {
		s.next, c.firstSocket = c.firstSocket, s
	} else {
		r := c.ensureCold()
		if r.byName == nil {
			r.byName = make(map[string]*Socket)
		}
		r.byName[s.name] = s
		r.byNameAuth += int(s.authSize)
	}
	if r := c.cold; r != nil {
		if l := r.left; l != nil {
			l.latest.remove(s.name)
			l.before.remove(s.name)
			if l.isEmpty() {
				r.left = nil
			}
		}
		c.freeCold()
	}
}

// unlink removes a socket. It reports false if it is not there.
func (c *conn) unlink(s *Socket) bool {
	for link := &c.firstSocket; *link != nil; link = &(*link).next {
		if *link == s {
			*link = s.next
			return true
		}
	}
	if r := c.cold; r != nil && r.byName[s.name] == s {
		delete(r.byName, s.name)
		r.byNameAuth -= int(s.authSize)
		if len(r.byName) == 0 {
			r.byName = nil
			c.freeCold()
		}
		return true
	}
	return false
}

// leftNames are namespaces that a client was in: the latest ones, at most as many as there may be at once, and as many
// before those.
type leftNames struct {
	latest, before nameSet
	leaving        map[*Socket]struct{} // those of an old client that are not out of their rooms; nil of others
}

func (l *leftNames) isEmpty() bool { return l.latest.len()+l.before.len()+len(l.leaving) == 0 }

// noteLeft notes that the client was in a namespace: what it has sent there in good faith may come later.
func (c *conn) noteLeft(name string) {
	r := c.ensureCold()
	if r.left == nil {
		r.left = new(leftNames)
	}
	l := r.left
	if l.latest.len() >= c.srv.opts.MaxNamespaces {
		l.latest, l.before = nameSet{}, l.latest
	}
	l.latest.add(name)
}

// wasIn reports whether the client was in a namespace.
func (c *conn) wasIn(name string) bool {
	if c.cold == nil || c.cold.left == nil {
		return false
	}
	return c.cold.left.latest.has(name) || c.cold.left.before.has(name)
}
