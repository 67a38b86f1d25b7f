package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"sio.example/socketio/client"
	"sio.example/socketio/parser"
)

// FuzzClientSession plays a script of a hostile or ordinary server, and of a user, against a client: Engine.IO and
// Socket.IO packets, frames, bytes instead of frames, connections that are cut, and time that passes; emits with and
// without acknowledgement, disconnects, connects. Whatever happens: no panic; each acknowledgement settles exactly
// once; events are handled in the order they came; connections begin and end in turn; and nothing is left after
// Shutdown.
//
// The first byte says which transport, and whether there are retries. The rest is a sequence of steps: an operation, a
// length, and as many bytes for it.
func FuzzClientSession(f *testing.F) {
	step := func(op byte, data string) string { return string([]byte{op, byte(len(data))}) + data }
	f.Add([]byte("\x00" + step(0, `2["x"]`) + step(4, "") + step(6, "") + step(5, "\x00") + step(4, "")))
	f.Add([]byte("\x01" + step(0, `2["x"]`) + step(4, "") + step(1, "2") + step(1, "6\x1e1\x1e4x") + step(7, "\xff")))
	f.Add([]byte("\x00" + step(0, `51-["x",{"_placeholder":true,"num":0}]`) +
		step(2, "abc") + step(4, "") + step(1, "9")))
	f.Add([]byte("\x00" + step(3, "\x81\x02") + step(3, "6") + step(3, "1") +
		step(6, "") + step(9, "") + step(7, "\x20") + step(4, "")))
	f.Add([]byte("\x02" + step(6, "") + step(6, "") + step(7, "\x20") +
		step(5, "\x00") + step(5, "\x01") + step(9, "") + step(7, "\x40")))
	f.Add([]byte("\x03" + step(6, "") + step(0, "1") + step(8, "c") +
		step(6, "") + step(7, "\x30") + step(8, "d") + step(8, "o")))
	f.Add([]byte("\x04" + step(0, `2["early"]`) +
		step(0, `0{"sid":"x","pid":"p"}`) + step(4, "") + step(0, `0{"sid":"y"}`)))
	f.Add([]byte("\x04" + step(0, `4{"message":"no"}`) + step(8, "o") + step(0, `0`) + step(8, "o") + step(0, `0[]`)))
	f.Add([]byte("\x00" + step(0, `0/other,{"sid":"x"}`) + step(8, "n") +
		step(0, `2/other,7["ask",1]`) + step(0, `1/other,`) + step(0, `3/other,0[]`)))
	f.Add([]byte("\x01" + step(8, "s") + step(6, "") + step(10, "\xff") + step(6, "") + step(5, "\x00") + step(8, "x")))
	many := strings.Repeat(step(8, "x")+step(6, ""), 15)
	f.Add([]byte("\x00" + step(8, "d") + many + step(8, "o") +
		step(5, "\x00") + step(6, "") + step(8, "d") + step(9, "")))
	f.Add([]byte("\x0c" + many + step(8, "s") + step(9, "") + step(7, "\x20") + step(5, "\x00")))
	f.Add([]byte("\x12" + step(6, "t") + step(6, "") +
		step(7, "\x40\x40") + step(9, "") + step(8, "c") + step(5, "\x03")))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 2000 {
			return
		}
		mode := script[0]
		transport := []string{"websocket", "polling"}[mode&1]
		change := func(o *client.Options) {
			o.MaxInbox = 16
			o.Engine.MaxPayload = 4096
			o.Engine.MaxQueuePackets = 100
			o.Socket.MaxBufferPackets = 20
			o.Socket.BufferPolicy = client.BufferPolicy(mode >> 3 % 3)
			if mode&2 != 0 {
				o.Socket.Retries, o.Socket.AckTimeout = 2, time.Second
			}
			o.OnError = func(_ context.Context, _ *client.Socket, _ *client.Event, err error) {
				var panicked *client.PanicError
				if errors.As(err, &panicked) { // other errors are of what was given up
					t.Errorf("OnError: %v\n%s", err, panicked.Stack)
				}
			}
		}
		f := &fuzzed{}
		onPuppet(t, transport, change, func(t *testing.T, p *puppet, m *client.Manager) {
			p.mute = mode&4 != 0
			p.open = `0{"sid":"s","upgrades":[],"pingInterval":5000,"pingTimeout":5000,"maxPayload":1000}`
			f.T, f.p, f.m = t, p, m
			f.main = f.socket("/")
			f.main.Open()
			synctest.Wait()
			f.play(script[1:])
			_ = m.Close()
			if err := m.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			f.check()
		})
	})
}

// FuzzClientVerdict sends a client one Socket.IO message. What the parser refuses, and nothing else, ends the
// connection with a parse error.
func FuzzClientVerdict(f *testing.F) {
	for _, text := range []string{
		`2["x"]`, `27["x",1]`, `2`, `2[`, `20["connect"]`, `1`, `1/other,`, `1{}`,
		`0{"sid":"y"}`, `0[]`, `0`, `3`, `30[]`, `30{}`, `4{"message":"no"}`, `4`, `4[]`,
		`51-["x",{"_placeholder":true,"num":0}]`, `51-["x",{"_placeholder":true,"num":1}]`,
		`50-["x"]`, `61-0[{"_placeholder":true,"num":0}]`, `7`, ``,
		`2/other,["x"]`, `2/other`, `0/other,{"sid":"z"}`, `2["x",1e400]`, `2[1]`, "2[\"\u007f\"]",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1000 || !utf8.ValidString(text) { // the WebSocket's to refuse
			return
		}
		packet, err := parser.JSON(nil).NewDecoder().Add(parser.Frame{Data: []byte(text)})
		onPuppet(t, "websocket", func(o *client.Options) { o.DisableReconnection = true },
			func(t *testing.T, p *puppet, m *client.Manager) {
				var closed []string
				m.OnClose(func(reason client.DisconnectReason, _ error) { closed = append(closed, string(reason)) })
				if err := m.Socket("/", nil).Connect(t.Context()); err != nil {
					t.Fatal(err)
				}
				p.say("4" + text)
				synctest.Wait()
				var want []string
				switch {
				case err != nil:
					want = []string{"parse error"}
				case packet != nil && packet.Type == parser.Disconnect &&
					(packet.Namespace == "" || packet.Namespace == "/"):
					want = []string{"forced close"} // there is no other socket
				}
				if !slices.Equal(closed, want) {
					t.Errorf("%q: closed %q, want %q; the parser says %v", text, closed, want, err)
				}
			})
	})
}

// fuzzed is the client of a script.
type fuzzed struct {
	*testing.T
	p     *puppet
	m     *client.Manager
	main  *client.Socket
	other *client.Socket
	sent  int // numbered events

	mu      sync.Mutex
	settled []int // how often each emit with acknowledgement was settled
	next    int   // above the number of the last event that was handled
	states  map[string]bool
}

// socket makes a socket that checks what it is told.
func (f *fuzzed) socket(namespace string) *client.Socket {
	s := f.m.Socket(namespace, nil)
	connected := func(now bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.states == nil {
			f.states = make(map[string]bool)
		}
		if f.states[namespace] == now {
			f.Errorf("%s: connected %v twice in turn", namespace, now)
		}
		f.states[namespace] = now
	}
	s.OnConnect(func() { connected(true) })
	s.OnDisconnect(func(client.DisconnectReason) { connected(false) })
	s.OnConnectError(func(err error) {
		if err == nil || len(err.Error()) > 10_000 {
			f.Errorf("connect error %v", err)
		}
	})
	s.On("n", func(_ context.Context, e *client.Event) error {
		var n int
		if e.Bind(&n) != nil || namespace != "/" {
			return nil // the fuzzer's own
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if e.Args.Len() == 2 { // ours has a mark
			if n < f.next {
				f.Errorf("event %d after %d", n, f.next-1)
			}
			f.next = n + 1
		}
		return nil
	})
	s.OnAny(func(_ context.Context, e *client.Event) {
		_, _ = e.Args.Values()
		if e.WantsAck() {
			_ = e.Ack(e.Args)
			if err := e.Ack(1); err == nil {
				f.Error("acknowledged twice")
			}
		}
	})
	return s
}

func (f *fuzzed) play(script []byte) {
	for steps := 0; len(script) >= 2 && steps < 100; steps++ {
		op, n := script[0], min(int(script[1]), len(script)-2)
		data := string(script[2 : 2+n])
		script = script[2+n:]
		switch op & 0x7f % 11 {
		case 0:
			f.p.say("4" + data)
		case 1:
			f.p.say(data)
		case 2:
			f.p.write(puppetFrame(2, data))
		case 3:
			f.p.write([]byte(data))
		case 4:
			f.p.say(fmt.Sprintf(`42["n",%d,"mark"]`, f.sent))
			f.sent++
		case 5:
			if data != "" {
				f.p.say(fmt.Sprintf(`43%d[%q]`, data[0], "answer"))
			}
		case 6:
			f.emit(data)
		case 7:
			for i := range min(len(data), 8) { // each session costs real time
				<-time.After(time.Duration(data[i]) * 100 * time.Millisecond)
			}
		case 8:
			f.user(data)
		case 9:
			f.p.drop()
		case 10:
			if data != "" {
				<-time.After(time.Duration(data[0]) * time.Millisecond)
			}
		}
		if op < 0x80 { // else the next step comes at the same time
			synctest.Wait()
		}
	}
}

// emit emits with an acknowledgement.
func (f *fuzzed) emit(data string) {
	f.mu.Lock()
	i := len(f.settled)
	f.settled = append(f.settled, 0)
	f.mu.Unlock()
	ctx := context.Background()
	if strings.HasPrefix(data, "t") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 700*time.Millisecond)
		f.Cleanup(cancel)
	}
	s := f.main
	if f.other != nil && strings.HasSuffix(data, "o") {
		s = f.other
	}
	err := s.EmitFunc(ctx, "ask", func(client.Args, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.settled[i]++
	}, data)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.settled[i]++ // the error takes the callback's place
	}
}

// user is what a user does.
func (f *fuzzed) user(what string) {
	if what == "" {
		return
	}
	switch what[0] {
	case 'd':
		f.main.Disconnect()
	case 'c':
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := f.main.Connect(ctx); err == nil && f.m == nil {
			f.Error("connected to nothing")
		}
	case 'o':
		f.main.Open()
	case 'n':
		if f.other == nil {
			f.other = f.socket("/other")
		}
		f.other.Open()
	case 'x':
		err := f.main.Emit("plain", what, []byte(what))
		if err != nil && !errors.Is(err, client.ErrBufferFull) &&
			!errors.Is(err, client.ErrClosed) && !errors.Is(err, client.ErrDisconnected) {
			f.Errorf("Emit: %v", err)
		}
	case 'v':
		_ = f.main.Volatile().Emit("volatile", what)
	case 's':
		f.p.mu.Lock()
		f.p.mute = !f.p.mute
		f.p.mu.Unlock()
	}
}

// check is what must be so in the end.
func (f *fuzzed) check() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, n := range f.settled {
		if n != 1 {
			f.Errorf("acknowledgement %d was settled %d times", i, n)
		}
	}
	for name, connected := range f.states {
		if connected {
			f.Errorf("%s was not told of its end", name)
		}
	}
}
