package socketio

import (
	"crypto/rand"
	"net/url"
	"strings"

	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/sid"
	"sio.example/socketio/parser"
)

// What connections of Socket.IO 2 have of their own, whose packets are of revision 4 of its protocol, in sessions of
// Engine.IO 3. Their differences are few: all is as officially (client.js, namespace.js and socket.js of socket.io 4).

// oldRevision is that of Engine.IO for such a connection.
const oldRevision = 3

func (c *conn) isOld() bool { return c.eng.Protocol() == oldRevision }

// countOld counts the connection, if it is an old one: events are encoded for such clients only while there are any.
func (c *conn) countOld(n int64) {
	if c.isOld() {
		c.srv.oldConns.Add(n)
	}
}

// connectOld lets a client into the main namespace, into which it has come without asking.
func (c *conn) connectOld() {
	if c.isOld() {
		c.connect(&parser.Packet{Type: parser.Connect, Namespace: "/"}, 0)
	}
}

// newID is the id of a socket. Clients of old connections are not told theirs: they take it for granted that it is that
// of the session, and put the namespace before it.
func (c *conn) newID(name string) (string, error) {
	switch {
	case !c.isOld():
		return sid.New(rand.Reader)
	case name == "/":
		return c.eng.ID(), nil
	}
	return name + "#" + c.eng.ID(), nil
}

// answer is the payload of an answer to CONNECT, which old clients get none of.
func (c *conn) answer(args Args) Args {
	if c.isOld() {
		return Args{}
	}
	return args
}

// With old clients among them the default Parser takes names with a query of so many bytes, and the server sees to it
// that what it keeps is no longer than without.
const (
	maxNamespace = 1024
	maxOldQuery  = 8 << 10
)

var errLongName = errtext.Errorf("socketio: name of a namespace above %d bytes", maxNamespace)

// withoutQuery is the name of a namespace as an old client writes it, without its query.
func withoutQuery(name string) (string, string) {
	name, query, _ := strings.Cut(name, "?")
	return name, query
}

// readQuery makes the query of the namespace the auth of a CONNECT packet of an old client. It has no other.
func readQuery(p *parser.Packet) error {
	name, query := withoutQuery(p.Namespace)
	p.Namespace, p.Args = name, Args{}
	if query == "" {
		return nil
	}
	auth := make(map[string]string)
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, _ := strings.Cut(pair, "="); pair != "" {
			auth[unescapeQuery(key)] = unescapeQuery(value)
		}
	}
	frames, err := parser.JSON(nil).Encode(nil, &parser.Packet{Type: parser.Connect, Args: parser.NewArgs(auth)})
	if err != nil {
		return err
	}
	again, err := parser.JSON(nil).NewDecoder().Add(frames[0])
	if err == nil {
		p.Args = again.Args
	}
	return err
}

// unescapeQuery leaves alone what is not well-formed.
func unescapeQuery(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		s = u
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// refusalArgs is what ERROR holds for an old client: the data alone, or else the text. Only a namespace that does not
// exist is told as to others.
func (c *conn) refusalArgs(why *ConnectError) Args {
	switch reply := (connectErrorReply{Message: why.Message, Data: why.Data}); {
	case !c.isOld() || why == errUnknownNamespace:
		return parser.NewArgs(reply)
	case reply.Data != nil:
		return parser.NewArgs(reply.Data)
	}
	return parser.NewArgs(why.Message)
}

// The id of a socket of an old connection is that of the one that was in the namespace before. So the next one waits
// until that is out of its rooms.

// isLeaving reports whether a socket that was in a namespace is not out of its rooms. It needs mu.
func (c *conn) isLeaving(name string) bool {
	if c.cold == nil || c.cold.left == nil {
		return false
	}
	for s := range c.cold.left.leaving {
		if s.name == name {
			return true
		}
	}
	return false
}

// awaitLeaving waits while isLeaving, or until s is disconnected.
func (c *conn) awaitLeaving(s *Socket) {
	for c.isOld() {
		c.mu.Lock()
		if !c.isLeaving(s.name) {
			c.mu.Unlock()
			return
		}
		wait := c.awaitFreedLocked()
		c.mu.Unlock()
		select {
		case <-wait:
		case <-s.Context().Done():
			return
		}
	}
}

// noteLeaving notes that a socket is about to leave its rooms. It needs mu.
func (c *conn) noteLeaving(s *Socket) {
	l := c.cold.left
	if l.leaving == nil {
		l.leaving = make(map[*Socket]struct{})
	}
	l.leaving[s] = struct{}{}
}

// noteOut notes that it is out of them. It needs mu.
func (c *conn) noteOut(s *Socket) {
	if c.cold == nil || c.cold.left == nil {
		return
	}
	delete(c.cold.left.leaving, s)
	if c.cold.left.isEmpty() {
		c.cold.left = nil
		c.freeCold()
	}
}
