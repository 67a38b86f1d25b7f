package siowebtransport

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"
)

// A stream is the first stream in both directions of a session, and the session with it.
type stream struct {
	session *webtransport.Session
	quic    *quic.Conn
	refuse  func() // ends a session that was never used, as one that is refused

	first   atomic.Pointer[webtransport.Stream] // nil until the peer has opened it
	waiting context.Context                     // of the reader, for that
	stop    context.CancelFunc
	wrote   atomic.Bool // something was sent
	aborted atomic.Bool // what is sent may be lost
	ended   atomic.Bool // the peer sends no more
}

func newStream(session *webtransport.Session, qc *quic.Conn) *stream {
	s := &stream{session: session, quic: qc}
	s.waiting, s.stop = context.WithCancel(context.Background())
	return s
}

// Read reads from the stream; the first call also waits for it.
func (s *stream) Read(p []byte) (int, error) {
	str := s.first.Load()
	if str == nil {
		var err error
		if str, err = s.session.AcceptStream(s.waiting); err != nil {
			return 0, endOf(err)
		}
		s.first.Store(str)
		go s.refuseOthers() // owned by the session, ends with it
	}
	n, err := str.Read(p)
	if err == io.EOF {
		s.ended.Store(true)
	}
	return n, endOf(err)
}

var errNoStream = errors.New("siowebtransport: the peer has opened no stream")

// Write writes to the stream.
func (s *stream) Write(p []byte) (int, error) {
	str := s.first.Load()
	if str == nil {
		return 0, errNoStream
	}
	s.wrote.Store(true)
	n, err := str.Write(p)
	return n, endOf(err)
}

// endOf is an error of the session. That the peer has closed it, or has gone in an orderly way, is its end.
func endOf(err error) error {
	var closed *webtransport.SessionError
	var left *quic.ApplicationError
	switch {
	case errors.As(err, &closed) && closed.Remote,
		errors.As(err, &left) && left.Remote && left.ErrorCode == quic.ApplicationErrorCode(http3.ErrCodeNoError):
		return io.EOF
	}
	return err
}

// SetReadDeadline is that of the stream, and none while the peer has opened none: Close ends the waiting.
func (s *stream) SetReadDeadline(t time.Time) error {
	if str := s.first.Load(); str != nil {
		return str.SetReadDeadline(t)
	}
	return nil
}

// SetWriteDeadline is that of the stream. One that is past is for a Close that does not wait.
func (s *stream) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		s.aborted.Store(true)
	}
	if str := s.first.Load(); str != nil {
		return str.SetWriteDeadline(t)
	}
	return nil
}

// Times for what was sent to arrive before the session ends, which drops it: the official client reads on until then,
// and does not answer to the end of the stream.
const (
	lingerBase = 500 * time.Millisecond
	lingerMost = 2500 * time.Millisecond
	lingerRTTs = 4
)

// Close ends the session when the peer has read to the end, or has had the time for it. If nothing was ever sent, the
// session is refused: its end is an error to the peer, and so the official client does not wait for more.
func (s *stream) Close() error {
	defer s.stop()
	str := s.first.Load()
	switch {
	case !s.wrote.Load() && s.refuse != nil:
		s.refuse()
		return nil
	case str != nil && !s.aborted.Load() && !s.ended.Load():
		str.Close()
		rtt := s.quic.ConnectionStats().SmoothedRTT
		limit := time.NewTimer(min(lingerBase+lingerRTTs*rtt, lingerMost))
		defer limit.Stop()
		select {
		case <-s.session.Context().Done():
		case <-limit.C:
		}
	}
	return s.session.CloseWithError(0, "")
}

// refuseOthers resets all streams but the first.
func (s *stream) refuseOthers() {
	for {
		str, err := s.session.AcceptStream(context.Background())
		if err != nil {
			return
		}
		str.CancelRead(0)
		str.CancelWrite(0)
	}
}

// refuseOneWay resets all streams in one direction.
func (s *stream) refuseOneWay() {
	for {
		str, err := s.session.AcceptUniStream(context.Background())
		if err != nil {
			return
		}
		str.CancelRead(0)
	}
}
