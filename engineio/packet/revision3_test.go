package packet

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

// list is what an iteration gives, ends with its error.
func list(packets iter.Seq2[Packet, error]) string {
	var all []string
	for p, err := range packets {
		switch {
		case err != nil:
			all = append(all, err.Error())
		case p.Binary:
			all = append(all, fmt.Sprintf("[%x]", p.Data))
		default:
			all = append(all, fmt.Sprintf("%d%s", p.Type, p.Data))
		}
	}
	return strings.Join(all, " ")
}

func TestPayload3(t *testing.T) {
	for payload, want := range map[string]string{
		"0:":                        "",
		"6:4hello":                  "4hello",
		"1:20:1:6":                  "2 6",
		"3:4€x2:4a":                 "4€x 4a",
		"3:4😀2:4a":                  "4😀 4a",
		"006:4hello":                "4hello",
		"6:b4AQID":                  "[010203]",
		"2:b4":                      "[]",
		"":                          "packet: empty packet at byte 0",
		"2:4a3:4b":                  "4a packet: invalid length at byte 8",
		"2:4a4b":                    "4a packet: invalid length at byte 4",
		"2:4😀":                      "packet: a length that ends within a character at byte 3",
		"2:4\xff":                   "packet: invalid UTF-8 at byte 3",
		"2:7a":                      "packet: unknown packet type at byte 2",
		"3:b5A":                     "packet: binary data in a packet that is no message at byte 3",
		"6:b4A!ID":                  "packet: invalid base64 at byte 5",
		"-1:4":                      "packet: invalid length at byte 0",
		"99999999999999999999999:4": "packet: invalid length at byte 0",
	} {
		if got := list(Payload3([]byte(payload))); got != want {
			t.Errorf("%q: %q, want %q", payload, got, want)
		}
	}
	for payload, want := range map[string]string{
		"":                                 "",
		"\x00\x06\xff4hello":               "4hello",
		"\x00\x04\xff4€\x01\x03\xff\x04ab": "4€ [6162]",
		"\x00\x04\xffb4AQ":                 "[01]",
		"\x00\x00\x02\xff4a":               "4a",
		"\x00\x01\x00\xff4":                "packet: invalid length at byte 1",
		"\x00\xff4":                        "packet: invalid length at byte 1",
		"\x00\x02":                         "packet: invalid length at byte 1",
		"\x05\x02\xff4a":                   "packet: neither text nor binary at byte 0",
		"\x00\x02\xff4a\x00\x03\xff4\xffa": "4a packet: invalid UTF-8 at byte 9",
		"\x01\x00\xff":                     "packet: empty packet at byte 3",
		"\x00\x00\xff":                     "packet: empty packet at byte 3",
		"\x01\x01\xff4":                    "packet: binary data in a packet that is no message at byte 3",
	} {
		if got := list(BinaryPayload3([]byte(payload))); got != want {
			t.Errorf("%q: %q, want %q", payload, got, want)
		}
	}
}

// What is encoded is decoded to the same, in each form.
func TestPayload3RoundTrip(t *testing.T) {
	packets := []Packet{
		{Type: Message, Data: []byte("plain")}, {Type: Noop}, {Type: Message, Data: []byte("€😀\u2028ü\x00")},
		{Type: Message, Binary: true, Data: []byte{0, 255, 4}}, {Type: Message, Binary: true},
		{Type: Message, Data: bytes.Repeat([]byte("é"), 500)},
	}
	var want []string
	var text, raw []byte
	for _, p := range packets {
		text, raw = AppendPayload3(text, p), AppendBinaryPayload3(raw, p)
		if p.Binary {
			want = append(want, fmt.Sprintf("[%x]", p.Data))
		} else {
			want = append(want, fmt.Sprintf("%d%s", p.Type, p.Data))
		}
	}
	if got := list(Payload3(text)); got != strings.Join(want, " ") {
		t.Errorf("text %q", got)
	}
	if got := list(BinaryPayload3(raw)); got != strings.Join(want, " ") {
		t.Errorf("binary %q", got)
	}
}

func TestDecode3(t *testing.T) {
	for _, c := range []struct {
		data   string
		binary bool
		want   string
	}{
		{"4a", false, "4a"}, {"b4AQ==", false, "[01]"}, {"\x04a", true, "[61]"}, {"\x04", true, "[]"},
		{"", true, "packet: empty packet at byte 0"}, {"", false, "packet: empty packet at byte 0"},
		{"4a", true, "packet: binary data in a packet that is no message at byte 0"},
		{"b", false, "packet: binary data in a packet that is no message at byte 1"},
	} {
		p, err := Decode3([]byte(c.data), c.binary)
		if got := list(func(yield func(Packet, error) bool) { yield(p, err) }); got != c.want {
			t.Errorf("%q: %q, want %q", c.data, got, c.want)
		}
	}
}

func TestScriptsAndForms(t *testing.T) {
	script := AppendScript([]byte("x"), []byte("a\"\\/\b\t\n\f\r\x00\x1e\x7fü\u2027\u2028\u2029\u202a😀<"))
	if want := `xa\"\\/\b\t\n\f\r\u0000\u001e` + "\x7fü\u2027" + `\u2028\u2029` + "\u202a😀<"; string(script) != want {
		t.Errorf("%q, want %q", script, want)
	}
	for body, want := range map[string]string{
		"d=2%3A4a":            "2:4a",
		"x=y&d=a+b%2b&z":      "a b+",
		"%64=a":               "a",
		"d=%5Cn":              "\n",
		"d=%5C%5Cn":           `\n`,
		"d=%5C%5C%5Cn":        `\\n`,
		"d=%5C%5Cx%5C":        `\\x\`,
		"d=a%5Cn%5Cnn%5C%5Cn": "a\n\nn\\n",
		"d=":                  "",
		"d":                   "",
		"d=%":                 "error",
		"d=%4":                "error",
		"d=%4g":               "error",
		"d=a&d=b":             "error",
		"":                    "error",
		"e=a":                 "error",
	} {
		got, err := FormPayload([]byte(body))
		if err != nil {
			got = []byte("error")
		}
		if string(got) != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}

func FuzzDecodePayload3(f *testing.F) {
	for _, s := range []string{
		"", "0:", "6:4hello6:b4AQID", "3:4€x", "3:4😀", "2:4😀", "-1:4", "99999999999999999999:4", "1:", "b4", ":",
		"00:",
		"\x00\x06\xff4hello\x01\x02\xff\x04a", "\x01\x00\xff", "\x00\x09\x09\x09\x09\xff", "\x00\x04\xffb4AQ", "\x04",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkPayload3(t, data, Payload3, AppendPayload3)
		checkPayload3(t, data, BinaryPayload3, AppendBinaryPayload3)
		for _, binary := range []bool{false, true} {
			if p, err := Decode3(data, binary); err == nil && p.Type > Noop {
				t.Fatalf("%+v", p)
			}
		}
	})
}

// checkPayload3 decodes data, and holds what comes of it to what is encoded of that.
func checkPayload3(
	t *testing.T, data []byte,
	decode func([]byte) iter.Seq2[Packet, error], encode func([]byte, Packet) []byte,
) {
	var again []byte
	total, failed := 0, false
	for p, err := range decode(data) {
		if failed {
			t.Fatal("an iteration went on after its error")
		}
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(data) {
				t.Fatalf("%#v", err)
			}
			failed = true
			continue
		}
		if total += len(p.Data); total > len(data) || p.Type > Noop {
			t.Fatalf("%d bytes of %d, type %d", total, len(data), p.Type)
		}
		if !p.Binary && !utf8.Valid(p.Data) {
			t.Fatalf("text that is not UTF-8: %q", p.Data)
		}
		if n := len(utf16.Encode([]rune(string(p.Data)))); !p.Binary && n != countUnits(p.Data) {
			t.Fatalf("%d units of %q counted, there are %d", countUnits(p.Data), p.Data, n)
		}
		again = encode(again, p)
	}
	if len(again) == 0 {
		return
	}
	var twice []byte
	for p, err := range decode(again) {
		if err != nil {
			t.Fatalf("%q was decoded and encoded to %q: %v", data, again, err)
		}
		twice = encode(twice, p)
	}
	if !bytes.Equal(again, twice) {
		t.Fatalf("%q became %q, and that %q", data, again, twice)
	}
}

func FuzzFormPayload(f *testing.F) {
	for _, s := range []string{"", "d", "d=2:4a", "d=%5cn%5C%5Cn", "a=b&d=+", "d=1&d=2", "%64=x", "d=%", "d=%f0%9f"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := FormPayload(bytes.Clone(data))
		if err != nil {
			return
		}
		if len(got) > len(data) {
			t.Fatalf("%d bytes of %d", len(got), len(data))
		}
		if bytes.Contains(got, []byte("\\\n")) {
			return // clients write a backslash before a line feed as they write "\n", and JSON has neither
		}
		// What a client makes of it comes back.
		say := strings.ReplaceAll(strings.ReplaceAll(string(got), `\n`, "\\\n"), "\n", `\n`)
		var form bytes.Buffer
		for _, c := range []byte(say) {
			fmt.Fprintf(&form, "%%%02x", c)
		}
		again, err := FormPayload(append([]byte("d="), form.Bytes()...))
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q came back as %q, %v", got, again, err)
		}
	})
}
