package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// An output shows records: above the line that is edited, if there is one, or on stdout what was received and on stderr
// all else; with --json on stdout everything but the trace. It is safe for concurrent use.
type output struct {
	json   bool
	screen *screen // nil unless somebody types

	mu       sync.Mutex
	style    style
	out, err io.Writer
	errors   palette // for err; the style's is for out
	failed   error   // of writing to out
	onFail   func()
}

// wantsColour reports whether w is a terminal that should get colours: https://no-color.org.
func wantsColour(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// newOutput returns the output of a command that is not interactive.
func newOutput(std stdio, asJSON bool, maxArgs int) *output {
	o := &output{json: asJSON, out: std.out, err: std.err, style: style{maxArgs: maxArgs}}
	if wantsColour(std.out) {
		o.style.palette = colours
	}
	if wantsColour(std.err) {
		o.errors = colours
	}
	return o
}

// show shows a record.
func (o *output) show(r *record) {
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	if o.json && r.Type != recordTrace {
		line, err := jsonLine(r)
		if err != nil {
			line = fmt.Appendf(nil, `{"type":"note","message":%s}`, quote(err.Error()))
		}
		o.write(o.out, string(line))
		return
	}
	o.mu.Lock()
	style := o.style
	o.mu.Unlock()
	switch {
	case o.screen != nil:
		o.screen.print(strings.ReplaceAll(style.line(r), "\n", "\r\n"))
	case r.received():
		o.write(o.out, style.line(r))
	default:
		style.palette = o.errors
		o.write(o.err, style.line(r))
	}
}

// note shows what the program itself has to say. What came from a server must be made safe before.
func (o *output) note(format string, args ...any) {
	o.show(&record{Type: recordNote, Text: fmt.Sprintf(format, args...)})
}

// complain shows what went wrong, which must be safe to show.
func (o *output) complain(text string) {
	o.show(&record{Type: recordProblem, Text: text})
}

// manyNamespaces makes records say which namespace they are about.
func (o *output) manyNamespaces() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.style.names = true
}

func (o *output) write(w io.Writer, line string) {
	o.mu.Lock()
	_, err := io.WriteString(w, line+"\n")
	first := err != nil && w == o.out && o.failed == nil
	if first {
		o.failed = err
	}
	o.mu.Unlock()
	if first && o.onFail != nil {
		o.onFail() // as head does, whoever reads has seen enough
	}
}
