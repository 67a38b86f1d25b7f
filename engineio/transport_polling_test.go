package engineio

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/bufpool"
)

func text(s string) *Prepared { return Prepare(Message{Data: []byte(s)}) }

func bin(b ...byte) *Prepared { return Prepare(Message{Binary: true, Data: b}) }

func TestPollingEcho(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = echo
		q, rec := e.open()
		a := e.do("POST", q, "4hello\x1ebAQIDBA==\x1e4é\x1eb\x1e4")
		a.want(t, 200, "ok")
		a = e.do("GET", q, "")
		a.want(t, 200, "4hello\x1ebAQIDBA==\x1e4é\x1eb\x1e4")
		if got := rec.texts(); got != "hello [01020304] é [] " {
			t.Errorf("received %q", got)
		}
		// A GET waits for what comes.
		get := e.later("GET", q, "")
		<-time.After(10 * time.Second)
		e.do("POST", q, "4late").want(t, 200, "ok")
		(<-get).want(t, 200, "4late")
		st := e.Stats()
		if st.MessagesIn != 6 || st.MessagesOut != 6 || st.BytesIn != 15 || st.BytesOut != 15 || st.Sessions != 1 ||
			st.Polling != 1 || st.Opened != 1 || len(st.Rejected) != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestMessagesSentInAcceptFollowTheHandshake(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onOpen = func(s *Socket, _ *http.Request) { s.Send(SendOptions{}, text("hi"), bin(1)) }
		q, _ := e.open()
		e.do("GET", q, "").want(t, 200, "4hi\x1ebAQ==")
		p, _ := e.ws()
		p.want("4hi", "[01]")
		p.conn.Close()
	})
}

// Rows E-1 to E-11: what a payload does to the session, the answer of the POST and that of the pending GET.
func TestPayloads(t *testing.T) {
	for _, c := range []struct {
		payload   string
		delivered string
		status    int
		reason    Reason // empty: the session lives
		poll      string // answer of the pending GET
		reject    string
	}{
		{"abc", "", 400, ParseError, "1", RejectPayload},
		{"7x", "", 400, ParseError, "1", RejectPayload},
		{"", "", 400, ParseError, "1", RejectPayload},
		{"\x1e\x1e", "", 400, ParseError, "1", RejectPayload},
		{"4a\x1e", "a", 400, ParseError, "1", RejectPayload},
		{"4a\x1e4b\x1eX\x1e4c", "a b", 400, ParseError, "1", RejectPayload},
		{"b!!!!", "", 400, ParseError, "1", RejectPayload},
		{"4a\xff", "", 400, ParseError, "1", RejectPayload},
		{"2", "", 400, TransportError, "1", RejectHeartbeat},
		{"4a\x1e2\x1e4b", "a", 400, TransportError, "1", RejectHeartbeat},
		{"1", "", 200, TransportClose, "6", ""},
		{"4a\x1e1\x1e4b", "a", 200, TransportClose, "6", ""},
		{"3", "", 200, "", "", RejectPong},
		{"5", "", 200, "", "", RejectUnexpected},
		{"0{}", "", 200, "", "", RejectUnexpected},
		{"6", "", 200, "", "", ""},
		{"4", "", 200, "", "", ""},
	} {
		t.Run(fmt.Sprintf("%q", c.payload), func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				q, rec := e.open()
				get := e.later("GET", q, "")
				a := e.do("POST", q, c.payload)
				if want := map[int]string{200: "ok"}[c.status]; a.status != c.status || a.body != want {
					t.Errorf("POST: %d %q, want %d %q", a.status, a.body, c.status, want)
				}
				if got := rec.texts(); got != c.delivered {
					t.Errorf("delivered %q, want %q", got, c.delivered)
				}
				if c.reject != "" {
					e.rejected(c.reject, 1)
				} else if n := len(e.Stats().Rejected); n != 0 {
					t.Errorf("rejected: %v", e.Stats().Rejected)
				}
				if c.reason == "" {
					rec.alive()
					rec.socket.Send(SendOptions{}, text("x"))
					(<-get).want(t, 200, "4x")
					return
				}
				rec.want(c.reason)
				(<-get).want(t, 200, c.poll)
				e.do("GET", q, "").want(t, 400, code1)
				if got := e.Stats().Closed[c.reason]; got != 1 {
					t.Errorf("Closed[%q] = %d", c.reason, got)
				}
			})
		})
	}
}

func TestManyPacketsInOnePayload(t *testing.T) { // E-4, E-9, E-10
	bubble(t, nil, func(t *testing.T, e *env) {
		n := 0
		e.onMsg = func(*recorder, Message) { n++ }
		q, rec := e.open()
		for _, packet := range []string{"6\x1e", "3\x1e", "4\x1e"} {
			e.do("POST", q, strings.Repeat(packet, 100_000)+"6").want(t, 200, "ok")
		}
		rec.alive()
		if n != 100_000 {
			t.Errorf("%d messages", n)
		}
		e.rejected(RejectPong, 100_000)
	})
}

// A close packet may overtake the GET that a client has pending; both are answered all the same.
func TestClosePacketOvertakesTheGet(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		post := e.later("POST", q, "1")
		<-time.After(grace / 2)
		e.do("GET", q, "").want(t, 200, "6")
		(<-post).want(t, 200, "ok")
		rec.want(TransportClose)

		q, rec = e.open()
		start := time.Now()
		e.do("POST", q, "1").want(t, 200, "ok")
		if d := time.Since(start); d != grace {
			t.Errorf("without a GET it takes %v", d)
		}
		rec.want(TransportClose)
		e.do("GET", q, "").want(t, 400, code1)
	})
}

func TestBodyLimits(t *testing.T) { // H-20 to H-23
	bubble(t, &Options{MaxPayload: 100_000}, func(t *testing.T, e *env) {
		q, rec := e.open()
		max := "4" + strings.Repeat("a", 99_999)
		e.do("POST", q, max).want(t, 200, "ok")
		chunked := struct{ io.Reader }{strings.NewReader(max)}
		e.doContext(t.Context(), "POST", q, chunked).want(t, 200, "ok")

		// As the official server since 6.6.13: the session ends, and a GET is told.
		get := e.later("GET", q, "")
		e.do("POST", q, max+"b").want(t, 413, "")
		rec.want(TransportError)
		(<-get).want(t, 200, "1")
		e.do("POST", q, max+"b").want(t, 400, code1)
		if got := rec.texts(); got != max[1:]+" "+max[1:] || !errors.Is(rec.err, errBodySize) {
			t.Errorf("%d bytes delivered, %v", len(got), rec.err)
		}
		q, rec = e.open()
		chunked = struct{ io.Reader }{strings.NewReader(max + "b")}
		a := e.doContext(t.Context(), "POST", q, chunked)
		if a.err == nil && (a.status != 413 || a.body != "") { // the client may see the connection end first
			t.Errorf("chunked: %d %q", a.status, a.body)
		}
		rec.want(TransportError)
		q, rec = e.open()
		c, _ := e.net.Dial(t.Context())
		fmt.Fprintf(c, "POST /engine.io/?%s HTTP/1.1\r\nHost: s\r\nContent-Length: 1000000000000\r\n\r\n4x", q)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 413 || !resp.Close {
			t.Errorf("announced 10^12: %v, %v", resp, err)
		}
		c.Close()
		e.rejected(RejectBodySize, 3)
		rec.want(TransportError)
	})
}

// The limit of an http.MaxBytesHandler is answered as our own.
func TestBodyLimitOfMiddleware(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		e.http.Handler = http.MaxBytesHandler(e.http.Handler, 1000)
		e.do("POST", q, "4"+strings.Repeat("a", 2000)).want(t, 413, "")
		rec.want(TransportError)
		e.rejected(RejectBodySize, 1)
	})
}

// E-12: how a body is cut into chunks changes nothing.
func TestChunkedBody(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = echo
		payload := "4é€\x1ebAQID\x1e4𝄞"
		for n := 1; n <= len(payload); n++ {
			q, _ := e.open()
			c, _ := e.net.Dial(t.Context())
			fmt.Fprintf(c, "POST /engine.io/?%s HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n", q)
			for rest := payload; rest != ""; rest = rest[min(n, len(rest)):] {
				chunk := rest[:min(n, len(rest))]
				fmt.Fprintf(c, "%x\r\n%s\r\n", len(chunk), chunk)
				synctest.Wait()
			}
			io.WriteString(c, "0\r\n\r\n")
			if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
				t.Fatalf("chunks of %d: %v, %v", n, resp, err)
			}
			e.do("GET", q, "").want(t, 200, payload)
			c.Close()
		}
	})
}

func TestPostsThatAreNotRead(t *testing.T) { // H-26, H-27, H-28, T-18, T-39
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		e.do("POST", q, "4x", "Content-Encoding", "gzip").want(t, 415, "")
		e.do("POST", q, "4x", "Content-Encoding", "identity").want(t, 200, "ok")
		rec.alive()
		get := e.later("GET", q, "")
		e.do("POST", q, "4x", "Content-Type", "application/octet-stream").want(t, 400, "")
		rec.want(TransportError)
		(<-get).want(t, 200, "1")
		e.rejected(RejectContentType, 1)
		e.rejected(RejectContentEncoding, 1)

		// The answer to an unknown session does not wait for the body.
		c, _ := e.net.Dial(t.Context())
		fmt.Fprintf(c, "POST /engine.io/?%s HTTP/1.1\r\nHost: s\r\nContent-Length: 900000\r\n\r\n", q)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || string(body) != code1 || !resp.Close {
			t.Errorf("%d %q, close %v", resp.StatusCode, body, resp.Close)
		}
		c.Close()
	})
}

func TestSlowPost(t *testing.T) { // H-29
	for _, timeout := range []time.Duration{0, 5 * time.Second} {
		slowPost(t, timeout)
	}
}

func slowPost(t *testing.T, timeout time.Duration) {
	bubble(t, &Options{BodyTimeout: timeout, PingTimeout: time.Minute}, func(t *testing.T, e *env) {
		q, rec := e.open()
		c, _ := e.net.Dial(t.Context())
		start := time.Now()
		fmt.Fprintf(c, "POST /engine.io/?%s HTTP/1.1\r\nHost: s\r\nContent-Length: 100\r\n\r\n4", q)
		go func() { // ends when the connection does
			for {
				<-time.After(time.Second)
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 408 || !resp.Close {
			t.Fatalf("%v, %v", resp, err)
		}
		if d := time.Since(start); d != cmp.Or(timeout, 30*time.Second) {
			t.Errorf("after %v", d)
		}
		c.Close()
		rec.want(TransportError)
		e.rejected(RejectPostTimeout, 1)
		if !strings.Contains(rec.err.Error(), "http request timeout") {
			t.Errorf("told %v", rec.err)
		}
		if rec.texts() != "" {
			t.Error("half a body was delivered")
		}
		<-time.After(2 * time.Second)
	})
}

func TestAbortedPost(t *testing.T) { // H-33
	bubble(t, nil, func(t *testing.T, e *env) {
		for _, reset := range []bool{false, true} {
			q, rec := e.open()
			c, _ := e.net.Dial(t.Context())
			fmt.Fprintf(c, "POST /engine.io/?%s HTTP/1.1\r\nHost: s\r\nContent-Length: 100\r\n\r\n4abc\x1e4", q)
			synctest.Wait()
			if reset {
				c.Reset()
			} else {
				c.Close()
			}
			rec.want(TransportError)
			if rec.texts() != "" {
				t.Error("half a body was delivered")
			}
		}
		e.rejected(RejectPostAborted, 2)
	})
}

func TestTwoPostsAtOnce(t *testing.T) { // H-31
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		c, _ := e.net.Dial(t.Context())
		fmt.Fprintf(c, "POST /engine.io/?%s HTTP/1.1\r\nHost: s\r\nContent-Length: 9\r\n\r\n4first", q)
		synctest.Wait()
		start := time.Now()
		e.do("POST", q, "4second").want(t, 400, "")
		rec.want(TransportError)
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != 400 || !resp.Close {
			t.Errorf("first POST: %v, %v", resp, err)
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("its connection: %v", err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("it is cut after %v", d)
		}
		c.Close()
		if rec.texts() != "" {
			t.Errorf("delivered %q", rec.texts())
		}
		e.rejected(RejectPostOverlap, 1)
		e.do("GET", q, "").want(t, 400, code1)
	})
}

func TestTwoPollsAtOnce(t *testing.T) { // H-30
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		first := e.later("GET", q, "")
		e.do("GET", q, "").want(t, 400, "")
		(<-first).want(t, 200, "1")
		rec.want(TransportError)
		e.rejected(RejectPollOverlap, 1)
		e.do("GET", q, "").want(t, 400, code1)
	})
}

func TestAbortedPoll(t *testing.T) { // H-32
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		ctx, cancel := context.WithCancel(t.Context())
		go e.doContext(ctx, "GET", q, nil) // ends with cancel
		synctest.Wait()
		rec.alive()
		cancel()
		rec.want(TransportError)
		e.rejected(RejectPollAborted, 1)
	})
}

// The deadlines of the user's http.Server are for requests, not for polls that wait.
func TestServerDeadlinesDoNotEndPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil, func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = 5*time.Second, 5*time.Second })
		q, rec := e.open()
		get := e.later("GET", q, "")
		<-time.After(20 * time.Second)
		rec.alive()
		rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 5000)))
		(<-get).want(t, 200, "4"+strings.Repeat("x", 5000))
		<-time.After(time.Second) // an idle connection is used again
		rec.socket.Send(SendOptions{}, text("y"))
		e.do("GET", q, "").want(t, 200, "4y")
		e.Close()
		e.stop()
	})
}

func TestAnswersAreCutAtMaxPayload(t *testing.T) { // S-5
	bubble(t, &Options{MaxPayload: 1000}, func(t *testing.T, e *env) {
		q, rec := e.open()
		var all []string
		for i := range 100 {
			m := fmt.Sprintf("%04d%s", i, strings.Repeat("x", i))
			all = append(all, "4"+m)
			rec.socket.Send(SendOptions{}, text(m))
		}
		rec.socket.Send(SendOptions{}, text(strings.Repeat("big", 1000)))
		all = append(all, "4"+strings.Repeat("big", 1000))
		var got []string
		for len(got) < len(all) {
			a := e.do("GET", q, "")
			if a.status != 200 {
				t.Fatal(a)
			}
			if len(a.body) > 1000 && strings.Contains(a.body, "\x1e") {
				t.Errorf("an answer of %d bytes", len(a.body))
			}
			got = append(got, strings.Split(a.body, "\x1e")...)
		}
		if strings.Join(got, " ") != strings.Join(all, " ") {
			t.Errorf("got %d messages, or not in order", len(got))
		}
	})
}

// A client that does not read a long answer does not hold the session for ever, and the deadline does not stay on the
// connection of one that does.
func TestSlowReaderOfAnAnswer(t *testing.T) {
	bubble(t, &Options{PingInterval: time.Hour}, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		q, rec := e.open()
		for range 2 {
			rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
			if a := e.do("GET", q, ""); len(a.body) != 100_001 {
				t.Fatalf("%d bytes, %v", len(a.body), a.err)
			}
			<-time.After(10 * time.Minute)
			rec.socket.Send(SendOptions{}, text("short")) // on the same connection
			e.do("GET", q, "").want(t, 200, "4short")
		}
		if n := e.net.Dials(); n != 1 {
			t.Errorf("%d connections", n)
		}
		c, _ := e.net.Dial(t.Context())
		fmt.Fprintf(c, "GET /engine.io/?%s HTTP/1.1\r\nHost: s\r\n\r\n", q)
		synctest.Wait()
		start := time.Now()
		rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
		rec.want(TransportError)
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("it ends after %v", d)
		}
		c.Close()
	})
}

func TestPollsDoNotOvertakeEachOther(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		q, rec := e.open()
		c, _ := e.net.Dial(t.Context())
		fmt.Fprintf(c, "GET /engine.io/?%s HTTP/1.1\r\nHost: s\r\n\r\n", q)
		synctest.Wait()
		rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
		synctest.Wait()
		rec.socket.Send(SendOptions{}, text("second"))
		get := e.later("GET", q, "") // the first answer is not read yet
		select {
		case a := <-get:
			t.Fatalf("answered %q", a.body)
		default:
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); len(b) != 100_001 || err != nil {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		(<-get).want(t, 200, "4second")
		c.Close()
		rec.alive()
	})
}

func TestHandlerBlocksThePost(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		gate := make(chan struct{})
		e.onMsg = func(r *recorder, m Message) {
			select {
			case <-gate:
			case <-r.socket.Context().Done():
			}
		}
		q, rec := e.open()
		post := e.later("POST", q, "4a\x1e4b")
		if got := rec.texts(); got != "a" {
			t.Errorf("delivered %q", got)
		}
		gate <- struct{}{}
		synctest.Wait()
		if got := rec.texts(); got != "a b" {
			t.Errorf("delivered %q", got)
		}
		rec.socket.CloseWith(ParseError, false, "enough") // HandleClose waits for HandleMessage
		(<-post).want(t, 200, "ok")
		rec.want(ParseError)
	})
}

// A POST that is delivered may take longer than its body may; its connection lives on.
func TestDeadlineOfTheBodyIsLifted(t *testing.T) {
	bubble(t, &Options{PingInterval: time.Hour}, func(t *testing.T, e *env) {
		e.onMsg = func(*recorder, Message) { <-time.After(time.Minute) }
		q, rec := e.open()
		e.do("POST", q, "4x").want(t, 200, "ok")
		get := e.later("GET", q, "")
		rec.alive()
		rec.socket.Send(SendOptions{}, text("y"))
		(<-get).want(t, 200, "4y")
		if n := e.net.Dials(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestReadBody(t *testing.T) {
	for _, size := range []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 70_000, 100_000, 100_001} {
		want := bytes.Repeat([]byte("x"), size)
		for _, known := range []bool{true, false} {
			r := &http.Request{Body: io.NopCloser(bytes.NewReader(want)), ContentLength: -1}
			if known {
				r.ContentLength = int64(size)
			}
			got, err := readBody(r, 100_000, func(_, _ int) {})
			if size > 100_000 {
				if err != errBodySize {
					t.Errorf("%d: %v", size, err)
				}
				continue
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, known %v: %d, %v", size, known, len(got), err)
			}
			if known && cap(got) != size {
				t.Errorf("%d bytes of known size: capacity %d", size, cap(got))
			}
		}
	}
}

// T-3: memory for a body that was announced grows with what comes.
func TestAnnouncedBodyTakesNoMemory(t *testing.T) {
	r := &http.Request{Body: io.NopCloser(strings.NewReader("4")), ContentLength: 1_000_000}
	n := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			r.Body = io.NopCloser(strings.NewReader("4"))
			readBody(r, 1_000_000, func(_, _ int) {})
		}
	}).AllocedBytesPerOp()
	if n > 20<<10 {
		t.Errorf("%d bytes", n)
	}
}

// An http.Server may still be reading the bytes of a Write that has failed (HTTP/2 does): they are not reused.
func TestFailedAnswerKeepsItsBytes(t *testing.T) {
	bufpool.SetPoison(true)
	defer bufpool.SetPoison(false)
	bubble(t, nil, func(t *testing.T, e *env) {
		for _, gzip := range []string{"", "gzip"} {
			_, rec := e.open()
			rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 50_000)))
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept-Encoding", gzip)
			w := &failingWriter{ResponseWriter: httptest.NewRecorder()}
			rec.socket.servePoll(w, r, "")
			rec.want(TransportError)
			if len(w.seen) == 0 || !bytes.Equal(w.kept, w.seen) {
				t.Errorf("%q: the %d bytes of the answer have changed", gzip, len(w.seen))
			}
		}
	})
}

// A failingWriter keeps what is written and fails.
type failingWriter struct {
	http.ResponseWriter
	kept, seen []byte
}

func (w *failingWriter) Write(p []byte) (int, error) {
	w.kept, w.seen = p, bytes.Clone(p)
	return 0, io.ErrClosedPipe
}

// A message that waits somewhere does not hold the memory of the whole body that it came with: queues count its bytes.
func TestMessagesDoNotHoldTheBody(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		const bodies, size = 60, 900_000
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		body := "6" + strings.Repeat("x", size) + "\x1e4hi"
		for range bodies {
			e.do("POST", q, body).want(t, 200, "ok")
		}
		body = ""
		runtime.GC()
		runtime.ReadMemStats(&after)
		if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > bodies*size/3 {
			t.Errorf("%d messages of 2 bytes hold %d bytes", bodies, n)
		}
		if n := len(rec.messages); n != bodies {
			t.Errorf("%d messages", n)
		}
	})
}

// Nor do the server's deadlines end a POST whose messages the Handler does not take yet.
func TestServerDeadlinesDoNotEndPosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, &Options{PingInterval: time.Hour}, func(s *http.Server) {
			s.ReadTimeout, s.WriteTimeout = 5*time.Second, 5*time.Second
		})
		e.onMsg = func(*recorder, Message) { <-time.After(20 * time.Second) }
		q, rec := e.open()
		e.do("POST", q, "4x").want(t, 200, "ok")
		rec.alive()
		e.Close()
		e.stop()
	})
}
