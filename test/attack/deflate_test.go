package attack

import (
	"bytes"
	"compress/flate"
	"fmt"
	"net/http"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// The rows of compressed messages, with Engine.Deflate. What may be allocated and how often blocks may end a message is
// tested in internal/websocket, which has the fuzzer of the decompressor as well.

func deflateOn(o *socketio.Options) { o.Engine.Deflate = new(engineio.DeflateOptions) }

func deflateTakeover(o *socketio.Options) {
	o.Engine.Deflate = &engineio.DeflateOptions{ContextTakeover: true}
}

// deflated opens a session on a WebSocket that may compress.
func (e *env) deflated() *wire.Session {
	e.Helper()
	offer := http.Header{"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"}}
	s, err := wire.OpenWebSocket(e.Target, offer)
	if err != nil {
		e.Fatal(err)
	}
	e.later(s.Abort)
	return e.join(s)
}

// deflate is a frame with a compressed message.
func deflate(text string) wire.Frame {
	var b bytes.Buffer
	z, _ := flate.NewWriter(&b, 9)
	_, _ = z.Write([]byte(text))
	_ = z.Flush()
	return wire.RSV(4, frameOf(wire.Text, strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")))
}

// heapPeak is by how much more of the heap is in use, at most, while f runs, as the collections that go on tell.
func heapPeak(f func()) int64 {
	heap := func() int64 {
		s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(s)
		return int64(s[0].Value.Uint64())
	}
	runtime.GC()
	before, peak := heap(), int64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		for {
			peak = max(peak, heap())
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	f()
	close(stop)
	<-done
	return peak - before
}

// deflateViolation is a row in which each of the cases, on a connection of its own, is closed with the status, and none
// makes the heap grow by more than 8 MiB. What is made during a collection counts as in use, the frames of the test
// included, and a machine that is busy collects for long: so twice as much is allowed.
func deflateViolation(id string, opts func(*socketio.Options), status int, reject string, cases ...[]wire.Frame) row {
	return row{id: id, opts: opts, run: func(e *env) {
		grew := heapPeak(func() {
			for _, frames := range cases {
				s := e.deflated()
				e.frameSend(s, deflate(`42["echo",1]`))
				if _, err := s.Expect("42"); err != nil {
					e.Fatal(err)
				}
				for _, f := range frames { // one by one, as the buffer for all would count
					e.frameSend(s, f)
				}
				e.frameClosed(s, status)
			}
		})
		if grew > 2*8<<20 {
			e.Errorf("the heap grew by %d bytes", grew)
		}
	}, reject: reject, times: len(cases), reason: socketio.ReasonTransportError}
}

// bombs are messages of a gigabyte in a megabyte of input at most, or without an end.
func bombs() [][]wire.Frame {
	part := func(n int) wire.Frame { return wire.Part(frameOf(wire.Continuation, wire.Deflated(n))) }
	first := wire.RSV(4, wire.Part(frameOf(wire.Text, "")))
	empty := wire.Part(frameOf(wire.Continuation, strings.Repeat("\x00\x00\x00\xff\xff", 2000)))
	return [][]wire.Frame{
		slices.Concat([]wire.Frame{first}, slices.Repeat([]wire.Frame{part(1 << 20)}, 10),
			[]wire.Frame{frameOf(wire.Continuation, "")}),
		append([]wire.Frame{first}, slices.Repeat([]wire.Frame{empty}, 120)...),
	}
}

var deflateRows = []row{
	deflateViolation("F-30", deflateOn, 1009, engineio.RejectMessageSize,
		wire.Each(deflate("4"+strings.Repeat("a", 1_000_000)), wire.RSV(4, frameOf(wire.Text, wire.Deflated(64<<20))))...),
	deflateViolation("F-31", deflateOn, 1009, engineio.RejectMessageSize, bombs()...),
	deflateViolation("F-31 with takeover", deflateTakeover, 1009, engineio.RejectMessageSize, bombs()...),
	deflateViolation("F-32 bits", deflateOn, 1002, engineio.RejectWebSocket,
		[]wire.Frame{wire.Part(frameOf(wire.Text, "42")), wire.RSV(4, frameOf(wire.Continuation, "x"))},
		[]wire.Frame{wire.RSV(4, frameOf(wire.Ping, ""))},
		[]wire.Frame{wire.RSV(4, frameOf(wire.Pong, ""))},
		[]wire.Frame{wire.RSV(2, frameOf(wire.Text, "2"))},
	),
	deflateViolation("F-32 data", deflateOn, 1007, engineio.RejectWebSocket,
		[]wire.Frame{wire.RSV(4, frameOf(wire.Text, "\xff\xff\xff corrupt"))},
		[]wire.Frame{wire.RSV(4, frameOf(wire.Text, strings.Repeat("\x03\x00", 100_000)))},
		[]wire.Frame{deflate("42[\"a\xff\"]")},
	),
	// A connection that rests holds no window, no compressor and no decompressor.
	{id: "F-33", opts: deflateOn, run: func(e *env) {
		const n = 500
		long := fmt.Sprintf(`42["echo","%s"]`, strings.Repeat("deflate me ", 500))
		grew := e.growth()
		var all []*wire.Session
		for range n {
			s := e.deflated()
			e.frameSend(s, deflate(long))
			if f, err := s.WebSocket().Read(); err != nil || f.RSV != 4 || len(f.Payload) > 200 {
				e.Fatal(f, err)
			}
			all = append(all, s)
		}
		if each := grew() / n; each > 64<<10 {
			e.Errorf("%d bytes for each connection, with its client", each)
		}
		for _, s := range all {
			e.alive(s)
		}
	}},
}
