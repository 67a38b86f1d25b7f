package websocket

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// The server half of the benchmark below is this test binary in a process of its own, told by the environment.
const serverEnv = "WEBSOCKET_BENCH_SERVER"

func init() {
	if os.Getenv(serverEnv) == "" {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // ends with the process
		if c, err := Upgrade(w, r, nil); err == nil {
			go receive(c) // ends with the connection
			c.WriteFrames(AppendFrame(nil, Text, []byte(strings.Repeat("x", 600))))
		}
	}))
	fmt.Println(l.Addr())
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// BenchmarkIdleClient measures what a client's connection costs that has done something and waits.
func BenchmarkIdleClient(b *testing.B) {
	const conns = 9000
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	u := &url.URL{Scheme: "ws", Host: strings.TrimSpace(addr), Path: "/"}
	var all []*Conn
	dial := func(n int) {
		for range n {
			c, _, err := Dial(b.Context(), u, nil)
			if err != nil {
				b.Fatal(err)
			}
			if err := c.WriteFrames(c.AppendFrame(nil, Text, make([]byte, 100))); err != nil {
				b.Fatal(err)
			}
			if _, _, err := c.Read(); err != nil {
				b.Fatal(err)
			}
			all = append(all, c)
			go c.Read() // ends with the connection
		}
	}
	dial(10)
	var before, after runtime.MemStats
	debug.FreeOSMemory()
	runtime.ReadMemStats(&before)
	pssBefore := pss(b)
	dial(conns)
	b.ReportMetric(float64(pss(b)-pssBefore)/conns, "PSS-B/conn")
	for range 3 {
		debug.FreeOSMemory()
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(pss(b)-pssBefore)/conns, "PSS-after-GC-B/conn")
	b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/conns, "heap-B/conn")
	b.ReportMetric(float64(after.StackInuse-before.StackInuse)/conns, "stack-B/conn")
	b.ReportMetric(0, "ns/op")
	for _, c := range all {
		c.Abort()
	}
}
