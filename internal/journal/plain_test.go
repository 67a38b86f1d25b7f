package journal

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"chat message":           "chat message",
		"a\r\nb":                 `"a\r\nb"`,
		`"quoted"`:               `"\"quoted\""`,
		"\x1b[31m\x00":           `"\x1b[31m\x00"`,
		"über\u202e":             `"\u00fcber\u202e"`,
		"\xff":                   `"\xff"`,
		strings.Repeat("a", 256): strings.Repeat("a", 256),
		strings.Repeat("a", 300): strings.Repeat("a", 256) + "...",
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{strings.Repeat("\x00", 1<<20),
		strings.Repeat("\u2028", 300), strings.Repeat(`\`, 300)} {
		got := Plain(in)
		if len(got) > 260 || !utf8.ValidString(got) ||
			strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%d bytes became %d: %q", len(in), len(got), got)
		}
	}
}
