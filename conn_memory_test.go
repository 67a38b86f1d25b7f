package socketio_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser"
)

// sized is the auth of a CONNECT of n bytes.
func sized(n int) string { return `{"token":"` + strings.Repeat("x", n-12) + `"}` }

// The auth that a connection keeps is bounded over all of its namespaces, and counts.
func TestMaxAuth(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.OfFunc(func(context.Context, string, socketio.Args) bool { return true })
		c := f.dial()
		for i := range 6 {
			c.connect(fmt.Sprint("/", i), sized(20_000))
		}
		if m := f.Stats().Engine.Memory; m.Held < 100_000 || m.Held > 120_000 {
			t.Errorf("%d bytes are held", m.Held)
		}
		c.connect("/6", sized(10_000))
		c.send("40/7," + sized(10_000))
		c.expect(`44/7,{"message":"Auth too large"}`)
		c.connect("/8", "")
		if n := f.Stats().Rejected[socketio.RejectAuth]; n != 1 {
			t.Errorf("%d are refused", n)
		}
		c.send("41/0,", "41/1,") // what they kept is free
		c.connect("/7", sized(40_000))
		c.send("40/9," + sized(1_000_000-50))
		c.expect(`44/9,{"message":"Auth too large"}`)
		c.close()
		synctest.Wait()
		advance(time.Second)
		if m := f.Stats().Engine.Memory; m.Held != 0 {
			t.Errorf("%d bytes are held when all is closed", m.Held)
		}
	})
	bubble(t, &socketio.Options{MaxAuth: 1_000_000}, func(t *testing.T, f *fixture) {
		f.dial().connect("/", sized(900_000))
	})
	// However many namespaces there are.
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.OfFunc(func(context.Context, string, socketio.Args) bool { return true })
		c := f.dial()
		for i := range 32 {
			c.connect(fmt.Sprint("/", i), sized(4000))
		}
		c.send("40/32," + sized(4000))
		c.expect(`44/32,{"message":"Auth too large"}`)
		if m := f.Stats().Engine.Memory; m.Held < 100_000 || m.Held > 132_000 {
			t.Errorf("%d bytes are held", m.Held)
		}
		for i := range 32 {
			c.send(fmt.Sprintf("41/%d,", i))
		}
		c.connect("/32", sized(130_000))
		c.send("41/32,")
		synctest.Wait()
		if m := f.Stats().Engine.Memory; m.Held != 0 {
			t.Errorf("%d bytes are held when the client has left", m.Held)
		}
		c.close()
	})
}

// A handshake of which too much would have to be kept is refused.
func TestMaxAuthOfHandshakes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c := f.dialWith("/socket.io/?EIO=4&transport=websocket", http.Header{"X-Long": {strings.Repeat("x", 100_000)}})
		c.connect("/", "")
		if m := f.Stats().Engine.Memory; m.Held < 90_000 {
			t.Errorf("%d bytes are held", m.Held)
		}
		c.close()
		synctest.Wait()
		advance(time.Second)
		if m := f.Stats().Engine.Memory; m.Held != 0 {
			t.Errorf("%d bytes are held when all is closed", m.Held)
		}
	})
	bubble(t, &socketio.Options{MaxAuth: 50_000}, func(t *testing.T, f *fixture) {
		tr := &http.Transport{DialContext: f.ln.DialContext}
		defer tr.CloseIdleConnections()
		r, _ := http.NewRequest(http.MethodGet, "http://192.0.2.1/socket.io/?EIO=4&transport=polling", nil)
		r.Header.Set("X-Long", strings.Repeat("x", 50_000))
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 4 || !strings.Contains(string(body), "URL and header too large") {
			t.Errorf("status %d, %s", resp.StatusCode, body)
		}
		if n := f.Stats().Rejected[engineio.RejectForbidden]; n != 1 {
			t.Errorf("%d are refused", n)
		}
	})
}

// Several attachments, each allowed, are allowed together. Until they are complete they count.
func TestManyLargeAttachments(t *testing.T) {
	bubbleOf(t, nil, func(t *testing.T, f *fixture) {
		var sum atomic.Int64
		f.Handle("files", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
			var files [][]byte
			if err := e.Args.Decode(0, &files); err != nil {
				return err
			}
			for _, b := range files {
				sum.Add(int64(len(b)))
			}
			return e.Ack(len(files))
		})
		c, _ := f.join("/")
		for _, tt := range []struct{ n, size int }{{3, 900_000}, {10, 300_000}, {10, 1_000_000 - 1}} {
			var places []string
			for i := range tt.n {
				places = append(places, fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i))
			}
			sum.Store(0)
			c.send(fmt.Sprintf(`45%d-1["files",[%s]]`, tt.n, strings.Join(places, ",")))
			data := make([]byte, tt.size)
			for i := range tt.n {
				if i == tt.n-1 {
					synctest.Wait()
					if m := f.Stats().Engine.Memory; m.Held < int64(i*tt.size-20_000) {
						t.Errorf("%d of %d bytes are held", m.Held, i*tt.size)
					}
				}
				c.sendBinary(data)
			}
			c.expect(fmt.Sprintf(`431[%d]`, tt.n))
			if got := sum.Load(); got != int64(tt.n*tt.size) {
				t.Errorf("%d bytes have come", got)
			}
			synctest.Wait()
			if m := f.Stats().Engine.Memory; m.Held != 0 {
				t.Errorf("%d bytes are held in the end", m.Held)
			}
		}
	})
}

// A packet beyond the limits is refused with a reason in the log.
func TestRefusedPacketsAreLogged(t *testing.T) {
	levels := map[string]slog.Level{"MaxBytes": slog.LevelWarn, "MaxAttachments": slog.LevelDebug}
	for limit, opts := range map[string]*parser.JSONOptions{"MaxBytes": {MaxBytes: 1000},
		"MaxAttachments": {MaxAttachments: 1}} {
		var log logBuffer
		o := &socketio.Options{
			Parser: parser.JSON(opts), Logger: slog.New(slog.NewTextHandler(&log,
				&slog.HandlerOptions{Level: levels[limit]})),
		}
		bubbleOf(t, o, func(t *testing.T, f *fixture) {
			c, _ := f.join("/")
			if limit == "MaxBytes" {
				c.send(`451-["x",{"_placeholder":true,"num":0}]`)
				c.sendBinary(make([]byte, 1000))
			} else {
				c.send(`452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
			}
			c.expectClose("closed: 1002 parse error")
			synctest.Wait()
		})
		if text := log.String(); !strings.Contains(text, " limit="+limit) {
			t.Errorf("the log says %q", text)
		}
	}
}

// While all that may be held is held, clients that send parts of packets wait, one after the other, and none is cut.
func TestPartsOfPacketsWaitForMemory(t *testing.T) {
	bubbleOf(t, &socketio.Options{Engine: engineio.Options{MaxMemory: 8 << 20, PingInterval: time.Hour}},
		func(t *testing.T, f *fixture) {
			var handled atomic.Int64
			f.Handle("files", func(context.Context, *socketio.Socket, *socketio.Event) error {
				handled.Add(1)
				return nil
			})
			const n, files = 10, 4
			var all []*wsClient
			for range n {
				c, _ := f.join("/")
				all = append(all, c)
				go func() { // ends when all is read
					_ = c.trySend(fmt.Sprintf(`45%d-["files"%s]`, files, placeholders(files)))
					for range files {
						_, _ = c.conn.Write(c.frame(opBinary, make([]byte, 900_000)))
						<-time.After(10 * time.Second)
					}
				}()
			}
			synctest.Wait()
			if m := f.Stats().Engine.Memory; m.Held > 4<<20 {
				t.Errorf("%d bytes are held", m.Held)
			}
			for _, c := range all {
				go func() { // ends with the connection
					for {
						if _, err := c.receive(); err != nil && !isTimeout(err) {
							return
						}
					}
				}()
			}
			advance(10 * time.Minute)
			if got := handled.Load(); got != n {
				t.Errorf("%d of %d events are handled: %v", got, n, f.Stats().Rejected)
			}
			if m := f.Stats().Engine.Memory; m.Held != 0 {
				t.Errorf("%d bytes are held in the end", m.Held)
			}
			for _, c := range all {
				c.close()
			}
		})
}

func placeholders(n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `,{"_placeholder":true,"num":%d}`, i)
	}
	return b.String()
}

// What a socket keeps counts until its last handler has returned; a client that comes and goes meanwhile waits.
func TestAuthOfClosingSocketsCounts(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		p := f.OfFunc(func(context.Context, string, socketio.Args) bool { return true })
		release := make(chan struct{})
		p.Handle("hang", func(context.Context, *socketio.Socket, *socketio.Event) error {
			<-release
			return nil
		})
		const n = 10
		c := f.dial()
		go func() { // ends when all have been connected, or the connection has ended
			for i := range n {
				_ = c.trySend(fmt.Sprintf("40/%d,", i) + sized(100_000))
				for {
					if _, err := c.receive(); err == nil {
						break
					} else if !isTimeout(err) {
						return
					}
				}
				_ = c.trySend(fmt.Sprintf(`42/%d,["hang"]`, i))
				_ = c.trySend(fmt.Sprintf("41/%d,", i))
			}
		}()
		synctest.Wait()
		if m := f.Stats().Engine.Memory; m.Held < 90_000 || m.Held > 300_000 {
			t.Errorf("%d bytes are held", m.Held)
		}
		close(release)
		advance(time.Minute)
		if m := f.Stats().Engine.Memory; m.Held != 0 || f.Stats().Connects != n {
			t.Errorf("%d bytes are held in the end, %d connected", m.Held, f.Stats().Connects)
		}
		c.close()
	})
}

// That an attachment is not read for want of memory is not held against the client.
func TestAttachmentsThatAreNotRead(t *testing.T) {
	o := &socketio.Options{AttachmentTimeout: 3 * time.Second,
		Engine: engineio.Options{MaxMemory: 8 << 20, PingInterval: time.Hour}}
	bubbleOf(t, o, func(t *testing.T, f *fixture) {
		release := make(chan struct{})
		f.Handle("hang", func(context.Context, *socketio.Socket, *socketio.Event) error {
			<-release
			return nil
		})
		f.Handle("file", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack() })
		for range 3 { // each is let in by itself, two of them out of turn
			c, _ := f.join("/")
			go c.trySend(`42["hang","` + strings.Repeat("x", 600_000) + `"]`) // ends when it is read
		}
		synctest.Wait()
		var all []*wsClient
		for range 4 {
			c, _ := f.join("/")
			c.send(`451-1["file",{"_placeholder":true,"num":0}]`)
			go func() { _, _ = c.conn.Write(c.frame(opBinary, make([]byte, 600_000))) }() // ends when it is read
			all = append(all, c)
		}
		advance(7 * time.Second)
		if n := f.Stats().Rejected[socketio.RejectAttachments]; n != 0 {
			t.Errorf("%d connections are closed", n)
		}
		close(release)
		for _, c := range all {
			c.expect("431[]")
		}
	})
}
