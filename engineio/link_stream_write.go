package engineio

import (
	"errors"
	"fmt"
	"os"
	"time"

	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/standstill"
	"sio.example/socketio/internal/websocket"
)

const (
	// streamCopy is up to which size buffers are written together.
	streamCopy = 32 << 10
	// streamPiece is what is written at once of a long write, so that it is seen how far that gets.
	streamPiece = 64 << 10
)

// tryWrite writes nothing: what is beneath may block.
func (l *streamLink) tryWrite(frames []byte) (all bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.writableLocked(); err != nil {
		return false, err
	}
	l.owed = append(l.owed, frames...)
	return false, nil
}

// writableLocked is why nothing can be written any more.
func (l *streamLink) writableLocked() error {
	switch {
	case l.told:
		return errLinkClosed
	case l.cause != nil:
		return l.cause
	case l.closed || l.ended:
		return errLinkClosed
	case l.broken != nil:
		return l.broken.err
	}
	return nil
}

// writeFrames waits for its turn: what a client has sent as a probe may be on its way when the link is the transport.
func (l *streamLink) writeFrames(bufs ...[]byte) error {
	l.mu.Lock()
	for {
		if err := l.writableLocked(); err != nil {
			l.mu.Unlock()
			return err
		}
		if !l.busy {
			break
		}
		turn := l.turnLocked()
		l.mu.Unlock()
		<-turn
		l.mu.Lock()
	}
	owed := l.owed
	l.owed, l.busy = nil, true
	l.mu.Unlock()
	return l.writeOut(owed, bufs)
}

// turnLocked is closed when somebody who writes has ended. Each write has a limit.
func (l *streamLink) turnLocked() <-chan struct{} {
	if l.turn == nil {
		l.turn = make(chan struct{})
	}
	return l.turn
}

// writeOut writes owed, and then the buffers. The caller has made the link busy.
func (l *streamLink) writeOut(owed []byte, bufs [][]byte) (err error) {
	returned := false
	defer func() {
		if !returned { // the stream has ended the goroutine
			err = errStreamPanic
		}
		l.wrote(err)
	}()
	total := len(owed)
	for _, b := range bufs {
		total += len(b)
	}
	if total <= streamCopy && len(bufs) > 0 && len(bufs)+len(owed) > 1 {
		run := bufpool.Get(total)
		defer bufpool.Put(run)
		*run = append(*run, owed...)
		for _, b := range bufs {
			*run = append(*run, b...)
		}
		owed, bufs = *run, nil
	}
	stop := l.limitWrite(l.limits.writeTimeout + time.Duration(total/writeRate)*time.Second)
	defer stop()
	err = l.writePieces(owed)
	for _, b := range bufs {
		if err == nil {
			err = l.writePieces(b)
		}
	}
	returned = true
	return err
}

// wrote gives the right to write back. An error but that of the peer's end ends the link.
func (l *streamLink) wrote(err error) {
	l.mu.Lock()
	left := err != nil && l.broken != nil && !l.closed && !l.ended // to the reader
	if err != nil && !left && l.cause == nil {
		l.cause = err
	}
	l.busy = false
	if l.turn != nil {
		close(l.turn)
		l.turn = nil
	}
	l.mu.Unlock()
	if err != nil && !left {
		l.abort()
	}
}

// breakLocked leaves the end of the link to the reader, since a write has failed with err. A peer that has closed sends
// no more than what is under way: if nothing comes for as long as a close may take, while the reader waits for it, the
// link has ended.
func (l *streamLink) breakLocked(err error) {
	b := &brokenWrite{err: err, seen: l.reads.Load()}
	b.timer = standstill.AfterFunc(l.limits.closeTimeout, func() { l.onBroken(b) }) // stopped by end
	l.broken, l.owed = b, nil
}

// onBroken runs on a goroutine of the timer.
func (l *streamLink) onBroken(b *brokenWrite) {
	l.mu.Lock()
	defer l.mu.Unlock()
	reads := l.reads.Load()
	switch {
	case l.ended:
	case reads%2 == 1 && reads == b.seen:
		l.endLocked(b.err)
	default:
		b.seen = reads
		b.timer.Reset(l.limits.closeTimeout)
	}
}

// limitWrite ends the link when a write takes longer than d, unless it is stopped. A deadline of the stream's own would
// pass while this process stands still.
func (l *streamLink) limitWrite(d time.Duration) (stop func()) {
	err := fmt.Errorf("engineio: stream: write: %w", os.ErrDeadlineExceeded)
	return standstill.AfterFunc(d, func() { l.end(err) }).Stop
}

// writePieces writes p.
func (l *streamLink) writePieces(p []byte) error {
	for first := true; len(p) > 0; first = false {
		if !first {
			l.marks.Lock()
			l.marks.taken = time.Now()
			l.marks.Unlock()
		}
		piece := p[:min(len(p), streamPiece)]
		n, err := l.call("Write", l.rwc.Write, piece)
		switch {
		case err != nil:
			return l.writeError(err)
		case n < len(piece):
			return &streamError{fmt.Sprintf("Write of %d bytes took %d", len(piece), n), faultNone}
		}
		p = p[n:]
	}
	return nil
}

// writeError is what a write fails with because rwc.Write has with err. Nobody writes at the same time.
func (l *streamLink) writeError(err error) error {
	var ours *streamError
	left := !errors.As(err, &ours) && !errors.Is(err, os.ErrDeadlineExceeded) // which the user may have set
	broken := &brokenError{err}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.told:
		return errLinkClosed
	case l.cause != nil:
		return l.cause
	case !left || l.closed || l.ended:
		return err
	}
	l.breakLocked(broken)
	return broken
}

// close can say nothing over a stream but that it ends: neither the status nor the text.
func (l *streamLink) close(websocket.Status, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.ended {
		return
	}
	l.closed = true
	go l.closeAfterWrite() // owned by the link, ends with what is being written, or with its time
}

// closeAfterWrite ends the connection when what was accepted is out.
func (l *streamLink) closeAfterWrite() {
	l.mu.Lock()
	if l.ended { // before this goroutine came to run
		l.mu.Unlock()
		return
	}
	l.timer = time.AfterFunc(l.limits.closeTimeout, l.abort) // stopped by end
	for l.busy {
		turn := l.turnLocked()
		l.mu.Unlock()
		<-turn // by l.timer at the latest
		l.mu.Lock()
	}
	if l.ended { // meanwhile
		l.mu.Unlock()
		return
	}
	owed := l.owed
	l.owed, l.busy = nil, len(owed) > 0 // or Close would be told not to wait
	l.mu.Unlock()
	if len(owed) > 0 {
		l.writeOut(owed, nil)
	}
	l.abort()
}

// abort ends the connection.
func (l *streamLink) abort() { l.end(nil) }

// end closes rwc, the first time, on a goroutine of its own, as it may block. If cause is not nil, it is why.
func (l *streamLink) end(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked(cause)
}

func (l *streamLink) endLocked(cause error) {
	if l.ended {
		return
	}
	l.ended = true
	if l.cause == nil && !l.closed {
		l.cause = cause
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.broken != nil {
		l.broken.timer.Stop()
	}
	go l.closeBeneath() // owned by the link, ends when rwc is closed
}

// closeBeneath closes rwc, and has its Read and Write return if that does not. Each step follows the one before also
// if that ends the goroutine.
func (l *streamLink) closeBeneath() {
	defer close(l.gone)
	past := time.Unix(1, 0)
	if d, ok := l.rwc.(interface{ SetReadDeadline(time.Time) error }); ok {
		defer l.call("SetReadDeadline", func([]byte) (int, error) { return 0, d.SetReadDeadline(past) }, nil)
	}
	defer l.call("Close", func([]byte) (int, error) { return 0, l.rwc.Close() }, nil)
	d, ok := l.rwc.(interface{ SetWriteDeadline(time.Time) error })
	if !ok {
		return
	}
	l.mu.Lock()
	busy := l.busy
	l.mu.Unlock()
	if busy { // Close may wait for the write
		l.call("SetWriteDeadline", func([]byte) (int, error) { return 0, d.SetWriteDeadline(past) }, nil)
	}
}

func (l *streamLink) wait() { <-l.gone }
