// Command release makes the commits and the tags of a release, as "Releasing" in CONTRIBUTING.md describes.
//
//	release [-act] [-branch NAME] VERSION
//
// It makes them in a clone, and tries there whether somebody else could get the library and install the program.
// Only with -act they come to this repository, all of them or none. Nothing is pushed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, ".", os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		err = nil
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run does what the arguments say with the repository in dir.
func run(ctx context.Context, dir string, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("release", flag.ContinueOnError)
	fs.SetOutput(out)
	act := fs.Bool("act", false, "make the commits and the tags here, and not only in a clone")
	branch := fs.String("branch", "main", "the branch to release from")
	fs.Usage = func() {
		fmt.Fprintln(out, "usage: scripts/release [-act] [-branch NAME] VERSION   (as in v0.1.0)")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		fs.Usage()
		return errors.New("one version is needed")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	r := &release{source: repository{ctx, dir}, branch: *branch, version: fs.Arg(0), out: out}
	done, err := r.check()
	if err != nil {
		return err
	}
	if done {
		fmt.Fprintf(out, "%s is released here already. To publish it:\n\n  %s\n", r.version, r.push())
		return nil
	}
	return r.make(*act)
}

// make makes the release in a clone, tries it, and with act takes it over.
func (r *release) make(act bool) (err error) {
	temp, err := os.MkdirTemp("", "sio-release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := r.prepare(filepath.Join(temp, "clone")); err != nil {
		return err
	}
	if err := r.describe(); err != nil {
		return err
	}
	proxy := filepath.Join(temp, "proxy")
	if err := r.writeProxy(proxy); err != nil {
		return err
	}
	if err := r.try(proxy, filepath.Join(temp, "try")); err != nil {
		return err
	}
	if !act {
		fmt.Fprintf(r.out, "\nThis was a dry run: nothing has changed here. With -act the commits and the tags are made.\n")
		return nil
	}
	if err := r.takeOver(); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "\nThe commits and the tags are made, and not pushed. To publish them:\n\n  %s\n", r.push())
	return nil
}

// push is the command that publishes the release. A proxy keeps for ever what it has seen of a version, so nothing
// is published by a script.
func (r *release) push() string {
	return "git push --atomic origin " + r.branch + " " + strings.Join(r.tags(), " ")
}
