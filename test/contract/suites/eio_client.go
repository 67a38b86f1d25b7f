package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/test/contract/process"
)

// eioClient serves the suite of engine.io-client.
func eioClient(log *slog.Logger) process.Service {
	posts := &posts{next: nil, headers: map[string]http.Header{}}
	eio := engineio.NewServer(func(s *engineio.Socket, _ *http.Request) engineio.Handler {
		_ = s.Send(engineio.SendOptions{}, text("hi"))
		return eioClientSession{s, posts}
	}, &engineio.Options{
		PingInterval: 500 * time.Millisecond,
		MaxPayload:   100,
		AllowRequest: func(r *http.Request) error {
			if r.URL.Query().Has("deny") {
				return errors.New("denied by the query")
			}
			return nil
		},
		Headers: func(h http.Header, _ *http.Request, initial bool) {
			if initial {
				h.Add("Set-Cookie", "1=1; Max-Age=86400")
				h.Add("Set-Cookie", "2=2; Path=/; HttpOnly; Secure; SameSite=Strict")
				h.Add("Set-Cookie", "3=3; Max-Age=0")
				h.Add("Set-Cookie", "4=4; Expires="+time.Now().UTC().Format(http.TimeFormat))
			}
		},
		Logger: log,
	})
	posts.next = eio
	mux := http.NewServeMux()
	mux.Handle("/engine.io", posts)
	mux.Handle("/engine.io/", posts)
	return process.Service{Handler: mux, Shutdown: eio.Shutdown}
}

// posts remembers, for as long as a POST is served, its headers by session id.
type posts struct {
	next http.Handler

	mu      sync.Mutex
	headers map[string]http.Header
}

func (p *posts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if sid := r.URL.Query().Get("sid"); sid != "" && r.Method == http.MethodPost {
		h := r.Header.Clone()
		h.Set("Host", r.Host)
		p.set(sid, h)
		defer p.set(sid, nil)
	}
	p.next.ServeHTTP(w, r)
}

func (p *posts) set(sid string, h http.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h == nil {
		delete(p.headers, sid)
		return
	}
	p.headers[sid] = h
}

// text is the headers of the POST that is being served for sid, as JSON with lower-case names.
func (p *posts) text(sid string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	lower := map[string]string{}
	for name, values := range p.headers[sid] {
		lower[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	out, err := json.Marshal(lower)
	if err != nil {
		return "{}" // can't be: strings only
	}
	return string(out)
}

type eioClientSession struct {
	s     *engineio.Socket
	posts *posts
}

func (e eioClientSession) HandleMessage(m engineio.Message) {
	answer := engineio.Prepare(m)
	if !m.Binary {
		switch string(m.Data) {
		case "give binary":
			answer = engineio.Prepare(engineio.Message{Binary: true, Data: []byte{0, 1, 2, 3, 4}})
		case "give utf8":
			answer = text("пойду спать всем спокойной ночи")
		case "sendHeaders":
			answer = text(e.posts.text(e.s.ID()))
		}
	}
	_ = e.s.Send(engineio.SendOptions{}, answer) // fails only if the session is gone
}

func (e eioClientSession) HandleClose(engineio.Reason, error) {}

func text(s string) *engineio.Prepared {
	return engineio.Prepare(engineio.Message{Data: []byte(s)})
}
