package siotest_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/parser"
	"sio.example/socketio/siotest"
)

func TestEntryString(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		entry siotest.Entry
		want  string
	}{
		{siotest.Entry{Kind: siotest.KindConnect}, "connect"},
		{siotest.Entry{Kind: siotest.KindConnectError, Err: boom}, "connect_error boom"},
		{siotest.Entry{Kind: siotest.KindDisconnect, Reason: "ping timeout", Source: "ada"},
			"ada: disconnect ping timeout"},
		{siotest.Entry{Kind: siotest.KindEvent, Name: "chat message", Args: parser.NewArgs("<hi>", 1.5)},
			`chat message ["<hi>",1.5]`},
		{siotest.Entry{Kind: siotest.KindEvent, Name: "x"}, `x []`},
		{siotest.Entry{Kind: siotest.KindReconnectAttempt, Attempt: 2}, "reconnect_attempt 2"},
		{siotest.Entry{Kind: siotest.KindReconnect, Attempt: 3}, "reconnect 3"},
		{siotest.Entry{Kind: siotest.KindReconnectError, Err: boom}, "reconnect_error boom"},
		{siotest.Entry{Kind: siotest.KindClose, Reason: "transport close"}, "close transport close"},
		{siotest.Entry{Kind: siotest.KindNote, Name: "now"}, "now"},
	} {
		if got := c.entry.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		first, _, _ := strings.Cut(c.want, " ")
		if !c.entry.Matches(c.want) || !c.entry.Matches(first) ||
			c.entry.Matches(first[:1]) != (len(first) == 1) || c.entry.Matches(c.want+" ") {
			t.Errorf("what matches %q is wrong", c.want)
		}
	}
}

func TestRecorderWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := siotest.NewRecorder(t)
		go func() { // ends with its notes
			for i := range 10 {
				<-time.After(time.Minute)
				rec.Note("note %d", i)
			}
		}()
		if e := rec.Next(); e.String() != "note 0" || e.At != time.Minute {
			t.Errorf("%v at %v", e, e.At)
		}
		if e := rec.Wait("note 3"); e.At != 4*time.Minute {
			t.Errorf("%v at %v", e, e.At)
		}
		rec.ExpectNothing()
		rec.Expect("note 4", "note")
		if e := rec.WaitFunc(func(e siotest.Entry) bool { return e.At > 7*time.Minute }); e.Name != "note 7" {
			t.Errorf("%v", e)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if rest := rec.Rest(); len(rest) != 1 || rest[0].Name != "note 8" || len(rec.All()) != 9 {
			t.Errorf("%v of %v", rest, rec.All())
		}
		rec.Wait("note 9")
		if s := rec.String(); !strings.Contains(s, "      1m0s  note 0\n") || strings.Count(s, "\n") != 10 {
			t.Errorf("%s", s)
		}
	})
}

func TestRecorderFails(t *testing.T) {
	for _, c := range []struct {
		name string
		test func(rec *siotest.Recorder)
		want string
	}{
		{"Next", func(r *siotest.Recorder) { r.Wait("c"); r.Next() }, "siotest: nothing recorded for 1m0s"},
		{"Wait", func(r *siotest.Recorder) { r.Wait("d") }, `siotest: "d" is not recorded after 1m0s`},
		{"WaitFunc", func(r *siotest.Recorder) { r.WaitFunc(func(siotest.Entry) bool { return false }) },
			"siotest: what is waited for is not recorded after 1m0s"},
		{"ExpectNothing", func(r *siotest.Recorder) { r.Wait("a"); r.ExpectNothing() }, `
  expected           at  recorded
! (nothing)          0s  b
! (nothing)          0s  c
`},
		{"another", func(r *siotest.Recorder) { r.Expect("a", "x", "c") }, `
  expected           at  recorded
  a                  0s  a
! x                  0s  b
  c                  0s  c
`},
		{"too few", func(r *siotest.Recorder) { r.Expect("a", "b", "c", "a long line") }, `
  expected             at  recorded
  a                    0s  a
  b                    0s  b
  c                    0s  c
! a long line              (nothing)
`},
		{"too many", func(r *siotest.Recorder) { r.Expect("b") }, `
  expected           at  recorded
! b                  0s  a
! (nothing)          0s  b
! (nothing)          0s  c
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failed, out := try(t, func(tb testing.TB) {
					rec := siotest.NewRecorder(tb)
					rec.SetPatience(time.Minute)
					rec.Note("a")
					rec.Note("b")
					rec.Note("c")
					c.test(rec)
					t.Error("the test goes on")
				})
				if !failed || !strings.Contains(out, c.want) {
					t.Errorf("failed: %v, with\n%s\nwant\n%s", failed, out, c.want)
				}
				if all := "siotest: recorded:\n        0s  a\n"; !strings.Contains(out, all) {
					t.Errorf("the failed test does not show all: %s", out)
				}
			})
		})
	}
}

func TestTextAndDiff(t *testing.T) {
	type point struct{ X, Y int }
	for _, c := range []struct {
		got  parser.Args
		want []any
		diff string
	}{
		{parser.NewArgs(), nil, ""},
		{parser.NewArgs(1, "a"), []any{1.0, "a"}, ""},
		{parser.NewArgs(point{1, 2}), []any{map[string]any{"Y": 2, "X": 1}}, ""},
		{parser.NewArgs([]byte("abc")), []any{[]byte("abc")}, ""},
		{parser.NewArgs([]byte("abc"), 1), []any{[]byte("abd"), 1},
			"got  [\"hex:616263\",1]\nwant [\"hex:616264\",1]\n                ^"},
		{parser.NewArgs(1), []any{1, 2}, "got  [1]\nwant [1,2]\n       ^"},
		{parser.NewArgs("é", 1), []any{"é", 2}, "got  [\"é\",1]\nwant [\"é\",2]\n          ^"},
		{parser.NewArgs(nil), nil, "got  [null]\nwant []\n      ^"},
	} {
		if diff := siotest.Diff(c.got, c.want...); diff != c.diff {
			t.Errorf("%s:\n%s\nwant\n%s", c.got, diff, c.diff)
		}
	}
	if d := siotest.Diff(parser.NewArgs(make(chan int)), 1); !strings.Contains(d, "chan") {
		t.Errorf("%q", d)
	}
	long := strings.Repeat("x", 10_000)
	if s := siotest.EventLine("x", long, map[string]any{"b": []any{[]byte{255}}}); s != `x ["`+
		long+`",{"b":["hex:ff"]}]` {
		t.Errorf("%d bytes: %.100q", len(s), s)
	}
}
