package packet

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"
)

func FuzzDecodePacket(f *testing.F) {
	for _, s := range []string{"", "0", "4hello", "2probe", "6", "7", "b", "bAQID", "/", "4\xff", "\x1e", "4a\x1e4b"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, binary bool) {
		p, err := Decode(data, binary)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset > len(data) {
				t.Fatalf("%#v", err)
			}
			return
		}
		if p.Type > Noop || p.Binary != binary {
			t.Fatalf("%+v", p)
		}
		if again := Append(nil, p); !bytes.Equal(again, data) {
			t.Fatalf("%q was decoded and encoded to %q", data, again)
		}
	})
}

func FuzzDecodePayload(f *testing.F) {
	for _, s := range []string{
		"", "4hello\x1ebAQID", "6\x1e6\x1e6", "b", "b\x1eb", "bAQ==", "bAQI=", "bAR==", "bAQ\n==",
		"4a\x1e", "\x1e", "4\xe2\x82\xac", "4\xe2\x1e4\x82\xac", `0{"sid":"x"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var again []byte
		failed := false
		for p, err := range Payload(data) {
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
			if !p.Binary && !utf8.Valid(p.Data) {
				t.Fatalf("text that is not UTF-8: %q", p.Data)
			}
			again = AppendPayload(again, 0, p)
		}
		// What is accepted is canonical, but for base64.
		if !bytes.Contains(data, []byte("b")) &&
			(!failed && !bytes.Equal(again, data) || failed && !bytes.HasPrefix(data, again)) {
			t.Fatalf("%q was decoded and encoded to %q", data, again)
		}
		var twice []byte
		for p, err := range Payload(again) {
			if err != nil && len(again) > 0 {
				t.Fatalf("%q was decoded and encoded to %q: %v", data, again, err)
			}
			if err == nil {
				twice = AppendPayload(twice, 0, p)
			}
		}
		if !bytes.Equal(again, twice) {
			t.Fatalf("%q became %q, and that %q", data, again, twice)
		}
	})
}

func FuzzDecodeHandshake(f *testing.F) {
	f.Add([]byte(`{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`))
	f.Add([]byte(`{"sid":"\ud800","pingInterval":1,"pingTimeout":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := DecodeHandshake(data)
		if err != nil {
			return
		}
		again, err := DecodeHandshake(AppendHandshake(nil, h))
		if err != nil || again.SID != h.SID || again.PingIntervalMS != h.PingIntervalMS {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
	})
}
