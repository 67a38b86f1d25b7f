package engineio

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Sessions on polling whose clients are gone do not hold Shutdown up; those that are there fetch what is queued, and
// the end.
func TestShutdownDoesNotWaitForTheGone(t *testing.T) {
	for name, c := range map[string]struct {
		client func(t *testing.T, e *env, query string, rec *recorder)
		least  time.Duration
		most   time.Duration
	}{
		"silent for long": {func(_ *testing.T, _ *env, _ string, rec *recorder) {
			<-time.After(10 * time.Second)
			rec.socket.Send(SendOptions{}, text("a"))
		}, 0, 0},
		"silent for a moment": {func(_ *testing.T, _ *env, _ string, rec *recorder) {
			rec.socket.Send(SendOptions{}, text("a"))
			<-time.After(time.Second)
		}, 2 * time.Second, 2 * time.Second},
		"closed before": {func(_ *testing.T, _ *env, _ string, rec *recorder) {
			rec.socket.Send(SendOptions{}, text("a"))
			rec.socket.Close()
			<-time.After(time.Second)
		}, 2 * time.Second, 2 * time.Second},
		"in the middle of a POST": {func(t *testing.T, e *env, query string, _ *recorder) {
			conn, _ := e.net.Dial(t.Context())
			t.Cleanup(func() { conn.Close() })
			fmt.Fprintf(conn, "POST /engine.io/?%s HTTP/1.1\r\nHost: s\r\nContent-Length: 100\r\n\r\n4", query)
			synctest.Wait()
			<-time.After(time.Second)
		}, 2 * time.Second, 2*time.Second + 500*time.Millisecond},
		"slow, but there": {func(t *testing.T, e *env, query string, rec *recorder) {
			for range 3 { // one answer holds one of them
				rec.socket.Send(SendOptions{}, text(string(make([]byte, 60_000))))
			}
			go func() { // ends with the session
				for {
					<-time.After(2 * time.Second)
					a := e.do("GET", query, "")
					if a.status != 200 {
						t.Errorf("%d %.100q", a.status, a.body)
					}
					if a.body == "1" {
						return
					}
				}
			}()
		}, 8 * time.Second, 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, &Options{MaxPayload: 100_000}, func(t *testing.T, e *env) {
				q, rec := e.open()
				c.client(t, e, q, rec)
				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if err := e.Shutdown(ctx); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				if d := time.Since(begin); d < c.least || d > c.most {
					t.Errorf("Shutdown took %v, want %v to %v", d, c.least, c.most)
				}
				rec.want(ForcedClose)
			})
		})
	}
}
