package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
)

// tryDemo starts the demo of an installed sio on a free port, gets its page and the browser client, and connects
// to it.
func (u *user) tryDemo(sio string) (err error) {
	ctx, stop := context.WithCancel(u.r.clone.ctx)
	defer stop()
	cmd := exec.CommandContext(ctx, sio, "demo", "--port", "0")
	cmd.Dir = u.dir
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		stop()
		_ = cmd.Wait() // it was killed
	}()
	address := ""
	for in := bufio.NewScanner(stdout); address == ""; {
		if !in.Scan() {
			return errors.Join(errors.New("sio demo printed no address"), in.Err())
		}
		if line := strings.TrimSpace(in.Text()); strings.HasPrefix(line, "http://") {
			address = line
		}
	}
	for path, want := range map[string]string{"/": "<title>", "/socket.io/socket.io.js": "function"} {
		if err := wantPage(ctx, address+path, want); err != nil {
			return err
		}
	}
	if _, err := u.run(".", sio, "connect", address); err != nil { // it ends with its input, which is empty
		return err
	}
	return nil
}

func wantPage(ctx context.Context, url, want string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
		return fmt.Errorf("GET %s: %s, and no %q", url, answer.Status, want)
	}
	return nil
}
