package engineio

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// The whole machine: each state with each input.
func TestUpgradeStep(t *testing.T) {
	const over, none = upgradeOver, upgradeEffect(0)
	type result struct {
		next upgradeState
		fx   upgradeEffect
	}
	table := [...][8]result{ // by input: opened, probe, commit, violation, lost, timeout, tick, closed
		upgradePolling: {
			{upgradeWaiting, fxAdopt}, {upgradePolling, none}, {upgradePolling, none}, {upgradePolling, none},
			{upgradePolling, none}, {upgradePolling, none}, {upgradePolling, none}, {over, none},
		},
		upgradeWaiting: {
			{upgradeWaiting, fxRefuse}, {upgradeProbed, fxPong | fxNoop | fxTick}, {upgradeDone, fxSwitch | fxForget},
			{upgradePolling, fxAbandon | fxForget}, {upgradePolling, fxForget}, {upgradePolling, fxAbandon | fxForget},
			{upgradeWaiting, none}, {over, fxAbandon | fxForget},
		},
		upgradeProbed: {
			{upgradeProbed, fxRefuse}, {upgradeProbed, fxPong}, {upgradeDone, fxSwitch | fxForget},
			{upgradePolling, fxAbandon | fxForget}, {upgradePolling, fxForget}, {upgradePolling, fxAbandon | fxForget},
			{upgradeProbed, fxNoop | fxTick}, {over, fxAbandon | fxForget},
		},
		upgradeDone: {
			{upgradeDone, fxRefuse}, {upgradeDone, none}, {upgradeDone, none}, {upgradeDone, none},
			{upgradeDone, none}, {upgradeDone, none}, {upgradeDone, none}, {over, none},
		},
		upgradeOver: {
			{over, fxRefuse}, {over, none}, {over, none}, {over, none},
			{over, none}, {over, none}, {over, none}, {over, none},
		},
	}
	for s := range table {
		for in, want := range table[s] {
			next, fx := upgradeState(s).step(upgradeInput(in))
			if next != want.next || fx != want.fx {
				t.Errorf("state %d, input %d: %d, %b, want %d, %b", s, in, next, fx, want.next, want.fx)
			}
		}
	}
}

// No sequence of inputs adopts two WebSockets, switches twice, or leaves one that was adopted without an end.
func TestUpgradeStepSequences(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		s := upgradePolling
		probing, switched := false, false
		for range 12 {
			var fx upgradeEffect
			in := upgradeInput(rnd.IntN(8))
			s, fx = s.step(in)
			if fx&fxAdopt != 0 {
				if probing || switched {
					t.Fatal("a second WebSocket is adopted")
				}
				probing = true
			}
			if fx&(fxSwitch|fxAbandon|fxForget|fxPong|fxTick) != 0 && !probing {
				t.Fatalf("effects %b without a WebSocket", fx)
			}
			if fx&fxForget != 0 {
				probing = false
			}
			if fx&fxSwitch != 0 {
				if switched {
					t.Fatal("switched twice")
				}
				switched = true
			}
			if in == inOpened && fx&(fxAdopt|fxRefuse) == 0 {
				t.Fatal("a WebSocket that opened is left alone")
			}
			if probing != (s == upgradeWaiting || s == upgradeProbed) ||
				switched && s != upgradeDone && s != upgradeOver {
				t.Fatalf("state %d, probing %v, switched %v", s, probing, switched)
			}
		}
	}
}

func TestUpgrade(t *testing.T) { // U-1, U-2, U-6, U-8
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = echo
		q, rec := e.open()
		get := e.later("GET", q, "")
		p := e.probe(q)
		synctest.Wait()
		if got := rec.socket.Transport(); got != "polling" {
			t.Errorf("transport %q", got)
		}
		p.send("2probe")
		p.want("3probe")
		(<-get).want(t, 200, "6")
		p.send("2probe")
		p.want("3probe")
		e.do("POST", q, "4by polling").want(t, 200, "ok")
		e.do("GET", q, "").want(t, 200, "4by polling") // messages go on by polling
		p.send("5", "4hello")
		p.want("4hello")
		if got := rec.socket.Transport(); got != "websocket" {
			t.Errorf("transport %q", got)
		}
		e.do("GET", q, "").want(t, 400, code3)
		e.do("POST", q, "4x").want(t, 400, code3)
		late := e.probe(q)
		late.wantClose("close 1002 no upgrade possible")
		p.send("4still here")
		p.want("4still here")
		rec.alive()
		st := e.Stats()
		if st.Upgraded != 1 || st.Polling != 0 || st.WebSocket != 1 {
			t.Errorf("stats %+v", st)
		}
		e.rejected(RejectUpgrade, 1)
		if rec.socket.poll != nil {
			t.Error("the state of polling is kept")
		}
		p.conn.Close()
		rec.want(TransportClose)
	})
}

func TestUpgradeAtOnce(t *testing.T) { // U-1, U-4, U-13
	for _, frames := range []string{"2probe 5 4hello", "5 4hello"} {
		bubble(t, nil, func(t *testing.T, e *env) {
			q, rec := e.open()
			get := e.later("GET", q, "")
			c, _ := e.net.Dial(t.Context())
			var b []byte
			for f := range strings.SplitSeq(frames, " ") {
				b = append(b, frame(1, f)...)
			}
			b = append([]byte("GET /engine.io/?"+strings.Replace(q, "polling", "websocket", 1)+
				" HTTP/1.1\r\nHost: s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
				"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), b...)
			c.Write(b) // the frames come in the same segment as the request
			synctest.Wait()
			(<-get).want(t, 200, "6")
			if got := rec.texts(); got != "hello" {
				t.Errorf("%s: received %q", frames, got)
			}
			rec.alive()
			c.Close()
		})
	}
}

// A GET that comes while the client completes the upgrade is refused as one that comes after it.
func TestGetThatRacesWithTheUpgrade(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, _ := e.open()
		p := e.probe(q)
		p.send("2probe")
		p.want("3probe")
		get := e.later("GET", q, "")
		p.send("5")
		(<-get).want(t, 400, code3)
	})
}

func TestNoopTicks(t *testing.T) { // U-15
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		p := e.probe(q)
		p.send("2probe")
		p.want("3probe")
		for range 20 {
			start := time.Now()
			e.do("GET", q, "").want(t, 200, "6")
			if d := time.Since(start); d > upgradeTick {
				t.Errorf("a noop after %v", d)
			}
		}
		p.send("5", "4x")
		synctest.Wait()
		if rec.texts() != "x" {
			t.Errorf("received %q", rec.texts())
		}
	})
}

// What goes wrong with the second transport costs only that: U-3, U-5, U-7, U-10, U-12.
func TestFailedUpgrades(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(e *env, q string, p *peer)
		reject string
	}{
		{"message", func(e *env, q string, p *peer) { p.send("4x"); p.wantClose("close 1002 probe expected") },
			RejectUpgradeViolation},
		{"ping without probe", func(e *env, q string,
			p *peer) {
			p.send("2")
			p.wantClose("close 1002 probe expected")
		}, RejectUpgradeViolation},
		{"close packet", func(e *env, q string, p *peer) { p.send("1"); p.wantClose("close 1002 probe expected") },
			RejectUpgradeViolation},
		{"empty", func(e *env, q string, p *peer) { p.send(""); p.wantClose("close 1002 probe expected") },
			RejectUpgradeViolation},
		{"binary probe", func(e *env, q string, p *peer) {
			p.conn.Write(frame(2, "2probe"))
			p.wantClose("close 1002 probe expected")
		}, RejectUpgradeViolation},
		{"after the probe", func(e *env, q string, p *peer) {
			p.send("2probe", "4x")
			p.want("3probe")
			p.wantClose("close 1002 probe expected")
		}, RejectUpgradeViolation},
		{"silence", func(e *env, q string, p *peer) {
			start := time.Now()
			p.wantClose("close 1008 upgrade timeout")
			if d := time.Since(start); d != 10*time.Second {
				e.t.Errorf("after %v", d)
			}
		}, RejectUpgradeTimeout},
		{"silence after the probe", func(e *env, q string, p *peer) {
			<-time.After(5 * time.Second)
			p.send("2probe")
			p.want("3probe")
			start := time.Now()
			p.wantClose("close 1008 upgrade timeout")
			if d := time.Since(start); d != 5*time.Second {
				e.t.Errorf("after %v", d)
			}
		}, RejectUpgradeTimeout},
		{"gone", func(e *env, q string, p *peer) { p.send("2probe"); p.want("3probe"); p.conn.Close() },
			RejectUpgradeLost},
		{"reset", func(e *env, q string, p *peer) { p.conn.Reset() }, RejectUpgradeLost},
		{"garbage", func(e *env, q string, p *peer) {
			p.conn.Write([]byte("test"))
			p.wantClose("close 1002 reserved bit set")
		}, RejectUpgradeLost},
		{"a second one", func(e *env, q string, p *peer) {
			e.probe(q).wantClose("close 1002 no upgrade possible")
			p.send("2probe")
			p.want("3probe")
			p.conn.Close()
		}, RejectUpgrade},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				q, rec := e.open()
				c.do(e, q, e.probe(q))
				rec.alive()
				e.rejected(c.reject, 1)
				rec.socket.Send(SendOptions{}, text("by polling"))
				e.do("GET", q, "").want(t, 200, "4by polling")
				e.do("POST", q, "4x").want(t, 200, "ok")
				if rec.socket.poll.probe != nil || rec.socket.upgrade != upgradePolling {
					t.Error("the upgrade is not forgotten")
				}
				p := e.probe(q) // and another try succeeds
				p.send("2probe", "5", "4y")
				p.want("3probe")
				synctest.Wait()
				if got := rec.texts(); got != "x y" {
					t.Errorf("received %q", got)
				}
				p.conn.Close()
				rec.want(TransportClose)
			})
		})
	}
}

func TestDisabledUpgrades(t *testing.T) {
	bubble(t, &Options{DisableUpgrades: true}, func(t *testing.T, e *env) {
		a := e.do("GET", handshakeQuery, "")
		if !strings.Contains(a.body, `"upgrades":[]`) {
			t.Errorf("handshake %q", a.body)
		}
		q := handshakeQuery + "&sid=" + e.session(0).socket.ID()
		e.probe(q).wantClose("close 1002 no upgrade possible")
		e.do("POST", q, "4x").want(t, 200, "ok")
	})
	bubble(t, &Options{Transports: []string{"polling"}}, func(t *testing.T, e *env) {
		if a := e.do("GET", handshakeQuery, ""); !strings.Contains(a.body, `"upgrades":[]`) {
			t.Errorf("handshake %q", a.body)
		}
		_, a := e.dial("EIO=4&transport=websocket")
		a.want(t, 400, "Transport unknown")
	})
	bubble(t, &Options{Transports: []string{"websocket"}}, func(t *testing.T, e *env) {
		e.do("GET", handshakeQuery, "").want(t, 400, code0)
		p, _ := e.ws()
		p.conn.Close()
	})
}

// What a poll has taken is out before anything goes by WebSocket, even if the client does not wait for it.
func TestUpgradeDuringALongAnswer(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		q, rec := e.open()
		get := make(chan struct{})
		c, _ := e.net.Dial(t.Context())
		go fmt.Fprintf(c, "GET /engine.io/?%s HTTP/1.1\r\nHost: s\r\n\r\n", q) // ends when written
		synctest.Wait()
		rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 50_000)))
		p := e.probe(q)
		p.send("5")
		synctest.Wait()
		rec.socket.Send(SendOptions{}, text("second"))
		go func() { // ends with the message
			p.want("4second")
			close(get)
		}()
		synctest.Wait()
		select {
		case <-get:
			t.Error("the second message overtook the first")
		default:
		}
		n := 0
		buf := make([]byte, 1000)
		for n < 50_000 {
			m, err := c.Read(buf)
			if n += m; err != nil {
				t.Fatal(err)
			}
		}
		<-get
		rec.alive()
		c.Close()
	})
}

// A POST that is still being delivered holds back what comes by WebSocket.
func TestUpgradeDuringABlockedPost(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		gate := make(chan struct{})
		e.onMsg = func(r *recorder, m Message) { <-gate }
		q, rec := e.open()
		post := e.later("POST", q, "4a\x1e4b")
		p := e.probe(q)
		p.send("2probe", "5", "4c")
		p.want("3probe")
		synctest.Wait()
		if got := rec.texts(); got != "a" {
			t.Errorf("delivered %q", got)
		}
		close(gate)
		(<-post).want(t, 200, "ok")
		synctest.Wait()
		if got := rec.texts(); got != "a b c" {
			t.Errorf("delivered %q", got)
		}
		p.conn.Close()
		rec.want(TransportClose)
	})
}

func TestPostWhoseBodyComesAfterTheUpgrade(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		c, _ := e.net.Dial(t.Context())
		fmt.Fprintf(c, "POST /engine.io/?%s HTTP/1.1\r\nHost: s\r\nContent-Length: 2\r\n\r\n4", q)
		synctest.Wait()
		p := e.probe(q)
		p.send("5", "4b")
		synctest.Wait()
		c.Write([]byte("a"))
		buf := make([]byte, 12)
		c.Read(buf)
		if string(buf) != "HTTP/1.1 400" {
			t.Errorf("%q", buf)
		}
		synctest.Wait()
		if rec.texts() != "b" || rec.socket.poll != nil {
			t.Errorf("received %q", rec.texts())
		}
		c.Close()
		p.conn.Close()
		rec.want(TransportClose)
	})
}

// U-16: numbered messages in both directions while the session upgrades at a random moment.
func TestOrderThroughTheUpgrade(t *testing.T) {
	for seed := range uint64(30) {
		bubble(t, nil, func(t *testing.T, e *env) {
			const n = 300
			rnd := rand.New(rand.NewPCG(seed, 0))
			q, rec := e.open()
			go func() { // ends after n messages
				r := rand.New(rand.NewPCG(seed, 1))
				for i := range n {
					rec.socket.Send(SendOptions{Defer: r.IntN(3) == 0}, text(fmt.Sprint(i)))
					if r.IntN(4) == 0 {
						<-time.After(time.Duration(1+r.IntN(20)) * time.Millisecond)
					}
				}
				rec.socket.Flush()
			}()
			got, sent := 0, 0
			receive := func(body string) {
				for m := range strings.SplitSeq(body, "\x1e") {
					if m == "6" {
						continue
					}
					if m != fmt.Sprint("4", got) {
						t.Fatalf("seed %d: got %q, want message %d", seed, m, got)
					}
					got++
				}
			}
			post := func() {
				e.do("POST", q, fmt.Sprintf("4%d\x1e4%d", sent, sent+1)).want(t, 200, "ok")
				sent += 2
			}
			for range rnd.IntN(10) {
				receive(e.do("GET", q, "").body)
				post()
			}
			get := e.later("GET", q, "")
			p := e.probe(q)
			p.send("2probe")
			p.want("3probe")
			post()
			receive((<-get).body)
			p.send("5")
			for sent < n {
				p.send(fmt.Sprint("4", sent))
				sent++
			}
			for got < n {
				receive(p.read())
			}
			synctest.Wait()
			for i, m := range strings.Fields(rec.texts()) {
				if m != fmt.Sprint(i) {
					t.Fatalf("seed %d: received %q as number %d", seed, m, i)
				}
			}
			if len(rec.messages) != n {
				t.Errorf("received %d", len(rec.messages))
			}
			p.conn.Close()
			rec.want(TransportClose)
		})
	}
}

// U-11, U-17: the end of the session at each state of the upgrade, by each side: one HandleClose, nothing left.
func TestCloseAtEachStateOfTheUpgrade(t *testing.T) {
	ends := map[string]func(e *env, q string, rec *recorder){
		"Close":     func(e *env, q string, rec *recorder) { rec.socket.Close() },
		"CloseWith": func(e *env, q string, rec *recorder) { rec.socket.CloseWith(ParseError, false, "x") },
		"server":    func(e *env, q string, rec *recorder) { e.Server.Close() },
		"packet":    func(e *env, q string, rec *recorder) { e.do("POST", q, "1") },
		"overlap":   func(e *env, q string, rec *recorder) { e.later("GET", q, ""); e.later("GET", q, "") },
		"Send": func(e *env, q string, rec *recorder) {
			for rec.socket.Send(SendOptions{Defer: true}, text("x")) == nil {
			}
		},
	}
	for name, end := range ends {
		for state := range 9 {
			t.Run(fmt.Sprint(name, " ", state), func(t *testing.T) {
				bubble(t, nil, func(t *testing.T, e *env) {
					q, rec := e.open()
					var get <-chan answer
					if state%2 == 1 {
						get = e.later("GET", q, "")
					}
					var p *peer
					if state >= 2 {
						p = e.probe(q)
					}
					if state >= 4 {
						p.send("2probe")
						p.want("3probe")
						if get != nil {
							(<-get).want(t, 200, "6")
							get = e.later("GET", q, "")
						}
					}
					if state >= 6 {
						p.send("5")
						synctest.Wait()
					}
					if state == 8 {
						p.send("4x")
						rec.socket.Send(SendOptions{}, text("y"))
						p.want("4y")
					}
					end(e, q, rec)
					synctest.Wait()
					if p != nil { // the peer answers close frames
						p.conn.Write(frame(8, "\x03\xe8"))
					}
					select {
					case <-rec.closed:
					case <-time.After(drainTimeout + time.Second): // nobody fetches the end
					}
					<-rec.closed
					<-time.After(10 * time.Second)
					if get != nil {
						<-get
					}
					synctest.Wait()
					rec.mu.Lock()
					if rec.closes != 1 {
						t.Errorf("HandleClose %d times", rec.closes)
					}
					rec.mu.Unlock()
					if n := e.Count(); n != 0 {
						t.Errorf("%d sessions", n)
					}
					if p != nil {
						for {
							if m := p.read(); m == "EOF" {
								break
							}
						}
						p.conn.Close()
					}
				})
			})
		}
	}
}

// A GET that the client gives up while it completes the upgrade does not end the session, which needs it no more.
func TestGetGivenUpDuringTheUpgrade(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		sock := rec.socket
		p := e.probe(q)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { // ends when the GET is given up
			defer close(done)
			sock.servePoll(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil), "")
		}()
		synctest.Wait()
		sock.mu.Lock()
		cancel() // decides what the GET wakes up for
		fx, _ := sock.stepLocked(inCommit)
		sock.mu.Unlock()
		if fx&fxSwitch == 0 {
			t.Fatal("not upgraded")
		}
		<-done
		rec.alive()
		if sock.Send(SendOptions{}, text("x")) != nil || sock.poll != nil {
			t.Error("the upgraded session does not work, or keeps the state of polling")
		}
		p.want("4x")
		e.rejected(RejectPollAborted, 0)
		p.conn.Close()
	})
}

// So is a POST that is given up.
func TestPostGivenUpDuringTheUpgrade(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		sock := rec.socket
		p := e.probe(q)
		synctest.Wait()
		sock.mu.Lock()
		sock.stepLocked(inCommit)
		sock.mu.Unlock()
		sock.failPost(httptest.NewRecorder(), io.ErrUnexpectedEOF) // its body had failed a moment before
		rec.alive()
		e.rejected(RejectPostAborted, 0)
		p.conn.Close()
	})
}

// A session that ends because of its requests tells the WebSocket that upgrades it why.
func TestWebSocketIsToldOfTheEndOfPolling(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(e *env, q string)
		told string
	}{
		{"malformed packet", func(e *env, q string) { e.do("POST", q, "9") }, "close 1002 malformed packet"},
		{"body too large", func(e *env, q string) { e.do("POST", q, "4"+strings.Repeat("x", 1000)) }, "close 1009"},
		{"binary body", func(e *env, q string) {
			e.do("POST", q, "4x", "Content-Type", "application/octet-stream")
		}, "close 1002 unsupported content type"},
		{"POST that ends early", func(e *env, q string) { e.part(q).Close() }, "close 1002 request aborted"},
		{"POST that takes too long", func(e *env, q string) {
			c := e.part(q)
			<-time.After(31 * time.Second)
			c.Close()
		}, "close 1008 request timeout"},
		{"two POSTs at once", func(e *env, q string) {
			c := e.part(q)
			e.do("POST", q, "4x")
			c.Close()
		}, "close 1002 two requests at once"},
		{"two GETs at once", func(e *env, q string) { e.later("GET", q, ""); e.later("GET", q, "") },
			"close 1002 two requests at once"},
		{"GET that is given up", func(e *env, q string) {
			ctx, cancel := context.WithCancel(context.Background())
			go e.doContext(ctx, "GET", q, nil) // ends with cancel
			synctest.Wait()
			cancel()
		}, "close 1002 request aborted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, &Options{MaxPayload: 1000, UpgradeTimeout: time.Minute}, func(t *testing.T, e *env) {
				q, rec := e.open()
				p := e.probe(q)
				synctest.Wait()
				c.do(e, q)
				p.wantClose(c.told)
				rec.ended()
				rec.want(rec.reason)
			})
		})
	}
}

// part begins a POST whose body does not come.
func (e *env) part(q string) *memnet.Conn {
	c, err := e.net.Dial(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	fmt.Fprintf(c, "POST /engine.io/?%s HTTP/1.1\r\nHost: s\r\nContent-Length: 99\r\n\r\n4x", q)
	synctest.Wait()
	return c
}
