package attack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	socketio "sio.example/socketio"
	sioevent "sio.example/socketio/event"
	"sio.example/socketio/test/internal/wire"
)

// ackRows are about acknowledgements.
var ackRows = []row{
	{id: "P-21", run: func(e *env) {
		e.both(func(s *wire.Session) {
			// Leading zeros mean nothing.
			e.says(s, txts(`420["echo",1]`, `42007["echo",2]`, `429007199254740991["echo"]`),
				txts(`430[1]`, `437[2]`, `439007199254740991[]`)...)
			e.says(s, txts(`4200["echo"]`, `421000000000000000["echo"]`), txts(`430[]`, `431000000000000000[]`)...)
		})
	}},
	{id: "P-23-blank", run: func(e *env) { // a blank is white space before the payload, and no id
		e.both(func(s *wire.Session) {
			e.says(s, txts(`42 ["echo",1]`, `427 ["echo",2]`), txts(`42["echo",1]`, `437[2]`)...)
		})
	}},
	{id: "P-24", run: func(e *env) {
		e.both(func(s *wire.Session) {
			e.says(s, txts(`425["echo","a"]`, `425["echo","b"]`), txts(`435["a"]`, `435["b"]`)...)
			e.alive(s)
		})
	}},
	{id: "P-25a", run: func(e *env) {
		e.io.Handle("often", func(_ context.Context, _ *socketio.Socket, ev *socketio.Event) error {
			if n := ackOften(e, ev, sioevent.ErrAcked); n != 1 {
				e.Errorf("%d acknowledgements counted", n)
			}
			return ev.Ack() // once more, and the error is no answer either
		})
		e.both(func(s *wire.Session) {
			for i := range 10 {
				e.says(s, txts(fmt.Sprintf(`42%d["often"]`, i)))
				if _, err := s.Expect(fmt.Sprintf(`43%d["once"]`, i)); err != nil {
					e.Error(err)
				}
			}
			e.alive(s)
		})
	}, warns: true},
	{id: "P-25b", run: func(e *env) { // after the disconnection, however long; the client is back
		events := make(chan *socketio.Event, 1)
		e.io.Handle("keep", func(_ context.Context, _ *socketio.Socket, ev *socketio.Event) error {
			events <- ev
			return nil
		})
		e.both(func(s *wire.Session) {
			e.says(s, txts(`421["keep"]`))
			ev := <-events
			e.says(s, txts(`41`)) // before this is handled, the event would be dropped
			if _, err := s.Connect("/", ""); err != nil {
				e.Fatal(err)
			}
			if n := ackOften(e, ev, socketio.ErrDisconnected, sioevent.ErrAcked); n != 0 {
				e.Errorf("%d acknowledgements counted", n)
			}
			e.alive(s)
			e.leaves(s)
		})
	}, reason: socketio.ReasonClientDisconnect},
	{id: "P-25c", run: func(e *env) { // while the client disconnects
		e.io.Of("/plain").Handle("often", func(_ context.Context, _ *socketio.Socket, ev *socketio.Event) error {
			ackOften(e, ev, socketio.ErrDisconnected, sioevent.ErrAcked)
			return nil
		})
		e.both(func(s *wire.Session) {
			for i := range 20 {
				if _, err := s.Connect("/plain", ""); err != nil {
					e.Fatal(err)
				}
				e.says(s, txts(fmt.Sprintf(`42/plain,%d["often"]`, i), `41/plain,`, `42["echo","next"]`))
				answers := 0
				for {
					p, err := s.Next()
					if err != nil {
						e.Fatal(err)
					}
					if p.String() == `42["echo","next"]` {
						break
					}
					if answers++; p.String() != fmt.Sprintf(`43/plain,%d["once"]`, i) || answers > 1 {
						e.Fatalf("answer %d is %v", answers, p)
					}
				}
			}
		})
	}},
	{id: "P-26", run: func(e *env) {
		e.both(func(s *wire.Session) {
			_, ask := e.ask(s, "pending")
			e.says(s, txts(`43999[]`, `43[]`, `43`, `43999`, `439007199254740991["x"]`))
			e.alive(s)
			ask("answer")
		})
		e.hears()
	}},
	{id: "P-27", run: func(e *env) {
		e.both(func(s *wire.Session) {
			other := e.connect("websocket")
			if _, err := s.Connect("/admin", ""); err != nil {
				e.Fatal(err)
			}
			id, ask := e.ask(s, "mine")
			e.says(other, txts(`43`+id+`["of another socket"]`))
			e.says(s, txts(`43/admin,`+id+`["of another namespace"]`))
			e.alive(other)
			e.alive(s)
			ask("answer")
		})
	}},
	{id: "P-29a", run: func(e *env) {
		e.both(func(s *wire.Session) {
			answerTwice(context.Background(),
				func() {}, e, s)
		})
	}},
	{id: "P-29b", run: func(e *env) {
		e.both(func(s *wire.Session) {
			for range 5 {
				ctx, cancel := context.WithCancel(context.Background())
				answerTwice(ctx, cancel, e, s)
			}
		})
	}},
	{id: "P-29c", run: func(e *env) { // after the timeout
		e.both(func(s *wire.Session) {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			sock := e.serverSocket(s)
			go func() { // ends with its call, which ctx ends
				_, err := sock.EmitWithAck(ctx, "late")
				done <- err
			}()
			late, err := s.Next()
			cancel()
			if got := <-done; err != nil || !errors.Is(got, context.Canceled) {
				e.Fatalf("%v, %v", got, err)
			}
			id, _ := strings.CutSuffix(strings.TrimPrefix(late.String(), "42"), `["late"]`)
			e.says(s, txts(`43`+id+`["late"]`))
			_, ask := e.ask(s, "next")
			ask("answer")
			e.alive(s)
		})
	}},
}

// ackOften acknowledges an event a hundred times at once. It returns how often that went well; other errors than these
// are wrong.
func ackOften(e *env, ev *socketio.Event, errs ...error) int64 {
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { // ends with its one call
			if err := ev.Ack("once"); err == nil {
				n.Add(1)
			} else if !slices.ContainsFunc(errs, func(want error) bool { return errors.Is(err, want) }) {
				e.Errorf("Ack: %v", err)
			}
		})
	}
	wg.Wait()
	return n.Load()
}

// ask has the server wait for an acknowledgement. It returns the id, and what answers and checks what the server got.
func (e *env) ask(s *wire.Session, name string) (id string, answer func(text string)) {
	e.Helper()
	type result struct {
		args string
		err  error
	}
	done := make(chan result, 1)
	sock := e.serverSocket(s)
	go func() { // ends with its call: the row answers, or closes the session
		args, err := sock.EmitWithAck(context.Background(), name)
		done <- result{args.String(), err}
	}()
	p, err := s.Next()
	if err != nil {
		e.Fatal(err)
	}
	id, ok := strings.CutSuffix(strings.TrimPrefix(p.String(), "42"), `["`+name+`"]`)
	if !ok || id == "" {
		e.Fatalf("%v instead of %s", p, name)
	}
	return id, func(text string) {
		e.Helper()
		select {
		case r := <-done:
			e.Errorf("%s was answered already: %v", name, r)
		default:
		}
		e.says(s, txts(`43`+id+`["`+text+`"]`))
		if r := <-done; r.err != nil || r.args != `["`+text+`"]` {
			e.Errorf("%s: %v", name, r)
		}
	}
}

// answerTwice has the server ask a hundred questions at once, which are answered twice each; half way cancel is called.
// Each question has one outcome, and no other one's answer.
func answerTwice(ctx context.Context, cancel func(), e *env, s *wire.Session) {
	e.Helper()
	const questions = 100
	sock := e.serverSocket(s)
	var wg sync.WaitGroup
	for i := range questions {
		wg.Go(func() { // ends with its question
			var got int
			args, err := sock.EmitWithAck(ctx, "question", i)
			if err == nil {
				err = args.Bind(&got)
			}
			if err == nil && got != i || err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
				e.Errorf("question %d: %d, %v", i, got, err)
			}
		})
	}
	var answers []string
	for range questions { // before any is given up: what is asked with a context that is done is not sent
		p, err := s.Next()
		if err != nil {
			e.Fatal(err)
		}
		var id, i int
		if _, err := fmt.Sscanf(p.String(), `42%d["question",%d]`, &id, &i); err != nil {
			e.Fatalf("%v: %v", p, err)
		}
		answers = append(answers, fmt.Sprintf(`43%d[%d]`, id, i), fmt.Sprintf(`43%d[%d]`, id, -1))
	}
	for n := range questions {
		if n == questions/2 {
			cancel()
		}
		e.says(s, txts(answers[2*n], answers[2*n+1]))
	}
	wg.Wait()
	e.alive(s)
}
