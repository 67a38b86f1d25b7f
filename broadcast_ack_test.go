package socketio_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/siotest"
)

func ignore(context.Context, *client.Event) error { return nil }

// Answers that wait for those of others count in the memory of the server, and are left out beyond it.
func TestAnswersToBroadcastsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, size = 16 << 20, 900_000
		srv := siotest.NewServer(t, &siotest.Options{
			Server: &socketio.Options{Engine: engineio.Options{MaxMemory: most}},
		})
		big := strings.Repeat("x", size)
		srv.Dial("/", nil).On("q", func(_ context.Context, e *client.Event) error { return e.Ack(big) })
		srv.Dial("/", nil).On("q", ignore)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		answers := make(chan int)
		const broadcasts = 40
		for range broadcasts {
			go func() { // ends with ctx
				all, _ := srv.IO().EmitWithAck(ctx, "q")
				answers <- len(all)
			}()
			synctest.Wait()
		}
		held := srv.IO().Stats().Engine.Memory.Held
		cancel()
		n := 0
		for range broadcasts {
			n += <-answers
		}
		synctest.Wait()
		if n == 0 || n*size > most || held < int64(n)*(size-32<<10) || held > most {
			t.Errorf("%d answers were held; %d bytes counted", n, held)
		}
		if left := srv.IO().Stats().Engine.Memory.Held; left > 64<<10 {
			t.Errorf("%d bytes count when no broadcast waits", left)
		}
	})
}

// A client that has gone is waited for no more, also while one of its handlers runs, be it the one that waits.
func TestBroadcastWithAckEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, nil)
		ended := make(chan error, 2)
		wait := func() {
			_, err := srv.IO().EmitWithAck(context.Background(), "q")
			ended <- err
		}
		srv.IO().Handle("go", func(context.Context, *socketio.Socket, *socketio.Event) error {
			wait()
			return nil
		})
		c := srv.Dial("/", nil)
		c.On("q", ignore)
		_ = c.Emit("go")
		synctest.Wait()
		go wait() // ends with the client
		synctest.Wait()
		_ = c.Manager().Close()
		for range 2 {
			if err := <-ended; !errors.Is(err, adapter.ErrGone) {
				t.Errorf("ended with %v", err)
			}
		}
	})
}
