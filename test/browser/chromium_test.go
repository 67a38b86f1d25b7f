package browser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sio.example/socketio/test/internal/program"
)

// patience is how long a page has for one step. Nothing that passes waits for it.
const patience = 5 * time.Minute

// chromium starts one browser for a test and its sub-tests.
func chromium(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		program.Missing(t, "Chromium is not installed")
	}
	// No phoning home, and windows behind others are to be as quick as those in front.
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.NoSandbox,
		chromedp.Flag("headless", "new"),
	}
	for _, name := range []string{
		"disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync",
		"disable-dev-shm-usage", "disable-extensions", "disable-background-timer-throttling",
		"disable-backgrounding-occluded-windows", "disable-renderer-backgrounding", "mute-audio",
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), flags...)
	browser, end := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		end()
		cancel()
	})
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return browser
}

// A page is one window with storage and cookies of its own.
type page struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	thrown []string
}

// newPage opens a window. An exception that nothing in the page catches fails the test, and so does each step that
// takes too long; a failed test leaves a screenshot.
func newPage(t *testing.T, browser context.Context, name, url string) *page {
	t.Helper()
	p := &page{t: t}
	artifacts := t.ArtifactDir() // asked for now, so that it outlives the clean-up below
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.heard))
	p.ctx = ctx
	t.Cleanup(func() {
		p.mu.Lock()
		for _, text := range p.thrown {
			t.Errorf("%s: uncaught in the page: %s", name, text)
		}
		p.mu.Unlock()
		if t.Failed() {
			p.screenshot(filepath.Join(artifacts, strings.ReplaceAll(name, " ", "-")+".png"))
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil { // opens the window, which lives as long as the context of this call
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, cdppage.AddScriptToEvaluateOnNewDocument,
		cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: keepBlobs}); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.Navigate(url))
	return p
}

// keepBlobs lets tests look into what a page shows from memory; pages may forbid themselves to fetch it.
const keepBlobs = `
	window.blobs = new Map();
	const create = URL.createObjectURL;
	URL.createObjectURL = (blob) => {
		const url = create.call(URL, blob);
		blobs.set(url, blob);
		return url;
	};
`

// heard keeps what nothing in the page has caught.
func (p *page) heard(ev any) {
	thrown, ok := ev.(*runtime.EventExceptionThrown)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	d := thrown.ExceptionDetails
	text := d.Text
	if d.Exception != nil {
		text += " " + d.Exception.Description
	}
	p.thrown = append(p.thrown, text)
}

// in is the page in a sub-test.
func (p *page) in(t *testing.T) *page { return &page{t: t, ctx: p.ctx} }

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// eval runs an expression, and waits if it is a promise.
func eval[T any](p *page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits until an expression of the page is true.
func (p *page) until(expression string) {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[chromedp.Void](expression,
		chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText")) // only to tell more
		p.t.Fatalf("waiting for %s: %v\nthe page says:\n%s", expression, err, text)
	}
}

func (p *page) screenshot(file string) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(file, png, 0o600)
	}
	if err != nil {
		p.t.Logf("no screenshot: %v", err)
		return
	}
	p.t.Logf("screenshot: %s (kept with -artifacts)", file)
}
