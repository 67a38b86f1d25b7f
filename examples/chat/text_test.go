package chat

import (
	"strings"
	"testing"
)

func TestCleanName(t *testing.T) {
	for in, want := range map[string]string{
		"  Anna   Lind ":                "Anna Lind",
		"Anna\tLind\n":                  "Anna Lind",
		"An\u202ena\u200b\u0000":        "Anna",
		"👩\u200d🚀":                      "👩\u200d🚀",
		"❤\ufe0f":                       "❤\ufe0f",
		"\ufe0f\u200dx\u200d":           "x",
		"می\u200cخواهم":                 "می\u200cخواهم",
		"bad\xffbytes":                  "badbytes",
		"<b>Anna</b>":                   "<b>Anna</b>", // pages show text as text
		strings.Repeat("é", maxName):    strings.Repeat("é", maxName),
		"Anna\u3164\u115f\u2066\ue000x": "Annax",
	} {
		if got, err := cleanName(in); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "  ", "\u200b", "\u200d\u200d",
		"\u3164", "\ufe0f", strings.Repeat("é", maxName+1)} {
		if got, err := cleanName(in); err == nil {
			t.Errorf("%q: got %q, want an error", in, got)
		}
	}
}

func TestRoomKey(t *testing.T) {
	for in, want := range map[string][2]string{
		"Lobby":             {"lobby", "Lobby"},
		" #Weekend  Hikes ": {"weekendhikes", "Weekend Hikes"},
		"# #x":              {"x", "x"},
		"ÄÖ":                {"äö", "ÄÖ"},
	} {
		if key, name, err := roomKey(in); key != want[0] || name != want[1] || err != nil {
			t.Errorf("%q: got %q, %q, %v, want %q", in, key, name, err, want)
		}
	}
	for _, in := range []string{"", "#", " # ", "\u200b", strings.Repeat("x", maxRoom+1)} {
		if _, name, err := roomKey(in); err == nil {
			t.Errorf("%q: got %q, want an error", in, name)
		}
	}
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"  a\r\n\tb  \n":                     "a\n\tb",
		"a\rb\u2028c":                        "a\nb\nc",
		"a\x00\x1b[31mb\u202ec":              "a[31mbc",
		"❤\ufe0f":                            "❤\ufe0f",
		"שלום\u200f!":                        "שלום\u200f!",
		"🏴\U000e0067\U000e0062\U000e007f":    "🏴\U000e0067\U000e0062\U000e007f",
		"\U000e0067\U000e0062\u200f\u200d\n": "",
		"   keep   inner   ":                 "keep   inner",
	} {
		if got := cleanText(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestPersonID(t *testing.T) {
	a, b := personID("0123456789abcdef"), personID("0123456789abcdeg")
	if a == b || len(a) != 12 || a != personID("0123456789abcdef") {
		t.Errorf("got %q and %q", a, b)
	}
	for key, ok := range map[string]bool{
		strings.Repeat("k", 15): false, strings.Repeat("k", 16): true,
		strings.Repeat("k", 64): true, strings.Repeat("k", 65): false, "\xff0123456789abcdef": false,
	} {
		if validKey(key) != ok {
			t.Errorf("%q: valid is %t", key, !ok)
		}
	}
}
