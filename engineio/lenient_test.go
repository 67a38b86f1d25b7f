package engineio

import (
	"encoding/base64"
	"strings"
	"testing"
)

// The official client for Java and Android sends binary by polling as MIME base64, with a line break after 76
// characters; others use the alphabet for URLs, leave out the padding, or put blanks in between. The official server
// takes all of it.
func TestBase64OfOtherClients(t *testing.T) {
	data := []byte(strings.Repeat("\xfb\xff\xfe sixty bytes and one more, so that there is padding...", 5))
	std, url := base64.StdEncoding.EncodeToString(data), base64.URLEncoding.EncodeToString(data)
	broken := func(by string) string {
		var b strings.Builder
		for rest := std; rest != ""; rest = rest[min(76, len(rest)):] {
			b.WriteString(rest[:min(76, len(rest))])
			b.WriteString(by)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"Java": broken("\n"), "MIME": broken("\r\n"), "blanks": broken(" \t"),
		"URL alphabet": url, "no padding": strings.TrimRight(std, "="),
		"URL alphabet, no padding": strings.TrimRight(url, "="),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				e.onMsg = echo
				q, rec := e.open()
				e.do("POST", q, "b"+text+"\x1e4behind").want(t, 200, "ok")
				e.do("GET", q, "").want(t, 200, "b"+std+"\x1e4behind")
				// as officially
				e.do("POST", q, "4a", "Content-Type", "application/octet-stream; charset=binary").want(t, 200, "ok")
				rec.alive()
			})
		})
	}
}
