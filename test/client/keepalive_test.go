package client

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"sio.example/socketio/test/internal/faultproxy"
)

// keepAlive is after what time of these scenarios' servers an idle connection is closed.
const keepAlive = 250 * time.Millisecond

var lasting = []scenario{
	{
		name: "outage longer than the server's keep-alive", only: pollingOnly, play: outage,
		options: func(_ *peerOptions, s *serverOptions) { s.KeepAlive = int(keepAlive.Milliseconds()) },
	},
}

func pollingOnly(m mode) bool { return m.name == "polling" }

// outage holds everything back until the server has closed each connection that was idle. What was emitted
// meanwhile, at both ends, arrives, and the session goes on.
func outage(r *run) {
	r.connected(socketOptions{})
	for round := range 3 {
		first := round*40 + 1
		r.peer.count(r.T, "/", "note", first, first+19)
		r.received("/", every("note", first, first+19)...)
		r.idle()
		r.posted()
		r.proxy.Freeze(faultproxy.Up, faultproxy.Down)
		over := time.After(4 * keepAlive)
		r.peer.count(r.T, "/", "note", first+20, first+39)
		for i := first; i < first+40; i++ {
			r.srv.emit(r.T, "/", "tick", i)
		}
		<-over
		r.proxy.Thaw(faultproxy.Up, faultproxy.Down)
		r.received("/", every("note", first+20, first+39)...)
		r.expect("/", every("tick", first, first+39)...)
	}
	r.leave()
}

// posted waits until all that was posted is answered.
func (r *run) posted() {
	r.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	deadline := time.After(patience)
	for r.proxy.Pending("POST ") > 0 {
		select {
		case <-again.C:
		case <-deadline:
			r.Fatal("a POST is not answered")
		}
	}
}

// TestHangingUp: something between client and server keeps no connection, and says nothing of that before it
// closes one. Nothing is lost, nothing comes twice, and the session lasts.
func TestHangingUp(t *testing.T) {
	official := officialSide(startScript(t, "official_server.js"))
	oracle := officialKind(startScript(t, "official_client.js"))
	for _, k := range []kind{ourKind, oracle} {
		for _, sd := range []side{official, ourSide} {
			t.Run(k.name+" client/"+sd.name+" server", func(t *testing.T) {
				before := take(t)
				srv := sd.start(t, 0, serverOptions{})
				front := hangUp(srv.addr())
				p := k.make(t, front.URL,
					peerOptions{Transports: []string{"polling"}, Reconnection: true, Timeout: 20000})
				p.open(t, "/", socketOptions{})
				p.connect(t, "/")
				want := []string{entry("connect")}
				for i := range 60 {
					p.emit(t, "/", "echo", i)
					want = append(want, entry("echo", i))
					if got := p.record(t, "/", 0, len(want), patience); !slices.Equal(got, want) {
						t.Errorf("the client has %q", got[max(len(got)-5, 0):])
						break
					}
				}
				if got := srv.record(t, "/", 0, len(want), patience); len(got) != len(want) {
					t.Errorf("the server has %d entries, want %d", len(got), len(want))
				}
				p.end(t)
				srv.stop(t, false)
				front.Close()
				settle(t, before)
			})
		}
	}
}

// hangUp is a proxy that answers as if a connection could be used again, and closes it then.
func hangUp(server string) *httptest.Server {
	transport := &http.Transport{DisableKeepAlives: true}
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		on := r.Clone(r.Context())
		on.RequestURI, on.URL.Scheme, on.URL.Host = "", "http", server
		res, err := transport.RoundTrip(on)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s",
			res.Status, res.Header.Get("Content-Type"), len(body), body)
	}))
}
