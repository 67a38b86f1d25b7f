package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

const versionUsage = `Usage: sio version

Prints the version of the program, and what it was built with and from.
`

func runVersion(_ context.Context, args []string, std stdio) error {
	fs := flag.NewFlagSet("version", flag.ContinueOnError)
	rest, done, err := parseFlags(fs, args, std.out, versionUsage)
	if err != nil || done {
		return err
	}
	if len(rest) > 0 {
		return usagef("version", "too many arguments")
	}
	version, revision := "(devel)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = cmp.Or(info.Main.Version, version)
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = " " + s.Value[:min(12, len(s.Value))] + revision
			case s.Key == "vcs.modified" && s.Value == "true":
				revision += " modified"
			}
		}
	}
	_, err = fmt.Fprintf(std.out, "sio %s%s %s %s/%s\n", version,
		revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
