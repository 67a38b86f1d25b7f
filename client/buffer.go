package client

import (
	"bytes"

	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// An outgoing is an event that waits: for a connection, or in the queue of those that are sent again. Its fields are
// guarded by the Manager's lock.
type outgoing struct {
	frames  []*engineio.Prepared
	options engineio.SendOptions
	size    int
	request *request // nil if nobody waits for an acknowledgement

	announced bool // OnAnyOutgoing wants to know

	// Of the queue.
	tries    int
	inFlight bool // sent, and not acknowledged

	in         *buffer // nil once it does not wait any more
	prev, next *outgoing
}

// overhead is what an outgoing costs beside its data.
const overhead = 128

// sizeOf is what frames count in a buffer.
func sizeOf(frames []*engineio.Prepared) int {
	n := overhead
	for _, f := range frames {
		n += len(f.Message().Data)
	}
	return n
}

// A buffer holds events in the order they were emitted. It is a list, because any of them may be given up.
type buffer struct {
	first, last   *outgoing
	events, bytes int
}

func (b *buffer) push(e *outgoing) {
	e.in, e.prev, e.next = b, b.last, nil
	if b.last == nil {
		b.first = e
	} else {
		b.last.next = e
	}
	b.last = e
	b.events++
	b.bytes += e.size
}

func (b *buffer) remove(e *outgoing) {
	if e.prev == nil {
		b.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		b.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.in, e.prev, e.next = nil, nil, nil
	b.events--
	b.bytes -= e.size
}

// makeRoom makes room in b for size bytes, as the socket's policy has it.
func (s *Socket) makeRoom(b *buffer, size int) error {
	limits := s.opts.bufferLimits()
	fixed := 0 // the server may have the first already
	if b.first != nil && b.first.inFlight {
		fixed = b.first.size
	}
	if fixed+size > limits.Bytes {
		return ErrBufferFull
	}
	for b.events >= limits.Items || b.bytes+size > limits.Bytes {
		if s.opts.BufferPolicy != BufferDropOldest {
			return ErrBufferFull
		}
		oldest := b.first
		if oldest.inFlight {
			oldest = oldest.next
		}
		if oldest == nil {
			return ErrBufferFull
		}
		b.remove(oldest)
		if oldest.request != nil {
			s.settle(oldest.request, Args{}, ErrBufferFull)
		}
	}
	return nil
}

// keepInBuffer keeps an event until the socket is connected.
func (s *Socket) keepInBuffer(e *outgoing) error {
	if s.opts.BufferPolicy == BufferNothing {
		return ErrDisconnected
	}
	if err := s.makeRoom(&s.buffer, e.size); err != nil {
		return err
	}
	s.buffer.push(e)
	if e.request != nil {
		e.request.waiting = e
		s.expect(e.request)
	}
	return nil
}

// sendBuffered sends what was held.
func (s *Socket) sendBuffered() {
	c := s.epoch.conn
	for e := s.buffer.first; e != nil; e = s.buffer.first {
		if c.mustSend(e.options, e.frames) != nil {
			return // the loss is about to be noticed
		}
		s.buffer.remove(e)
		if e.request != nil {
			e.request.waiting = nil
		}
		s.notifyLater(e)
	}
}

// Buffered is how many events wait for a connection or, with Retries, for their turn and acknowledgement, and what they
// take.
func (s *Socket) Buffered() (events, bytes int) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.buffer.events + s.queue.events, s.buffer.bytes + s.queue.bytes
}

// BufferedEvents are copies of the events that Buffered counts, as they are going to be sent: first those that wait for
// a connection, then those that wait for their turn, the oldest first in each. Acknowledging them is an error.
func (s *Socket) BufferedEvents() []*Event {
	var all []*Event
	for _, frames := range s.bufferedFrames() {
		d := s.m.parser.NewDecoder()
		for _, f := range frames {
			p, err := d.Add(f)
			if err != nil {
				break // a parser that does not read what it has written
			}
			if p != nil {
				all = append(all, event.New(p.Name, p.Args, nil))
			}
		}
	}
	return all
}

// bufferedFrames copies the frames of the events that wait.
func (s *Socket) bufferedFrames() (all [][]parser.Frame) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for _, b := range []*buffer{&s.buffer, &s.queue} {
		for e := b.first; e != nil; e = e.next {
			var frames []parser.Frame
			for _, f := range e.frames {
				m := f.Message()
				frames = append(frames, parser.Frame{Binary: m.Binary, Data: bytes.Clone(m.Data)})
			}
			all = append(all, frames)
		}
	}
	return all
}
