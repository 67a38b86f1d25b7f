package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
)

// TestScenarios runs what a page does with a client, on each way of transport.
func TestScenarios(t *testing.T) {
	browser := chromium(t)
	for _, client := range clients {
		t.Run(client.name, func(t *testing.T) {
			s := newSite(t, client.file, scenarioPages)
			for _, transport := range []string{"polling", "websocket", "upgrade"} {
				t.Run(transport, func(t *testing.T) {
					p := newPage(t, browser, client.name+" "+transport, s.url())
					for _, scenario := range []string{"events", "acknowledgements", "order", "namespaces", "kicked"} {
						t.Run(scenario, func(t *testing.T) {
							p := p.in(t)
							eval[chromedp.Void](p, fmt.Sprintf("scenarios.%s(%q)", scenario, transport))
						})
					}
					t.Run("restart", func(t *testing.T) {
						p := p.in(t)
						eval[chromedp.Void](p, fmt.Sprintf("scenarios.connect(%q)", transport))
						s.end()
						eval[chromedp.Void](p, "scenarios.lost()")
						s.start()
						eval[chromedp.Void](p, "scenarios.reconnected()")
					})
				})
			}
		})
	}
}

// TestScenariosCompressed runs the same with a server that compresses from the first byte on, which browsers always
// offer, and do with all that they send.
func TestScenariosCompressed(t *testing.T) {
	browser := chromium(t)
	for _, takeover := range []bool{false, true} {
		o := &socketio.Options{Engine: engineio.Options{
			Deflate:              &engineio.DeflateOptions{Threshold: 1, ContextTakeover: takeover},
			CompressionThreshold: 1,
		}}
		for _, client := range clients {
			s := newSiteWith(t, client.file, o, scenarioPages)
			for _, transport := range []string{"polling", "websocket", "upgrade"} {
				if transport == "polling" && takeover {
					continue
				}
				t.Run(fmt.Sprintf("takeover %v/%s/%s", takeover, client.name, transport), func(t *testing.T) {
					p := newPage(t, browser, client.name+" "+transport, s.url())
					for _, scenario := range []string{"events", "acknowledgements", "order", "namespaces", "kicked"} {
						t.Run(scenario, func(t *testing.T) {
							eval[chromedp.Void](p.in(t), fmt.Sprintf("scenarios.%s(%q)", scenario, transport))
						})
					}
				})
			}
		}
	}
}
