package work

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// counted are the packages whose statements are counted: the decoders, and what they call.
const counted = "sio.example/socketio/parser,sio.example/socketio/parser/msgpack," +
	"sio.example/socketio/engineio/packet," +
	"sio.example/socketio/internal/websocket," +
	"github.com/go-json-experiment/json,github.com/go-json-experiment/json/jsontext," +
	"github.com/go-json-experiment/json/v1," +
	"github.com/go-json-experiment/json/internal/jsonwire,encoding/json,encoding/json/v2,encoding/json/jsontext," +
	"encoding/json/internal/jsonwire,strconv,internal/strconv,math/big,encoding/base64,unicode/utf8,bytes,strings,bufio"

// The most that a byte of input may cost, whatever it is: statements that run, and bytes that are allocated. An object
// in a list allocates most; most statements are those of strconv, for a number near the middle of two floats. It ran
// 9000 for each byte of 5e-324.
const (
	mostStatements = 500
	mostAllocated  = 250

	// bytesOfInput is few, so that not even the square of it is too much to count; and enough, for what costs more the
	// longer it is, to be noticed.
	bytesOfInput = 40_000
)

// TestHostileInputCostsABoundedAmountOfWork runs each row in a process that counts statements.
func TestHostileInputCostsABoundedAmountOfWork(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs a program of its own")
	}
	program := filepath.Join(t.TempDir(), "work.test")
	build := exec.Command("go", "test", "-c", "-covermode=count", "-coverpkg="+counted, "-o", program, ".")
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	nothing := measure(t, program, "nothing")
	for _, r := range rows() {
		c, input := measure(t, program, r.name), float64(len(r.text(bytesOfInput)))
		statements := float64(c.statements-nothing.statements) / input
		allocated := float64(c.allocated-nothing.allocated) / input
		t.Logf("%-70s %6.1f statements, %6.1f bytes allocated for a byte", r.name, statements, allocated)
		if statements > mostStatements || allocated > mostAllocated {
			t.Errorf("%s: %.1f statements, %.1f bytes allocated for a byte of input", r.name, statements, allocated)
		}
	}
}

// A cost is what a run took.
type cost struct{ statements, allocated int64 }

// measure runs a row and adds up how often each statement ran.
func measure(t *testing.T, program, name string) (c cost) {
	t.Helper()
	profile := filepath.Join(t.TempDir(), "profile")
	cmd := exec.Command(program, "-test.run=^TestSubject$", "-test.coverprofile="+profile)
	cmd.Env = append(os.Environ(), "SIO_WORK_ROW="+name)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	_, told, _ := bytes.Cut(out, []byte("allocated "))
	if _, err := fmt.Sscan(string(told), &c.allocated); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	f, err := os.Open(profile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); { // file:from,to statements times
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			continue // the mode
		}
		n, _ := strconv.ParseInt(fields[1], 10, 64)
		ran, _ := strconv.ParseInt(fields[2], 10, 64)
		c.statements += n * ran
	}
	return c
}

// TestSubject is what the other test runs, a row at a time. Run by itself with -v it tells what each row takes on this
// machine, for the table in docs/hostile-input.md.
func TestSubject(t *testing.T) {
	name, ok := os.LookupEnv("SIO_WORK_ROW")
	if !ok {
		if testing.Verbose() && !testing.Short() {
			tellTimes(t)
		}
		return
	}
	for _, r := range rows() {
		if r.name == name {
			text := r.text(bytesOfInput)
			fmt.Println("allocated", allocated(func() { r.use(text) }))
			return
		}
	}
	t.Fatalf("there is no row %q", name)
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func tellTimes(t *testing.T) {
	for _, r := range rows() {
		text := r.text(1_000_000)
		r.use(r.text(1000))
		start := time.Now()
		r.use(text)
		t.Logf("%-70s %6.1f ms for a megabyte", r.name,
			float64(time.Since(start).Microseconds())/1000*1e6/float64(len(text)))
	}
}
