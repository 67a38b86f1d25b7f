// Command sio talks to Socket.IO servers, and shows and tries our own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// stdio is what a command reads and writes, so that it can run in a test.
type stdio struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// command is a subcommand. It ends with an error, or when it is done, or soon after ctx is done: cleanly, if that is
// how one ends it.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, io stdio) error
}

var commands = []command{
	{"connect", "talk to a server: type events, see what comes", runConnect},
	{"emit", "send one event, and print its acknowledgement", runEmit},
	{"demo", "run a demo in the browser: sio demo chat", runDemo},
	{"version", "print the version", runVersion},
}

// usageError says that the command line is wrong. It ends the program with status 2, after the hint how to get help.
type usageError struct {
	command string // "" for sio itself
	msg     string
}

func (e *usageError) Error() string { return e.msg }

func usagef(command, format string, args ...any) error {
	return &usageError{command: command, msg: fmt.Sprintf(format, args...)}
}

func main() {
	// The first signal ends the command; from then on signals do what they always do, so a second one ends the
	// program at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run finds the command, runs it and returns the program's exit status: 0, 1 if it went wrong, 2 if the command line
// is wrong, or that of an exitError.
func run(ctx context.Context, args []string, std stdio) int {
	err := dispatch(ctx, args, std)
	var usage *usageError
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		if exit.text != "" {
			fmt.Fprintf(std.err, "sio %s: %s\n", args[0], exit.text)
		}
		if exit.hint != "" {
			fmt.Fprintln(std.err, exit.hint)
		}
		return exit.code
	case err == nil:
		return 0
	case errors.As(err, &usage):
		name := "sio"
		if usage.command != "" {
			name += " " + usage.command
		}
		fmt.Fprintf(std.err, "%s: %v\nRun \"%s --help\" for help.\n", name, err, name)
		return 2
	default:
		fmt.Fprintf(std.err, "sio %s: %v\n", args[0], err)
		return 1
	}
}

func dispatch(ctx context.Context, args []string, std stdio) error {
	if len(args) == 0 {
		printUsage(std.err)
		return usagef("", "a command is missing")
	}
	switch args[0] {
	case "help":
		if len(args) > 1 {
			return dispatch(ctx, []string{args[1], "--help"}, std)
		}
		fallthrough
	case "-h", "-help", "--help":
		printUsage(std.out)
		return nil
	case "-version", "--version":
		return runVersion(ctx, nil, std)
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:], std)
		}
	}
	return usagef("", "there is no command %q", args[0])
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "Usage: sio <command> [arguments]\n\nCommands:\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nRun \"sio <command> --help\" for what a command takes.\n")
}
