package engineio

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
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
)

// The server half of the benchmarks below is this test binary in a process of its own, told by the environment.
const benchServerEnv = "ENGINEIO_BENCH_SERVER"

func init() {
	if os.Getenv(benchServerEnv) == "" {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go http.Serve(l, NewServer(func(s *Socket, r *http.Request) Handler { return echoing{s} },
		&Options{MaxPayload: 1 << 20})) // ends with the process
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func startBenchServer(b *testing.B) (url string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchServerEnv+"=1")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr)
}

// proportional set size, with what the runtime has mapped.
func processMemory(b *testing.B) int {
	data, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		b.Fatal(err)
	}
	for _, line := range bytes.Split(data, []byte("\n")) {
		var kb int
		if n, _ := fmt.Sscanf(string(line), "Pss: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	b.Fatal("no Pss")
	return 0
}

// BenchmarkIdleClients measures what a session costs that has sent and received something and waits; the upgraded
// ones have begun with polling.
func BenchmarkIdleClients(b *testing.B) {
	for _, transports := range []string{"websocket", "polling,websocket", "polling"} {
		b.Run(transports, func(b *testing.B) {
			conns := 9000
			if transports != "websocket" {
				conns = 2000
			}
			url := startBenchServer(b)
			var mu sync.Mutex
			var all []*ClientSocket
			one := func() {
				h := &sink{make(chan struct{}, 4)}
				up := make(chan struct{})
				o := &DialOptions{Transports: strings.Split(transports, ",")}
				if transports == "polling,websocket" {
					o.Trace = &Trace{Upgrade: func(string, error) { close(up) }}
				} else {
					close(up)
				}
				s, err := Dial(context.Background(), url, func(*ClientSocket) Handler { return h }, o)
				if err != nil {
					b.Error(err)
					return
				}
				<-up
				for range 4 {
					_ = s.Send(SendOptions{}, text("a message of some length, as they come"))
					<-h.got
				}
				mu.Lock()
				all = append(all, s)
				mu.Unlock()
			}
			dial := func(n int) {
				var running sync.WaitGroup
				for range 50 {
					running.Go(func() {
						for range n / 50 {
							one()
						}
					})
				}
				running.Wait()
			}
			dial(50)
			var before, after runtime.MemStats
			settle := func(m *runtime.MemStats) int {
				for range 3 {
					debug.FreeOSMemory()
				}
				runtime.ReadMemStats(m)
				return processMemory(b)
			}
			pss := settle(&before)
			dial(conns)
			b.ReportMetric(float64(settle(&after)-pss)/float64(conns), "PSS-B/conn")
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(conns), "heap-B/conn")
			b.ReportMetric(float64(after.StackInuse-before.StackInuse)/float64(conns), "stack-B/conn")
			b.ReportMetric(float64(runtime.NumGoroutine())/float64(conns), "goroutines/conn")
			b.ReportMetric(0, "ns/op")
			for _, s := range all {
				s.Abort(ForcedClose, nil)
			}
			late := time.After(30 * time.Second)
			for _, s := range all {
				select {
				case <-s.Done():
				case <-late:
					b.Fatal("sessions are left")
				}
			}
		})
	}
}

// BenchmarkClientEcho measures round trips with a window of messages under way.
func BenchmarkClientEcho(b *testing.B) {
	for _, window := range []int{1, 64} {
		b.Run(fmt.Sprint(window), func(b *testing.B) {
			url := startBenchServer(b)
			h := &sink{make(chan struct{}, 1024)}
			s, err := Dial(context.Background(), url, func(*ClientSocket) Handler { return h },
				&DialOptions{Transports: []string{"websocket"}})
			if err != nil {
				b.Fatal(err)
			}
			m := text("a message of some length, as they come")
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				_ = s.Send(SendOptions{}, m)
				if i >= window {
					<-h.got
				}
			}
			for range min(window, b.N) {
				<-h.got
			}
			b.StopTimer()
			s.Abort(ForcedClose, nil)
			<-s.Done()
		})
	}
}
