package dispatch

import (
	"errors"
	"runtime/debug"
	"sync/atomic"

	"sio.example/socketio/event"
)

// ErrExited is the error of user code that ended its goroutine with runtime.Goexit.
var ErrExited = errors.New("user code called runtime.Goexit")

// A Guard calls user code, so that what that does harms nobody else. The zero value recovers panics and counts nothing.
type Guard struct {
	DisableRecover bool           // let panics end the process
	Panics         *atomic.Uint64 // counts those that were recovered, if not nil
}

// Call calls fn. If that panics it returns an *event.PanicError; likewise if the error that fn returns panics when it
// is asked for its text, as a nil pointer in an error does, or what it is or wraps: a caller that looks at it later has
// no protection.
func (g *Guard) Call(fn func() error) (err error) {
	if g.DisableRecover {
		return fn()
	}
	defer func() {
		if v := recover(); v != nil {
			if g.Panics != nil {
				g.Panics.Add(1)
			}
			err = &event.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	if err = fn(); err != nil {
		_ = err.Error()
		var p *probe
		_, _ = errors.Is(err, errProbe), errors.As(err, &p)
	}
	return err
}

// A probe is an error that no other is.
type probe struct{}

var errProbe error = &probe{}

// Error returns no text.
func (*probe) Error() string { return "" }

// Contain is Call on a goroutine of its own, for which it waits: runtime.Goexit in fn is ErrExited, and ends nothing
// else.
func (g *Guard) Contain(fn func() error) (err error) {
	err = ErrExited
	done := make(chan struct{})
	go func() { // ends with fn
		defer close(done)
		err = g.Call(fn)
	}()
	<-done
	return err
}

// Run is Call, and then calls failed with the error, if there is one: ErrExited if fn ended the goroutine. A panic that
// is to end the process does so before anything else.
func (g *Guard) Run(fn func() error, failed func(err error)) {
	err := ErrExited
	defer func() {
		if err == ErrExited && g.DisableRecover {
			if v := recover(); v != nil {
				panic(v)
			}
		}
		if err != nil {
			failed(err)
		}
	}()
	err = g.Call(fn)
}

// RunAll runs all of fns, whatever each of them does.
func RunAll[F any](g *Guard, fns []F, call func(fn F), failed func(err error)) {
	i := 0
	defer func() {
		if i == len(fns) {
			return
		}
		if v := recover(); v != nil { // only one that is to end the process comes here
			panic(v)
		}
		RunAll(g, fns[i+1:], call, failed) // the goroutine ends
	}()
	for ; i < len(fns); i++ {
		g.Run(func() error {
			call(fns[i])
			return nil
		}, failed)
	}
}

// Errors gathers those of the handlers of one event.
type Errors struct {
	first error
	rest  []error
}

// Add adds an error, which may be nil.
func (e *Errors) Add(err error) {
	switch {
	case err == nil:
	case e.first == nil:
		e.first = err
	default:
		e.rest = append(e.rest, err)
	}
}

// Err is nil, the only error, or one that stands for several.
func (e *Errors) Err() error {
	if e.rest == nil {
		return e.first
	}
	return several(append([]error{e.first}, e.rest...))
}

// several is a type of its own so that an error which a handler joined of others stays one.
type several []error

func (e several) Error() string   { return errors.Join(e...).Error() }
func (e several) Unwrap() []error { return e }

// Each calls fn for err, or for each of those that it stands for, even if one call ends the goroutine.
func Each(err error, fn func(err error)) {
	all, ok := err.(several)
	if !ok {
		all = several{err}
	}
	RunAll(&Guard{DisableRecover: true}, all, fn, func(error) {})
}
