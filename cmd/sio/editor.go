package main

import (
	"slices"
	"unicode"
)

// maxHistory is how many lines the arrow keys reach.
const maxHistory = 500

// An editor edits one line of text. It knows no terminal.
type editor struct {
	text   []rune
	cursor int    // an index of text
	killed []rune // for keyYank
	offset int    // the first character that is shown, when the text is too long

	history []string
	at      int    // where in the history the text is from; len(history) is a new one
	draft   string // the new one, meanwhile

	// complete returns what text, which is before the cursor, may be completed to: whole texts.
	complete func(text string) []string
}

// press applies a key that is about the text alone.
func (e *editor) press(k key, text string) {
	switch k {
	case keyText, keyPaste:
		e.insert([]rune(text))
	case keyLeft:
		e.cursor = e.before(e.cursor)
	case keyRight:
		e.cursor = e.after(e.cursor)
	case keyWordLeft:
		e.cursor = e.wordBefore()
	case keyWordRight:
		e.cursor = e.wordAfter()
	case keyHome:
		e.cursor = 0
	case keyEnd:
		e.cursor = len(e.text)
	case keyUp:
		e.recall(e.at - 1)
	case keyDown:
		e.recall(e.at + 1)
	case keyBackspace:
		e.remove(e.before(e.cursor), e.cursor)
	case keyDelete, keyDeleteOrEnd:
		e.remove(e.cursor, e.after(e.cursor))
	case keyDeleteWord:
		e.kill(e.wordBefore(), e.cursor)
	case keyDeleteNextWord:
		e.kill(e.cursor, e.wordAfter())
	case keyDeleteToStart:
		e.kill(0, e.cursor)
	case keyDeleteToEnd:
		e.kill(e.cursor, len(e.text))
	case keyYank:
		e.insert(e.killed)
	}
}

// enter returns the line, begins a new one, and keeps it in the history.
func (e *editor) enter() string {
	line := string(e.text)
	if line != "" && (len(e.history) == 0 || e.history[len(e.history)-1] != line) {
		e.history = append(e.history, line)
		if len(e.history) > maxHistory {
			e.history = slices.Delete(e.history, 0, 1)
		}
	}
	e.clear()
	return line
}

func (e *editor) clear() {
	e.text, e.cursor, e.offset, e.at, e.draft = nil, 0, 0, len(e.history), ""
}

func (e *editor) set(text string) {
	e.text = []rune(text)
	e.cursor = len(e.text)
}

func (e *editor) insert(text []rune) {
	e.text = slices.Insert(e.text, e.cursor, text...)
	e.cursor += len(text)
}

func (e *editor) remove(i, j int) {
	e.text = slices.Delete(e.text, i, j)
	e.cursor = i
}

func (e *editor) kill(i, j int) {
	if i < j {
		e.killed = slices.Clone(e.text[i:j])
		e.remove(i, j)
	}
}

// recall takes the text from the history.
func (e *editor) recall(i int) {
	if i < 0 || i > len(e.history) {
		return
	}
	if e.at == len(e.history) {
		e.draft = string(e.text)
	}
	e.at = i
	if i == len(e.history) {
		e.set(e.draft)
	} else {
		e.set(e.history[i])
	}
}

// completion completes the text before the cursor as far as that is clear, and returns the choices if it is not.
func (e *editor) completion() []string {
	if e.complete == nil {
		return nil
	}
	choices := e.complete(string(e.text[:e.cursor]))
	if len(choices) == 0 {
		return nil
	}
	common := []rune(choices[0])
	for _, c := range choices[1:] {
		n := 0
		for _, r := range c {
			if n == len(common) || common[n] != r {
				break
			}
			n++
		}
		common = common[:n]
	}
	if len(common) <= e.cursor {
		if len(choices) > 1 {
			return choices
		}
		return nil
	}
	rest := e.text[e.cursor:]
	e.text = slices.Concat(common, rest)
	e.cursor = len(common)
	return nil
}

// before and after are the places a step from i away, over marks and joiners that belong to a character.
func (e *editor) before(i int) int {
	for i > 0 {
		if i--; width(e.text[i]) > 0 {
			break
		}
	}
	return i
}

func (e *editor) after(i int) int {
	for i < len(e.text) {
		if i++; i == len(e.text) || width(e.text[i]) > 0 {
			break
		}
	}
	return i
}

func (e *editor) wordBefore() int {
	i := e.cursor
	for i > 0 && !isWordRune(e.text[i-1]) {
		i--
	}
	for i > 0 && isWordRune(e.text[i-1]) {
		i--
	}
	return i
}

func (e *editor) wordAfter() int {
	i := e.cursor
	for i < len(e.text) && !isWordRune(e.text[i]) {
		i++
	}
	for i < len(e.text) && isWordRune(e.text[i]) {
		i++
	}
	return i
}

func isWordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-' || width(r) == 0
}

// view is the part of the text that is shown in columns, with marks where it goes on, and the column of the cursor. The
// last column stays free for it.
func (e *editor) view(columns int) (text string, cursor int) {
	if e.columns(0, len(e.text)) < columns {
		e.offset = 0
		return string(e.text), e.columns(0, e.cursor)
	}
	room := max(columns-3, 2) // without the marks
	if e.cursor < e.offset {
		e.offset = e.cursor
		e.scroll(room / 3)
	} else if e.columns(e.offset, e.cursor) > room || e.columns(e.offset, len(e.text)) < room/3 {
		e.offset = e.cursor // it is out of sight at the right, or the terminal has become wider
		e.scroll(room * 2 / 3)
	}
	shown, used := []rune{'‹'}, 1
	if e.offset == 0 {
		shown, used = nil, 0
	}
	cursor = used + e.columns(e.offset, e.cursor)
	for _, r := range e.text[e.offset:] {
		if used += width(r); used > room+1 {
			shown = append(shown, '›')
			break
		}
		shown = append(shown, r)
	}
	return string(shown), cursor
}

// scroll moves what is shown so that the cursor, which is at its left, gets some columns to its left.
func (e *editor) scroll(columns int) {
	for e.offset > 0 {
		i := e.before(e.offset)
		if columns -= e.columns(i, e.offset); columns < 0 {
			return
		}
		e.offset = i
	}
}

func (e *editor) columns(i, j int) int {
	n := 0
	for _, r := range e.text[i:j] {
		n += width(r)
	}
	return n
}
