package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// maxPending is how many bytes wait for a terminal that is slow, before those who print have to wait, too.
const maxPending = 64 << 10

// errInterrupted is why a command ends that somebody pressed Ctrl-C at.
var errInterrupted = &exitError{code: exitInterrupted}

// A screen is a terminal with a line at its bottom that is being edited. What is printed appears above that line. Its
// methods are safe for concurrent use.
type screen struct {
	in  *os.File
	out *os.File

	mu      sync.Mutex
	room    *sync.Cond // signalled when pending was taken, or the screen is closed
	pending []byte
	edit    editor
	prompt  string
	wipe    bool // the whole screen is to be cleared
	paused  bool
	closed  bool
	saved   *term.State

	wake chan struct{} // holds one when something is to be drawn
	end  chan struct{} // closed by close
	done chan struct{} // closed when draw has returned

	drawn drawing // of draw alone
}

// drawing is what is on the bottom line.
type drawing struct{ width, cursor int }

// isTerminal reports whether v is one.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	if !ok {
		return false
	}
	yes := false
	_ = control(f, func(fd int) { yes = term.IsTerminal(fd) })
	return yes
}

// control calls fn with the descriptor of f. Unlike f.Fd it leaves f as it is.
func control(f *os.File, fn func(fd int)) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return c.Control(func(fd uintptr) { fn(int(fd)) })
}

// newScreen takes over a terminal, until close.
func newScreen(in, out *os.File) (*screen, error) {
	s := &screen{
		in: in, out: out,
		wake: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{}),
	}
	s.room = sync.NewCond(&s.mu)
	if err := s.raw(); err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	go s.draw() // owned by the screen; ends at close, which waits for it
	return s, nil
}

// The modes of a terminal: \x1b[?2004h makes it say what is pasted.
const (
	pasteOn  = "\x1b[?2004h"
	pasteOff = "\x1b[?2004l"
)

func (s *screen) raw() (err error) {
	if cerr := control(s.in, func(fd int) { s.saved, err = term.MakeRaw(fd) }); cerr != nil {
		err = cerr
	}
	if err == nil {
		_, err = s.out.WriteString(pasteOn)
	}
	return err
}

func (s *screen) restore() {
	_, _ = s.out.WriteString(pasteOff)
	_ = control(s.in, func(fd int) { _ = term.Restore(fd, s.saved) })
}

// close gives the terminal back, after everything was shown.
func (s *screen) close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.room.Broadcast()
	s.mu.Unlock()
	close(s.end)
	<-s.done
	s.restore()
}

// print shows a line, which may hold escape sequences of ours. It waits while the terminal is slow.
func (s *screen) print(line string) {
	s.mu.Lock()
	for len(s.pending) > maxPending && !s.closed {
		s.room.Wait()
	}
	s.pending = append(append(s.pending, line...), "\r\n"...)
	s.mu.Unlock()
	s.redraw()
}

// setPrompt changes what is before the line that is being edited.
func (s *screen) setPrompt(prompt string) {
	s.mu.Lock()
	s.prompt = prompt
	s.mu.Unlock()
	s.redraw()
}

func (s *screen) redraw() {
	select {
	case s.wake <- struct{}{}:
	default: // it will be
	}
}

// draw does all the writing, so that what comes together is written together.
func (s *screen) draw() {
	defer close(s.done)
	stop := watchSize(s.redraw)
	defer stop()
	for {
		select {
		case <-s.wake:
			_, _ = s.out.Write(s.frame(false)) // a terminal that is gone ends the reading, too
		case <-s.end:
			_, _ = s.out.Write(s.frame(true))
			return
		}
	}
}

// frame returns what brings the terminal up to date; the last one leaves no bottom line.
func (s *screen) frame(last bool) []byte {
	columns := s.columns()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused && !last {
		return nil
	}
	var b []byte
	b = append(b, "\x1b[?25l"...) // no cursor while it jumps
	if s.wipe {
		b = append(b, "\x1b[H\x1b[2J"...)
		s.wipe = false
	} else {
		if up := s.drawn.cursor / columns; up > 0 { // the terminal became narrower and wrapped the bottom line
			b = fmt.Appendf(b, "\x1b[%dA", up)
		}
		b = append(b, "\r\x1b[J"...)
	}
	b = append(b, s.pending...)
	s.pending = s.pending[:0]
	s.room.Broadcast()
	s.drawn = drawing{}
	if !last {
		b = s.bottom(b, columns)
	}
	return append(b, "\x1b[?25h"...)
}

// bottom appends the bottom line, and puts the cursor where it belongs.
func (s *screen) bottom(b []byte, columns int) []byte {
	prompt := s.prompt
	taken := textWidth(prompt)
	if taken > columns*2/3 {
		prompt, taken = "> ", 2
	}
	text, cursor := s.edit.view(columns - taken)
	s.drawn = drawing{width: taken + textWidth(text), cursor: taken + cursor}
	b = append(append(b, prompt...), text...)
	b = append(b, '\r')
	if s.drawn.cursor > 0 {
		b = fmt.Appendf(b, "\x1b[%dC", s.drawn.cursor)
	}
	return b
}

func (s *screen) columns() int {
	columns := 0
	_ = control(s.out, func(fd int) { columns, _, _ = term.GetSize(fd) })
	if columns <= 0 {
		return 80
	}
	return columns
}

// textWidth is how many columns text takes, without escape sequences of ours.
func textWidth(text string) int {
	n, escape := 0, false
	for _, r := range text {
		switch {
		case r == 0x1B:
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n += width(r)
		}
	}
	return n
}

// edits reads keys until ctx is done, Ctrl-D, when it returns nil, or Ctrl-C at an empty line. It calls line for each
// line that was entered, until that returns false.
func (s *screen) edits(ctx context.Context, line func(text string) bool) error {
	ended := make(chan error, 1)
	go func() { // ends with readKeys: at the end of the input or, where reading can't be interrupted, with the program
		ended <- s.readKeys(line)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if s.in.SetReadDeadline(time.Now()) == nil {
		<-ended
		_ = s.in.SetReadDeadline(time.Time{})
	}
	return errInterrupted
}

func (s *screen) readKeys(line func(text string) bool) error {
	k := keys{bufio.NewReader(s.in)}
	for {
		pressed, text, err := k.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("terminal: %w", err)
		case pressed == keyEnter:
			s.mu.Lock()
			text := s.edit.enter()
			s.mu.Unlock()
			s.redraw()
			if strings.TrimSpace(text) != "" && !line(text) {
				return nil
			}
			continue
		case pressed == keySuspend:
			if err := s.suspend(); err != nil {
				return fmt.Errorf("terminal: %w", err)
			}
			continue
		}
		if end, err := s.press(pressed, text); end {
			return err
		}
	}
}

// press applies one key, and reports whether it ends the reading.
func (s *screen) press(k key, text string) (end bool, err error) {
	defer s.redraw()
	s.mu.Lock()
	defer s.mu.Unlock()
	empty := len(s.edit.text) == 0
	switch {
	case k == keyInterrupt && empty:
		return true, errInterrupted
	case k == keyInterrupt:
		s.edit.clear()
	case k == keyDeleteOrEnd && empty:
		return true, nil
	case k == keyClearScreen:
		s.wipe = true
	case k == keyTab:
		if choices := s.edit.completion(); choices != nil {
			s.pending = append(append(s.pending, safe(strings.Join(choices, "  "))...), "\r\n"...)
		}
	default:
		s.edit.press(k, text)
	}
	return false, nil
}

// suspend stops the program until the shell continues it.
func (s *screen) suspend() error {
	if !canSuspend {
		return nil
	}
	s.mu.Lock()
	s.paused = true
	s.mu.Unlock()
	_, _ = s.out.WriteString("\r\x1b[J")
	s.restore()
	stopSelf()
	err := s.raw()
	s.mu.Lock()
	s.paused = false
	s.mu.Unlock()
	s.redraw()
	return err
}

// setCompletion sets what Tab completes; see editor.
func (s *screen) setCompletion(complete func(text string) []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edit.complete = complete
}
