package websocket

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sio.example/socketio/internal/bufpool"
)

// The client half of the benchmarks below is a process of its own, so that memory and time are the server's alone. It
// is this test binary, told by the environment: "idle <addr> <connections>" or "echo <addr> <connections> <window>
// <messages>".
const clientEnv = "WEBSOCKET_BENCH_CLIENT"

func init() {
	args := strings.Fields(os.Getenv(clientEnv))
	if len(args) == 0 {
		return
	}
	n := make([]int, len(args))
	for i, a := range args {
		n[i], _ = strconv.Atoi(a)
	}
	var conns []*bufio.ReadWriter
	for range n[2] {
		rw, err := benchDial(args[1])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		conns = append(conns, rw)
	}
	if args[0] == "echo" {
		var wg sync.WaitGroup
		for _, rw := range conns {
			wg.Go(func() { benchEcho(rw, n[3], n[4]/n[2]) })
		}
		wg.Wait()
	}
	fmt.Println("done")
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// benchDial makes a WebSocket on which 600 bytes have been sent and echoed.
func benchDial(addr string) (*bufio.ReadWriter, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	rw := bufio.NewReadWriter(bufio.NewReaderSize(nc, 4096), bufio.NewWriterSize(nc, 4096))
	rw.WriteString(request())
	rw.Flush()
	if _, err := http.ReadResponse(rw.Reader, nil); err != nil {
		return nil, err
	}
	benchEcho(rw, 6, 6)
	return rw, nil
}

// benchEcho sends n messages of 100 bytes, window of them at a time, and reads them back.
func benchEcho(rw *bufio.ReadWriter, window, n int) {
	in := bytes.Repeat(text(strings.Repeat("x", 100)).masked(), window)
	back := make([]byte, 102*window)
	for ; n > 0; n -= window {
		rw.Write(in)
		rw.Flush()
		if _, err := io.ReadFull(rw.Reader, back); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

// benchServer serves echoing WebSockets, each read by a goroutine of its own after the handler has returned.
func benchServer(b *testing.B) (addr string, open *atomic.Int64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	open = new(atomic.Int64)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Upgrade(w, r, nil)
		if err != nil {
			b.Error(err)
			return
		}
		open.Add(1)
		go benchServe(c, open) // ends with the connection
	})}
	go s.Serve(l) // ends with the listener
	b.Cleanup(func() { s.Close() })
	return l.Addr().String(), open
}

func benchServe(c *Conn, open *atomic.Int64) {
	var out *[]byte // borrowed for as long as there is something to answer
	for {
		op, msg, err := c.Read()
		if err != nil {
			open.Add(-1)
			return
		}
		if out == nil {
			out = bufpool.Get(2048)
		}
		*out = AppendFrame(*out, op, msg)
		if !c.Buffered() {
			if all, _ := c.TryWriteFrames(*out); !all {
				c.WriteFrames()
			}
			bufpool.Put(out)
			out = nil
		}
	}
}

// benchClient starts the client half and waits until it is done; it stays until the benchmark ends.
func benchClient(b *testing.B, args ...any) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), clientEnv+"="+strings.Trim(fmt.Sprint(args...), "[]"))
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "done\n" {
		b.Fatal(line, err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
}

// pss is the memory of this process in bytes.
func pss(b *testing.B) int {
	p, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		b.Skip(err)
	}
	_, p, _ = bytes.Cut(p, []byte("\nPss:"))
	var kb int
	fmt.Sscan(string(p), &kb)
	return kb << 10
}

// BenchmarkIdle measures what a connection costs that has done something and waits.
func BenchmarkIdle(b *testing.B) {
	const conns = 9000
	addr, open := benchServer(b)
	benchClient(b, "idle ", addr, " ", 10)
	var before, after runtime.MemStats
	debug.FreeOSMemory()
	runtime.ReadMemStats(&before)
	pssBefore := pss(b)
	benchClient(b, "idle ", addr, " ", conns)
	for open.Load() != conns+10 {
		runtime.Gosched()
	}
	b.ReportMetric(float64(pss(b)-pssBefore)/conns, "PSS-B/conn")
	for range 3 {
		debug.FreeOSMemory()
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(pss(b)-pssBefore)/conns, "PSS-after-GC-B/conn")
	b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/conns, "heap-B/conn")
	b.ReportMetric(float64(after.StackInuse-before.StackInuse)/conns, "stack-B/conn")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkEchoCPU measures the processor time of the server for a message of 100 bytes there and back.
func BenchmarkEchoCPU(b *testing.B) {
	for _, window := range []int{1, 16} {
		b.Run(strconv.Itoa(window), func(b *testing.B) {
			addr, _ := benchServer(b)
			messages := 100_000 * window
			begun := cpu()
			benchClient(b, "echo ", addr, " ", 16, " ", window, " ", messages)
			b.ReportMetric(float64(cpu()-begun)/float64(messages), "cpu-ns/message")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
