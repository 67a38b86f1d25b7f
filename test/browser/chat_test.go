package browser

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/color/palette"
	"image/gif"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"sio.example/socketio/examples/chat"
)

// TestChat is two people in the chat, in two windows: they see each other, talk, lose the server and get it back, and
// send a picture.
func TestChat(t *testing.T) {
	browser := chromium(t)
	for _, client := range clients {
		t.Run(client.name, func(t *testing.T) {
			s := newSite(t, client.file, chat.New)
			ada := enter(t, browser, s.url(), "Ada")
			bob := enter(t, browser, s.url(), "Bob")

			t.Run("presence", func(t *testing.T) {
				for _, p := range []*page{ada.in(t), bob.in(t)} {
					p.until(`document.querySelector("[data-testid=presence]").children.length === 2`)
				}
			})
			t.Run("typing", func(t *testing.T) {
				ada.in(t).do(chromedp.SendKeys(chromedp.CSS(`[data-testid=message-input]`), "Hello, Bo"))
				bob.in(t).until(`document.querySelector("[data-testid=typing]").innerText.includes("Ada is typing")`)
			})
			t.Run("messages", func(t *testing.T) {
				a, b := ada.in(t), bob.in(t)
				a.say("b 👋") // the rest is typed already
				b.sees("Hello, Bob 👋")
				a.until(`[...document.querySelectorAll("[data-testid=tick]")].at(-1).dataset.state === "seen"`)
				b.say("Hello, Ada")
				a.sees("Hello, Ada")
			})
			t.Run("picture", func(t *testing.T) { picture(t, ada.in(t), bob.in(t)) })
			t.Run("restart", func(t *testing.T) { restart(t, s, ada.in(t), bob.in(t)) })
			t.Run("picture after the restart", func(t *testing.T) { picture(t, bob.in(t), ada.in(t)) })
		})
	}
}

// enter opens the chat in a window and takes a nickname.
func enter(t *testing.T, browser context.Context, url, name string) *page {
	t.Helper()
	p := newPage(t, browser, name, url)
	p.do(
		chromedp.WaitVisible(chromedp.CSS(`[data-testid=nick-input]`)),
		chromedp.SendKeys(chromedp.CSS(`[data-testid=nick-input]`), name),
		chromedp.Click(chromedp.CSS(`[data-testid=join-button]`)),
		chromedp.WaitVisible(chromedp.CSS(`[data-testid=message-input]`)),
	)
	return p
}

func (p *page) say(text string) {
	p.t.Helper()
	p.do(
		chromedp.SendKeys(chromedp.CSS(`[data-testid=message-input]`), text),
		chromedp.Click(chromedp.CSS(`[data-testid=send-button]`)),
	)
}

// sees waits until a message is shown, and wants it once.
func (p *page) sees(text string) {
	p.t.Helper()
	shown := fmt.Sprintf(
		`[...document.querySelectorAll("[data-testid=message]")].filter((m) => m.innerText.includes(%q)).length`, text)
	p.until(shown + " > 0")
	if n := eval[int](p, shown); n != 1 {
		p.t.Errorf("%q is shown %d times", text, n)
	}
}

// picture sends a picture from one window to the other, where it must arrive byte for byte.
func picture(t *testing.T, from, to *page) {
	data := noise(t)
	file := filepath.Join(t.TempDir(), "noise.gif")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	before := eval[int](to, `document.querySelectorAll("[data-testid=picture]").length`)
	from.do(
		chromedp.SetUploadFiles(chromedp.CSS(`[data-testid=attach-input]`), []string{file}),
		chromedp.WaitVisible(chromedp.CSS(`#preview-img`)),
		chromedp.Click(chromedp.CSS(`[data-testid=send-button]`)),
	)
	const last = `[...document.querySelectorAll("[data-testid=picture]")].at(-1)`
	to.until(fmt.Sprintf(`document.querySelectorAll("[data-testid=picture]").length > %d && %s.naturalWidth > 0`,
		before, last))
	got := eval[string](to, `(async () => {
		const data = await blobs.get(`+last+`.src).arrayBuffer();
		const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
		return data.byteLength + " bytes, " + Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join("");
	})()`)
	sum := sha256.Sum256(data)
	if want := fmt.Sprintf("%d bytes, %s", len(data), hex.EncodeToString(sum[:])); got != want {
		t.Errorf("the picture arrived as %s instead of %s", got, want)
	}
}

// noise is a GIF of some 200 kB; the chat sends those as they are.
func noise(t *testing.T) []byte {
	t.Helper()
	img := image.NewPaletted(image.Rect(0, 0, 400, 400), palette.Plan9)
	for i := range img.Pix {
		img.Pix[i] = byte(rand.UintN(256))
	}
	var b bytes.Buffer
	if err := gif.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// restart ends the server, writes while it is away, and wants everything to go on with the next one.
func restart(t *testing.T, s *site, ada, bob *page) {
	const banner = `document.querySelector("[data-testid=banner]")`
	s.end()
	for _, p := range []*page{ada, bob} {
		p.until(`!` + banner + `.hidden && ` + banner + `.innerText.includes("Reconnecting")`)
	}
	ada.say("written while the server was away")
	s.start()
	bob.sees("written while the server was away")
	bob.say("there you are")
	ada.sees("there you are")
	for _, p := range []*page{ada, bob} {
		p.until(`document.querySelector("[data-testid=presence]").children.length === 2`)
		p.until(banner + `.hidden`)
	}
}
