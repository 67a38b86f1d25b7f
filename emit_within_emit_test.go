package socketio_test

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"

	socketio "sio.example/socketio"
)

// An emitting value emits another event while it is encoded, and then panics, ends the goroutine or is encoded.
type emitting struct {
	s   *socketio.Socket
	n   int
	end string
}

func (e emitting) MarshalJSON() ([]byte, error) {
	data := fmt.Appendf(nil, "bytes %d", e.n)
	err := e.s.Emit("inner", e.n, data)
	clear(data)
	switch e.end {
	case "panic":
		panic(e.end)
	case "exit":
		runtime.Goexit()
	}
	return strconv.AppendInt(nil, int64(e.n), 10), err
}

// What user code does while an event is encoded does not reach into other events.
func TestEmitWithinEmit(t *testing.T) {
	bubble(t, patient, func(t *testing.T, f *fixture) {
		const workers, rounds = 4, 100
		c, s := f.connected("/")
		var wg sync.WaitGroup
		for w := range workers {
			for _, end := range []string{"", "panic", "exit"} {
				wg.Go(func() {
					for i := range rounds {
						done := make(chan struct{})
						go func() { // ends with the round
							defer close(done)
							data := []byte("outer")
							err := s.Emit("outer", data, emitting{s, w*rounds + i, end}, data)
							if clear(data); (err != nil) != (end != "") {
								t.Errorf("%q: %v", end, err)
							}
						}()
						<-done
					}
				})
			}
		}
		wg.Wait()
		inner, outer := make(map[int]int), make(map[int]int)
		for range workers * rounds * 4 {
			text := c.read()
			var n int
			if _, err := fmt.Sscanf(text, `451-["inner",%d,{"_placeholder":true,"num":0}]`, &n); err == nil {
				inner[n]++
				c.expect(fmt.Sprintf("bbytes %d", n))
				continue
			}
			const format = `452-["outer",{"_placeholder":true,"num":0},%d,{"_placeholder":true,"num":1}]`
			if _, err := fmt.Sscanf(text, format, &n); err != nil {
				t.Fatalf("got %q", text)
			}
			outer[n]++
			c.expect("bouter", "bouter")
		}
		for n := range workers * rounds {
			if inner[n] != 3 || outer[n] != 1 {
				t.Fatalf("%d: %d inner, %d outer", n, inner[n], outer[n])
			}
		}
	})
}
