//go:build linux

package load

import (
	"os"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/bench/internal/wsframe"
)

// drive runs a scenario of some connections against l.
func drive(t *testing.T, l *liar, name string, connections int) *Result {
	t.Helper()
	l.start()
	s, ok := Find(name)
	if !ok {
		t.Fatalf("no scenario %q", name)
	}
	s.Connections = connections
	r, err := Run(t.Context(), Target{Port: l.port(), PID: os.Getpid()}, Config{
		Scenario: s, Warm: 50 * time.Millisecond, Duration: 500 * time.Millisecond,
		Rest: 30 * time.Millisecond, Drain: drain,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// drain is so long that only what is missing takes it.
var drain = 5 * time.Minute

// hurry is for tests in which something is missing for good.
func hurry(t *testing.T) {
	old := drain
	drain = 3 * time.Second
	t.Cleanup(func() { drain = old })
}

func TestHonest(t *testing.T) {
	for _, name := range []string{"echo", "ack", "binary", "echonb", "echo1"} {
		t.Run(name, func(t *testing.T) {
			l := newLiar(t)
			l.answer = honest
			r := drive(t, l, name, 3)
			if r.Faults.Total() != 0 || r.Messages == 0 || r.Rate <= 0 ||
				r.Latency.P50 <= 0 || r.Latency.P99 < r.Latency.P50 || r.PSS == 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	for _, name := range []string{"broadcast", "broadcast1", "rooms"} {
		t.Run(name, func(t *testing.T) {
			l := newLiar(t)
			l.answer = l.toAll
			r := drive(t, l, name, 20)
			if r.Faults.Total() != 0 || r.Messages == 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	t.Run("connect", func(t *testing.T) {
		r := drive(t, newLiar(t), "connect", 4)
		if r.Faults.Total() != 0 || r.Messages == 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("idle", func(t *testing.T) {
		r := drive(t, newLiar(t), "idle", 10)
		if r.Faults.Total() != 0 || r.Messages != 10 || r.Idle == nil || r.Idle.BaseBytes == 0 {
			t.Errorf("%+v", r)
		}
	})
}

// JSON may be written in another way.
func TestOtherSpelling(t *testing.T) {
	l := newLiar(t)
	l.answer = func(c *liarConn, n int, op byte, p []byte) []reply {
		text := strings.Replace(string(p), `["echo",{`, `[ "echo", { `, 1)
		return []reply{{op, strings.Replace(text, "lane", `\u006cane`, 1)}}
	}
	r := drive(t, l, "echo1", 2)
	if r.Faults.Total() != 0 || r.Messages == 0 {
		t.Errorf("%+v", r)
	}
}

// Keys may come in the other order, as they do from a map.
func TestSwappedKeys(t *testing.T) {
	l := newLiar(t)
	l.answer = func(_ *liarConn, n int, op byte, p []byte) []reply {
		text := string(p)
		if n%2 == 1 {
			_, payload, _ := strings.Cut(text, `{"id":`)
			id, rest, _ := strings.Cut(payload, ",")
			text = `42["echo",{` + strings.TrimSuffix(rest, "}]") + `,"id":` + id + "}]"
		}
		return []reply{{op, text}}
	}
	r := drive(t, l, "echo", 2)
	if r.Faults.Total() != 0 || r.Messages == 0 {
		t.Errorf("%+v", r)
	}
}

// Each lie is noticed, and called by its name.
func TestLies(t *testing.T) {
	const when = 10 // of the messages of each connection
	held := map[*liarConn][]reply{}
	for _, test := range []struct {
		name, scenario string
		lie            func(c *liarConn, op byte, text string) []reply // instead of the answer to one message
		after          func(c *liarConn, op byte, text string) []reply // for the next
		count          func(f *Faults) int64
	}{
		{
			name: "lost", scenario: "echo",
			lie:   func(*liarConn, byte, string) []reply { return nil },
			count: func(f *Faults) int64 { return f.Lost },
		},
		{
			name: "misordered", scenario: "echo",
			lie: func(c *liarConn, op byte, text string) []reply {
				held[c] = []reply{{op, text}}
				return nil
			},
			after: func(c *liarConn, op byte, text string) []reply {
				return append([]reply{{op, text}}, held[c]...)
			},
			count: func(f *Faults) int64 { return f.Misordered },
		},
		{
			name: "twice", scenario: "echo",
			lie:   func(_ *liarConn, op byte, text string) []reply { return []reply{{op, text}, {op, text}} },
			count: func(f *Faults) int64 { return f.Unexpected },
		},
		{
			name: "never sent", scenario: "echo",
			lie: func(_ *liarConn, op byte, text string) []reply {
				return []reply{{op, text}, {op, renumber(text, 1000)}}
			},
			count: func(f *Faults) int64 { return f.Unexpected },
		},
		{
			name: "other text", scenario: "echo",
			lie: func(_ *liarConn, op byte, text string) []reply {
				return []reply{{op, strings.Replace(text, "lane", "lame", 1)}}
			},
			count: func(f *Faults) int64 { return f.Bad },
		},
		{
			name: "of another connection", scenario: "echo",
			lie: func(_ *liarConn, op byte, text string) []reply {
				return []reply{{op, strings.ReplaceAll(text, "lane 0000", "lane 0001")}}
			},
			count: func(f *Faults) int64 { return f.Bad },
		},
		{
			name: "another event", scenario: "echo",
			lie: func(_ *liarConn, op byte, text string) []reply {
				return []reply{{op, strings.Replace(text, "echo", "ecco", 1)}}
			},
			count: func(f *Faults) int64 { return f.Bad },
		},
		{
			name: "no JSON", scenario: "echo",
			lie:   func(_ *liarConn, op byte, text string) []reply { return []reply{{op, text[:len(text)-1]}} },
			count: func(f *Faults) int64 { return f.Bad },
		},
		{
			name: "binary for text", scenario: "echo",
			lie:   func(_ *liarConn, _ byte, text string) []reply { return []reply{{wsframe.Binary, text}} },
			count: func(f *Faults) int64 { return f.Bad },
		},
		{
			name: "another acknowledgement", scenario: "ack",
			lie: func(_ *liarConn, op byte, text string) []reply {
				return []reply{{op, strings.Replace(text, "431", "439", 1)}}
			},
			count: func(f *Faults) int64 { return f.Bad },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			hurry(t)
			l := newLiar(t)
			l.answer = func(c *liarConn, n int, op byte, p []byte) []reply {
				right := honest(c, n, op, p)
				switch {
				case n == when:
					return test.lie(c, right[0].op, right[0].text)
				case n == when+1 && test.after != nil:
					return test.after(c, right[0].op, right[0].text)
				}
				return right
			}
			r := drive(t, l, test.scenario, 1)
			if test.count(&r.Faults) != 1 || r.Faults.Total() != 1 || r.Faults.String() == "" {
				t.Errorf("faults %+v", r.Faults)
			}
			if test.name != "lost" && len(r.Faults.First) != 1 {
				t.Errorf("described as %q", r.Faults.First)
			}
			if r.Messages == 0 {
				t.Error("the load did not go on")
			}
		})
	}
}

func TestLiesAboutAttachments(t *testing.T) {
	const when = 20 // counts both frames of a message
	for name, test := range map[string]struct {
		at  int // from when
		lie func(op byte, text string) []reply
	}{
		"contents": {1, func(op byte, text string) []reply { return []reply{{op, text[:1000] + "x" + text[1001:]}} }},
		"shorter":  {1, func(op byte, text string) []reply { return []reply{{op, text[:1000]}} }},
		"as text":  {1, func(_ byte, text string) []reply { return []reply{{wsframe.Text, text}} }},
		"header": {0, func(op byte, text string) []reply {
			return []reply{{op,
				strings.Replace(text, "echo", "ecco", 1)}}
		}},
		"no header": {0, func(byte, string) []reply { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			hurry(t)
			l := newLiar(t)
			l.answer = func(_ *liarConn, n int, op byte, p []byte) []reply {
				if n == when+test.at {
					return test.lie(op, string(p))
				}
				return []reply{{op, string(p)}}
			}
			r := drive(t, l, "binary", 1)
			if r.Faults.Bad == 0 || r.Faults.Bad > 2 || r.Messages == 0 {
				t.Errorf("%d messages, faults %+v", r.Messages, r.Faults)
			}
		})
	}
}

// One receiver that is left out of one broadcast, or gets another room's, is noticed.
func TestLiesAboutBroadcasts(t *testing.T) {
	t.Run("left out", func(t *testing.T) {
		hurry(t)
		l := newLiar(t)
		l.answer = func(c *liarConn, n int, op byte, p []byte) []reply {
			if n != 3 {
				return l.toAll(c, n, op, p)
			}
			l.mu.Lock()
			conns := l.conns[1:]
			l.mu.Unlock()
			for _, c := range conns {
				c.write(reply{op, string(p)})
			}
			return nil
		}
		if r := drive(t, l, "broadcast", 10); r.Faults.Lost != 1 || r.Faults.Total() != 1 {
			t.Errorf("faults %+v", r.Faults)
		}
	})
	t.Run("another room", func(t *testing.T) {
		l := newLiar(t)
		l.answer = func(c *liarConn, n int, op byte, p []byte) []reply {
			l.toAll(c, n, op, p)
			if n == 3 && c.room == "room-0" {
				text := strings.Replace(string(p), `"room-0",`, "", 1)
				l.mu.Lock()
				other := l.conns[len(l.conns)-1]
				l.mu.Unlock()
				other.write(reply{op, text})
			}
			return nil
		}
		if r := drive(t, l, "rooms", 20); r.Faults.Bad == 0 {
			t.Errorf("faults %+v", r.Faults)
		}
	})
}

func TestLeftOpen(t *testing.T) {
	l := newLiar(t)
	l.keepOpen = true
	hurry(t)
	r := drive(t, l, "connect", 2)
	if r.Faults.LeftOpen == 0 || r.Faults.LeftOpen != r.Faults.Total() {
		t.Errorf("faults %+v", r.Faults)
	}
}

func TestClosed(t *testing.T) {
	l := newLiar(t)
	l.answer = honest
	l.closeAfter = 50
	hurry(t)
	r := drive(t, l, "echo", 2)
	if r.Faults.Closed != 2 {
		t.Errorf("faults %+v", r.Faults)
	}
}

// What can't be measured is an error.
func TestNoServer(t *testing.T) {
	l := newLiar(t)
	if err := l.listener.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ := Find("echo")
	_, err := Run(t.Context(), Target{Port: l.port(), PID: os.Getpid()}, Config{Scenario: s})
	if err == nil || !strings.Contains(err.Error(), "connection 1 of 100") {
		t.Errorf("error %v", err)
	}
	s.Window = ring + 1
	if _, err := Run(t.Context(), Target{}, Config{Scenario: s}); err == nil {
		t.Error("a window larger than the ring was taken")
	}
}
