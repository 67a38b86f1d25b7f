package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func TestParseLine(t *testing.T) {
	for _, c := range []struct {
		line string
		want []any
	}{
		{"", nil},
		{"  \t ", nil},
		{"ping", []any{"ping"}},
		{"chat message  'hello all'", []any{"chat", "message", "hello all"}},
		{`'chat message' {"text": "hi there", "n": [1, 2]} 1`,
			[]any{"chat message", raw(`{"text": "hi there", "n": [1, 2]}`), raw("1")}},
		{`a "b c" "\u00e9\n"`, []any{"a", raw(`"b c"`), raw(`"\u00e9\n"`)}},
		{"a true false null TRUE nul", []any{"a", raw("true"), raw("false"), raw("null"), "TRUE", "nul"}},
		{"a 0 -1.5e3 01 1x - 12345678901234567890",
			[]any{"a", raw("0"), raw("-1.5e3"), "01", "1x", "-", raw("12345678901234567890")}},
		{`a don't x"y {}`, []any{"a", "don't", `x"y`, raw("{}")}},
		{"a '' ' '", []any{"a", "", " "}},
		{"größe ⚡", []any{"größe", "⚡"}},
		{"a @ b", []any{"a", "@", "b"}},
		{`a {"$bin":"AQI="} [{"x":{"$bin":""}}]`, []any{"a", []byte{1, 2}, []any{map[string]any{"x": []byte{}}}}},
	} {
		words, err := parseLine(c.line)
		if err != nil {
			t.Errorf("%q: %v", c.line, err)
			continue
		}
		got, err := values(words)
		if err != nil || len(got) != len(c.want) || len(got) > 0 && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q is %#v, %v; want %#v", c.line, got, err, c.want)
		}
	}
	for line, want := range map[string]string{
		`a {"b": 1`:        "not complete",
		`a {b: 1}`:         "not JSON",
		`a "b`:             "not complete",
		`a 'b`:             "closing '",
		`a {}{}`:           "a space is missing",
		`a 'b'c`:           "a space is missing",
		`a {"$bin":"x"}`:   "base64",
		"a \"\x1b[2J\" {}": "not JSON",
	} {
		_, err := parseLine(line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error about %q", line, err, want)
		} else if strings.ContainsRune(err.Error(), 0x1B) {
			t.Errorf("%q: the error %q holds a control character", line, err)
		}
	}
}

func TestFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(name, []byte{0, 1, 255}, 0o600); err != nil {
		t.Fatal(err)
	}
	words, err := parseLine("up @" + name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := values(words); err != nil || !reflect.DeepEqual(got, []any{"up", []byte{0, 1, 255}}) {
		t.Errorf("got %v, %v", got, err)
	}
	words, err = parseLine("up @" + name + ".missing")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := values(words); err == nil {
		t.Errorf("a file that is not there gave %v", got)
	}
}

func TestParseArg(t *testing.T) {
	for _, c := range []struct {
		arg  string
		want any
	}{
		{"hello all", "hello all"},
		{"", ""},
		{"  ", "  "},
		{"42", raw("42")},
		{`"42"`, raw(`"42"`)},
		{` {"a": 1} `, raw(`{"a": 1}`)},
		{"'x'", "'x'"},
		{"@-", []byte("from stdin")},
		{"@", "@"},
	} {
		if got, err := parseArg(c.arg, strings.NewReader("from stdin")); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q is %#v, %v; want %#v", c.arg, got, err, c.want)
		}
	}
	for _, bad := range []string{"{a:1}", `{"a":1} x`, "[", `"open`, "@/nowhere/to/be/found"} {
		if got, err := parseArg(bad, strings.NewReader("")); err == nil {
			t.Errorf("%q is %#v, want an error", bad, got)
		}
	}
}
