package parser

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"strconv"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
)

type msgpackCase struct {
	Msgpack string `json:"msgpack"` // base64
}

func packed(data []byte) msgpackCase {
	return msgpackCase{base64.StdEncoding.EncodeToString(data)}
}

func (c msgpackCase) data() []byte {
	data, err := base64.StdEncoding.DecodeString(c.Msgpack)
	if err != nil {
		panic(err)
	}
	return data
}

// oursMsgpack is the packet of a case in the form in which both must agree.
func oursMsgpack(data []byte) (d decoded, p *parser.Packet, err error) {
	p, err = msgpack.Parser(nil).NewDecoder().Add(parser.Frame{Binary: true, Data: data})
	if err != nil {
		return d, nil, err
	}
	if d, err = view(p); err == nil {
		d.Data = plain(d.Data).([]any)
	}
	return d, p, err
}

// plain is a value as JavaScript has it, where undefined is null, and a NaN is any other.
func plain(v any) any {
	switch v := v.(type) {
	case undefined:
		return nil
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case float64:
		if v != v {
			return "NaN"
		}
	case time.Time:
		if y := v.Year(); y > 9999 || y < 0 {
			return jsYear(v)
		}
		return v.UTC()
	case []any:
		l := make([]any, len(v))
		for i := range v {
			l[i] = plain(v[i])
		}
		return l
	case map[string]any:
		o := make(map[string]any, len(v))
		for k := range v {
			o[k] = plain(v[k])
		}
		return o
	}
	return v
}

// jsYear is the text that JavaScript has for a date that is far away.
func jsYear(at time.Time) string {
	return fmt.Sprintf("%+07d", at.Year()) + at.UTC().Format("-01-02T15:04:05.000Z")
}

func theirsMsgpack(a parserAnswer) (d decoded, ok bool) {
	l := a.decoded()
	if len(l) != 1 {
		return d, false
	}
	d = l[0]
	d.Data, _ = plain(d.Data).([]any)
	if d.Data == nil {
		d.Data = []any{}
	}
	return d, true
}

func msgpackMessage(c msgpackCase) string {
	_, _, err := oursMsgpack(c.data())
	var syntax *parser.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Msg
	}
	return ""
}

// refused is the difference that theirs takes what ours refuses with one of some messages.
func refused(messages ...string) func(c msgpackCase) bool {
	return func(c msgpackCase) bool {
		m := msgpackMessage(c)
		for _, msg := range messages {
			if m == msg {
				return true
			}
		}
		return false
	}
}

func event(argument string) msgpackCase {
	return packed([]byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1x" + argument))
}

// msgpackDifferences are those of packets in MessagePack. All but the first two are refusals of ours.
var msgpackDifferences = []difference[msgpackCase]{
	{
		name: "timestamp",
		why: "MessagePack's own extension for times is an array of -1 and bytes to theirs, also where the data of a " +
			"packet is an array",
		is: func(c msgpackCase) bool {
			for _, head := range []string{"\xd6\xff", "\xd7\xff", "\xc7\x04\xff", "\xc7\x08\xff", "\xc7\x0c\xff",
				"\xc8\x00\x04\xff", "\xc8\x00\x08\xff", "\xc8\x00\x0c\xff", "\xc9\x00\x00\x00\x04\xff",
				"\xc9\x00\x00\x00\x08\xff", "\xc9\x00\x00\x00\x0c\xff"} {
				if bytes.Contains(c.data(), []byte(head)) {
					return true
				}
			}
			return false
		},
		example: event("\xd6\xff\x00\x00\x00\x01"),
	},
	{
		name:    "prototype",
		why:     "a member called __proto__ is the prototype of theirs, and so is gone, or hides what is missing",
		is:      func(c msgpackCase) bool { return bytes.Contains(c.data(), []byte("__proto__")) },
		example: event("\x81\xa9__proto__\x81\xa1a\x01"),
	},
	{
		name:    "extension",
		why:     "theirs makes an array of the type and the bytes of an extension that it does not know",
		is:      refused("unknown extension"),
		example: event("\xd4\x05\x00"),
	},
	{
		name:    "UTF-8",
		why:     "theirs makes U+FFFD of what is none; a text frame that has such ends its connection",
		is:      refused("string that is not UTF-8"),
		example: event("\xa1\xff"),
	},
	{
		name:    "name of a member",
		why:     "theirs turns whatever stands there into text; ours takes strings, and integers up to 2^53-1",
		is:      refused("name of a member that is neither a string nor an integer"),
		example: event("\x81\xc0\x01"),
	},
	{
		name:    "member twice",
		why:     "of a packet theirs takes the last; no encoder has two",
		is:      refused("member of a packet that is there twice"),
		example: packed([]byte("\x83\xa4type\x02\xa4type\x01\xa3nsp\xa1/")),
	},
	{
		name:    "namespace",
		why:     "theirs takes any text; one that does not begin with a slash is not a namespace's name",
		is:      refused("invalid namespace", "namespace too long"),
		example: packed([]byte("\x82\xa4type\x00\xa3nsp\xa1a")),
	},
	{
		name: "id",
		why: "theirs takes negative ones, those that it has rounded, and ones where nothing can be acknowledged, as " +
			"no client sends them",
		is:      refused("illegal acknowledgement id"),
		example: packed([]byte("\x83\xa4type\x00\xa2id\x01\xa3nsp\xa1/")),
	},
	{
		name: "event's name",
		why: "theirs does not look at it; ours takes strings that are not reserved and integers, so that nobody can " +
			"pretend that a socket was disconnected",
		is:      refused("invalid event name", "reserved event name"),
		example: packed([]byte("\x83\xa4type\x02\xa4data\x91\xaadisconnect\xa3nsp\xa1/")),
	},
	{
		name:    "limits",
		why:     "theirs knows none",
		is:      refused("nested too deeply", "too many arguments"),
		example: event(strings.Repeat("\x91", 1000) + "\x90"),
	},
}

func msgpackSeeds() (seeds []string) {
	at := time.Date(2026, 11, 28, 5, 0, 0, 123_000_000, time.UTC)
	for _, p := range []*parser.Packet{
		{},
		{Namespace: "/admin", Args: parser.NewArgs(map[string]any{"token": "x"})},
		{Type: parser.Disconnect, Namespace: "/a"},
		{Type: parser.ConnectError, Args: parser.NewArgs(map[string]any{"message": "no", "data": nil})},
		{Type: parser.ConnectError, Args: parser.NewArgs("no")},
		{Type: parser.Event, Name: "numbers", Args: parser.NewArgs(0, 127, 128, 256, 65536, int64(1<<32),
			uint64(1)<<63, -1, -33, -129, -32769, int64(-1<<31-1), int64(math.MinInt64), 1.5, math.NaN(), math.Inf(1),
			float32(0.1))},
		{Type: parser.Event, Name: "é", HasID: true, ID: 300, Args: parser.NewArgs("", "é😀", strings.Repeat("x", 40),
			nil, true, false, []byte{1, 2, 3}, []byte{}, at)},
		{Type: parser.Event, Name: "deep", Args: parser.NewArgs([]any{[]any{}, map[string]any{"a": []any{[]byte{1}}}},
			make([]any, 16), map[string]any{"type": 1, "data": "x"})},
		{Type: parser.Ack, HasID: true, ID: 1 << 40, Args: parser.NewArgs("ok")},
		{Type: parser.Ack, HasID: true},
	} {
		frames, err := msgpack.Parser(nil).Encode(nil, p)
		if err != nil {
			panic(err)
		}
		seeds = append(seeds, string(frames[0].Data))
	}
	for _, argument := range []string{"\xd4\x00\x00", "\xc7\x03\x00abc", "\xc8\x00\x01\x00a",
		"\xd7\x00\x00\x00\x01\xa2\x20\x86\x44\xfb",
		"\xd7\x00\x7f\xff\xff\xff\xff\xff\xff\xff", "\xd9\x01a", "\xda\x00\x01a", "\xdb\x00\x00\x00\x01a", "\xc5\x00\x01a",
		"\xdc\x00\x01\xc0", "\xde\x00\x01\xa1a\xc0", "\xdf\x00\x00\x00\x01\xa1a\xc0", "\xdd\x00\x00\x00\x01\x91\x90",
		"\x82\x01\x02\xff\x03", "\xcb\x40\x14\x00\x00\x00\x00\x00\x00", "\xd6\xff\x00\x00\x00\x01",
		"\xcb\x80\x00\x00\x00\x00\x00\x00\x00"} {
		seeds = append(seeds, string(event(argument).data()))
	}
	return append(seeds,
		"\x83\xa4type\x00\xa3nsp\xa1/\xa7options\x81\xa8compress\xc3", "\x83\xa4type\x00\xa3nsp\xa1/\xa4data\xd4\x00\x00",
		"\x84\xa4type\xcb\x40\x08\x00\x00\x00\x00\x00\x00\xa3nsp\xa1/\xa4data\x90\xa2id\xcb\x40\x08\x00\x00\x00\x00\x00\x00",
		"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\x07", "\x80", "\x90", "\xc0", "", "\x82\xa4type\x05\xa3nsp\xa1/",
		"\x83\xa4type\x01\xa3nsp\xa1/\xa4data\xc0", "\x82\xa4type\x04\xa3nsp\xa1/")
}

// mutate changes one to four places of a packet.
func mutate(r *rand.Rand, seeds, pieces []string) []byte {
	s := seeds[r.Intn(len(seeds))]
	for range 1 + r.Intn(4) {
		i := r.Intn(len(s) + 1)
		j := min(len(s), i+r.Intn(4))
		switch r.Intn(6) {
		case 0: // leave out
			s = s[:i] + s[j:]
		case 1: // twice
			s = s[:j] + s[i:]
		case 2: // cut and go on with another
			other := seeds[r.Intn(len(seeds))]
			s = s[:i] + other[r.Intn(len(other)+1):]
		case 3: // any byte
			s = s[:i] + string([]byte{byte(r.Intn(256))}) + s[min(len(s), i+1):]
		default:
			s = s[:i] + pieces[r.Intn(len(pieces))] + s[j:]
		}
	}
	return []byte(s)
}

// tooLarge tells whether theirs would make an ArrayBuffer of many megabytes before it notices that they are not there.
func tooLarge(data []byte) bool {
	for {
		i := bytes.IndexByte(data, 0xc9)
		if i < 0 {
			return false
		}
		if data = data[i+1:]; len(data) > 1 && (data[0] != 0 || data[1] != 0) {
			return true
		}
	}
}

func TestMsgpackAgainstTheOfficialCodec(t *testing.T) {
	seeds := msgpackSeeds()
	var cases []msgpackCase
	for _, s := range seeds {
		cases = append(cases, packed([]byte(s)))
	}
	examples := len(cases)
	for _, d := range msgpackDifferences {
		cases = append(cases, d.example)
	}
	said := make(map[string]int)
	compareMsgpack(t, cases, examples, said)
	pieces := []string{"\x80", "\x81", "\x90", "\x92", "\xa0", "\xc0", "\xc1", "\xc2", "\xc4\x01", "\xc7\x01\x00",
		"\xca\x00\x00\x00\x00",
		"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", "\xcc\x80", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "\xd0\x80",
		"\xd4\x00\x00",
		"\xd5\x00", "\xd7\x00\x00\x00\x00\x00", "\xd7\xff", "\xd8\x00", "\xd9\x05", "\xdc\x00\x02", "\xdd\xff\xff\xff\xff",
		"\xde\x00\x01",
		"\xdf\xff\xff\xff\xff", "\xe0", "\xff", "\xa4type", "\xa4type\x02", "\xa3nsp", "\xa3nsp\xa1/", "\xa4data",
		"\xa4data\x91\xa1x",
		"\xa2id", "\xa2id\x01", "\xa7connect", "\xa9__proto__", "\xed\xa0\x80", "\x00", "\x01"}
	r := rand.New(rand.NewSource(1))
	for n := mutations(t); n > 0; n -= 20_000 {
		batch := make([]msgpackCase, min(n, 20_000))
		for i := range batch {
			data := mutate(r, seeds, pieces)
			for tooLarge(data) {
				data = mutate(r, seeds, pieces)
			}
			batch[i] = packed(data)
		}
		compareMsgpack(t, batch, len(batch), said)
	}
	t.Logf("wanted differences seen: %v", said)
}

// compareMsgpack compares the answers to cases; those from examples on must differ, in the way they stand for.
func compareMsgpack(t *testing.T, cases []msgpackCase, examples int, said map[string]int) {
	t.Helper()
	for i, answer := range ask[msgpackCase, parserAnswer](t, cases) {
		c := cases[i]
		got, p, err := oursMsgpack(c.data())
		want, ok := theirsMsgpack(answer)
		alike := err != nil && !ok || err == nil && ok && same([]decoded{got}, []decoded{want})
		why := tell(msgpackDifferences, c)
		if i >= examples && (alike || why != msgpackDifferences[i-examples].name) {
			t.Errorf("%x is no example of %q", c.data(), msgpackDifferences[i-examples].name)
		}
		if !alike {
			if said[why]++; why == "" {
				t.Errorf("%x\n  ours %#v, %v\ntheirs %#v, %v", c.data(), got, err, want, message(answer.Error))
			}
			continue
		}
		if err == nil && why == "" && answer.Packets[0].Again != nil {
			compareMsgpackAgain(t, c, got, p, answer.Packets[0].Again)
		}
	}
}

// compareMsgpackAgain compares what ours and theirs make of a packet when they send it on.
func compareMsgpackAgain(t *testing.T, c msgpackCase, want decoded, p *parser.Packet, again []frame) {
	t.Helper()
	if len(again) != 1 {
		t.Errorf("%x: theirs sends it on as %v", c.data(), again)
		return
	}
	data, _ := again[0].data()
	for i, v := range want.Data {
		want.Data[i] = sentMsgpack(v)
	}
	got, _, err := oursMsgpack(data)
	if !strings.Contains(fmt.Sprintf("%#v", want.Data), huge) && (err != nil || !same([]decoded{got}, []decoded{want})) {
		t.Errorf("%x, sent on by theirs as %x\n got %#v, %v\nwant %#v", c.data(), data, got, err, want)
	}
	if p.Type == parser.Ack && !p.HasID {
		return
	}
	frames, err := msgpack.Parser(nil).Encode(nil, p)
	if err != nil {
		t.Errorf("%x: %v", c.data(), err)
		return
	}
	if got, _, err := oursMsgpack(frames[0].Data); err != nil || got.Type != want.Type || got.Nsp != want.Nsp {
		t.Errorf("%x, sent on by ours as %x: %#v, %v", c.data(), frames[0].Data, got, err)
	}
}

// huge stands for an integer beyond 64 bits, of which theirs writes the low ones.
const huge = "beyond"

// sentMsgpack is what becomes of a value when theirs sends it on.
func sentMsgpack(v any) any {
	switch v := v.(type) {
	case float64:
		if v == 0 {
			return 0.0
		}
		if math.Abs(v) >= 1<<63 && !math.IsInf(v, 0) {
			return huge
		}
	case []any:
		for i := range v {
			v[i] = sentMsgpack(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = sentMsgpack(v[k])
		}
	}
	return v
}

// TestOurMsgpackInTheOfficialDecoder sends all kinds of values.
func TestOurMsgpackInTheOfficialDecoder(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	var cases []msgpackCase
	var want []decoded
	for range mutations(t) / 10 {
		p := &parser.Packet{Type: parser.Event, Namespace: []string{"/", "/a", "/b?c=\"d\","}[r.Intn(3)],
			Name: "n" + strconv.Itoa(r.Intn(9)), HasID: r.Intn(2) == 0}
		if p.HasID {
			p.ID = r.Uint64() >> 11 >> r.Intn(50)
		}
		values := make([]any, r.Intn(5))
		for i := range values {
			files := 0
			switch values[i] = randomValue(r, 4, &files); r.Intn(6) {
			case 0:
				values[i] = int64(r.Uint64()) >> r.Intn(64)
			case 1:
				values[i] = r.Uint64() >> r.Intn(64)
			case 2:
				values[i] = time.UnixMilli(int64(r.Uint64()) >> (22 + r.Intn(30))).UTC()
			case 3:
				values[i] = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[r.Intn(3)]
			}
		}
		p.Args = parser.NewArgs(values...)
		frames, err := msgpack.Parser(nil).Encode(nil, p)
		if err != nil {
			t.Fatalf("%#v: %v", values, err)
		}
		d, _, err := oursMsgpack(frames[0].Data)
		if err != nil {
			t.Fatal(err)
		}
		if asked, err := view(p); err != nil || len(asked.Data) != len(d.Data) {
			t.Fatalf("%#v, %v", asked, err)
		}
		cases, want = append(cases, packed(frames[0].Data)), append(want, d)
	}
	for i, answer := range ask[msgpackCase, parserAnswer](t, cases) {
		if got, ok := theirsMsgpack(answer); !ok || !same([]decoded{got}, want[i:i+1]) {
			t.Errorf("%x\n got %#v, %v\nwant %#v", cases[i].data(), got, message(answer.Error), want[i])
		}
	}
}
