// Package process is the life of a contract program: where it listens, the ready line it prints, and what ends it.
package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A Service is what a program serves.
type Service struct {
	Handler http.Handler
	// Shutdown ends the sessions politely; it is given a second.
	Shutdown func(ctx context.Context) error
	// Ready are more fields of the ready line.
	Ready map[string]any
}

// Run listens on HOST:PORT (defaultPort without PORT; 0 is any free one), prints the ready line on stdout, and serves
// until SIGTERM or SIGINT comes, or, with STDIN_GUARD set, until stdin ends.
func Run(defaultPort string, s Service) error {
	ln, err := net.Listen("tcp", net.JoinHostPort(env("HOST", "127.0.0.1"), env("PORT", defaultPort)))
	if err != nil {
		return fmt.Errorf("process: listen: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if os.Getenv("STDIN_GUARD") != "" {
		go func() { // owned by Run; ends with stdin, or with the process
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}

	srv := &http.Server{Handler: s.Handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }() // owned by Run; ends at srv.Close, which Run waits for

	if err := printReady(ln.Addr().(*net.TCPAddr).Port, s.Ready); err != nil {
		return errors.Join(err, srv.Close())
	}
	select {
	case err := <-served:
		return fmt.Errorf("process: serve: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.Shutdown != nil {
		_ = s.Shutdown(last) // the process ends either way
	}
	_ = srv.Close()
	<-served
	return nil
}

func printReady(port int, more map[string]any) error {
	line := map[string]any{"ready": true, "port": port}
	for k, v := range more {
		line[k] = v
	}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("process: ready line: %w", err)
	}
	if _, err = fmt.Fprintf(os.Stdout, "%s\n", text); err != nil {
		return fmt.Errorf("process: ready line: %w", err)
	}
	return nil
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
