package browser

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"sio.example/socketio/test/internal/program"
)

// TestLifecycle is a page that is frozen, hidden, left and come back to, offline: whatever happens, each event arrives
// once and in order. The server is the official one with connection state recovery.
func TestLifecycle(t *testing.T) {
	chrome := chromium(t)
	patient := recoveringServer(t, "PING=100000", "CLIENT=socket.io.min.js")
	strict := recoveringServer(t, "PING=2000", "CLIENT=socket.io.min.js")
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			for _, tt := range []struct {
				name   string
				server *program.Server
				run    func(l *lived)
			}{
				{"frozen for a while", patient, frozenForAWhile},
				{"frozen until the server gives up", strict, frozenForLong},
				{"hidden", patient, hidden},
				{"left and come back to", patient, leftAndBack},
				{"left for long", strict, leftForLong},
				{"offline", patient, offline},
			} {
				t.Run(tt.name, func(t *testing.T) {
					p := newPage(t, chrome, "lifecycle "+transport+" "+tt.name, tt.server.URL+"/?transport="+transport)
					l := &lived{t: t, page: p.in(t), server: tt.server}
					l.until(`socket.connected`)
					l.first = l.emit() - 3
					l.sees()
					tt.run(l)
				})
			}
		})
	}
}

// recoveringServer starts the official server with packages of the browser client's tests.
func recoveringServer(t *testing.T, env ...string) *program.Server {
	t.Helper()
	node := program.Node(t)
	modules := filepath.Join(program.Root(), "..", "browser", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "socket.io")); err != nil {
		program.Missing(t, "the JavaScript packages are not installed: run npm ci in browser")
	}
	return program.Start(t, append(env, "NODE_PATH="+modules), node, "recovering_server.js")
}

// TestMsgpack is the bundle that speaks MessagePack, on the official server with npm's parser.
func TestMsgpack(t *testing.T) {
	chrome := chromium(t)
	server := recoveringServer(t, "PING=100000", "CLIENT=socket.io.msgpack.min.js", "PARSER=socket.io-msgpack-parser")
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			p := newPage(t, chrome, "msgpack "+transport, server.URL+"/?transport="+transport).in(t)
			got := eval[string](p, `(async () => {
				const date = new Date(1700000000123);
				const bytes = [Uint8Array.of(1, 2), new ArrayBuffer(70000)];
				const sent = [null, -5, 1.5, 2 ** 40, "é😀", [], { a: { b: date } }, ...bytes, undefined];
				const got = await new Promise((resolve) => socket.emit("echo", ...sent, (...args) => resolve(args)));
				const classes = [got[6].a.b instanceof Date, got[7] instanceof ArrayBuffer, got[8].byteLength, got[9], got.length];
				got[7] = [...new Uint8Array(got[7])];
				return JSON.stringify([got, classes]);
			})()`)
			const want = `[[null,-5,1.5,1099511627776,"é😀",[],{"a":{"b":"2023-11-14T22:13:20.123Z"}},[1,2],{},null],` +
				`[true,true,70000,null,10]]`
			if got != want {
				t.Errorf("%s came back as\n%s", want, got)
			}
		})
	}
}

// A lived is a page on its way through life.
type lived struct {
	t      *testing.T
	page   *page
	server *program.Server
	first  int // the number of the first event it gets
	sent   int
}

// ask tells the server what to do.
func (l *lived) ask(path string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", l.server.URL+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		l.t.Fatalf("%s: %s, %v", path, answer.Status, err)
	}
	return string(text)
}

// emit sends three events to everybody, and returns how many there have been.
func (l *lived) emit() int {
	l.t.Helper()
	n, err := strconv.Atoi(l.ask("/emit"))
	if err != nil {
		l.t.Fatal(err)
	}
	l.sent = n
	return n
}

// sees waits for all that was sent, and wants it once and in order.
func (l *lived) sees() {
	l.t.Helper()
	l.until(fmt.Sprintf(`got.at(-1) >= %d`, l.sent-1))
	got := eval[[]int](l.page, `got`)
	want := make([]int, 0, l.sent-l.first)
	for n := l.first; n < l.sent; n++ {
		want = append(want, n)
	}
	if !slices.Equal(got, want) {
		l.t.Fatalf("the page got %v instead of %v; %s", got, want, l.log())
	}
}

func (l *lived) log() string { return strings.Join(eval[[]string](l.page, `log`), ", ") }

func (l *lived) state(s cdppage.SetWebLifecycleStateState) {
	l.t.Helper()
	command(l, cdppage.SetWebLifecycleState, cdppage.SetWebLifecycleStateParams{State: s})
}

// frozenForAWhile: the session goes on, or is recovered, as the browser likes.
func frozenForAWhile(l *lived) {
	l.state(cdppage.SetWebLifecycleStateStateFrozen)
	l.emit()
	l.state(cdppage.SetWebLifecycleStateStateActive)
	l.until(`log.includes("resumed")`)
	l.sees()
	l.emit()
	l.sees()
	l.recovered()
}

// frozenForLong: the server has given up meanwhile, three times in a row.
func frozenForLong(l *lived) {
	for range 3 {
		l.state(cdppage.SetWebLifecycleStateStateFrozen)
		l.ask("/gone")
		l.emit()
		l.state(cdppage.SetWebLifecycleStateStateActive)
		l.until(`socket.connected`)
		l.sees()
		l.emit()
		l.sees()
	}
	l.recovered()
}

// hidden: events arrive all the same, and so does what a connection that was lost there had missed.
func hidden(l *lived) {
	window := command(l, browser.GetWindowForTarget, browser.GetWindowForTargetParams{}).WindowID
	command(l, browser.SetWindowBounds, browser.SetWindowBoundsParams{
		WindowID: window, Bounds: &browser.Bounds{WindowState: browser.WindowStateMinimized},
	})
	l.until(`document.hidden`)
	l.emit()
	l.sees()
	l.ask("/close")
	l.ask("/gone")
	l.emit()
	l.until(`log.includes("recovered")`)
	l.sees()
	if !eval[bool](l.page, `document.hidden`) {
		l.t.Error("the window is not hidden any more")
	}
	l.recovered()
}

// leftAndBack: the browser keeps the page, and may end its connection.
func leftAndBack(l *lived) {
	l.leave(`location.href = "/other"`, "other")
	l.emit()
	l.leave(`history.back()`, "lifecycle")
	l.back()
}

// leftForLong: the server has given up meanwhile.
func leftForLong(l *lived) {
	l.leave(`location.href = "/other"`, "other")
	l.ask("/gone")
	l.emit()
	l.leave(`history.back()`, "lifecycle")
	l.back()
	l.until(`log.includes("recovered")`)
}

// back wants the page from the browser's cache, with everything that it missed.
func (l *lived) back() {
	l.t.Helper()
	l.until(`log.includes("back")`)
	l.sees()
	l.emit()
	l.sees()
	l.recovered()
}

// offline: the next attempt is minutes away, and made at once when the network is back.
func offline(l *lived) {
	eval[chromedp.Void](l.page, `void socket.io.reconnectionDelay(36e5).reconnectionDelayMax(36e5)`)
	l.network(true)
	l.until(`log.includes("offline") && !socket.connected`)
	l.ask("/gone")
	l.emit()
	l.network(false)
	l.until(`socket.connected`)
	l.sees()
	if log := l.log(); !strings.Contains(log, "transport close") {
		l.t.Errorf("the page noticed otherwise: %s", log)
	}
	l.recovered()
}

// network is what the browser thinks of its network.
func (l *lived) network(off bool) {
	l.t.Helper()
	command(l, network.OverrideNetworkState, network.OverrideNetworkStateParams{
		Offline: off, DownloadThroughput: -1, UploadThroughput: -1,
	})
}

// recovered wants each connection but the first to have taken up the one before it.
func (l *lived) recovered() {
	l.t.Helper()
	log := l.log()
	if strings.Count(log, "connected") != 1 {
		l.t.Errorf("a session was not recovered: %s", log)
	}
}

// command sends the browser a command about the page.
func command[P, R any](l *lived, cmd cdp.Command[P, R], params P) R {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.page.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		l.t.Fatal(err)
	}
	return result
}

// leave makes the page another one, and waits until it is there.
func (l *lived) leave(how, title string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.page.ctx, patience)
	defer cancel()
	_, _ = chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](how)) // its answer may go with the page
	l.until(fmt.Sprintf(`document.title === %q && document.readyState === "complete"`, title))
}

// until waits until an expression is true, in whatever page is there then: the one of page is lost with its page.
func (l *lived) until(expression string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.page.ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression)); err == nil && ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			l.t.Fatalf("waiting for %s", expression)
		}
	}
}
