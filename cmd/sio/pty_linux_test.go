package main

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// window is a terminal as somebody sees it: a pseudo-terminal and, at its other end, what the screen shows.
type window struct {
	t    *testing.T
	ptmx *os.File
	tty  *os.File

	mu      sync.Mutex
	changed *sync.Cond
	columns int
	rows    [][]rune // all that were ever there; the last ones are on the screen
	row     int
	column  int
	rest    []byte // an incomplete character or escape sequence
	bad     []string
	colours bool // there were some
}

func openWindow(t *testing.T, columns, rows int) *window {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	var n int
	if cerr := control(ptmx, func(fd int) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	w := &window{t: t, ptmx: ptmx, tty: tty, columns: columns}
	w.changed = sync.NewCond(&w.mu)
	w.resize(columns, rows)
	done := make(chan struct{})
	go func() { // ends when the tty is closed, and is waited for
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := ptmx.Read(buf)
			w.mu.Lock()
			w.show(buf[:n])
			w.changed.Broadcast()
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		tty.Close()
		<-done
		ptmx.Close()
		for _, b := range w.bad {
			t.Errorf("the terminal got %s", b)
		}
	})
	return w
}

func (w *window) resize(columns, rows int) {
	w.t.Helper()
	var err error
	if cerr := control(w.ptmx, func(fd int) {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
	}); cerr != nil || err != nil {
		w.t.Fatal(cerr, err)
	}
	w.mu.Lock()
	w.columns = columns
	w.mu.Unlock()
}

// show does what a terminal does with data. What it doesn't know is an error: nothing of it may come from a server.
func (w *window) show(data []byte) {
	data = append(w.rest, data...)
	for len(data) > 0 {
		n := w.step(data)
		if n == 0 {
			break
		}
		data = data[n:]
	}
	w.rest = append([]byte(nil), data...)
}

// step shows one character or sequence, and returns its length, or 0 if it is not complete.
func (w *window) step(data []byte) int {
	switch c := data[0]; {
	case c == '\r':
		w.column = 0
		return 1
	case c == '\n':
		w.row++
		return 1
	case c == 0x1B:
		return w.sequence(data)
	case c < 0x20 || c == 0x7F:
		w.bad = append(w.bad, fmt.Sprintf("the control character %#x", c))
		return 1
	case !utf8.FullRune(data):
		return 0
	}
	r, n := utf8.DecodeRune(data)
	if unsafeRune(r) {
		w.bad = append(w.bad, fmt.Sprintf("the character %U", r))
	}
	if w.column+width(r) > w.columns {
		w.row, w.column = w.row+1, 0
	}
	line := w.line()
	for len(line) < w.column+width(r) {
		line = append(line, ' ')
	}
	line[w.column] = r
	for i := 1; i < width(r); i++ {
		line[w.column+i] = 0
	}
	w.rows[w.row] = line
	w.column += width(r)
	return n
}

func (w *window) line() []rune {
	for len(w.rows) <= w.row {
		w.rows = append(w.rows, nil)
	}
	return w.rows[w.row]
}

func (w *window) sequence(data []byte) int {
	if len(data) == 1 {
		return 0
	}
	end := 2
	for data[1] == '[' && end < len(data) && (data[end] < 0x40 || data[end] > 0x7E) {
		end++
	}
	if end == len(data) && data[1] == '[' {
		return 0
	}
	seq := string(data[1:min(end+1, len(data))])
	number, _ := strconv.Atoi(strings.Trim(seq, "[ACJKHm"))
	switch {
	case seq == "[?25l", seq == "[?25h", seq == pasteOn[1:], seq == pasteOff[1:]:
	case strings.HasSuffix(seq, "m"):
		w.colours = true
	case seq == "[J":
		w.line()
		w.rows = w.rows[:w.row+1]
		w.rows[w.row] = w.rows[w.row][:min(w.column, len(w.rows[w.row]))]
	case strings.HasSuffix(seq, "A"):
		w.row = max(0, w.row-number)
	case strings.HasSuffix(seq, "C"):
		w.column += number
	case seq == "[H":
		w.row, w.column = 0, 0
	case seq == "[2J":
		w.rows = nil
	default:
		w.bad = append(w.bad, fmt.Sprintf("the sequence %q", seq))
	}
	return end + 1
}

// text is what was shown, a line each, without the cells that wide characters cover.
func (w *window) text() string {
	lines := make([]string, len(w.rows))
	for i, row := range w.rows {
		lines[i] = strings.TrimRight(strings.ReplaceAll(string(row), "\x00", ""), " ")
	}
	return strings.Join(lines, "\n")
}

// await waits until what is shown satisfies ok.
func (w *window) await(what string, ok func(text string) bool) string {
	w.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		late = true
		w.changed.Broadcast()
	})
	defer timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for !ok(w.text()) {
		if late {
			w.t.Fatalf("%s is not shown, but\n%s", what, w.text())
		}
		w.changed.Wait()
	}
	return w.text()
}

// awaitText waits for text.
func (w *window) awaitText(text string) string {
	w.t.Helper()
	return w.await(text, func(shown string) bool { return strings.Contains(shown, text) })
}

// awaitBottom waits for a bottom line.
func (w *window) awaitBottom(line string) string {
	w.t.Helper()
	return w.await("the bottom line "+line, func(shown string) bool {
		return strings.HasSuffix("\n"+shown, "\n"+line)
	})
}

// keys presses keys.
func (w *window) keys(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.ptmx, text); err != nil {
		w.t.Fatal(err)
	}
}

// connect runs "sio connect" in the window, and returns what gives its status.
func (w *window) connect(ctx context.Context, args ...string) (ended func() int) {
	watchSize(func() {})() // the first one starts a goroutine of package signal, which stays
	before := runtime.NumGoroutine()
	done := make(chan int, 1)
	go func() { // ends with the command, which ended waits for
		done <- run(ctx, append([]string{"connect"}, args...), stdio{w.tty, w.tty, w.tty})
	}()
	return func() int {
		w.t.Helper()
		select {
		case code := <-done:
			settled(w.t, before)
			return code
		case <-time.After(patience):
			w.t.Fatal("the command does not end")
			return 0
		}
	}
}

func (w *window) modes() string {
	var state *unix.Termios
	var err error
	if cerr := control(w.tty, func(fd int) { state, err = unix.IoctlGetTermios(fd, unix.TCGETS) }); cerr != nil ||
		err != nil {
		w.t.Fatal(cerr, err)
	}
	return fmt.Sprintf("%+v", *state)
}

func TestTerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	srv := serveTest(t, httptest.NewServer)
	w := openWindow(t, 100, 20)
	before := w.modes()
	ended := w.connect(t.Context(), srv.URL, "--auth", `{"token":"letmein"}`)
	w.awaitText("✓ connected to /")
	w.awaitText(`← hello "/"`)
	w.awaitBottom("/>")
	if w.modes() == before {
		t.Error("the terminal is not in raw mode")
	}

	w.keys("echo größe 日本 {\"a\": 1} ?")
	w.awaitBottom(`/> echo größe 日本 {"a": 1} ?`)
	w.keys("\r")
	w.awaitText(`→ echo "größe" "日本" {"a":1}  ack #1?`)
	w.awaitText(`← ack #1 "größe" "日本" {"a":1}  echo`)
	w.keys("question why\r")
	w.awaitText(`← question "why"  wants ack #2`)
	w.keys("/ack 'that is' why\r")
	w.awaitText(`→ ack #2 "that is" "why"`)
	w.awaitText(`← answered "that is" "why"`)
	w.keys("/ack\r")
	w.awaitText("✗ no such event waits")
	w.keys("echo {\r")
	w.awaitText("✗ this JSON is not complete")

	// What a server sends does nothing to the terminal; the window would say so.
	w.keys("evil\r")
	w.awaitText(`\u001b[2J`)

	// Events come above what is being typed, all of it.
	w.keys("many\rthis is typ")
	w.awaitText("← tick 400")
	w.keys("ed meanwhile")
	text := w.awaitText("← tick 499")
	for i := range 500 {
		if strings.Count(text, fmt.Sprintf("← tick %d\n", i)) != 1 {
			t.Fatalf("tick %d is not there once:\n%s", i, text)
		}
	}
	w.awaitBottom("/> this is typed meanwhile")

	w.keys("\x03") // Ctrl-C clears the line
	w.awaitBottom("/>")
	w.keys("/nsp admin\r")
	w.awaitText(`/admin ← hello "/admin"`)
	w.awaitBottom("/admin>")
	w.keys("/nsp\r")
	w.awaitText("* /admin  connected")
	w.keys("/d\t\r")
	w.awaitText("✗ disconnected from /admin: io client disconnect")
	w.keys("/connect\r/inf\x09\r")
	w.awaitText("/admin: conn")
	w.keys("\x1b[A\x1b[A")
	w.awaitBottom("/admin> /connect")
	w.keys("\x15/help\r")
	w.awaitText("/quit")
	w.keys("\x04") // Ctrl-D
	if code := ended(); code != 0 {
		t.Errorf("got status %d", code)
	}
	if got := w.modes(); got != before {
		t.Errorf("the terminal is left in another mode: %s, it was %s", got, before)
	}
	w.await("an empty bottom line", func(text string) bool { return strings.HasSuffix(text, "\n") && w.colours })
}

// A line that is too long scrolls; a terminal that becomes narrower is drawn anew.
func TestTerminalWidth(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	t.Setenv("TERM", "xterm")
	srv := serveTest(t, httptest.NewServer)
	w := openWindow(t, 30, 10)
	ended := w.connect(t.Context(), srv.URL)
	w.awaitText("hello")
	w.keys("echo 0123456789 0123456789 0123456789")
	// How far it has scrolled depends on how many keys came at once.
	w.await("the end of the line", func(text string) bool { return strings.HasSuffix(text, "789 0123456789") })
	w.keys("\x01") // Ctrl-A
	w.awaitBottom("/> echo 0123456789 012345678›")
	w.keys("\x05")
	w.awaitBottom("/> ‹56789 0123456789")
	w.resize(20, 10)
	w.keys("!")
	w.awaitBottom("/> ‹23456789!")
	w.resize(80, 10)
	w.keys("\x7f")
	w.awaitBottom("/> echo 0123456789 0123456789 0123456789")
	w.keys("\r")
	w.awaitText(`"0123456789" "0123456789" "0123456789"`)
	w.keys("/quit\r")
	if code := ended(); code != 0 {
		t.Errorf("got status %d", code)
	}
	w.await("anything", func(string) bool {
		if w.colours {
			t.Error("there are colours in spite of NO_COLOR")
		}
		return true
	})
}

// Somebody at a terminal may do something about a server that refuses, ends the namespace, or is not there.
func TestTerminalTrouble(t *testing.T) {
	t.Setenv("TERM", "xterm")
	srv := serveTest(t, httptest.NewServer)
	w := openWindow(t, 100, 20)
	ended := w.connect(t.Context(), srv.URL+"/admin", "--transport", "websocket")
	w.awaitText(`✗ the server refuses /admin: not\u001b[2J allowed  {"code":"E\u009bX"}`)
	w.keys("/auth {\"token\":\"letmein\"}\r/connect\r")
	w.awaitText("✓ connected to /admin")
	w.keys("kick\r")
	w.awaitText("disconnected from /admin: io server disconnect")
	w.keys("echo later\r")
	w.awaitText(`→ echo "later"  (waits for the connection)`)
	w.keys("/connect\r")
	w.awaitText(`← echo "later"`)
	w.keys("/verbose 1\rdrop\r")
	w.awaitText("disconnected from /admin: transport close")
	w.awaitText("reconnecting, attempt 1 after")
	w.awaitText("> GET /socket.io/?EIO=4&transport=websocket")
	w.await("a third connection", func(text string) bool { return strings.Count(text, "✓ connected to /admin") == 3 })
	w.keys("\x03")
	if code := ended(); code != exitInterrupted {
		t.Errorf("got status %d", code)
	}

	srv.Close()
	ended = w.connect(t.Context(), srv.URL)
	w.awaitText("✗ no connection: nothing listens")
	w.keys("never\r\x04")
	if code := ended(); code != exitNoConnection {
		t.Errorf("got status %d", code)
	}
	w.awaitText("1 of the events were not sent")
	ctx, interrupt := context.WithCancel(t.Context())
	before := w.modes()
	ended = w.connect(ctx, srv.URL, "--no-reconnect")
	w.awaitText("✗ no connection: nothing listens at 127.0.0.1")
	w.awaitText("/connect tries again.")
	w.keys("never 1\rnever 2\r")
	w.awaitText("→ never 2  (waits")
	interrupt() // as a signal does
	if code := ended(); code != exitInterrupted {
		t.Errorf("got status %d", code)
	}
	if got := w.modes(); got != before {
		t.Errorf("the terminal is left in another mode: %s, it was %s", got, before)
	}
}
