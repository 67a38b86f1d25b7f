package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// useWebTransport gets the module for WebTransport, which requires the library, for the same program over it.
func (u *user) useWebTransport() error {
	m := u.r.modules[1]
	if _, err := u.run("webtransport", "go", "mod", "init", "module.example/webtransport"); err != nil {
		return err
	}
	program := fmt.Sprintf(`package main

import wt %q

func main() {
	if _, err := wt.NewCertificate(); err != nil {
		panic(err)
	}
	_, _ = new(wt.Server), new(wt.Dialer)
}
`, m.path)
	if err := os.WriteFile(filepath.Join(u.dir, "webtransport", "main.go"), []byte(program), 0o644); err != nil {
		return err
	}
	if _, err := u.run("webtransport", "go", "get", m.path+"@"+u.r.version); err != nil {
		return err
	}
	library := u.r.modules[0]
	for _, want := range []nested{library, m} {
		got, err := u.run("webtransport", "go", "list", "-m", want.path)
		if err != nil || got != want.path+" "+u.r.version {
			return errors.Join(fmt.Errorf("it uses %q", got), err)
		}
	}
	if _, err := u.run("webtransport", "go", "run", "."); err != nil {
		return err
	}
	fmt.Fprintf(u.r.out, "tried: go get %s@%s, and a program with it ran\n", m.path, u.r.version)
	return nil
}
