package client_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
)

// idleServer is the environment variable that makes this test program a server; see TestIdleServer.
const idleServer = "SIO_IDLE_SERVER"

// TestIdleServer is the other process of BenchmarkIdle, so that only clients are measured.
func TestIdleServer(t *testing.T) {
	if os.Getenv(idleServer) == "" {
		t.Skip("only as the server of BenchmarkIdle")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	io := socketio.NewServer(nil)
	defer io.Close()
	srv := &http.Server{Handler: io}
	defer srv.Close()
	go srv.Serve(l) // owned by the test, ends with Close
	fmt.Printf("listening on http://%s\n", l.Addr())
	_, _ = bufio.NewReader(os.Stdin).ReadByte() // until the benchmark ends
}

// BenchmarkIdle opens 10,000 connections over WebSocket and reports what each costs this process while nothing happens,
// beyond what the kernel holds: heap and stacks after a collection.
func BenchmarkIdle(b *testing.B) {
	url := startIdleServer(b)
	for b.Loop() {
		before, pssBefore := memory()
		clients := dialMany(b, url, 10_000)
		after, pssAfter := memory()
		b.ReportMetric(float64(after-before)/float64(len(clients)), "B/client")
		if pssAfter > 0 {
			b.ReportMetric(float64(pssAfter-pssBefore)/float64(len(clients)), "PSS-B/client")
		}
		b.ReportMetric(float64(runtime.NumGoroutine())/float64(len(clients)), "goroutines/client")
		var wg sync.WaitGroup
		for _, s := range clients {
			wg.Go(func() { _ = s.Manager().Shutdown(b.Context()) }) // ends with its one call
		}
		wg.Wait()
	}
}

func dialMany(b *testing.B, url string, n int) []*client.Socket {
	b.Helper()
	opts := &client.Options{Engine: engineio.DialOptions{Transports: []string{"websocket"}}}
	clients := make([]*client.Socket, n)
	var wg sync.WaitGroup
	for w := range 50 {
		wg.Go(func() { // ends with its share
			for i := w; i < n; i += 50 {
				ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
				s, err := client.Dial(ctx, url, opts)
				cancel()
				if err != nil {
					b.Errorf("client %d: %v", i, err)
					return
				}
				clients[i] = s
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return clients
}

// memory is what is in use after a collection, as the runtime counts it, and as Linux does (0 elsewhere).
func memory() (used, pss int64) {
	runtime.GC() // the next one frees what finalizers and pools held
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	used = int64(m.HeapAlloc + m.StackInuse)
	text, _ := os.ReadFile("/proc/self/smaps_rollup")
	for line := range strings.Lines(string(text)) {
		if n, err := fmt.Sscanf(line, "Pss: %d kB", &pss); n == 1 && err == nil {
			return used, pss << 10
		}
	}
	return used, 0
}

func startIdleServer(b *testing.B) (url string) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestIdleServer$", "-test.v")
	cmd.Env = append(os.Environ(), idleServer+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, addr, ok := strings.Cut(lines.Text(), "listening on "); ok {
			go func() { // owned by the benchmark, ends when the server does
				for lines.Scan() {
				}
			}()
			return addr
		}
	}
	b.Fatal("the server did not start")
	return ""
}
