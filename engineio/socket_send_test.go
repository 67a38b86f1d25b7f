package engineio

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/bufpool"
)

func TestDeferAndFlush(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		s := rec.socket
		s.Send(SendOptions{Defer: true}, text("a"), text("b"))
		synctest.Wait()
		if p.r.Buffered() != 0 {
			t.Error("a deferred message is on its way")
		}
		s.Flush()
		s.Flush()
		p.want("4a", "4b")
		s.Flush()
		s.Send(SendOptions{Defer: true}, text("c"))
		s.Send(SendOptions{}, text("d"))
		p.want("4c", "4d")

		q, rec := e.open()
		get := e.later("GET", q, "")
		rec.socket.Send(SendOptions{Defer: true}, text("a"))
		synctest.Wait()
		select {
		case a := <-get:
			t.Errorf("answered %q", a.body)
		default:
		}
		rec.socket.Flush()
		(<-get).want(t, 200, "4a")
		rec.socket.Close()
		rec.socket.Flush()
	})
}

func TestAdjacentMessages(t *testing.T) { // B-32
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 200 {
					rec.socket.Send(SendOptions{}, text(fmt.Sprint(g, ":", i)),
						bin(byte(g), byte(i)), bin(byte(g), byte(i)))
				}
			})
		}
		var next [4]int
		for range 4 * 200 {
			var g, i int
			if n, _ := fmt.Sscanf(p.read(), "4%d:%d", &g, &i); n != 2 {
				t.Fatal("no header")
			}
			if next[g] != i {
				t.Fatalf("goroutine %d: message %d, want %d", g, i, next[g])
			}
			next[g]++
			attachment := fmt.Sprintf("[%02x%02x]", g, byte(i))
			p.want(attachment, attachment)
		}
		wg.Wait()
	})
}

// One Prepared to many sessions: the frame is made once, and every session gets the same bytes.
func TestPreparedIsShared(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		for _, m := range []Message{{Data: []byte("hello")}, {Binary: true, Data: []byte("hello")},
			{Data: []byte(strings.Repeat("x", copyLimit+1))}} {
			m := Prepare(m)
			want := "4" + string(m.Message().Data)
			if m.Message().Binary {
				want = "[68656c6c6f]"
			}
			var peers []*peer
			for range 5 {
				p, rec := e.ws()
				peers = append(peers, p)
				rec.socket.Send(SendOptions{}, m)
				p.want(want)
				rec.socket.Send(SendOptions{}, text("and"), m)
			}
			for _, p := range peers {
				p.want("4and", want)
				p.conn.Close()
			}
			if kept := m.frame != nil; kept != (len(want) < copyLimit) {
				t.Errorf("frame kept: %v", kept)
			}
		}
	})
}

func TestVolatile(t *testing.T) {
	v := SendOptions{Volatile: true}
	bubble(t, nil, func(t *testing.T, e *env) { // polling: only when a poll is pending
		q, rec := e.open()
		rec.socket.Send(v, text("dropped"))
		get := e.later("GET", q, "")
		rec.socket.Send(v, text("a"))
		rec.socket.Send(v, text("dropped")) // behind a
		(<-get).want(t, 200, "4a")
		rec.socket.Send(v, text("dropped"), bin(1))
		rec.socket.Send(SendOptions{}, text("b"))
		e.do("GET", q, "").want(t, 200, "4b")
		if n := e.Stats().DroppedVolatile; n != 4 {
			t.Errorf("%d dropped", n)
		}
		rec.alive()
	})
	bubble(t, nil, func(t *testing.T, e *env) { // WebSocket: only when nothing waits before it
		e.net.Buffer = 4096
		p, rec := e.ws()
		for range 3 {
			rec.socket.Send(v, text("x"))
			synctest.Wait()
		}
		p.want("4x", "4x", "4x")
		rec.socket.Send(SendOptions{Defer: true}, text("w"))
		rec.socket.Send(v, text("dropped"))
		rec.socket.Flush()
		p.want("4w")
		synctest.Wait()
		rec.socket.Send(SendOptions{}, text(strings.Repeat("y", 100_000)))
		synctest.Wait()
		rec.socket.Send(v, text("next"))
		rec.socket.Send(v, text("dropped"))
		p.want("4"+strings.Repeat("y", 100_000), "4next")
		synctest.Wait()
		rec.socket.Send(SendOptions{}, text(strings.Repeat("y", 100_000)))
		<-time.After(2 * patience)
		rec.socket.Send(v, text("dropped"))
		p.want("4" + strings.Repeat("y", 100_000))
		synctest.Wait()
		rec.socket.Send(v, text("z"), bin(1))
		if p.want("4z"); p.read() == "" {
			t.Error("only a part of what is sent together")
		}
		if n := e.Stats().DroppedVolatile; n != 3 {
			t.Errorf("%d dropped", n)
		}
	})
	bubble(t, &Options{MaxQueuePackets: 2}, func(t *testing.T, e *env) { // over the budget
		p, rec := e.ws()
		for range 2 {
			rec.socket.Send(SendOptions{Defer: true}, text("x"))
		}
		rec.socket.Send(v, text("dropped"))
		rec.socket.Flush()
		p.want("4x", "4x")
		rec.alive()
		if n := e.Stats().DroppedVolatile; n != 1 {
			t.Errorf("%d dropped", n)
		}
	})
}

// A message of any size goes into an empty queue.
func TestLargeMessage(t *testing.T) {
	bubble(t, &Options{MaxQueueBytes: 1000, MaxQueuePackets: 3}, func(t *testing.T, e *env) {
		p, rec := e.ws()
		large := strings.Repeat("x", 100_000)
		if err := rec.socket.Send(SendOptions{}, text(large), bin(1), bin(2), bin(3)); err != nil {
			t.Fatal(err)
		}
		p.want("4"+large, "[01]", "[02]", "[03]")
		rec.alive()
	})
}

func TestSendAfterTheEnd(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		p.conn.Close()
		rec.want(TransportClose)
		for _, o := range []SendOptions{{}, {Volatile: true}, {Defer: true}} {
			if err := rec.socket.Send(o, text("x")); err != ErrClosed {
				t.Errorf("%+v: %v", o, err)
			}
		}
		rec.socket.Flush()
		rec.socket.Close()
		rec.socket.CloseWith(ParseError, false, "")
		rec.want(TransportClose)
	})
}

func TestClosePolling(t *testing.T) {
	bubble(t, &Options{MaxPayload: 10}, func(t *testing.T, e *env) {
		q, rec := e.open() // a poll is pending
		get := e.later("GET", q, "")
		rec.socket.Close()
		(<-get).want(t, 200, "1")
		rec.want(ForcedClose)
		e.do("GET", q, "").want(t, 400, code1)

		q, rec = e.open() // none is: the queue is fetched, in several answers
		for _, m := range []string{"aaaa", "bbbb", "cccc"} {
			rec.socket.Send(SendOptions{}, text(m))
		}
		rec.socket.Close()
		if err := rec.socket.Send(SendOptions{}, text("x")); err != ErrClosed {
			t.Errorf("Send: %v", err)
		}
		if rec.socket.Context().Err() == nil {
			t.Error("the context is not done")
		}
		rec.alive()
		<-time.After(29 * time.Second)
		e.do("POST", q, "4ignored").want(t, 200, "ok")
		e.do("GET", q, "").want(t, 200, "4aaaa")
		e.do("GET", q, "").want(t, 200, "4bbbb")
		e.do("GET", q, "").want(t, 200, "4cccc")
		e.do("GET", q, "").want(t, 200, "1")
		rec.want(ForcedClose)
		if rec.texts() != "" {
			t.Errorf("delivered %q", rec.texts())
		}

		q, rec = e.open() // nobody fetches it
		rec.socket.Send(SendOptions{}, text("lost"))
		start := time.Now()
		rec.socket.Close()
		rec.want(ForcedClose)
		if d := time.Since(start); d != drainTimeout {
			t.Errorf("after %v", d)
		}
		e.rejected(RejectDrainTimeout, 1)
		e.do("GET", q, "").want(t, 400, code1)

		q, rec = e.open() // the client closes as well: it is still our close
		rec.socket.Close()
		e.do("POST", q, "1").want(t, 200, "ok")
		rec.want(ForcedClose)
	})
}

// A polite end does not wait longer for a WebSocket that does not read than its write deadline.
func TestCloseOfASlowWebSocket(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		p, rec := e.ws()
		rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 50_000)))
		rec.socket.Close()
		<-time.After(10 * time.Second)
		rec.alive()
		p.want("4" + strings.Repeat("x", 50_000))
		p.wantClose("close 1000")
		rec.want(ForcedClose)
	})
}

// SendMessages copies: what the caller does with the bytes afterwards, and what becomes of the copy, changes nothing.
func TestSendMessagesCopies(t *testing.T) {
	bufpool.SetPoison(true)
	defer bufpool.SetPoison(false)
	bubble(t, nil, func(t *testing.T, e *env) {
		data := make([]byte, 100_000)
		send := func(rec *recorder) (want []string) {
			for i, n := range []int{0, 1, 60, 200, 1000, 20_000, 100_000} {
				b := data[:n]
				for k := range b {
					b[k] = 'a' + byte(i)
				}
				want = append(want, "4"+string(b), "4x")
				if err := rec.socket.SendMessages(SendOptions{},
					Message{Data: b}, Message{Data: []byte("x")}); err != nil {
					t.Fatal(err)
				}
				clear(b)
			}
			return want
		}
		p, rec := e.ws()
		p.want(send(rec)...)
		p.want(send(rec)...) // of buffers that were used
		p.conn.Close()
		rec.want(TransportClose)
		if err := rec.socket.SendMessages(SendOptions{}, Message{Data: data}); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		q, rec := e.open()
		want := strings.Join(send(rec), "\x1e")
		if got := e.do("GET", q, "").body; got != want {
			t.Errorf("by polling came %.50q", got)
		}
		rec.socket.Close()
		e.do("GET", q, "")
		rec.want(ForcedClose)
	})
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := NewServer(nil, nil)
	sock := &Socket{server: s, poll: newPolling(0)}
	m := text("hello")
	b := getBatch()
	b.codec = &revision4
	var l link = webSocketLink{}
	if n := testing.AllocsPerRun(1000, func() {
		sock.Send(SendOptions{}, m)
		sock.mu.Lock()
		sock.takeLocked(b, batchBytes)
		sock.wroteLocked(b)
		sock.mu.Unlock()
	}); n != 0 {
		t.Errorf("Send allocates %v times", n)
	}
	data := []byte("hello")
	if n := testing.AllocsPerRun(1000, func() {
		sock.SendMessages(SendOptions{}, Message{Data: data}, Message{Binary: true, Data: data})
		sock.mu.Lock()
		sock.takeLocked(b, batchBytes)
		sock.wroteLocked(b)
		sock.mu.Unlock()
	}); n != 0 {
		t.Errorf("SendMessages allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		b.items = append(b.items, parcel{m, 0}, parcel{m, 0})
		l.encode(b)
		b.reset()
	}); n != 0 {
		t.Errorf("framing allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		sock.heartbeat, sock.pings = heartbeatWaiting, 1
		sock.pong()
	}); n != 0 {
		t.Errorf("a pong allocates %v times", n)
	}
	sock.stopTimer()
}

// A client on polling that asks for more than the budget holds, and fetches it, is not slow.
func TestPostWaitsForRoom(t *testing.T) {
	bubble(t, &Options{MaxQueueBytes: 10_000}, func(t *testing.T, e *env) {
		e.onMsg = echo
		q, rec := e.open()
		<-time.After(2 * absence)
		many := strings.Repeat("4"+strings.Repeat("x", 900)+"\x1e", 50)
		post := e.later("POST", q, many[:len(many)-1])
		synctest.Wait()
		if rec.socket.out.bytes > 10_000 || len(rec.messages) == 50 {
			t.Errorf("%d bytes are queued, %d messages delivered", rec.socket.out.bytes, len(rec.messages))
		}
		got := 0
		for got < 50 {
			got += strings.Count(e.do("GET", q, "").body, "4x")
		}
		(<-post).want(t, 200, "ok")
		rec.alive()

		post = e.later("POST", q, many[:len(many)-1]) // nobody fetches it: the session ends, and the POST with it
		rec.want(PingTimeout)
		<-post
	})
	bubble(t, &Options{MaxQueueBytes: 10_000}, func(t *testing.T, e *env) { // an upgrade needs the answer to the POST
		e.onMsg = echo
		q, rec := e.open()
		<-time.After(2 * absence)
		many := strings.Repeat("4"+strings.Repeat("x", 900)+"\x1e", 9)
		post := e.later("POST", q, many[:len(many)-1])
		synctest.Wait()
		p := e.probe(q)
		p.send("2probe")
		p.want("3probe")
		(<-post).want(t, 200, "ok")
		rec.alive()
		p.send("5")
		for range 9 {
			p.want("4" + strings.Repeat("x", 900))
		}
		rec.socket.Close()
		p.wantClose("close 1000")
		rec.want(ForcedClose)
	})
}

// A POST that waits for room is let go when the session begins to close: its messages are dropped anyway.
func TestPostThatWaitsForRoomIsLetGo(t *testing.T) {
	bubble(t, &Options{MaxQueuePackets: 10}, func(t *testing.T, e *env) {
		e.onMsg = echo
		q, rec := e.open()
		post := e.later("POST", q, strings.Repeat("4x\x1e", 20)+"4x")
		if len(post) != 0 {
			t.Fatal("the POST does not wait")
		}
		rec.socket.Close()
		synctest.Wait()
		select {
		case a := <-post:
			a.want(t, 200, "ok")
		default:
			t.Error("the POST still waits")
		}
		e.do("GET", q, "").want(t, 200, strings.Repeat("4x\x1e", 5)+"4x")
		e.do("GET", q, "").want(t, 200, "1")
		rec.want(ForcedClose)
	})
}
