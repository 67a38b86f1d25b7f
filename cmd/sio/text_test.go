package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sio.example/socketio/parser"
)

// hostile is text that would do something to a terminal.
const hostile = "a\x1b[2J\x07b\u009b31mc\x7f\u202ed\u2066\u200fe\r\nf\U000E0041"

// harmless fails the test if text has anything in it that a terminal acts on, but for the colours of ours.
func harmless(t *testing.T, text string) {
	t.Helper()
	for _, c := range []string{colours.dim, colours.in, colours.out,
		colours.name, colours.good, colours.bad, colours.reset} {
		text = strings.ReplaceAll(text, c, "")
	}
	if i := strings.IndexFunc(text, unsafeRune); i >= 0 {
		t.Errorf("%q has %q in it", text, text[i:])
	}
	if !utf8.ValidString(text) {
		t.Errorf("%q is not UTF-8", text)
	}
}

func TestSafe(t *testing.T) {
	want := `a\u001b[2J\u0007b\u009b31mc\u007f\u202ed\u2066\u200fe\u000d\u000af\udb40\udc41`
	if got := safe(hostile); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	harmless(t, safe(hostile))
	harmless(t, quote(hostile))
	for _, same := range []string{"", "plain", "größe ⚡ 日本語 👩‍👩‍👧", "\uFFFD"} {
		if got := safe(same); got != same {
			t.Errorf("%q became %q", same, got)
		}
	}
	if got, want := safe("a\xff\xfeb"), `a\xff\xfeb`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestJSONText(t *testing.T) {
	text := "{\n\t\"a\": \"\u009b\U000E0041\u202e\",\r\n\t\"b\": 1}"
	got := jsonText(text)
	if want := `{ "a": "\u009b\udb40\udc41\u202e", "b": 1}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var was, is map[string]any
	if json.Unmarshal([]byte(text), &was) != nil || json.Unmarshal([]byte(got), &is) != nil || was["a"] != is["a"] {
		t.Errorf("%q is not the JSON that %q was", got, text)
	}
}

func TestUnits(t *testing.T) {
	for n, want := range map[int]string{0: "0 bytes", 1: "1 byte",
		999: "999 bytes", 1500: "1.5 kB", 1e6: "1 MB", 123e6: "123 MB"} {
		if got := byteCount(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0 µs", 450 * time.Microsecond: "450 µs",
		1234 * time.Microsecond: "1.23 ms", 1500 * time.Millisecond: "1.5 s",
		125 * time.Second: "2m5s",
	} {
		if got := took(d); got != want {
			t.Errorf("%d is %s, want %s", d, got, want)
		}
	}
	if got := cutText("größe", 3); got != "gr…" {
		t.Errorf("cut in the middle of a character: %q", got)
	}
}

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "größe": 5, "日本": 4, "e\u0301": 1, "👍": 2,
		"한국": 4, "→←✓✗…": 5, "\x1b[31mred\x1b[0m": 3, "ｆｕｌｌ": 8,
	} {
		if got := textWidth(text); got != want {
			t.Errorf("%q is %d columns wide, want %d", text, got, want)
		}
	}
	for i := 1; i < len(wide); i++ {
		if wide[i][0] <= wide[i-1][1] || wide[i][1] < wide[i][0] {
			t.Errorf("the range %x is not after the one before", wide[i])
		}
	}
}

func at(r record) *record {
	r.Time = time.Date(2024, 5, 1, 9, 8, 7, 6e6, time.Local)
	return &r
}

func TestLines(t *testing.T) {
	args := parser.NewArgs(json.RawMessage(`{"a": 1}`), "x\x1b[2J", []byte{1, 2}, map[string]any{"b": []byte{255}})
	for _, c := range []struct {
		record record
		want   string // after the time
		json   string // after the time and the type
	}{
		{
			record{Type: recordEvent, Namespace: "/", Event: "chat message", Args: args},
			`← "chat message" {"a":1} "x\u001b[2J" <2 bytes: 01 02> {"b":"<1 byte: ff>"}`,
			`"nsp":"/","event":"chat message","args":[{"a":1},"x\u001b[2J",{"$bin":"AQI="},{"b":{"$bin":"/w=="}}]}`,
		},
		{
			record{Type: recordEvent, Namespace: "/", Event: "ask", Number: 3},
			`← ask  wants ack #3`, `"nsp":"/","event":"ask","args":[],"ack":3}`,
		},
		{
			record{Type: recordEmit, Namespace: "/", Event: "x", Args: parser.NewArgs(1), Number: 4, Offline: true},
			`→ x 1  ack #4?  (waits for the connection)`, `"nsp":"/","event":"x","args":[1],"ack":4}`,
		},
		{
			record{Type: recordAck, Namespace: "/", Event: "x",
				Args: parser.NewArgs("y"), Number: 4, Took: 1500 * time.Microsecond},
			`← ack #4 "y"  x  1.5 ms`, `"nsp":"/","event":"x","args":["y"],"ack":4,"ms":1.5}`,
		},
		{
			record{Type: recordAckError, Namespace: "/", Event: "x", Number: 4, Text: "too late"},
			`✗ ack #4 too late  x`, `"nsp":"/","event":"x","ack":4,"message":"too late"}`,
		},
		{
			record{Type: recordConnect, Namespace: "/", ID: "abc", Transport: "polling", Recovered: true},
			`✓ connected to /  abc over polling  (recovered)`,
			`"nsp":"/","id":"abc","transport":"polling","recovered":true}`,
		},
		{
			record{Type: recordRefused, Namespace: "/x", Text: "no\x1bway",
				Args: parser.NewArgs(map[string]any{"code": 1}), Hint: "Ask."},
			"✗ the server refuses /x: no\\u001bway  {\"code\":1}\n             Ask.",
			`"nsp":"/x","data":{"code":1},"message":"no\u001bway"}`,
		},
		{
			record{Type: recordAttempt, Attempt: 2, Took: 1500 * time.Millisecond},
			`… reconnecting, attempt 2 after 1.5 s`, `"ms":1500,"attempt":2}`,
		},
	} {
		s := style{maxArgs: 1000}
		if got := s.line(at(c.record)); got != "09:08:07.006 "+c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		got, err := jsonLine(at(c.record))
		_, rest, _ := strings.Cut(string(got), `","type":"`+string(c.record.Type)+`",`)
		if err != nil || rest != c.json {
			t.Errorf("got  %s, %v\nwant %s", got, err, c.json)
		}
	}
	s := style{names: true, palette: colours}
	line := s.line(at(record{Type: recordEvent, Namespace: "/" + hostile,
		Event: hostile, Args: parser.NewArgs(hostile)}))
	harmless(t, line)
	if !strings.Contains(line, "/a") {
		t.Errorf("the namespace is missing in %q", line)
	}
}

func TestLargeEvents(t *testing.T) {
	s := style{maxArgs: 100}
	r := at(record{Type: recordEvent, Event: "big", Args: parser.NewArgs(strings.Repeat("é", 1e6), "never", "seen")})
	line := s.line(r)
	if len(line) > 300 || !strings.Contains(line, "… (2 MB)") || !strings.Contains(line, "… and 2 more") {
		t.Errorf("got %d bytes: %.400s", len(line), line)
	}
	s.maxArgs = -1
	if line := s.line(r); len(line) < 2e6 || !strings.HasSuffix(line, `"never" "seen"`) {
		t.Errorf("in full it is %d bytes", len(line))
	}
}

func TestEventNames(t *testing.T) {
	for name, want := range map[string]string{
		"chat": "chat", "größe": "größe", "a b": `"a b"`, "": `""`,
		"/x": `"/x"`, "@x": `"@x"`, "?": `"?"`, "1": `"1"`, "true": `"true"`,
		"{x": `"{x"`, "'x": `"'x"`, "a\x1b": `"a\u001b"`,
	} {
		if got := eventName(name); got != want {
			t.Errorf("%q is shown as %s, want %s", name, got, want)
		}
	}
}
