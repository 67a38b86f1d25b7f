package event

import (
	"context"
	"errors"

	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/parser"
)

// Of is the name of an event whose arguments have type T. Use parser.Tuple for several arguments, parser.None for none.
type Of[T any] string

// Emit sends the event. It returns what to.Emit does.
func (n Of[T]) Emit(to Emitter, v T) error { return to.Emit(string(n), v) }

// On calls fn for each such event; see Handler.
func (n Of[T]) On(l Listener, fn func(ctx context.Context, v T) error) (off func()) {
	return l.On(string(n), n.Handler(fn))
}

// Handler makes a Handler of fn. Arguments that are missing leave their part of v zero, and further ones are ignored.
// If one does not fit T, fn is not called and the handler returns an error that wraps a *parser.ArgumentError.
func (Of[T]) Handler(fn func(ctx context.Context, v T) error) Handler {
	return func(ctx context.Context, e *Event) error {
		v, err := bind[T](e.Args)
		if err != nil {
			return err
		}
		return fn(ctx, v)
	}
}

// WithAck is the name of an event with arguments of type Req that is acknowledged with Res. Use parser.Tuple for
// several arguments or values, parser.None for none.
type WithAck[Req, Res any] string

// Emit sends the event and waits for its acknowledgement. An acknowledgement in the form {"error": text} is returned as
// an *Error, one that does not fit Res as an error that wraps a *parser.ArgumentError. Other errors are those of
// to.EmitWithAck.
func (n WithAck[Req, Res]) Emit(ctx context.Context, to AckEmitter, req Req) (Res, error) {
	args, err := to.EmitWithAck(ctx, string(n), req)
	if err != nil {
		var none Res
		return none, err
	}
	return answer[Res](args)
}

// EmitAll sends the event to many, as to a room or a namespace, and waits for their acknowledgements. It returns those
// that came and fit, in the order they came, together with the error of to.EmitWithAck and the first of the errors that
// Emit would have returned for one of the others.
func (n WithAck[Req, Res]) EmitAll(ctx context.Context, to BroadcastAckEmitter, req Req) ([]Res, error) {
	all, err := to.EmitWithAck(ctx, string(n), req)
	results := make([]Res, 0, len(all))
	var first error
	for _, args := range all {
		res, err := answer[Res](args)
		switch {
		case err == nil:
			results = append(results, res)
		case first == nil:
			first = err
		}
	}
	switch {
	case first == nil:
		return results, err
	case err == nil:
		return results, first
	}
	return results, errors.Join(err, first)
}

// On calls fn for each such event, and acknowledges the event with what it returned; see Handler.
func (n WithAck[Req, Res]) On(l Listener, fn func(ctx context.Context, req Req) (Res, error)) (off func()) {
	return l.On(string(n), n.Handler(fn))
}

// Handler makes a Handler of fn, which gets its arguments as that of Of.Handler does. The handler acknowledges the
// event with what fn returned: with its result, a parser.Tuple as several values and parser.None as no value, or with
// its error in the form that Event.AckError gives it. It returns the error, too. If the peer asked for no
// acknowledgement the result is dropped.
func (WithAck[Req, Res]) Handler(fn func(ctx context.Context, req Req) (Res, error)) Handler {
	return func(ctx context.Context, e *Event) error {
		req, err := bind[Req](e.Args)
		var res Res
		if err == nil {
			res, err = fn(ctx, req)
		}
		if !e.WantsAck() {
			return err
		}
		if err == nil {
			// This fails if the result cannot be encoded, or if there is nobody left to send it to.
			if err = e.Ack(res); err == nil || errors.Is(err, ErrAcked) {
				return err
			}
		}
		if ackErr := e.AckError(err); ackErr != nil && !errors.Is(ackErr, ErrAcked) {
			return errors.Join(err, ackErr)
		}
		return err
	}
}

// bind decodes arguments into a T.
func bind[T any](args parser.Args) (T, error) {
	var v T
	if err := args.Bind(&v); err != nil {
		return v, errtext.Wrap("event", err)
	}
	return v, nil
}

// answer decodes an acknowledgement.
func answer[Res any](args parser.Args) (Res, error) {
	if err := received(args); err != nil {
		var none Res
		return none, err
	}
	return bind[Res](args)
}
