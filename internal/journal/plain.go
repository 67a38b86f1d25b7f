package journal

import (
	"strconv"
	"strings"
)

// maxLogged is how many bytes of what a peer sent are logged.
const maxLogged = 256

// Plain makes what a peer sent fit to be logged: one line, without control characters, and not long.
func Plain(s string) string {
	cut := len(s) > maxLogged
	if cut {
		s = s[:maxLogged]
	}
	special := func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r >= 0x7f }
	if strings.ContainsFunc(s, special) {
		s = strconv.QuoteToASCII(s)
		if len(s) > maxLogged {
			s = strings.TrimRight(s[:maxLogged-1], `\`) + `"`
		}
	}
	if cut {
		s += "..."
	}
	return s
}
