package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/module"
)

// echo is a program that uses the library: a server, a client, and one event to and fro.
//
//go:embed echo/main.go
var echo []byte

// echoed is what it prints.
const echoed = "echo: hello"

// writeProxy lays the release out as a module proxy serves it (go.dev/ref/mod#goproxy-protocol), in a folder.
func (r *release) writeProxy(dir string) error {
	for _, m := range r.modules {
		if err := r.publish(dir, m); err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
	}
	return nil
}

func (r *release) publish(proxy string, m nested) error {
	path, err := module.EscapePath(m.path)
	if err != nil {
		return err
	}
	version, err := module.EscapeVersion(r.version)
	if err != nil {
		return err
	}
	dir := filepath.Join(proxy, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tag := m.tag(r.version)
	gomod, err := r.clone.git("show", tag+":"+m.file("go.mod"))
	if err != nil {
		return err
	}
	when, err := r.clone.git("show", "-s", "--format=%cI", tag+"^{commit}")
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]string{"Version": r.version, "Time": when})
	if err != nil {
		return err
	}
	files := map[string]string{"list": r.version, version + ".info": string(info), version + ".mod": gomod}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o644); err != nil {
			return err
		}
	}
	packed, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		return err
	}
	return errors.Join(r.zip(packed, m, tag), packed.Close())
}

// fetchDependencies brings the modules of others into this machine's cache, from wherever it gets them.
func (r *release) fetchDependencies() error {
	for _, m := range r.modules {
		dir := filepath.Join(r.clone.dir, filepath.FromSlash(m.dir))
		if _, err := command(r.clone.ctx, dir, []string{"GOWORK=off", "GOFLAGS="}, "go", "mod", "download"); err != nil {
			return err
		}
	}
	return nil
}

// A user is somebody else: a folder outside the repository, and a module cache of its own, that knows our modules
// from the proxy alone. Those of others come from this machine's cache, whose hashes our go.sum files have
// confirmed.
type user struct {
	r   *release
	dir string
	env []string
}

func (r *release) newUser(proxy, dir string) (*user, error) {
	cache, err := command(r.clone.ctx, r.clone.dir, nil, "go", "env", "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	u := &user{r: r, dir: dir, env: []string{
		"GOPROXY=" + fileURL(proxy) + "," + fileURL(filepath.Join(cache, "cache", "download")) + ",off",
		"GOMODCACHE=" + filepath.Join(dir, "cache"),
		"GOBIN=" + filepath.Join(dir, "bin"),
		"GOFLAGS=-modcacherw",
		"GOWORK=off",
		"GOPRIVATE=", "GONOPROXY=", "GONOSUMDB=", "GOSUMDB=off", // the checksum database cannot know of the release
		"GOTOOLCHAIN=local",
	}}
	return u, os.MkdirAll(dir, 0o755)
}

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // C:/
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

func (u *user) run(dir, name string, args ...string) (string, error) {
	dir = filepath.Join(u.dir, filepath.FromSlash(dir))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return command(u.r.clone.ctx, dir, u.env, name, args...)
}

// try does with the release what others do: gets the library for a program, and installs sio.
func (r *release) try(proxy, dir string) error {
	u, err := r.newUser(proxy, dir)
	if err != nil {
		return err
	}
	if err := u.useLibrary(); err != nil {
		return fmt.Errorf("a program that uses the library: %w", err)
	}
	if err := u.useWebTransport(); err != nil {
		return fmt.Errorf("a program that uses WebTransport: %w", err)
	}
	if err := u.installProgram(); err != nil {
		return fmt.Errorf("the program sio: %w", err)
	}
	return u.buildCheckout()
}

func (u *user) useLibrary() error {
	library := u.r.modules[0]
	if _, err := u.run("echo", "go", "mod", "init", "module.example/echo"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(u.dir, "echo", "main.go"), echo, 0o644); err != nil {
		return err
	}
	if _, err := u.run("echo", "go", "get", library.path+"@"+u.r.version); err != nil {
		return err
	}
	if _, err := u.run("echo", "go", "mod", "tidy"); err != nil {
		return err
	}
	if got, err := u.run("echo", "go", "list", "-m", library.path); err != nil || got != library.path+" "+u.r.version {
		return errors.Join(fmt.Errorf("it uses %q", got), err)
	}
	got, err := u.run("echo", "go", "run", ".")
	if err != nil || got != echoed {
		return errors.Join(fmt.Errorf("it printed %q, not %q", got, echoed), err)
	}
	fmt.Fprintf(u.r.out, "tried: go get %s@%s, and a program with server and client ran\n", library.path, u.r.version)
	return nil
}

func (u *user) installProgram() error {
	program := u.r.modules[len(u.r.modules)-1]
	if _, err := u.run(".", "go", "install", program.path+"@"+u.r.version); err != nil {
		return err
	}
	sio := filepath.Join(u.dir, "bin", "sio")
	if runtime.GOOS == "windows" {
		sio += ".exe"
	}
	got, err := u.run(".", sio, "version")
	if err != nil || !strings.HasPrefix(got, "sio "+u.r.version+" ") {
		return errors.Join(fmt.Errorf("sio version printed %q", got), err)
	}
	if err := u.tryDemo(sio); err != nil {
		return err
	}
	fmt.Fprintf(u.r.out, "tried: go install %s@%s, sio version, sio demo, sio connect\n", program.path, u.r.version)
	return nil
}

// buildCheckout builds the program in a checkout of its tag without the workspace: the hashes in its go.sum are
// right.
func (u *user) buildCheckout() error {
	program := u.r.modules[len(u.r.modules)-1]
	checkout := filepath.Join(u.dir, "checkout")
	_, err := u.r.clone.git("worktree", "add", "--quiet", "--detach", checkout, program.tag(u.r.version))
	if err != nil {
		return err
	}
	_, err = u.run("checkout/"+program.dir, "go", "build", "-buildvcs=false", "-mod=readonly", "-o", os.DevNull, ".")
	if err != nil {
		return fmt.Errorf("the program in a checkout of its tag: %w", err)
	}
	fmt.Fprintf(u.r.out, "tried: go build in a checkout of %s, without the workspace\n", program.tag(u.r.version))
	return nil
}
