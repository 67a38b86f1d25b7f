// Package errtext wraps errors that pass from one package of this module to another, such that the text names one of
// them: the package whose function the user called. What the others put in front of their own errors is left out; what
// they say stays, and so do errors.Is and errors.As.
package errtext

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// names are what the packages of this module put in front of their errors.
var names = [...]string{"socketio: ", "client: ", "engineio: ",
	"packet: ", "parser: ", "event: ", "adapter: ", "cluster: ", "websocket: "}

// Wrap returns an error that wraps err. Its text is where, as in "socketio: encode", a colon, and what Text says; if
// that begins with the last word of where again, it is not repeated.
func Wrap(where string, err error) error {
	text := Text(err)
	last := where[strings.LastIndex(where, ": ")+1:]
	text = strings.TrimPrefix(text, strings.TrimPrefix(last, " ")+": ")
	return &wrapped{where + ": " + text, err}
}

// Text is what err says, without the name of a package of this module at the beginning of a line. An Error method that
// panics does no harm.
func Text(err error) string {
	text := fmt.Sprint(err)
	if !strings.Contains(text, "\n") {
		return bare(text)
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(bare(line))
	}
	return b.String()
}

// bare is a line without names in front.
func bare(line string) string {
	for i := 0; i < len(names); i++ {
		if rest, ok := strings.CutPrefix(line, names[i]); ok {
			line, i = rest, -1
		}
	}
	return line
}

type wrapped struct {
	text string
	err  error
}

func (w *wrapped) Error() string { return w.text }
func (w *wrapped) Unwrap() error { return w.err }

// Ended is the error of something that gave up because ctx is done: it matches ctx.Err(), and its cause if there is
// one.
func Ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// As is an error that matches both name, whose text it has, and err, because of which it is returned: an error under
// the name that the users of a package know.
func As(name, err error) error { return &named{name, err} }

type named struct{ name, err error }

func (n *named) Error() string   { return n.name.Error() }
func (n *named) Unwrap() []error { return []error{n.name, n.err} }
