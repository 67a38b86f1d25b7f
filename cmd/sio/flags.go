package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// parseFlags parses args by fs, with flags and positional arguments in any order, and returns the positional ones.
// If help was asked for it prints usage and the flags, and done is true.
func parseFlags(fs *flag.FlagSet, args []string, out io.Writer, usage string) (rest []string, done bool, err error) {
	fs.SetOutput(io.Discard) // errors are printed in one place: run
	fs.Usage = func() {}
	for {
		switch err := fs.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			fmt.Fprint(out, usage)
			printFlags(fs, out)
			return nil, true, nil
		case err != nil:
			return nil, false, usagef(fs.Name(), "%s", err)
		}
		if fs.NArg() == 0 {
			return rest, false, nil
		}
		// Parse stops at the first positional argument, and at "--", after which all are.
		if n := len(args) - fs.NArg(); n > 0 && args[n-1] == "--" {
			return append(rest, fs.Args()...), false, nil
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

// printFlags lists the flags in two columns.
func printFlags(fs *flag.FlagSet, out io.Writer) {
	var names, usages []string
	fs.VisitAll(func(f *flag.Flag) {
		arg, usage := flag.UnquoteUsage(f)
		dashes := "--"
		if strings.Trim(f.Name, "v") == "" {
			dashes = "-" // -v and -vv
		}
		names, usages = append(names, strings.TrimSpace(dashes+f.Name+" "+arg)), append(usages, usage)
	})
	names, usages = append(names, "--help"), append(usages, "show this")
	widest := 0
	for _, n := range names {
		widest = max(widest, len(n))
	}
	fmt.Fprint(out, "\nFlags:\n")
	for i, n := range names {
		fmt.Fprintf(out, "  %-*s  %s\n", widest, n, usages[i])
	}
}
