package chat

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"sio.example/socketio/event"
)

// The longest texts, in characters (Unicode code points). The page knows the same figures.
const (
	maxName = 24
	maxRoom = 32
	maxText = 2000
	maxCID  = 64
)

// validKey reports whether a client's secret is long enough to be one, and short enough to keep.
func validKey(key string) bool { return len(key) >= 16 && len(key) <= 64 && utf8.ValidString(key) }

// personID makes the public id of a key's owner. It is a hash, so that an id is known again after a restart of the
// server but does not give the key away.
func personID(key string) string {
	sum := sha256.Sum256([]byte("chat person " + key))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// cleanLine makes text fit for one line: no control characters, none of those that turn the direction of what follows
// or take no room at all, and single spaces. Joiners, as within emoji and in Persian, stay where they join something.
func cleanLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case hidden(r) && r != zwj && r != zwnj:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return trimJoiners(strings.Join(strings.Fields(s), " "))
}

// cleanText makes text fit for several lines. It is less strict than cleanLine, for it need not look different from
// any other text: the marks that say which way a punctuation mark leans stay, and so do the tags in some flags.
func cleanText(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == zwj, r == zwnj, r == '\u200e', r == '\u200f', r >= 0xe0020 && r <= 0xe007f:
			return r
		case r == '\r', r == '\u2028', r == '\u2029':
			return '\n'
		case hidden(r):
			return -1
		}
		return r
	}, s)
	if strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || hidden(r) || selector(r) }) == "" {
		return ""
	}
	return trimJoiners(strings.Trim(s, " \t\n"))
}

// The joiner and the non-joiner, which show nothing themselves.
const (
	zwnj = '\u200c'
	zwj  = '\u200d'
)

// selector reports whether r only chooses how the character before it looks.
func selector(r rune) bool { return r == '\ufe0e' || r == '\ufe0f' }

// trimJoiners takes away joiners and selectors with nothing before them, and joiners with nothing after.
func trimJoiners(s string) string {
	s = strings.TrimLeftFunc(s, func(r rune) bool { return r == zwj || r == zwnj || r == ' ' || selector(r) })
	return strings.TrimRight(s, string(zwj)+string(zwnj)+" ")
}

// hidden reports whether a character does not show: controls, formatting, private use, and letters that are blank.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) ||
		r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0'
}

// foldKey is by what names are compared: two that look alike but for case or invisible characters are one.
func foldKey(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if r == zwj || r == zwnj || r == ' ' || selector(r) {
			return -1
		}
		return r
	}, s))
}

// cleanName makes a nickname of what somebody typed.
func cleanName(s string) (string, error) {
	s = cleanLine(s)
	switch n := utf8.RuneCountInString(s); {
	case foldKey(s) == "":
		return "", &event.Error{Message: "A nickname needs at least one visible character."}
	case n > maxName:
		return "", &event.Error{Message: "That nickname is too long: 24 characters at most."}
	}
	return s, nil
}

// roomKey makes a room's name of what somebody typed, and the key under which it is kept.
func roomKey(s string) (key, name string, err error) {
	name = strings.TrimSpace(strings.TrimLeft(cleanLine(s), "# "))
	switch n := utf8.RuneCountInString(name); {
	case foldKey(name) == "":
		return "", "", &event.Error{Message: "A room needs a name."}
	case n > maxRoom:
		return "", "", &event.Error{Message: "That room name is too long: 32 characters at most."}
	}
	return foldKey(name), name, nil
}

// adapterRoom is the adapter's room for a chat room; the prefix keeps it apart from socket ids.
func adapterRoom(key string) string { return "room:" + key }
