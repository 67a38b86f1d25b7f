// Package chat is a chat for browsers: rooms, nicknames, who is here, who is typing, pictures, and ticks that tell what
// was delivered and what was seen. New mounts it on a Socket.IO server and returns the page.
//
// It keeps everything in memory and promises little beyond that: each room remembers a bounded number of messages, and
// a client that was away gets those it missed. A message sent again after a reconnection is told once.
package chat

import (
	"context"
	"net/http"

	"sio.example/socketio"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// New registers the chat's namespace on io and returns the handler of its page, which expects io at /socket.io/ of the
// same origin. Mount it anywhere: the page's own links are relative.
func New(io *socketio.Server) http.Handler { return NewTrusting(io, nil) }

// NewTrusting is New with a page that trusts a certificate for WebTransport by its SHA-256 hash, since nobody has
// signed it.
func NewTrusting(io *socketio.Server, certificate []byte) http.Handler {
	register(io.Of(Namespace), newHub(limits{}, audience(io.Of(Namespace))))
	return static(certificate)
}

// audience returns how the hub reaches the sockets of ns.
func audience(ns *socketio.Namespace) func(to target) event.Emitter {
	return func(to target) event.Emitter {
		b := ns.BroadcastOperator
		if to.room != "" {
			b = b.To(to.room)
		}
		if to.except != "" {
			b = b.Except(to.except)
		}
		if to.volatile {
			b = b.Volatile()
		}
		return b
	}
}

// register wires the contract to the hub.
func register(ns *socketio.Namespace, h *hub) {
	// The middleware: who has no usable key is told so, and is not let in.
	ns.Use(func(_ context.Context, s *socketio.Socket) error {
		var auth Auth
		if err := s.Handshake().Auth.Bind(&auth); err != nil || !validKey(auth.Key) {
			return &socketio.ConnectError{
				Message: "a key of 16 to 64 characters is needed",
				Data:    map[string]string{"code": "key"},
			}
		}
		s.SetData(newVisitor(auth.Key, s.ID()))
		return nil
	})
	ns.OnConnection(func(s *socketio.Socket) {
		s.OnDisconnect(func(socketio.DisconnectReason) { h.gone(visitorOf(s)) })
	})

	socketio.HandleWithAck(ns, SetName, func(_ context.Context, s *socketio.Socket, q NameRequest) (NameReply, error) {
		return h.setName(visitorOf(s), q)
	})
	socketio.HandleWithAck(ns, Enter, func(_ context.Context, s *socketio.Socket, q EnterRequest) (EnterReply, error) {
		return enter(h, s, q)
	})
	socketio.HandleWithAck(ns, Leave, func(_ context.Context, s *socketio.Socket, _ parser.None) (LeaveReply, error) {
		room := h.leave(visitorOf(s), "")
		if room == "" {
			return LeaveReply{}, nil
		}
		return LeaveReply{Left: true}, s.Leave(room)
	})
	socketio.HandleWithAck(ns, Say, func(_ context.Context, s *socketio.Socket, q SayRequest) (SayReply, error) {
		return h.say(visitorOf(s), q)
	})
	socketio.HandleWithAck(ns, GetPicture,
		func(_ context.Context, s *socketio.Socket, q PictureRequest) (PictureReply, error) {
			return h.picture(visitorOf(s), q)
		})
	socketio.Handle(ns, Typing, func(_ context.Context, s *socketio.Socket, q TypingState) error {
		h.typing(visitorOf(s), q)
		return nil
	})
	socketio.Handle(ns, Seen, func(_ context.Context, s *socketio.Socket, q SeenMark) error {
		h.seen(visitorOf(s), q)
		return nil
	})
}

// enter moves a socket into a room. It joins before the hub takes the snapshot of the room: what happens in between
// reaches the client twice, once in the snapshot and once as an event, and clients apply both without harm. The other
// way round it would be lost.
func enter(h *hub, s *socketio.Socket, q EnterRequest) (EnterReply, error) {
	v := visitorOf(s)
	key, _, err := roomKey(q.Room)
	if err != nil {
		return EnterReply{}, err
	}
	if old := h.leave(v, key); old != "" {
		if err := s.Leave(old); err != nil {
			return EnterReply{}, err
		}
	}
	if err := s.Join(adapterRoom(key)); err != nil {
		return EnterReply{}, err
	}
	re, err := h.enter(v, q)
	if err != nil {
		s.Leave(adapterRoom(key)) // the refusal says more than a second error would
	}
	return re, err
}

// visitorOf returns what the middleware attached to the socket.
func visitorOf(s *socketio.Socket) *visitor {
	v, _ := socketio.Data[*visitor](s)
	return v
}
