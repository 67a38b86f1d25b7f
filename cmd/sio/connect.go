package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/parser"
)

const connectUsage = `Usage: sio connect URL [flags]

Connects to a Socket.IO server and shows the events that come. The path of the URL is the
namespace. Without a scheme it is http; a port alone is one of this machine.

  sio connect localhost:3000
  sio connect https://example.com/admin --auth '{"token":"..."}'
  sio connect 3000 -v

Type an event and its arguments, which are JSON, bare words, 'strings' or @files:

  chat message "hello all"             →  "chat", "message", "hello all"
  'chat message' {"text": "hi"} 1      →  "chat message", {"text": "hi"}, 1
  login alice ?                        a ? at the end asks for an acknowledgement
  /help                                lists the commands

Without a terminal, lines on stdin are sent in the same way; at its end the command waits
for the acknowledgements and ends. Events and acknowledgements go to stdout, the rest to
stderr. Ctrl-D or /quit ends the command, and so does Ctrl-C at an empty line.
` + exitUsage

// connectOptions are the flags of connect beyond those of a target.
type connectOptions struct {
	target
	json        bool
	noReconnect bool
	ack         bool
	answer      string
	event       string
	linger      time.Duration
	full        bool
}

// connectAckTimeout is for people, who see how long they wait.
const connectAckTimeout = 10 * time.Second

// shownArgs is how much of an event a terminal shows, in bytes.
const shownArgs = 1000

func runConnect(ctx context.Context, args []string, std stdio) error {
	fs := flag.NewFlagSet("connect", flag.ContinueOnError)
	var o connectOptions
	o.flags(fs, connectAckTimeout)
	fs.BoolVar(&o.json, "json", false, "print one JSON object a line")
	fs.BoolVar(&o.noReconnect, "no-reconnect", false, "don't connect again when the connection is lost")
	fs.BoolVar(&o.ack, "ack", false, "ask for an acknowledgement of every event")
	fs.StringVar(&o.answer, "answer", "", "acknowledge events that want it with these `ARGS`; '' is none")
	fs.StringVar(&o.event, "event", "", "send each line as the only argument of the event `NAME`")
	fs.DurationVar(&o.linger, "linger", 0, "`TIME` to stay after the end of stdin; -1s is for ever (default 0s)")
	fs.BoolVar(&o.full, "full", false,
		fmt.Sprintf("show all of large events on a terminal (default the first %d bytes)", shownArgs))
	rest, done, err := parseFlags(fs, args, std.out, connectUsage)
	if err != nil || done {
		return err
	}
	if len(rest) != 1 {
		return usagef("connect", "give the URL of a server, and nothing more")
	}
	opts, err := o.options(rest[0])
	if err != nil {
		return usagef("connect", "%v", err)
	}
	if parser.IsReserved(o.event) {
		return usagef("connect", "the event name %s is reserved", o.event)
	}
	opts.DisableReconnection = o.noReconnect
	var answer []any
	answers := false
	fs.Visit(func(f *flag.Flag) { answers = answers || f.Name == "answer" })
	if answers {
		if answer, err = parseAnswer(o.answer); err != nil {
			return usagef("connect", "answer: %v", err)
		}
	}
	return o.run(ctx, opts, answer, std)
}

// parseAnswer is never nil.
func parseAnswer(text string) ([]any, error) {
	words, err := parseLine(text)
	if err != nil {
		return nil, err
	}
	return values(words)
}

func (o *connectOptions) run(ctx context.Context, opts *client.Options, answer []any, std stdio) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	maxArgs := shownArgs
	if o.full || !isTerminal(std.out) {
		maxArgs = -1
	}
	out := newOutput(std, o.json, maxArgs)
	out.onFail = func() { end(&exitError{code: 1, text: "stdout is closed"}) }
	t := newTracer(o.verbosity(), func(text string) { out.show(&record{Type: recordTrace, Text: text}) })
	t.parser = opts.Parser
	opts.Engine.Trace = t.trace()
	s := newSession(client.NewManager(o.server, opts), out, t)
	s.noReconnect = o.noReconnect
	s.askAlways, s.lineEvent, s.answer, s.end = o.ack, o.event, answer, func(err error) { end(err) }

	if isTerminal(std.in) && isTerminal(std.out) && !o.json && os.Getenv("TERM") != "dumb" {
		return o.interact(ctx, s, std)
	}
	return o.pipe(ctx, s, std)
}

// interact lets somebody type.
func (o *connectOptions) interact(ctx context.Context, s *session, std stdio) error {
	screen, err := newScreen(std.in.(*os.File), std.out.(*os.File))
	if err != nil {
		return err
	}
	defer screen.close()
	screen.setCompletion(s.complete)
	s.interactive, s.out.screen = true, screen
	s.out.note("Connecting to %s. /help says what to type, Ctrl-D ends.", safe(o.server))
	s.tracer.begin()
	s.use(o.namespace).Open()
	err = screen.edits(ctx, func(line string) bool {
		quit, err := s.do(ctx, line)
		if err != nil {
			s.out.complain(safe(err.Error()))
		}
		return !quit
	})
	screen.close() // from here on Ctrl-C is a signal
	if n := s.close(); n > 0 && err == nil {
		err = &exitError{code: exitNoConnection,
			text: fmt.Sprintf("without a connection, %d of the events were not sent", n)}
	}
	return err
}

// pipe sends the lines of stdin, and ends when they do. The first attempt to connect counts.
func (o *connectOptions) pipe(ctx context.Context, s *session, std stdio) error {
	defer s.close()
	s.manager.SetReconnection(false)
	s.tracer.begin()
	if err := s.use(o.namespace).Connect(ctx); err != nil {
		return s.notConnected(ctx, err)
	}
	s.manager.SetReconnection(!o.noReconnect)
	ended := make(chan error, 1)
	go func() { // ends with stdin, or with the program
		err := o.sendLines(ctx, s, std.in)
		if err == nil {
			err = s.finish(ctx, o.linger, o.timeout)
		}
		ended <- err
	}()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		return s.ended(ctx)
	}
	if err == nil && ctx.Err() != nil {
		return s.ended(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.missed > 0 {
		err = &exitError{code: exitNoAck} // which was said already
	}
	return err
}

// notConnected is the error of a session that did not come about. What there is to say about it was said already.
func (s *session) notConnected(ctx context.Context, err error) error {
	var refused *client.ConnectError
	switch {
	case ctx.Err() != nil && !errors.As(context.Cause(ctx), new(*exitError)):
		return errInterrupted
	case errors.As(err, &refused):
		return &exitError{code: exitRefused}
	}
	return &exitError{code: exitNoConnection}
}

// ended is the error of a session that ctx ended: by a signal, or because of what happened.
func (s *session) ended(ctx context.Context) error {
	var exit *exitError
	if errors.As(context.Cause(ctx), &exit) {
		return exit
	}
	return errInterrupted
}

// maxLine is how long a line of stdin may be, in bytes.
const maxLine = 64 << 20

// sendLines sends the lines of in until it ends.
func (o *connectOptions) sendLines(ctx context.Context, s *session, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan() && ctx.Err() == nil; n++ {
		switch quit, err := s.do(ctx, lines.Text()); {
		case err != nil:
			return fmt.Errorf("line %d: %w", n, err)
		case quit:
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("stdin: %w", err)
	}
	return nil
}
