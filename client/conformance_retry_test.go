package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
)

func retrying(s *stage, retries int, timeout time.Duration) *client.Socket {
	return s.manager(webSocketOnly()).Socket("/", &client.SocketOptions{Retries: retries, AckTimeout: timeout})
}

func TestConformanceRetriesKeepTheOrder(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := retrying(s, 1, 50*time.Millisecond)
		done, put := signal[string]()
		for i := 1; i <= 3; i++ {
			must(t, sock.EmitFunc(t.Context(), "echo",
				func(args client.Args, err error) { put(fmt.Sprint(args, err)) }, i))
			if n, _ := sock.Buffered(); n != i {
				t.Errorf("%d events are in the queue, want %d", n, i)
			}
		}
		sock.Open()
		for i := 1; i <= 3; i++ {
			if got, want := next(t, "answer", done), fmt.Sprintf("[%d] <nil>", i); got != want {
				t.Errorf("answer %s, want %s", got, want)
			}
		}
		synctest.Wait()
		if n, _ := sock.Buffered(); n != 0 {
			t.Errorf("%d events are left", n)
		}
		wantWire(t, s.sent(), "0", `20["echo",1]`, `21["echo",2]`, `22["echo",3]`)
	})
}

// TestConformanceRetriesEnd: an event that is never acknowledged is sent once and Retries times more, with the same id,
// so that the acknowledgement of any sending counts.
func TestConformanceRetriesEnd(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := retrying(s, 3, 50*time.Millisecond)
		sock.Open()
		_, err := sock.EmitWithAck(t.Context(), "unknown")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("EmitWithAck: %v", err)
		}
		wantWire(t, s.sent(), "0", `20["unknown"]`, `20["unknown"]`, `20["unknown"]`, `20["unknown"]`)
	})
}

func TestConformanceRetriesWaitForTheConnection(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := retrying(s, 3, 10*time.Millisecond)
		done, put := signal[string]()
		must(t, sock.EmitFunc(t.Context(), "echo", func(args client.Args, err error) { put(fmt.Sprint(args, err)) }, 1))
		never(t, "result while offline", done, time.Minute)
		must(t, sock.Connect(t.Context()))
		if got := next(t, "answer", done); got != "[1] <nil>" {
			t.Errorf("answer %s", got)
		}
		wantWire(t, s.sent(), "0", `20["echo",1]`)
	})
}

// TestConformanceRetriesSendOnce: an event of OnConnect is sent once, and its acknowledgement is none of an error.
func TestConformanceRetriesSendOnce(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := retrying(s, 3, 0)
		sock.OnConnect(func() { _ = sock.Emit("echo", nil) }) // if that fails, it is not sent
		must(t, sock.Connect(t.Context()))
		never(t, "anything", make(chan int), time.Minute)
		wantWire(t, s.sent(), "0", `20["echo",null]`)
		answers := s.passed("< ")
		if n := len(answers); n != 2 || answers[1] != "30[null]" {
			t.Errorf("received %q", answers)
		}
	})
}

// TestConformanceRetriesAfterReconnecting: the event that was not acknowledged goes first again.
func TestConformanceRetriesAfterReconnecting(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := retrying(s, 3, 10*time.Second)
		must(t, sock.Connect(t.Context()))
		must(t, sock.Emit("unknown"))
		must(t, sock.Emit("echo", "next"))
		synctest.Wait()
		back := connects(sock)
		s.cut()
		next(t, "reconnection", back)
		synctest.Wait()
		wantWire(t, s.sent(), "0", `20["unknown"]`, "0", `20["unknown"]`)
	})
}
