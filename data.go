package socketio

import "sio.example/socketio/parser"

// Data returns what SetData has stored with a [Socket] or a [RemoteSocket], if it is a T. It reports false if nothing
// was stored, or something else.
//
// For a socket of this process it is the stored value itself: a call takes a lock and a type assertion, and all callers
// share what a pointer in it points to. A socket on another server of a cluster was described in an encoding, which
// each call decodes into a new T; what JSON can't carry, such as fields that are not exported, is missing then.
//
//	s.SetData(User{Name: "ada"})
//	u, ok := socketio.Data[User](s)
func Data[T any](s interface{ Data() any }) (T, bool) {
	switch v := s.Data().(type) {
	case T:
		return v, true
	case Args: // see adapter.Socket
		var decoded T
		if v.Len() == 1 && v.Kind(0) != parser.KindNull && v.Decode(0, &decoded) == nil {
			return decoded, true
		}
	}
	var none T
	return none, false
}
