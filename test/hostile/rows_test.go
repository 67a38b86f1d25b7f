package hostile

import (
	"fmt"
	"regexp"
	"testing"
)

// elsewhere says of the rows of sections 3.4 and 3.6 to 3.8 that are not in a table here where they are tested, or why
// they do not apply to a client.
var elsewhere = map[string]string{
	"E-16": "E-6, on WebSocket",
	"E-17": "TestRandom; FuzzDecodePacket and FuzzDecodePayload of engineio/packet, FuzzClientSession of client",
	"E-18": "TestRoundTrip of engineio/packet",
	"E-19": "payload_test.go of test/parser, against the official parser",
	"E-20": "the client speaks revision 4 only; what revision 3 looks like is refused as E-1",
	"E-21": "as E-20",
	"E-22": "as E-20",

	"W-3":  "W-2",
	"W-5":  "a client never upgrades with POST",
	"W-11": "N-4-silent",

	"F-17": "the Autobahn groups of internal/websocket; the reader is the same in both roles, but for the mask",
	"F-20": "TestClientAgainstModel and FuzzServerFrames of internal/websocket",
	"F-33": "compression is not offered",

	"P-20": "TestHostileTextsTakeLinearTime of the parser",
	"P-25": "TestAckOnceFromManyGoroutines of package event",
	"P-33": "P-1-event; how many events wait for the answer to CONNECT: TestFloodBeforeConnect of client",
	"P-38": "a client has the namespaces that its user asks for, and no other: P-32, P-37",
	"P-40": "TestNoAnswerToConnect",
	"P-41": "test/parser; FuzzClientVerdict of client",

	"B-33": "TestMaxPayload",
}

// gaps are numbers that the table does not have.
var gaps = map[string]bool{"B-9": true, "B-10": true, "B-11": true}

// TestEveryRow: each row of the table is here, or is said not to be, and nothing is said of a row that is here.
func TestEveryRow(t *testing.T) {
	number := regexp.MustCompile(`^[A-Z]-\d+`)
	have := make(map[string]bool)
	for _, r := range rows() {
		have[number.FindString(r.id)] = true
	}
	for prefix, last := range map[string]int{"E": 22, "W": 13, "F": 33, "P": 42, "B": 33} {
		for i := 1; i <= last; i++ {
			id := fmt.Sprintf("%s-%d", prefix, i)
			if n := count(have[id], elsewhere[id] != "", gaps[id]); n != 1 {
				t.Errorf("%s: row %v, elsewhere %q", id, have[id], elsewhere[id])
			}
		}
	}
	if len(rows()) < 400 {
		t.Errorf("only %d rows", len(rows()))
	}
}

func count(facts ...bool) (n int) {
	for _, f := range facts {
		if f {
			n++
		}
	}
	return n
}
