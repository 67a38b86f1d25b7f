package siotest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"sio.example/socketio/parser"
)

// EventLine is the line of an Entry for the event called name with these arguments.
func EventLine(name string, args ...any) string {
	return Entry{Kind: KindEvent, Name: name, Args: parser.NewArgs(args...)}.String()
}

// Text is args as a JSON array, with the bytes of binary as a string "hex:" and their digits.
func Text(args parser.Args) string {
	if !args.HasBinary() {
		if b, err := args.MarshalJSON(); err == nil {
			return string(b)
		}
	}
	values, err := args.Values()
	if err != nil {
		return "!(" + err.Error() + ")"
	}
	b, err := json.Marshal(printable(values))
	if err != nil {
		return "!(" + err.Error() + ")"
	}
	return string(b)
}

// printable is v with strings for its binary values.
func printable(v any) any {
	switch v := v.(type) {
	case []byte:
		return "hex:" + hex.EncodeToString(v)
	case []any:
		c := make([]any, len(v))
		for i, x := range v {
			c[i] = printable(x)
		}
		return c
	case map[string]any:
		c := make(map[string]any, len(v))
		for k, x := range v {
			c[k] = printable(x)
		}
		return c
	}
	return v
}

// Diff compares arguments, or the values of an acknowledgement, with what is wanted. It returns "" if they are the same
// on the wire, but for the order of keys; otherwise a text to show.
//
//	args, err := s.EmitWithAck(ctx, "sum", 1, 2)
//	if diff := siotest.Diff(args, 3); err != nil || diff != "" {
//		t.Error(err, diff)
//	}
func Diff(got parser.Args, want ...any) string {
	wanted := parser.NewArgs(want...)
	g, err := got.Values()
	if err != nil {
		return fmt.Sprintf("got  !(%v)\nwant %s", err, Text(wanted))
	}
	w, err := wanted.Values()
	if err != nil {
		return fmt.Sprintf("want !(%v)", err)
	}
	if reflect.DeepEqual(g, w) || equalExactly(got, wanted) {
		return ""
	}
	gs, ws := Text(got), Text(wanted)
	n := 0
	for n < len(gs) && n < len(ws) && gs[n] == ws[n] {
		n++
	}
	return fmt.Sprintf("got  %s\nwant %s\n     %s^", gs, ws, strings.Repeat(" ", len([]rune(gs[:n]))))
}

// compare puts lines and entries side by side.
func compare(want []string, got []Entry) string {
	width := len("(nothing)")
	for _, w := range want {
		width = max(width, len([]rune(w)))
	}
	var b strings.Builder
	row := func(mark, w, g, at string) {
		line := fmt.Sprintf("%s %-*s  %10s  %s", mark, width, w, at, g)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	row(" ", "expected", "recorded", "at")
	for i := range max(len(want), len(got)) {
		w, g, at, mark := "(nothing)", "(nothing)", "", "!"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g, at = got[i].String(), got[i].At.String()
		}
		if i < len(want) && i < len(got) && got[i].Matches(w) {
			mark = " "
		}
		row(mark, w, g, at)
	}
	return b.String()
}
