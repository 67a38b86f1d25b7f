package event

import (
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/parser"
)

// A ConnectError is why a server refuses a connection: the client gets what middleware returns there.
type ConnectError struct {
	Message string
	Data    any // if not nil, sent along; any value that may be an event's argument, but without binary

	received parser.Args // the payload that Data is of
}

// Error returns the message.
func (e *ConnectError) Error() string { return e.Message }

// Bind decodes the data into dst, a pointer. Without data it leaves dst as it is.
func (e *ConnectError) Bind(dst any) error {
	if e.Data == nil {
		return nil
	}
	var err error
	if e.received.Len() > 0 {
		err = e.received.Decode(0, &struct {
			Data any `json:"data"`
		}{dst})
	} else {
		err = parser.NewArgs(e.Data).Decode(0, dst)
	}
	if err != nil {
		return errtext.Wrap("event: data of a refusal", err)
	}
	return nil
}

// ReceivedConnectError makes a ConnectError of the payload of a CONNECT_ERROR packet: an object with a message and, if
// the server sent some, data (Socket.IO protocol 5). It reports false if the payload is something else.
func ReceivedConnectError(payload parser.Args) (*ConnectError, bool) {
	var reply struct {
		Message *string `json:"message"`
		Data    any     `json:"data"`
	}
	if payload.Len() != 1 || payload.Decode(0, &reply) != nil || reply.Message == nil {
		return nil, false
	}
	return &ConnectError{Message: *reply.Message, Data: reply.Data, received: payload}, true
}
