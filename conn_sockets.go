package socketio

// All functions of this file need conn.mu.

// socket returns the socket of a namespace, or nil.
func (c *conn) socket(name string) *Socket {
	for s := c.first; s != nil; s = s.next {
		if s.name == name {
			return s
		}
	}
	if c.rare != nil {
		return c.rare.many[name]
	}
	return nil
}

// list returns the sockets.
func (c *conn) list() (all []*Socket) {
	for s := c.first; s != nil; s = s.next {
		all = append(all, s)
	}
	if c.rare != nil {
		for _, s := range c.rare.many {
			all = append(all, s)
		}
	}
	return all
}

// count is how many sockets there are.
func (c *conn) count() (n int) {
	n = c.linked()
	if c.rare != nil {
		n += len(c.rare.many)
	}
	return n
}

func (c *conn) linked() (n int) {
	for s := c.first; s != nil; s = s.next {
		n++
	}
	return n
}

// add adds a socket of a namespace that has none.
func (c *conn) add(s *Socket) {
	if c.linked() < searched {
		s.next, c.first = c.first, s
	} else {
		r := c.rarely()
		if r.many == nil {
			r.many = make(map[string]*Socket)
		}
		r.many[s.name] = s
		r.manyAuths += int(s.authSize)
	}
	if r := c.rare; r != nil {
		if l := r.left; l != nil {
			l.latest.remove(s.name)
			l.before.remove(s.name)
			if l.latest.len()+l.before.len() == 0 {
				r.left = nil
			}
		}
		c.tidy()
	}
}

// drop removes a socket. It reports false if it is not there.
func (c *conn) drop(s *Socket) bool {
	for link := &c.first; *link != nil; link = &(*link).next {
		if *link == s {
			*link = s.next
			return true
		}
	}
	if r := c.rare; r != nil && r.many[s.name] == s {
		delete(r.many, s.name)
		r.manyAuths -= int(s.authSize)
		if len(r.many) == 0 {
			r.many = nil
			c.tidy()
		}
		return true
	}
	return false
}

// leftNames are namespaces that a client was in: the latest ones, at most as many as there may be at once, and as many
// before those.
type leftNames struct{ latest, before nameSet }

// leaves notes that the client was in a namespace: what it has sent there in good faith may come later.
func (c *conn) leaves(name string) {
	r := c.rarely()
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
	if c.rare == nil || c.rare.left == nil {
		return false
	}
	return c.rare.left.latest.has(name) || c.rare.left.before.has(name)
}
