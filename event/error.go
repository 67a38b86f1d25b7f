package event

import (
	"bytes"
	"errors"

	"sio.example/socketio/parser"
)

// An Error is an error whose message may be shown to the peer: as the acknowledgement {"error": message}. What a peer
// acknowledged in that form comes back as one.
type Error struct {
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// What the peer gets instead of the text of an error that was not meant for it.
const (
	// InternalText stands for any error but an *Error.
	InternalText = "internal error"
	// InvalidText stands for arguments that do not fit the contract.
	InvalidText = "invalid arguments"
)

// AckError acknowledges the event with {"error": text}: the message of an *Error, InvalidText for arguments that could
// not be decoded, and InternalText for any other error. It returns what Ack does.
func (e *Event) AckError(err error) error {
	return e.Ack(map[string]string{"error": shown(err)})
}

// shown is what a peer may know about err.
func shown(err error) string {
	var public *Error
	var argument *parser.ArgumentError
	switch {
	case errors.As(err, &public) && public != nil:
		return public.Message
	case errors.As(err, &argument):
		return InvalidText
	}
	return InternalText
}

// received returns the *Error that an acknowledgement stands for, or nil: its only value is then an object whose only
// member is a string called error.
func received(args parser.Args) error {
	if args.Len() != 1 || args.Kind(0) != parser.KindObject {
		return nil
	}
	if text, ok := args.Raw(0); ok && !bytes.Contains(text, []byte(`"error"`)) {
		return nil // as most are
	}
	var r errorReader
	_ = args.Walk(0, r.read)
	if !r.isError {
		return nil
	}
	return &Error{Message: r.message}
}

// An errorReader reads the tokens of {"error": message}, and no further once it is something else.
type errorReader struct {
	tokens  int
	message string
	isError bool
}

var errOther = errors.New("no error")

func (r *errorReader) read(t parser.Token) error {
	ok := false
	switch r.tokens {
	case 0:
		ok = t.Kind == parser.KindObject && t.Len() == 1
	case 1:
		ok = t.Text() == "error"
	case 2:
		if ok = t.Kind == parser.KindString; ok {
			r.message, r.isError = t.Text(), true
		}
	}
	r.tokens++
	if !ok {
		return errOther
	}
	return nil
}
