package engineio

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Little waits for those that ask for more than they take, the less the more they are.
func TestManyThatAskAndDoNotRead(t *testing.T) {
	for _, n := range []int{1, 50} {
		bubble(t, &Options{MaxMemory: 64 << 20}, func(t *testing.T, e *env) {
			var handled atomic.Int32
			e.onMsg = func(r *recorder, m Message) {
				handled.Add(1)
				r.socket.SendMessages(SendOptions{}, m)
			}
			for range n {
				p, _ := e.ws()
				defer p.conn.Close()
				go func() { // ends with the connection
					for {
						if _, err := p.conn.Write(frame(1, "4"+strings.Repeat("x", 10_000))); err != nil {
							return
						}
					}
				}()
			}
			synctest.Wait()
			<-time.After(time.Second)
			if m := e.Stats().Memory.Out; m > int64(n)*100_000 || n > 1 && m > int64(n)*70_000 {
				t.Errorf("%d bytes wait for each of %d, %d messages are handled", m/int64(n), n, handled.Load())
			}
		})
	}
}
