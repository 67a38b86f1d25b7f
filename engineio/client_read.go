package engineio

import "sio.example/socketio/engineio/packet"

// startReading starts the reader of a link, to which the caller gives a hold. It is owned by the session, ends with the
// link, and unref lets Done go on.
func (s *ClientSocket) startReading(l link, u *clientUpgrade) {
	if l, ok := l.(*streamLink); ok {
		l.exit = func() { go s.read(l, u) } // the same reader with its hold
	}
	go s.read(l, u) // see above
}

// read is the reader of a link; u is the upgrade that it belongs to until that has ended. See Socket.read for why
// there is so little in it.
func (s *ClientSocket) read(l link, u *clientUpgrade) {
	for {
		binary, data, err := l.read()
		switch s.handle(l, u, binary, data, err) {
		case readAnew:
			go s.read(l, u) // the same reader with its hold, on a fresh stack
			return
		case readNoMore:
			s.readOut(l)
			return
		}
	}
}

// readOut waits for the end of a link that has been told to close. After that a link returns no more messages.
func (s *ClientSocket) readOut(l link) {
	for {
		if _, _, err := l.read(); err != nil {
			break
		}
	}
	l.wait()
	s.unref()
}

// handle does what is to be done about what was read.
//
//go:noinline
func (s *ClientSocket) handle(l link, u *clientUpgrade, binary bool, data []byte, err error) verdict {
	returned := false
	defer func() {
		if !returned { // user code has called runtime.Goexit, or a panic ends the process
			s.exited()
			go s.readOut(l) // the same reader with its hold
		}
	}()
	v := s.handleRead(l, u, binary, data, err)
	returned = true
	return v
}

func (s *ClientSocket) handleRead(l link, u *clientUpgrade, binary bool, data []byte, err error) verdict {
	if u != nil && s.upgrading(u) {
		return s.handleProbe(u, binary, data, err)
	}
	if err != nil {
		s.close(clientLinkEnding(l, err), true)
		return readNoMore
	}
	p, err := s.codec().decode(data, binary, s.base64 || l.kind() == kindStream)
	if err != nil {
		s.close(malformed(err), true)
		return readNoMore
	}
	s.tracePacket(l.kind(), false, p)
	idle := !l.buffered()
	s.setBacklog(!idle)
	if e, ok := s.receive(p); !ok {
		s.close(e, true)
		return readNoMore
	}
	if p.Type == packet.Message {
		s.reader.stackDirty = true
	}
	if idle && s.reader.stackDirty && (p.Type != packet.Message || s.reader.freshStacks < freshStacks) {
		s.reader.stackDirty = false
		s.reader.freshStacks = min(s.reader.freshStacks+1, freshStacks)
		return readAnew
	}
	return readOn
}
