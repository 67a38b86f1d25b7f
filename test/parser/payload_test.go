package parser

import (
	"encoding/base64"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"sio.example/socketio/engineio/packet"
)

type payloadCase struct {
	Payload string `json:"payload"`
}

type payloadAnswer struct {
	Packets []struct {
		Type string  `json:"type"`
		Data jsValue `json:"data"`
	} `json:"packets"`
	Error *string `json:"error"`
	Again string  `json:"again"`
}

func (a payloadAnswer) String() string {
	var b strings.Builder
	for _, p := range a.Packets {
		switch data := p.Data.v.(type) {
		case undefined:
			fmt.Fprintf(&b, "[%s %q]", p.Type, "")
		case []byte:
			fmt.Fprintf(&b, "[%s binary %q]", p.Type, data)
		default:
			fmt.Fprintf(&b, "[%s %q]", p.Type, data)
		}
	}
	if a.Error != nil {
		b.WriteString("[error]")
	}
	return b.String()
}

// oursPayload is the same of our codec, and the payload that it makes of the packets.
func oursPayload(s string) (said, again string) {
	var b strings.Builder
	var wire []byte
	for p, err := range packet.Payload([]byte(s)) {
		switch {
		case err != nil:
			b.WriteString("[error]")
			continue
		case p.Binary:
			fmt.Fprintf(&b, "[%s binary %q]", p.Type, p.Data)
		default:
			fmt.Fprintf(&b, "[%s %q]", p.Type, p.Data)
		}
		wire = packet.AppendPayload(wire, 0, p)
	}
	return b.String(), string(wire)
}

// blanks are left out of base64, and one alphabet is the other.
var blanks = strings.NewReplacer(" ", "", "\t", "", "\n", "", "\v", "", "\f", "", "\r", "", "-", "+", "_", "/")

// payloadDifferences are those of Engine.IO payloads (E-19).
var payloadDifferences = []difference[payloadCase]{
	{
		name: "base64",
		why: "theirs reads on over what is not base64 and takes what it can; ours takes blanks, both alphabets and " +
			"a lack of padding, as " +
			"clients make them, and nothing that was damaged on its way",
		is: func(c payloadCase) bool {
			for _, p := range strings.Split(c.Payload, "\x1e") {
				if data, ok := strings.CutPrefix(p, "b"); ok {
					data = blanks.Replace(data)
					digits := strings.TrimRight(data, "=")
					n, pads := len(digits)%4, len(data)-len(digits)
					_, err := base64.RawStdEncoding.DecodeString(digits)
					if err != nil || pads > 0 && (n < 2 || n+pads > 4) {
						return true
					}
				}
			}
			return false
		},
		example: payloadCase{"bAQ==AQ=="},
	},
}

func TestPayloadsAgainstTheOfficialCodec(t *testing.T) {
	m := &mutator{
		r: rand.New(rand.NewSource(1)),
		seeds: []string{
			"4hello", "4hello\x1ebAQID", "2probe", "3probe", "6", "5", "1",
			"b", "bAQ==", "bAQI=", `0{"sid":"x","upgrades":["websocket"]}`,
			"4a\x1e4b\x1e4c", "42[\"m\",\"é😀\"]", "4", "2\x1e2\x1e2", "b////",
			"bAQID\x1e4x", "451-[\"m\",{\"_placeholder\":true,\"num\":0}]\x1ebAQIDBA==",
		},
		pieces: []string{"\x1e", "b", "4", "7", "=", "==", "AQID", "-_",
			" ", "\n", "\r\n", "é", "\ufeff", "\u00a0", "9", "b=", "\x00"},
	}
	cases := []payloadCase{{""}, {"\x1e"}, {"\x1e\x1e"}}
	for _, s := range m.seeds {
		cases = append(cases, payloadCase{s})
	}
	for _, d := range payloadDifferences {
		cases = append(cases, d.example)
	}
	comparePayloads(t, cases, len(cases)-len(payloadDifferences))
	for n := mutations(t); n > 0; n -= 20_000 {
		batch := make([]payloadCase, min(n, 20_000))
		for i := range batch {
			batch[i].Payload = m.next()
		}
		comparePayloads(t, batch, len(batch))
	}
}

// comparePayloads compares the answers to cases; those from examples on must differ.
func comparePayloads(t *testing.T, cases []payloadCase, examples int) {
	t.Helper()
	for i, theirs := range ask[payloadCase, payloadAnswer](t, cases) {
		c := cases[i]
		ours, again := oursPayload(c.Payload)
		same := ours == theirs.String() && again == theirs.Again
		if i >= examples && (same || !payloadDifferences[i-examples].is(c)) {
			t.Errorf("%q is no example of %q", c.Payload, payloadDifferences[i-examples].name)
		}
		if !same && tell(payloadDifferences, c) == "" {
			t.Errorf("%q\n  ours %s, %q\ntheirs %v, %q", c.Payload, ours, again, theirs, theirs.Again)
		}
	}
}
