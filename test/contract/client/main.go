// Command client is the contract client: one program, driven line by line, that independent drivers, made of the
// official servers, judge the Go client through. It uses nothing but the public API.
//
// It reads one JSON command a line on stdin and prints one JSON object a line on stdout; it ends with the command exit,
// or when stdin ends.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// farewell is how long the connections have at the end to tell their servers.
const farewell = time.Second

func main() {
	if err := run(os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

// run carries out the commands of in until it ends, or exit comes.
func run(in io.Reader, out, errs io.Writer) error {
	log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	p := newProgram(&printer{w: out}, log)
	p.out.print(ready{Type: "ready", Impl: "sio", Version: version(), Caps: []string{"msgpack"}})

	lines := bufio.NewReader(in)
	var err error
	for done := false; err == nil && !done; {
		var line []byte
		line, err = lines.ReadBytes('\n')
		if len(line) > 0 { // the last one may lack its end
			done = p.do(line)
		}
	}
	p.out.stop()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	p.close(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}
