package client

import (
	"bytes"
	"fmt"

	"sio.example/socketio/parser"
)

// A recoveryState is what lets a server restore the connection before, and send what was missed: the private id it
// gave, and the offset of the last event received, which a server with connection state recovery appends to its events
// as the last argument.
type recoveryState struct {
	pid, offset string
	// ours says that CONNECT brought an offset, as servers of this module send it: then a string at the end of an event
	// that wants no acknowledgement is one always, and listeners do not see it.
	ours bool
}

// maxOffset is how long a private id or an offset may be, in bytes. Real ones have some twenty. A longer text at the
// end of an event is one of the application's, and sent with each CONNECT it might make the server refuse all of them.
const maxOffset = 1024

// startRecovery takes the server's answer. It reports whether the connection before was restored. The Manager's lock is
// held.
func (s *Socket) startRecovery(pid, offset string) bool {
	old := s.recovery
	switch {
	case pid == "" || len(pid) > maxOffset:
		s.recovery = nil
	case old == nil || old.pid != pid:
		if len(offset) > maxOffset {
			offset = ""
		}
		s.recovery = &recoveryState{pid, offset, offset != ""} // the offset was one of another session
	default:
		return true
	}
	return false
}

// A tracking says what is to be done with the offset at the end of an event.
type tracking byte

const (
	trackNot  tracking = iota
	trackSeen          // listeners see it
	trackOff           // it is taken off
)

// tracks is how the events of this moment are to be treated. The Manager's lock is held.
func (s *Socket) tracks() tracking {
	switch {
	case s.recovery == nil:
		return trackNot
	case s.recovery.ours:
		return trackOff
	}
	return trackSeen
}

// withoutOffset is what listeners see of the arguments of an event that wants no acknowledgement.
func (t tracking) withoutOffset(args Args) Args {
	if n := args.Len(); t == trackOff && n > 0 && args.Kind(n-1) == parser.KindString {
		return args.Slice(0, n-1)
	}
	return args
}

// storeOffset remembers the offset of an event, which officially is any last argument that is a string.
func (s *Socket) storeOffset(st *epoch, args Args) {
	last := args.Len() - 1
	if args.Kind(last) != parser.KindString {
		return
	}
	offset, fits := "", false
	_ = args.Walk(last, func(t parser.Token) error { // without a copy of what is too long
		if fits = t.Len() <= maxOffset; fits {
			offset = t.Text()
		}
		return nil
	})
	if !fits {
		return
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.recovery != nil && s.epoch == st {
		s.recovery.offset = offset
	}
}

// connectArgs is the payload of CONNECT: what a session needs, overlaid by auth. It may run user code.
func connectArgs(auth any, resume *recoveryState) (Args, error) {
	if auth == nil {
		if resume == nil {
			return Args{}, nil
		}
		auth = struct{}{}
	}
	args := parser.NewArgs(auth)
	if args.Len() != 1 {
		return Args{}, errAuth
	}
	// The text keeps all digits of numbers and the order of members, whichever parser sends it.
	text, ok := args.Raw(0)
	if !ok || text[0] != '{' {
		var members map[string]any
		if err := args.Decode(0, &members); err != nil {
			return Args{}, err
		}
		return Args{}, errAuth
	}
	var own struct {
		PID    any `json:"pid"`
		Offset any `json:"offset"`
	}
	if err := args.Decode(0, &own); err != nil {
		return Args{}, err
	}
	var head []byte
	if resume != nil && own.PID == nil {
		head = fmt.Appendf(head, "%q:%s,", "pid", quote(resume.pid))
	}
	if resume != nil && own.Offset == nil && resume.offset != "" {
		head = fmt.Appendf(head, "%q:%s,", "offset", quote(resume.offset))
	}
	rest := bytes.TrimLeft(text[1:], " \t\r\n")
	if rest[0] == '}' {
		head = bytes.TrimSuffix(head, []byte{','})
	}
	object := append(append([]byte{'{'}, head...), rest...)
	return parser.NewArgs(rawObject(object)), nil
}

// rawObject is JSON text.
type rawObject []byte

// MarshalJSON returns the text.
func (o rawObject) MarshalJSON() ([]byte, error) { return o, nil }

// quote is s as JSON.
func quote(s string) []byte {
	text, _ := parser.NewArgs(s).Raw(0)
	return text
}
