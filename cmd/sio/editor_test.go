package main

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"testing"
)

// typed applies what a terminal sends, and returns the lines that were entered.
func typed(t *testing.T, e *editor, input string) (lines []string) {
	t.Helper()
	k := keys{bufio.NewReader(strings.NewReader(input))}
	for {
		pressed, text, err := k.next()
		switch {
		case err == io.EOF:
			return lines
		case err != nil:
			t.Fatal(err)
		case pressed == keyEnter:
			lines = append(lines, e.enter())
		case pressed == keyTab:
			e.completion()
		default:
			e.press(pressed, text)
		}
	}
}

func TestEditing(t *testing.T) {
	const left, right, up, down = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B"
	for _, c := range []struct {
		input string
		want  string // with | where the cursor is
	}{
		{"hello", "hello|"},
		{"hello" + left + left + "X", "helX|lo"},
		{"hello\x01X", "X|hello"},
		{"hello\x01\x05X", "helloX|"},
		{"hello\x1b[H\x1b[FX\x1bOHY", "Y|helloX"},
		{"hello\x7f\x08", "hel|"},
		{"hello" + left + "\x04", "hell|"},
		{"hello" + left + left + "\x1b[3~", "hel|o"},
		{"one two three\x17", "one two |"},
		{"one two three\x17\x17\x19\x19", "one two two |"},
		{"one two\x1bb\x0b", "one |"},
		{"one two\x1b[1;5D\x1b[1;5D\x1bd", "| two"},
		{"one two" + left + "\x15", "|o"},
		{"größe e\u0301" + left + "X", "größe X|e\u0301"},
		{"e\u0301\x7f", "|"},
		{"日本" + left + "x", "日x|本"},
		{"a\x1b[99~b\x1b[<0;1;1Mc", "abc|"},
		{"a\x1b", "a|"},
		{"\x1b[200~{\r\n\t  \"a\": 1,\n  \"b\": [\x1b[2J]\n}\n\x1b[201~!", `{ "a": 1, "b": [[2J] }!|`},
		{"first\rsecond\r" + up + up + "X", "firstX|"},
		{"first\rsecond\rdraft" + up + up + down + down, "draft|"},
		{"first\r" + up + up + down, "|"},
		{"a\u009b\u202eb", "ab|"},
	} {
		e := &editor{}
		typed(t, e, c.input)
		got := string(e.text[:e.cursor]) + "|" + string(e.text[e.cursor:])
		if got != c.want {
			t.Errorf("%q gives %q, want %q", c.input, got, c.want)
		}
	}
	e := &editor{}
	if got := typed(t, e, "one\rone\r\rtwo\n"); !slices.Equal(got, []string{"one", "one", "", "two"}) ||
		!slices.Equal(e.history, []string{"one", "two"}) {
		t.Errorf("entered %q, remembered %q", got, e.history)
	}
}

func TestCompletion(t *testing.T) {
	e := &editor{complete: func(text string) (choices []string) {
		for _, c := range []string{"/connect", "/auth ", "/ack ", "größe ", "größer "} {
			if strings.HasPrefix(c, text) {
				choices = append(choices, c)
			}
		}
		return choices
	}}
	for input, want := range map[string]string{
		"/c\t": "/connect", "/a\t": "/a", "/au\tx": "/auth x", "x\t": "x",
		"gr\t": "größe", "/a rest\x01\x1b[C\x1b[C\x1b[D\x1b[Cu\t": "/auth  rest",
	} {
		e.clear()
		typed(t, e, input)
		if got := string(e.text); got != want {
			t.Errorf("%q gives %q, want %q", input, got, want)
		}
	}
	e.clear()
	typed(t, e, "/a")
	if got := e.completion(); !slices.Equal(got, []string{"/auth ", "/ack "}) {
		t.Errorf("the choices are %q", got)
	}
}

// Whatever is typed, the cursor is within the text that is shown, and that fits.
func TestView(t *testing.T) {
	long := strings.Repeat("0123456789", 5) + strings.Repeat("日本語", 10) + "e\u0301end"
	for _, columns := range []int{5, 6, 10, 20, 79} {
		e := &editor{}
		e.set(long)
		check := func(what string) {
			t.Helper()
			text, cursor := e.view(columns)
			if w := textWidth(text); w > columns || cursor < 0 || cursor >= columns || cursor > w {
				t.Errorf("%d columns, %s: %q is %d wide, the cursor at %d", columns, what, text, w, cursor)
			}
			before := 0 // columns of what is shown before the cursor
			for _, r := range text {
				if before >= cursor {
					break
				}
				before += width(r)
			}
			if before != cursor {
				t.Errorf("%d columns, %s: the cursor at %d stands within a character of %q",
					columns, what, cursor, text)
			}
		}
		check("end")
		for e.cursor > 0 {
			e.press(keyLeft, "")
			check("left")
		}
		if text, cursor := e.view(columns); cursor != 0 || !strings.HasPrefix(text, "01") {
			t.Errorf("%d columns: at home %q is shown, the cursor at %d", columns, text, cursor)
		}
		for e.cursor < len(e.text) {
			e.press(keyRight, "")
			check("right")
		}
		e.press(keyDeleteToStart, "")
		if text, cursor := e.view(columns); text != "" || cursor != 0 {
			t.Errorf("%d columns: nothing is shown as %q, the cursor at %d", columns, text, cursor)
		}
	}
	e := &editor{}
	e.set("short")
	if text, cursor := e.view(10); text != "short" || cursor != 5 {
		t.Errorf("got %q, %d", text, cursor)
	}
}
