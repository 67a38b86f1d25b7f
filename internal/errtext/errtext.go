// Package errtext makes errors whose text begins with the name of a package of this module, and wraps those that pass
// from one package to another, such that the text names one of them: the package whose function the user called. The
// names that the others put in front of their own errors are left out; what they say stays, and so do errors.Is and
// errors.As. A text of the user's, or of anybody else, is left as it is, also if it begins like one of ours.
package errtext

import (
	"context"
	"errors"
	"fmt"
	"path"
	"reflect"
	"strings"
)

// New returns an error whose text begins with the name of its package, as in "parser: no argument".
func New(text string) error { return &named{text: text} }

// Errorf is fmt.Errorf for a format that begins with the name of a package.
func Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &named{text: err.Error(), err: err}
}

// Wrap returns an error that wraps err. Its text is where, as in "socketio: encode", a colon, and what Text says; if
// that was said by this module and begins with the last word of where again, it is not repeated.
func Wrap(where string, err error) error {
	text, ours := bare(err, 0)
	if ours {
		last := where[strings.LastIndex(where, ": ")+1:]
		text = strings.TrimPrefix(text, strings.TrimPrefix(last, " ")+": ")
	}
	return &named{text: where + ": " + text, err: err}
}

// Text is what err says, without the name of the package of this module that says it. An Error method that panics does
// no harm.
func Text(err error) string {
	text, _ := bare(err, 0)
	return text
}

// A named error has a text that begins with the name of a package.
type named struct {
	text string
	err  error // nil of New
}

func (e *named) Error() string { return e.text }
func (e *named) Unwrap() error { return e.err }

// module is the path of this module.
var module = strings.TrimSuffix(reflect.TypeFor[named]().PkgPath(), "/internal/errtext")

// maxWrapped is how many errors are looked into that consist of the text of others.
const maxWrapped = 100

// bare is the text of err without the name in front, if it is ours. It calls no method of a type that is not known but
// Error.
func bare(err error, depth int) (text string, ours bool) {
	if e, ok := err.(*named); ok {
		_, rest, _ := strings.Cut(e.text, ": ")
		return rest, true
	}
	text = fmt.Sprint(err)
	t := reflect.TypeOf(err)
	if t == nil || depth == maxWrapped {
		return text, false
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	here := t.PkgPath() == module || strings.HasPrefix(t.PkgPath(), module+"/")
	if !here && t.PkgPath() != "errors" && t.PkgPath() != "fmt" {
		return text, false
	}
	if here && !isMessage(err, text) {
		if rest, ok := strings.CutPrefix(text, path.Base(t.PkgPath())+": "); ok {
			return rest, true
		}
	}
	return bareOf(causes(err), text, depth+1)
}

// bareOf is bare for an error that wraps all: one line each, or the first one in front.
func bareOf(all []error, text string, depth int) (bared string, ours bool) {
	if len(all) == 0 || all[0] == nil {
		return text, false
	}
	if len(all) > 1 && text == fmt.Sprint(errors.Join(all...)) {
		lines := make([]string, len(all))
		for i, err := range all {
			line, own := bare(err, depth)
			lines[i], ours = line, ours || own
		}
		return strings.Join(lines, "\n"), ours
	}
	rest, ok := strings.CutPrefix(text, fmt.Sprint(all[0]))
	if !ok {
		return text, false
	}
	first, ours := bare(all[0], depth)
	return first + rest, ours
}

// causes are what an error wraps.
func causes(err error) []error {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return nil
}

// isMessage tells whether an error of ours says only what somebody else has put into its field Message.
func isMessage(err error, text string) bool {
	v := reflect.Indirect(reflect.ValueOf(err))
	if v.Kind() != reflect.Struct {
		return false
	}
	m := v.FieldByName("Message")
	return m.IsValid() && m.Kind() == reflect.String && m.String() == text
}

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
func As(name, err error) error { return &renamed{name, err} }

type renamed struct{ name, err error }

func (e *renamed) Error() string   { return e.name.Error() }
func (e *renamed) Unwrap() []error { return []error{e.name, e.err} }
