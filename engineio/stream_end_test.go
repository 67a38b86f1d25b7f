package engineio

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// A stream that asks for a session which closes right now finds none, and does not touch its count.
func TestStreamAsksForASessionThatCloses(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		_, rec := e.open()
		rec.socket.mu.Lock()
		fx := rec.socket.stopLocked(ending{reason: ForcedClose})
		rec.socket.mu.Unlock()
		p := e.serve(context.Background(), nil, nil)
		p.send(`0{"sid":"` + rec.socket.ID() + `"}`)
		if err := p.ended(); err == nil {
			t.Error("ServeStream returns no error")
		}
		e.rejected(RejectSession, 1)
		rec.socket.closeStopped(fx, true)
		rec.want(ForcedClose)
	})
}

// User code that ends the goroutine of ServeStream, or aborts it, before a session has the stream, closes the stream.
func TestHookThatEndsServeStream(t *testing.T) {
	exit := func(*Socket, *http.Request) { runtime.Goexit() }
	abort := func(*Socket, *http.Request) { panic(http.ErrAbortHandler) }
	for name, c := range map[string]struct {
		o      Options
		accept func(*Socket, *http.Request)
	}{
		"Goexit in AllowRequest": {o: Options{AllowRequest: func(*http.Request) error { runtime.Goexit(); return nil }}},
		"abort in AllowRequest":  {o: Options{AllowRequest: func(*http.Request) error { panic(http.ErrAbortHandler) }}},
		"Goexit in NewID": {o: Options{
			NewID: func(*http.Request) (string, error) { runtime.Goexit(); return "", nil },
		}},
		"Goexit in accept": {accept: exit},
		"abort in accept":  {accept: abort},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, &c.o, func(t *testing.T, e *env) {
				e.onOpen = c.accept
				client, server := memnet.Pipe(0)
				done := make(chan any)
				go func() { // ends with the stream
					defer func() { done <- recover() }()
					e.ServeStream(context.Background(), server, nil)
				}()
				sayStream(client, "0")
				<-done
				if n, err := client.Read(make([]byte, 1)); err == nil {
					t.Errorf("the stream is open still, and %d bytes came", n)
				}
			})
		})
	}
}

// A stream whose methods end the goroutine while it upgrades a session costs that nothing, and nobody waits for it.
func TestStreamThatUpgradesExits(t *testing.T) {
	for _, method := range []string{"Read", "Write"} {
		t.Run(method, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				q, rec := e.open()
				r := new(trickster)
				p := e.serve(context.Background(), func(rwc io.ReadWriteCloser) io.ReadWriteCloser {
					r.ReadWriteCloser = rwc
					return r
				}, nil)
				p.send(`0{"sid":"` + rec.socket.ID() + `"}`)
				synctest.Wait()
				r.on(method, runtime.Goexit)
				p.send("2probe")
				p.ended()
				synctest.Wait()
				e.rejected(RejectUpgradeLost, 1)
				rec.socket.Send(SendOptions{}, text("still here"))
				e.do("GET", q, "").want(t, 200, "4still here")
				rec.socket.Close()
				e.do("GET", q, "").want(t, 200, "1")
				rec.want(ForcedClose)
			})
		})
	}
}

// The same for a stream that is refused, and read to its end.
func TestStreamThatIsRefusedExits(t *testing.T) {
	bubble(t, &Options{DisableUpgrades: true}, func(t *testing.T, e *env) {
		q, rec := e.open()
		p := e.serve(context.Background(), func(rwc io.ReadWriteCloser) io.ReadWriteCloser {
			return &lastRead{half: half{rwc.(*memnet.Conn)}}
		}, nil)
		p.send(`0{"sid":"` + rec.socket.ID() + `"}`)
		p.ended()
		synctest.Wait()
		rec.socket.Send(SendOptions{}, text("still here"))
		e.do("GET", q, "").want(t, 200, "4still here")
		rec.socket.Close()
		e.do("GET", q, "").want(t, 200, "1")
		rec.want(ForcedClose)
	})
}

// A lastRead ends the goroutine of the Read that meets the end.
type lastRead struct{ half }

func (l *lastRead) Read(p []byte) (int, error) {
	n, err := l.half.Read(p)
	if err != nil {
		runtime.Goexit()
	}
	return n, err
}

// What is owed is not written any more when the stream was ended first, whoever of the two comes to run first.
func TestStreamIsNotWrittenToWhenItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(64 << 10)
		l := newStreamLink(server, &streamLimits{
			maxMessage: 100, writeTimeout: time.Second, closeTimeout: streamCloseTimeout,
		})
		l.tryWrite([]byte("\x024x"))
		l.abort()
		l.wait()
		l.closeAfterWrite() // that close has started
		if l.timer != nil {
			t.Error("a timer runs still")
		}
		if l.busy {
			t.Error("somebody has written")
		}
		if n, err := client.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes came", n)
		}
	})
}

// A peer that breaks a rule while it takes nothing is told of by the reader, though the write that waits for it may
// come to fail first.
func TestEndOfAStreamWhileAWriteWaits(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(p *streamPeer, send func())
		reject string
	}{
		"violation": {func(p *streamPeer, send func()) {
			send()
			p.write("\x80")
		}, RejectStream},
		"size": {func(p *streamPeer, send func()) {
			send()
			p.write("\x7f\x00\x1f\xff\xff\xff\xff\xff\xff")
		}, RejectMessageSize},
		"time": {func(p *streamPeer, send func()) {
			<-time.After(25 * time.Second)
			p.want("2")
			p.send("3")
			p.write("\x7e\x7f\xff")
			<-time.After(streamMessageTimeout - 2*time.Second)
			send() // before the next ping is not answered
			<-time.After(3 * time.Second)
		}, RejectStreamLimit},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				bubble(t, nil, func(t *testing.T, e *env) {
					p, rec := e.stream(nil)
					c.breaks(p, func() {
						for range 3 {
							rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
						}
						synctest.Wait()
					})
					synctest.Wait()
					e.rejected(c.reject, 1)
					p.conn.Close()
					<-p.done
					rec.want(TransportError)
				})
			}
		})
	}
}

// A tricky deadline is one of a stream that ends the goroutine that sets it.
type trickyDeadline struct{ io.ReadWriteCloser }

func (trickyDeadline) SetReadDeadline(time.Time) error  { runtime.Goexit(); return nil }
func (trickyDeadline) SetWriteDeadline(time.Time) error { runtime.Goexit(); return nil }

// A stream is closed, and left, also if what comes before Close ends the goroutine.
func TestStreamWhoseDeadlinesExit(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.stream(func(rwc io.ReadWriteCloser) io.ReadWriteCloser { return trickyDeadline{rwc} })
		for range 3 {
			rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
		}
		synctest.Wait() // in Write
		rec.socket.CloseWith(ParseError, false, "no")
		<-p.done
		rec.want(ParseError)
		p.conn.Close()
	})
}
