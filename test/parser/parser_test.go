package parser

import (
	"errors"
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"sio.example/socketio/parser"
)

type parserCase struct {
	Frames []frame `json:"frames"`
}

// header is the first text of a case, in which a decoder makes up its mind.
func (c parserCase) header() string {
	for _, f := range c.Frames {
		if f.Text != nil {
			return *f.Text
		}
	}
	return ""
}

type parserAnswer struct {
	Packets []struct {
		Type  int     `json:"type"`
		Nsp   string  `json:"nsp"`
		ID    jsValue `json:"id"`
		Data  jsValue `json:"data"`
		Again []frame `json:"again"`
	} `json:"packets"`
	Error *string `json:"error"`
}

// A packet is what both must agree on.
type decoded struct {
	Type int
	Nsp  string
	ID   any // undefined or a float64
	Data []any
}

// theirs returns the packets of an answer as ours would have them.
func (a parserAnswer) decoded() (l []decoded) {
	for _, p := range a.Packets {
		d := decoded{Type: p.Type, Nsp: p.Nsp, ID: p.ID.v}
		switch data := p.Data.v.(type) {
		case undefined:
		case []any:
			d.Data = data
		default:
			d.Data = []any{data}
		}
		if n, ok := first(d.Data).(float64); ok && p.Type == int(parser.Event) {
			// The name of an event is a string.
			d.Data[0] = numberText(n)
		}
		l = append(l, d)
	}
	return l
}

func first(l []any) any {
	if len(l) == 0 {
		return nil
	}
	return l[0]
}

// numberText is a number as JavaScript's String has it, by way of JSON, which is the same for finite ones.
func numberText(n float64) string {
	// no minus zero
	frames, err := parser.JSON(nil).Encode(nil,
		&parser.Packet{Type: parser.Ack, HasID: true, Args: parser.NewArgs(n + 0)})
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(frames[0].Data), "30["), "]")
}

func ours(c parserCase) (l []decoded, packets []*parser.Packet, err error) {
	d := parser.JSON(nil).NewDecoder()
	for _, f := range c.Frames {
		data, binary := f.data()
		p, err := d.Add(parser.Frame{Binary: binary, Data: data})
		if err != nil {
			return l, packets, err
		}
		if p == nil {
			continue
		}
		one, err := view(p)
		if err != nil {
			return l, packets, err
		}
		l, packets = append(l, one), append(packets, p)
	}
	return l, packets, nil
}

func view(p *parser.Packet) (decoded, error) {
	d := decoded{Type: int(p.Type), Nsp: p.Namespace, ID: undefined{}}
	if p.HasID {
		d.ID = float64(p.ID)
	}
	values, err := p.Args.Values()
	if p.Type == parser.Event {
		d.Data = append(d.Data, p.Name)
	}
	d.Data = append(d.Data, values...)
	return d, err
}

func same(a, b []decoded) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if x.Type != y.Type || x.Nsp != y.Nsp || !equal(x.ID, y.ID) || len(x.Data) != len(y.Data) {
			return false
		}
		for j := range x.Data {
			if !equal(x.Data[j], y.Data[j]) {
				return false
			}
		}
	}
	return true
}

// equal is reflect.DeepEqual, but tells minus zero from zero.
func equal(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !equal(v, w) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// sent is what becomes of a value when JavaScript sends it on.
func sent(v any) any {
	switch v := v.(type) {
	case float64:
		switch {
		case v-v != 0:
			return nil
		case v == 0:
			return 0.0
		}
	case []any:
		for i := range v {
			v[i] = sent(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = sent(v[k])
		}
	}
	return v
}

var (
	countPattern = regexp.MustCompile(`^[56]([^-]*)-`)
	restPattern  = regexp.MustCompile(`(?s)^(?:[56][^-]*-|[0-9])(?:/[^,]*(?:,|$))?(.*)$`)
	digits       = regexp.MustCompile(`^[0-9]*`)
)

// afterNamespace is what follows type, count and namespace.
func afterNamespace(header string) string {
	if m := restPattern.FindStringSubmatch(header); m != nil {
		return m[1]
	}
	return ""
}

func ourMessage(c parserCase) string {
	_, _, err := ours(c)
	var syntax *parser.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Msg
	}
	return ""
}

// parserDifferences are those of Socket.IO packets (P-41). All but the blank before the payload are refusals of ours.
// Half of a surrogate pair does not show: what theirs keeps, JSON turns into U+FFFD on its way here.
var parserDifferences = []difference[parserCase]{
	{
		name:    "no type",
		why:     "theirs takes the number of nothing, or of a blank, for 0, a CONNECT",
		is:      func(c parserCase) bool { h := c.header(); return h == "" || h[0] < '0' || h[0] > '9' },
		example: parserCase{[]frame{text("")}},
	},
	{
		name: "count by coercion",
		why: "theirs takes for a count whatever JavaScript turns into a number: 1e0, 0x1, blanks; ids and counts " +
			"are digits only",
		is: func(c parserCase) bool {
			m := countPattern.FindStringSubmatch(c.header())
			return m != nil && (digits.FindString(m[1]) != m[1] || strings.HasPrefix(m[1], "0"))
		},
		example: parserCase{[]frame{text(`51e0-["x"]`), bin("a")}},
	},
	{
		name: "blank as a digit",
		why: "theirs takes a blank for a digit of the id, 0; ours for the white space that may precede JSON, or " +
			"for an error",
		is: func(c parserCase) bool {
			rest := []rune(strings.TrimLeft(afterNamespace(c.header()), "0123456789"))
			return len(rest) > 0 && (unicode.IsSpace(rest[0]) || rest[0] == '\ufeff')
		},
		example: parserCase{[]frame{text(`2 ["x"]`)}},
	},
	{
		name: "id out of range",
		why:  "theirs answers with a rounded number; an id above 2^53-1 cannot have come from a correct peer",
		is: func(c parserCase) bool {
			return ourMessage(c) == "illegal acknowledgement id" &&
				len(digits.FindString(afterNamespace(c.header()))) >= 16
		},
		example: parserCase{[]frame{text(`29007199254740992["x"]`)}},
	},
	{
		name: "id where there is none",
		why:  "theirs reads and ignores an id of a packet that cannot be acknowledged",
		is: func(c parserCase) bool {
			return ourMessage(c) == "illegal acknowledgement id" && strings.ContainsAny(c.header()[:1], "014")
		},
		example: parserCase{[]frame{text(`05{}`)}},
	},
	{
		name:    "no payload",
		why:     "theirs delivers an event without a name; the protocol has a payload as mandatory",
		is:      func(c parserCase) bool { return ourMessage(c) == "payload missing" },
		example: parserCase{[]frame{text(`2`)}},
	},
	{
		name: "name out of range",
		why:  "theirs has an event called Infinity",
		is: func(c parserCase) bool {
			return ourMessage(c) == "invalid event name" && strings.ContainsAny(c.header(), "eE0123456789")
		},
		example: parserCase{[]frame{text(`2[1e999]`)}},
	},
	{
		name: "placeholder judged early",
		why: "theirs judges placeholders when the last attachment came, takes fractions, and does not see those " +
			"that a duplicate key replaced; ours refuses the header",
		is:      func(c parserCase) bool { return ourMessage(c) == "illegal attachment number" },
		example: parserCase{[]frame{text(`51-["x",{"_placeholder":true,"num":0.5}]`), bin("a")}},
	},
	{
		name: "limits",
		why:  "theirs knows no limit but that on attachments",
		is: func(c parserCase) bool {
			m := ourMessage(c)
			return m == "namespace too long" || m == "JSON nested too deeply" || m == "too many arguments"
		},
		example: parserCase{[]frame{text("0/" + strings.Repeat("n", 2000))}},
	},
}

func packetSeeds() (texts []string, cases []parserCase) {
	texts = []string{
		`0`, `0/admin,{"token":"x"}`, `0{"sid":"x3kb","pid":"y"}`, `1/admin,`, `1`,
		`2["m",1,null,true,false,-0.5e1,"a"]`, `2/chat,7["m"]`, `312[]`, `3/a,1["b",{}]`,
		`4{"message":"nope","data":{"c":1}}`, `4"x"`, `2[5,"x"]`, `2/nsp?a=b,["x"]`,
		`20["x",{"a":[1,2,{"b":null}]}]`, `2["é😀","\u00e9\ud83d\ude00\n\"\\\/"]`,
		`2["x",{"__proto__":{"a":1},"constructor":2}]`, `2["connect_"]`,
		`2["x",[[[[[]]]]],{}]`, `2["x",0,-0,1e400,1E-400,123456789012345678901234567890]`,
		`2007["x"]`, `29007199254740991["x"]`, `0/x`, `3`, `31`,
		`2["error"]`, `2[ "x" , [ 1 ] ]`, `2["x",{"a":1,"a":2}]`,
		`51-["m",{"_placeholder":true,"num":0}]`,
		`52-/a,0["m",{"a":[{"_placeholder":true,"num":0}],"b":{"_placeholder":true,"num":1}}]`,
		`61-12[{"_placeholder":true,"num":0}]`,
		`51-["m",{"num":0,"_placeholder":true,"x":{"_placeholder":true,"num":9}}]`, `510-["x"]`,
		`51-["m",{"_placeholder":1,"num":0},{"\u005fplaceholder":true,"num":0}]`,
	}
	for _, s := range texts {
		cases = append(cases, withAttachments(s, 0))
	}
	for name := range strings.FieldsSeq("connect connect_error disconnect disconnecting newListener removeListener") {
		cases = append(cases, withAttachments(fmt.Sprintf(`2[%q]`, name), 0))
	}
	for s := range strings.FieldsSeq(`7 abc 2[] 2{} 2[null] 2["x"]y 0[] 0"x" 0null 1{} 4[] 5["x"] 5-["x"] 50-["x"] ` +
		`511-["x"] 51 51- 2[true] 3{} 2-1["x"] 21.5["x"]`) {
		cases = append(cases, withAttachments(s, 0))
	}
	cases = append(cases,
		parserCase{[]frame{bin("a")}},
		parserCase{[]frame{text(`51-["x"]`), text(`2["y"]`)}},
		parserCase{[]frame{text(`2["x"]`), text(`51-["x"]`), bin(""), text(`1`)}},
		parserCase{[]frame{text(`51-["x"]`), bin("a"), bin("b")}},
	)
	return texts, cases
}

// withAttachments makes a case of a header: followed by as many attachments as it announces, and off more.
func withAttachments(header string, off int) parserCase {
	c := parserCase{[]frame{text(header)}}
	if len(header) > 1 && (header[0] == '5' || header[0] == '6') {
		n := 0
		fmt.Sscanf(header[1:], "%d", &n)
		for i := range min(max(n+off, 0), 12) {
			c.Frames = append(c.Frames, bin(strings.Repeat("x", i)))
		}
	}
	return c
}

func TestPacketsAgainstTheOfficialCodec(t *testing.T) {
	texts, cases := packetSeeds()
	examples := len(cases)
	for _, d := range parserDifferences {
		cases = append(cases, d.example)
	}
	said := make(map[string]int)
	comparePackets(t, cases, examples, said)
	m := &mutator{
		r:     rand.New(rand.NewSource(1)),
		seeds: texts,
		pieces: strings.Fields(`[ ] { } " , : - / \ 0 1 9 null true false _placeholder num "num":0 {"_placeholder":true,"num":0} {"_placeholder":true,"num":1}
			\u0041 \ud800 \" . e E + 1e5 51- 0x1 connect disconnect [] {} "x" 00 é`),
	}
	m.pieces = append(m.pieces, " ", "\t", "\n", "\r", "\u00a0", "\ufeff", "\u2028", "\x00", "\x1f", "")
	for n := mutations(t); n > 0; n -= 20_000 {
		batch := make([]parserCase, min(n, 20_000))
		for i := range batch {
			batch[i] = withAttachments(m.next(), []int{0, 0, 0, 0, 0, 0, -1, 1}[m.r.Intn(8)])
			if m.r.Intn(20) == 0 {
				batch[i].Frames = append(batch[i].Frames, text(m.next()))
			}
		}
		comparePackets(t, batch, len(batch), said)
	}
	t.Logf("wanted differences seen: %v", said)
}

// comparePackets compares the answers to cases; those from examples on must differ, in the way they stand for.
func comparePackets(t *testing.T, cases []parserCase, examples int, said map[string]int) {
	t.Helper()
	for i, answer := range ask[parserCase, parserAnswer](t, cases) {
		c := cases[i]
		got, packets, err := ours(c)
		want := answer.decoded()
		alike := same(got, want) && (err == nil) == (answer.Error == nil)
		if i >= examples && (alike || tell(parserDifferences, c) != parserDifferences[i-examples].name) {
			t.Errorf("%v is no example of %q", c.Frames, parserDifferences[i-examples].name)
		}
		if !alike {
			why := explained(c)
			said[why]++
			if why == "" {
				t.Errorf("%v\n  ours %#v, %v\ntheirs %#v, %v", c.Frames, got, err, want, message(answer.Error))
			}
			continue
		}
		for j, p := range packets {
			compareAgain(t, c, got[j], p, answer.Packets[j].Again)
		}
	}
}

// explained tells of which difference the first frames are that make one.
func explained(c parserCase) string {
	for i, f := range c.Frames {
		if f.Text == nil {
			continue
		}
		if why := tell(parserDifferences, parserCase{c.Frames[i:]}); why != "" {
			return why
		}
	}
	return ""
}

// compareAgain decodes what theirs makes of a packet when it sends it on.
func compareAgain(t *testing.T, c parserCase, want decoded, p *parser.Packet, again []frame) {
	t.Helper()
	if p.Type != parser.Event && p.Type != parser.Ack || len(again) == 0 {
		return
	}
	got, _, err := ours(parserCase{again})
	for i, v := range want.Data {
		want.Data[i] = sent(v)
	}
	if err != nil || !same(got, []decoded{want}) {
		if strings.Contains(c.header(), "_placeholder") || strings.Contains(c.header(), `\u`) {
			return // theirs lets what looks like a placeholder become one
		}
		t.Errorf("%v, sent on by theirs as %v\n got %#v, %v\nwant %#v", c.Frames, again, got, err, want)
	}
}

func message(s *string) string {
	if s == nil {
		return "no error"
	}
	return *s
}

// TestOurPacketsInTheOfficialDecoder sends all kinds of values.
func TestOurPacketsInTheOfficialDecoder(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var cases []parserCase
	var want []decoded
	for range mutations(t) / 10 {
		files := 0
		p := &parser.Packet{Type: parser.Event, Namespace: []string{"/", "/a", "/b?c=\"d\""}[r.Intn(3)],
			Name: randomText(r), HasID: r.Intn(2) == 0}
		if p.HasID {
			p.ID = r.Uint64() >> 11
		}
		values := make([]any, r.Intn(5))
		for i := range values {
			values[i] = randomValue(r, 4, &files)
		}
		p.Args = parser.NewArgs(values...)
		frames, err := parser.JSON(nil).Encode(nil, p)
		if err != nil {
			t.Fatalf("%#v: %v", values, err)
		}
		var c parserCase
		for _, f := range frames {
			if f.Binary {
				c.Frames = append(c.Frames, bin(string(f.Data)))
			} else {
				c.Frames = append(c.Frames, text(string(f.Data)))
			}
		}
		d, err := view(p)
		if err != nil {
			t.Fatal(err)
		}
		cases, want = append(cases, c), append(want, d)
	}
	for i, answer := range ask[parserCase, parserAnswer](t, cases) {
		if got := answer.decoded(); answer.Error != nil || !same(got, want[i:i+1]) {
			t.Errorf("%v\n got %#v, %v\nwant %#v", cases[i].Frames, got, message(answer.Error), want[i])
		}
	}
}

func randomText(r *rand.Rand) string {
	runes := []rune("ab\"\\/\n\x00\x1f\x1e{}[],:é€😀\u2028\ufffd")
	s := make([]rune, r.Intn(20))
	for i := range s {
		s[i] = runes[r.Intn(len(runes))]
	}
	return string(s)
}

func randomValue(r *rand.Rand, depth int, files *int) any {
	kinds := 8
	if depth == 0 {
		kinds = 6
	}
	switch r.Intn(kinds) {
	case 0:
		return nil
	case 1:
		return r.Intn(2) == 0
	case 2:
		return float64(r.Intn(1000) - 500)
	case 3:
		return math.Float64frombits(r.Uint64()&^(1<<62) | 1<<52) // finite
	case 4:
		return randomText(r)
	case 5:
		if *files >= 10 {
			return "no more"
		}
		*files++
		data := make([]byte, r.Intn(10))
		r.Read(data)
		return data
	case 6:
		l := make([]any, r.Intn(4))
		for i := range l {
			l[i] = randomValue(r, depth-1, files)
		}
		return l
	default:
		o := map[string]any{}
		for range r.Intn(4) {
			o[randomText(r)] = randomValue(r, depth-1, files)
		}
		return o
	}
}
