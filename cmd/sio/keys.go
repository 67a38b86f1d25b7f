package main

import (
	"bufio"
	"strings"
)

// A key is what a press of one, or a combination, means to the line editor.
type key int

const (
	keyNone key = iota
	keyText     // characters
	keyPaste
	keyEnter
	keyTab
	keyLeft
	keyRight
	keyWordLeft
	keyWordRight
	keyHome
	keyEnd
	keyUp
	keyDown
	keyBackspace
	keyDelete
	keyDeleteOrEnd // Ctrl-D
	keyDeleteWord
	keyDeleteNextWord
	keyDeleteToStart
	keyDeleteToEnd
	keyYank
	keyInterrupt // Ctrl-C
	keySuspend   // Ctrl-Z
	keyClearScreen
)

// controls are the keys that come as one byte.
var controls = map[byte]key{
	'\r': keyEnter, '\n': keyEnter, '\t': keyTab, 0x7F: keyBackspace,
	ctrl('A'): keyHome, ctrl('B'): keyLeft, ctrl('C'): keyInterrupt, ctrl('D'): keyDeleteOrEnd, ctrl('E'): keyEnd,
	ctrl('F'): keyRight, ctrl('H'): keyBackspace, ctrl('K'): keyDeleteToEnd,
	ctrl('L'): keyClearScreen, ctrl('N'): keyDown,
	ctrl('P'): keyUp, ctrl('U'): keyDeleteToStart, ctrl('W'): keyDeleteWord, ctrl('Y'): keyYank, ctrl('Z'): keySuspend,
}

func ctrl(letter byte) byte { return letter & 0x1F }

// sequences are the keys that come as ESC and what is here.
var sequences = map[string]key{
	"[A": keyUp, "[B": keyDown, "[C": keyRight, "[D": keyLeft, "[H": keyHome, "[F": keyEnd,
	"OA": keyUp, "OB": keyDown, "OC": keyRight, "OD": keyLeft, "OH": keyHome, "OF": keyEnd,
	"[1~": keyHome, "[7~": keyHome, "[4~": keyEnd, "[8~": keyEnd, "[3~": keyDelete,
	"[1;5C": keyWordRight, "[1;5D": keyWordLeft, "[1;3C": keyWordRight, "[1;3D": keyWordLeft,
	"b": keyWordLeft, "f": keyWordRight, "d": keyDeleteNextWord, "\x7f": keyDeleteWord, "\x08": keyDeleteWord,
}

const (
	pasteBegins = "[200~"
	pasteEnds   = "\x1b[201~"
	// maxPaste is how much of a paste is taken; the rest is dropped.
	maxPaste = 1 << 20
)

// keys reads what a terminal in raw mode sends.
type keys struct{ r *bufio.Reader }

// next returns the next key, and the text of keyText and keyPaste.
func (k keys) next() (key, string, error) {
	r, _, err := k.r.ReadRune()
	switch {
	case err != nil:
		return keyNone, "", err
	case r == 0x1B:
		return k.sequence()
	case r < 0x20 || r == 0x7F:
		return controls[byte(r)], "", nil
	case unsafeRune(r):
		return keyNone, "", nil
	}
	return keyText, string(r), nil
}

// sequence reads what follows ESC. What comes with it in one read belongs to it; ESC alone is a key without a meaning.
func (k keys) sequence() (key, string, error) {
	if k.r.Buffered() == 0 {
		return keyNone, "", nil
	}
	var seq []byte
	for {
		b, err := k.r.ReadByte()
		if err != nil {
			return keyNone, "", err
		}
		seq = append(seq, b)
		if len(seq) == 1 && (b == '[' || b == 'O') {
			continue
		}
		if len(seq) == 1 || b >= 0x40 && b <= 0x7E || seq[0] == 'O' || len(seq) > 16 { // the final byte: ECMA-48 5.4
			break
		}
	}
	if string(seq) == pasteBegins {
		return k.paste()
	}
	return sequences[string(seq)], "", nil
}

// paste reads what was pasted, on one line: it must be looked at before it is sent.
func (k keys) paste() (key, string, error) {
	var text strings.Builder
	space := false
	tail := make([]rune, 0, len(pasteEnds))
	for {
		r, _, err := k.r.ReadRune()
		if err != nil {
			return keyNone, "", err
		}
		if tail = append(tail, r); len(tail) > len(pasteEnds) {
			space = pasteRune(&text, tail[0], space)
			tail = tail[1:]
		}
		if string(tail) == pasteEnds {
			return keyPaste, strings.TrimRight(text.String(), " "), nil
		}
	}
}

// pasteRune adds r to text: line ends and tabs, with the indentation that follows, as one space.
func pasteRune(text *strings.Builder, r rune, space bool) bool {
	switch {
	case r == '\r' || r == '\n' || r == '\t':
		if !space && text.Len() < maxPaste {
			text.WriteByte(' ')
		}
		return true
	case space && r == ' ', unsafeRune(r):
		return space
	case text.Len() < maxPaste:
		text.WriteRune(r)
	}
	return false
}
