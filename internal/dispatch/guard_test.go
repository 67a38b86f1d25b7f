package dispatch

import (
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

type textless struct{}

func (*textless) Error() string { panic("no text") }

// in runs fn on a goroutine of its own, which it may end, and returns what it panicked with.
func in(fn func()) (v any) {
	done := make(chan bool)
	go func() { // ends with fn
		defer close(done)
		defer func() { v = recover() }()
		fn()
	}()
	<-done
	return v
}

func TestGuardRun(t *testing.T) {
	oh := errors.New("oh")
	tests := map[string]struct {
		fn       func() error
		disabled bool
		failed   string // the text given to failed
		panics   uint64
		escaped  any
	}{
		"success":          {fn: func() error { return nil }},
		"error":            {fn: func() error { return oh }, failed: "oh"},
		"panic":            {fn: func() error { panic("boom") }, failed: "panic: boom", panics: 1},
		"error of no text": {fn: func() error { return (*textless)(nil) }, failed: "panic: no text", panics: 1},
		"exit":             {fn: func() error { runtime.Goexit(); return nil }, failed: ErrExited.Error()},
		"wanted panic":     {fn: func() error { panic("boom") }, disabled: true, escaped: "boom"},
		"wanted exit": {fn: func() error { runtime.Goexit(); return nil },
			disabled: true, failed: ErrExited.Error()},
		"wanted error": {fn: func() error { return oh }, disabled: true, failed: "oh"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			var panics atomic.Uint64
			var failed []string
			g := &Guard{DisableRecover: c.disabled, Panics: &panics}
			escaped := in(func() { g.Run(c.fn, func(err error) { failed = append(failed, err.Error()) }) })
			if got := strings.Join(failed, ", "); got != c.failed || panics.Load() != c.panics || escaped != c.escaped {
				t.Errorf("failed with %q, %d panics, %v escaped", got, panics.Load(), escaped)
			}
		})
	}
	if err := new(Guard).Call(func() error { panic(oh) }); !errors.Is(err, oh) {
		t.Errorf("%v does not match what the panic was about", err)
	}
}

func TestRunAll(t *testing.T) {
	fns := []func(){func() {}, func() { panic("boom") }, runtime.Goexit, func() {}}
	for _, disabled := range []bool{false, true} {
		var called []int
		var failed []string
		g := &Guard{DisableRecover: disabled}
		escaped := in(func() {
			RunAll(g, []int{0, 1, 2, 3}, func(i int) {
				called = append(called, i)
				fns[i]()
			}, func(err error) { failed = append(failed, err.Error()) })
		})
		want, texts, boom := []int{0, 1, 2, 3}, "panic: boom, "+ErrExited.Error(), any(nil)
		if disabled { // nothing runs between a panic and its end of the process
			want, texts, boom = []int{0, 1}, "", "boom"
		}
		if got := strings.Join(failed, ", "); !slices.Equal(called, want) || got != texts || escaped != boom {
			t.Errorf("disabled %v: called %v, failed with %q, %v escaped", disabled, called, got, escaped)
		}
	}
}

func TestSeveralErrorsStayApart(t *testing.T) {
	each := func(err error) (texts string) {
		Each(err, func(err error) { texts += "[" + strings.ReplaceAll(err.Error(), "\n", "/") + "]" })
		return texts
	}
	var e Errors
	e.Add(nil)
	if e.Err() != nil {
		t.Error("an error of nothing")
	}
	one, two := errors.New("one"), errors.Join(errors.New("two"), errors.New("three"))
	e.Add(one)
	if e.Err() != one || each(one) != "[one]" {
		t.Errorf("%v, not the only one", e.Err())
	}
	e.Add(two)
	if err := e.Err(); !errors.Is(err, one) || !errors.Is(err, two) ||
		each(err) != "[one][two/three]" || each(two) != "[two/three]" {
		t.Errorf("%v: %s", err, each(err))
	}
}

func TestGuardLogger(t *testing.T) {
	g := new(Guard)
	g.Logger(nil).Error("nowhere")
	var b strings.Builder
	l := g.Logger(slog.New(slog.NewTextHandler(&b, nil))).With("app", "x").WithGroup("io")
	l.Info("hello", "to", valuer{})
	l.Info("hello", "to", "you")
	if got := b.String(); !strings.Contains(got, "msg=hello app=x io.to=you") {
		t.Errorf("logged %q", got)
	}
}

type valuer struct{}

func (valuer) LogValue() slog.Value { panic("no value") }

// asked is an error that panics when it is asked what it is.
type asked struct{ how string }

func (asked) Error() string   { return "text" }
func (a asked) Is(error) bool { a.boom("is"); return false }
func (a asked) As(any) bool   { a.boom("as"); return false }
func (a asked) Unwrap() error { a.boom("unwrap"); return nil }
func (a asked) boom(how string) {
	if a.how == how {
		panic(how)
	}
}

func TestGuardLooksAtErrors(t *testing.T) {
	for _, how := range []string{"is", "as", "unwrap"} {
		err := new(Guard).Call(func() error { return asked{how} })
		if err == nil || err.Error() != "panic: "+how {
			t.Errorf("%s: %v", how, err)
		}
	}
	if err := new(Guard).Call(func() error { return asked{} }); err != (asked{}) {
		t.Errorf("%v", err)
	}
}

func TestGuardContains(t *testing.T) {
	oh := errors.New("oh")
	g := new(Guard)
	if err := g.Contain(func() error { return oh }); err != oh {
		t.Errorf("an error: %v", err)
	}
	if err := g.Contain(func() error { panic("boom") }); err == nil || err.Error() != "panic: boom" {
		t.Errorf("a panic: %v", err)
	}
	if err := g.Contain(func() error { runtime.Goexit(); return nil }); err != ErrExited {
		t.Errorf("an exit: %v", err)
	}
}

func TestEachGoesOn(t *testing.T) {
	var e Errors
	for _, text := range []string{"a", "b", "c"} {
		e.Add(errors.New(text))
	}
	var got []string
	in(func() {
		Each(e.Err(), func(err error) {
			got = append(got, err.Error())
			runtime.Goexit()
		})
	})
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("called for %v", got)
	}
}
