package parser

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

// bin is an attachment in the tables; a string is a text frame.
type bin string

func frameOf(f any) Frame {
	switch f := f.(type) {
	case string:
		return Frame{Data: []byte(f)}
	case bin:
		return Frame{Binary: true, Data: []byte(f)}
	case []byte:
		return Frame{Binary: true, Data: f}
	}
	panic(fmt.Sprintf("%T is no frame", f))
}

// decodeWith feeds frames to d and returns the packets and the first error.
func decodeWith(d Decoder, frames ...any) (packets []*Packet, err error) {
	for _, f := range frames {
		p, err := d.Add(frameOf(f))
		if err != nil {
			if p != nil {
				panic("a packet and an error")
			}
			return packets, err
		}
		if p != nil {
			packets = append(packets, p)
		}
	}
	return packets, nil
}

// head is what a packet says besides its arguments.
func head(p *Packet) string {
	s := fmt.Sprintf("%v %s", p.Type, p.Namespace)
	if p.HasID {
		s += fmt.Sprintf(" id=%d", p.ID)
	}
	if p.Type == Event {
		s += fmt.Sprintf(" %q", p.Name)
	}
	return s
}

type list = []any
type object = map[string]any

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		id     string
		frames list
		head   string
		args   list
	}{
		// behaviour 2.2
		{"2.2", list{`0`}, "CONNECT /", list{}},
		{"2.2", list{`0/admin,{"token":"x"}`}, "CONNECT /admin", list{object{"token": "x"}}},
		{"2.2", list{`0{"sid":"x3kbUxbl0mPzD273AAAA"}`}, "CONNECT /", list{object{"sid": "x3kbUxbl0mPzD273AAAA"}}},
		{"2.2", list{`1/admin,`}, "DISCONNECT /admin", list{}},
		{"2.2", list{`2["m",1,null,null]`}, `EVENT / "m"`, list{1.0, nil, nil}},
		{"2.2", list{`2/chat,7["m"]`}, `EVENT /chat id=7 "m"`, list{}},
		{"2.2", list{`312[]`}, "ACK / id=12", list{}},
		{"2.2", list{`4{"message":"nope","data":{"c":1}}`}, "CONNECT_ERROR /", list{object{"message": "nope",
			"data": object{"c": 1.0}}}},
		{"2.2", list{`51-["m",{"_placeholder":true,"num":0}]`, bin("\x01\x02\x03")}, `EVENT / "m"`, list{[]byte{1, 2,
			3}}},
		{"2.2", list{`52-/a,0["m",{"a":[{"_placeholder":true,"num":0}],"b":{"_placeholder":true,"num":1}}]`,
			bin("\x01"), bin("\x02")},
			`EVENT /a id=0 "m"`, list{object{"a": list{[]byte{1}}, "b": []byte{2}}}},
		{"2.2", list{`61-12[{"_placeholder":true,"num":0}]`, bin("\xff")}, "ACK / id=12", list{[]byte{0xff}}},
		{"2.2", list{`2[5,"x"]`}, `EVENT / "5"`, list{"x"}},

		// behaviour 2.3
		{"2.3", list{`2[1]`}, `EVENT / "1"`, list{}},
		{"2.3", list{`4"x"`}, "CONNECT_ERROR /", list{"x"}},
		{"2.3", list{`4`}, "CONNECT_ERROR /", list{}},
		{"2.3", list{`2/nsp?a=b,["x"]`}, `EVENT /nsp?a=b "x"`, list{}},
		{"2.3", list{`0/x`}, "CONNECT /x", list{}},
		{"2.3", list{`1/x`}, "DISCONNECT /x", list{}},
		{"2.3", list{`1`}, "DISCONNECT /", list{}},

		{"P-7", list{`2[1,2]`}, `EVENT / "1"`, list{2.0}},
		{"P-7", list{`2[1.0]`}, `EVENT / "1"`, list{}},
		{"P-7", list{`2[-0]`}, `EVENT / "0"`, list{}},
		{"P-7", list{`2[1e21]`}, `EVENT / "1e+21"`, list{}},
		{"P-7", list{`2[0.000001]`}, `EVENT / "0.000001"`, list{}},
		{"P-7", list{`2[1e-7]`}, `EVENT / "1e-7"`, list{}},
		{"P-10", list{`2["__proto__"]`}, `EVENT / "__proto__"`, list{}},
		{"P-10", list{`2["constructor"]`}, `EVENT / "constructor"`, list{}},
		{"P-10", list{`2["hasOwnProperty"]`}, `EVENT / "hasOwnProperty"`, list{}},
		{"P-10", list{`2[""]`}, `EVENT / ""`, list{}},
		{"P-10", list{`2["a\u0000b"]`}, `EVENT / "a\x00b"`, list{}},
		{"P-10", list{`2["\u0063onnect_"]`}, `EVENT / "connect_"`, list{}},
		{"P-11", list{`2["x",{"__proto__":{"a":1}}]`}, `EVENT / "x"`, list{object{"__proto__": object{"a": 1.0}}}},
		{"P-12", list{`2["error"]`}, `EVENT / "error"`, list{}},
		{"P-15", list{`2["\ud800x","\udc00","\ud83d\ude00","\ud800\ud83d\ude00","\ud800\u0041"]`},
			"EVENT / \"\ufffdx\"",
			list{"\ufffd", "😀", "\ufffd😀", "\ufffdA"}},
		{"P-16", list{`2["x",{"a":1,"a":2}]`}, `EVENT / "x"`, list{object{"a": 2.0}}},
		{"P-21", list{`20["x"]`}, `EVENT / id=0 "x"`, list{}},
		{"P-21", list{`2007["x"]`}, `EVENT / id=7 "x"`, list{}},
		{"P-21", list{`29007199254740991["x"]`}, `EVENT / id=9007199254740991 "x"`, list{}},
		{"P-23", list{`2 ["x"]`}, `EVENT / "x"`, list{}},
		{"P-26", list{`3`}, "ACK /", list{}},
		{"P-26", list{`3[]`}, "ACK /", list{}},
		{"P-26", list{`35`}, "ACK / id=5", list{}},
		{"P-35", list{"0/a\"b%0a..\x7f\x01,"}, "CONNECT /a\"b%0a..\x7f\x01", list{}},
		{"P-35", list{"0/" + strings.Repeat("n", 1023)}, "CONNECT /" + strings.Repeat("n", 1023), list{}},
		{"P-35", list{"0/" + strings.Repeat("n", 1023) + ",{}"}, "CONNECT /" + strings.Repeat("n", 1023),
			list{object{}}},
		{"P-36", list{`0/,`}, "CONNECT /", list{}},
		{"P-36", list{`2/,["x"]`}, `EVENT / "x"`, list{}},
		{"P-36", list{`0/`}, "CONNECT /", list{}},

		{"white space", list{" \t2"[2:] + " \n[\t\"x\" ,\r{ \"a\" : [ ] , \"b\" : { } } , 1 ]\n "}, `EVENT / "x"`,
			list{object{"a": list{}, "b": object{}}, 1.0}},
		{"white space", list{"3 [ ] "}, "ACK /", list{}},
		{"escapes", list{`2["x","\"\\\/\b\f\n\r\t\u20AC\u20ac"]`}, `EVENT / "x"`, list{"\"\\/\b\f\n\r\t€€"}},
		{"numbers", list{`3[0,-0,1,-1,1.5,1e3,1E+3,1e-3,123456789012345,1234567890123456]`}, "ACK /",
			list{0.0, 0.0, 1.0, -1.0, 1.5, 1000.0, 1000.0, 0.001, 123456789012345.0, 1234567890123456.0}},
		{"words", list{`3[true,false,null]`}, "ACK /", list{true, false, nil}},

		{"B-1", list{`51-["x",{"num":0,"_placeholder":true}]`, bin("a")}, `EVENT / "x"`, list{[]byte("a")}},
		{"B-1", list{`51-["x",{"_placeholder":true,"num":0,"more":[{"_placeholder":true,"num":7}]}]`, bin("a")},
			`EVENT / "x"`, list{[]byte("a")}},
		{"B-1", list{`51-["x",{"\u005fplaceholder":true,"n\u0075m":0}]`, bin("a")}, `EVENT / "x"`, list{[]byte("a")}},
		{"B-1", list{`51-["x", { "_placeholder" : true , "num" : 0.0e1 } ]`, bin("a")}, `EVENT / "x"`,
			list{[]byte("a")}},
		{"B-1", list{`51-["x",{"_placeholder":false,"_placeholder":true,"num":5,"num":0}]`, bin("a")}, `EVENT / "x"`,
			list{[]byte("a")}},
		{"B-5", list{`510-["x",{"_placeholder":true,"num":9}]`, bin("0"), bin("1"), bin("2"), bin("3"), bin("4"),
			bin("5"), bin("6"), bin("7"), bin("8"), bin("9")},
			`EVENT / "x"`, list{[]byte("9")}},
		{"B-19", list{`51-["x",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":0}]]`, bin("a")},
			`EVENT / "x"`, list{[]byte("a"), list{[]byte("a")}}},
		{"B-20", list{`51-["x"]`, bin("a")}, `EVENT / "x"`, list{}},
		{"B-20", list{`52-["x",{"_placeholder":true,"num":1}]`, bin("a"), bin("b")}, `EVENT / "x"`, list{[]byte("b")}},
		{"B-21", list{`2["x",{"_placeholder":true,"num":0}]`}, `EVENT / "x"`, list{object{"_placeholder": true,
			"num": 0.0}}},
		{"B-27", list{`51-["x",{"_placeholder":true,"num":0}]`, bin("")}, `EVENT / "x"`, list{[]byte{}}},
		{"B-28", list{`61-999[{"_placeholder":true,"num":0}]`, bin("a")}, "ACK / id=999", list{[]byte("a")}},
		{"B-30", list{`51-["x",{"_placeholder":1,"num":0}]`, bin("a")}, `EVENT / "x"`,
			list{object{"_placeholder": 1.0, "num": 0.0}}},
		{"B-30", list{`51-["x",{"_placeholder":"true","num":"splice"}]`, bin("a")}, `EVENT / "x"`,
			list{object{"_placeholder": "true", "num": "splice"}}},
		{"B-30", list{`51-["x",{"_placeholder":true,"_placeholder":false,"num":9}]`, bin("a")}, `EVENT / "x"`,
			list{object{"_placeholder": false, "num": 9.0}}},
	} {
		packets, err := decodeWith(JSON(nil).NewDecoder(), c.frames...)
		if err != nil || len(packets) != 1 {
			t.Errorf("%s: %q: %d packets, %v", c.id, c.frames, len(packets), err)
			continue
		}
		p := packets[0]
		args, err := p.Args.Values()
		if head(p) != c.head || err != nil || !reflect.DeepEqual(args, c.args) {
			t.Errorf("%s: %q\n got %s %#v, %v\nwant %s %#v", c.id, c.frames, head(p), args, err, c.head, c.args)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	digits := func(n int) string { return strings.Repeat("9", n) }
	for _, c := range []struct {
		id     string
		frames list
		msg    string
		at     int
	}{
		{"P-34", list{``}, msgEmpty, 0},
		{"P-34", list{`7`}, msgType, 0},
		{"P-34", list{`abc`}, msgType, 0},
		{"P-34", list{` 2["x"]`}, msgType, 0},
		{"P-34", list{`/`}, msgType, 0},

		{"P-2", list{`0[]`}, msgPayload, 1},
		{"P-2", list{`0"x"`}, msgPayload, 1},
		{"P-2", list{`0{`}, msgCut, 2},
		{"P-2", list{`0null`}, msgPayload, 1},
		{"P-2", list{`0/a,1{}`}, msgID, 4},
		{"P-5", list{`2{}`}, msgPayload, 1},
		{"P-5", list{`2"x"`}, msgPayload, 1},
		{"P-5", list{`2[]`}, msgName, 2},
		{"P-5", list{`2[null]`}, msgName, 2},
		{"P-5", list{`2[true]`}, msgName, 2},
		{"P-5", list{`2[{}]`}, msgName, 2},
		{"P-5", list{`2[["x"]]`}, msgName, 2},
		{"P-6", list{`2`}, msgNoPayload, 1},
		{"P-6", list{`2/x,`}, msgNoPayload, 4},
		{"P-6", list{`20`}, msgNoPayload, 2},
		{"P-6", list{`2 `}, msgCut, 2},
		{"P-7", list{`2[1e400]`}, msgName, 2},
		{"P-7", list{`2[01]`}, msgChar, 3},
		{"P-8", list{`2[{"toString":"x"}]`}, msgName, 2},
		{"P-9", list{`2["connect"]`}, msgReserved, 2},
		{"P-9", list{`2["connect_error"]`}, msgReserved, 2},
		{"P-9", list{`2["disconnect"]`}, msgReserved, 2},
		{"P-9", list{`2["disconnecting"]`}, msgReserved, 2},
		{"P-9", list{`2["newListener"]`}, msgReserved, 2},
		{"P-9", list{`2["removeListener"]`}, msgReserved, 2},
		{"P-9", list{`2["\u0063onnect"]`}, msgReserved, 2},
		{"P-13", list{`2["x"]trailing`}, msgTrailing, 6},
		{"P-13", list{`2["x"],`}, msgTrailing, 6},
		{"P-13", list{`0{}{}`}, msgTrailing, 3},
		{"P-13", list{`2["x"`}, msgCut, 5},
		{"P-13", list{`2["x",`}, msgCut, 6},
		{"P-13", list{`2["x",]`}, msgChar, 6},
		{"P-13", list{`2["x",1,]`}, msgChar, 8},
		{"P-13", list{`2["x" 1]`}, msgChar, 6},
		{"P-13", list{`2["x`}, msgCut, 4},
		{"P-13", list{`2[`}, msgCut, 2},
		{"P-13", list{`2["x",NaN]`}, msgChar, 6},
		{"P-13", list{`2["x",Infinity]`}, msgChar, 6},
		{"P-13", list{`2["x",undefined]`}, msgChar, 6},
		{"P-13", list{`2["x",nul]`}, msgChar, 6},
		{"P-13", list{`2["x",nullx]`}, msgChar, 10},
		{"P-13", list{`2['x']`}, msgName, 2},
		{"P-13", list{`2["x",'y']`}, msgChar, 6},
		{"P-13", list{`2["x"/**/]`}, msgChar, 5},
		{"P-13", list{`2["x",//` + "\n]"}, msgChar, 6},
		{"P-13", list{"2[\"x\",\"a\nb\"]"}, msgControl, 8},
		{"P-13", list{"2[\"x\",\"0123456789\x1f\"]"}, msgControl, 17},
		{"P-13", list{`2["x","\x"]`}, msgEscape, 8},
		{"P-13", list{`2["x","\u12g4"]`}, msgEscape, 11},
		{"P-13", list{`2["x","\u12`}, msgCut, 11},
		{"P-13", list{`2["x","\`}, msgCut, 8},
		{"P-13", list{`2["x",+1]`}, msgChar, 6},
		{"P-13", list{`2["x",01]`}, msgChar, 7},
		{"P-13", list{`2["x",.5]`}, msgChar, 6},
		{"P-13", list{`2["x",5.]`}, msgNumber, 8},
		{"P-13", list{`2["x",-]`}, msgNumber, 7},
		{"P-13", list{`2["x",1e]`}, msgNumber, 8},
		{"P-13", list{`2["x",1e+]`}, msgNumber, 9},
		{"P-13", list{`2["x",0x10]`}, msgChar, 7},
		{"P-13", list{`2["x",{a:1}]`}, msgChar, 7},
		{"P-13", list{`2["x",{"a"}]`}, msgChar, 10},
		{"P-13", list{`2["x",{"a":}]`}, msgChar, 11},
		{"P-13", list{`2["x",{"a":1,}]`}, msgChar, 13},
		{"P-13", list{`2["x",{"a":1]]`}, msgChar, 12},
		{"P-13", list{`2["x",[1}]`}, msgChar, 8},
		{"P-13", list{`2["x",{,}]`}, msgChar, 7},
		{"P-13", list{`2["x",[,]]`}, msgChar, 7},
		{"P-13", list{"2[\"x\",\u00a01]"}, msgChar, 6},
		{"P-13", list{"2\ufeff[\"x\"]"}, msgPayload, 1},
		{"P-22", list{`2` + digits(20) + `["x"]`}, msgID, 1},
		{"P-22", list{`2` + digits(400) + `["x"]`}, msgID, 1},
		{"P-22", list{`29007199254740992["x"]`}, msgID, 1},
		{"P-22", list{`2` + strings.Repeat("0", 17) + `["x"]`}, msgID, 1},
		{"P-23", list{`2-1["x"]`}, msgPayload, 1},
		{"P-23", list{`21.5["x"]`}, msgPayload, 2},
		{"P-23", list{`2 1["x"]`}, msgPayload, 2},
		{"P-28", list{`31{}`}, msgPayload, 2},
		{"P-28", list{`31"x"`}, msgPayload, 2},
		{"P-28", list{`31null`}, msgPayload, 2},
		{"P-30", list{`1{}`}, msgTrailing, 1},
		{"P-30", list{`1/a,[]`}, msgTrailing, 4},
		{"P-30", list{`1 `}, msgTrailing, 1},
		{"P-30", list{`15`}, msgID, 1},
		{"P-34", list{`4[]`}, msgPayload, 1},
		{"P-34", list{`4null`}, msgPayload, 1},
		{"P-35", list{"0/" + strings.Repeat("n", 1024)}, msgNamespace, 1},
		{"P-35", list{"0/" + strings.Repeat("n", 1024) + ",{}"}, msgNamespace, 1},
		{"P-35", list{"2/" + strings.Repeat("n", 100_000) + `,["x"]`}, msgNamespace, 1},

		{"B-2", list{`51-["x",{"_placeholder":true,"num":0}]`, `2["x"]`}, msgText, 0},
		{"B-25", list{`51-["x",{"_placeholder":true,"num":0}]`, `1`}, msgText, 0},
		{"B-3", list{bin("a")}, msgBinary, 0},
		{"B-3", list{bin("")}, msgBinary, 0},
		{"B-4", list{`50-["x"]`}, msgCount, 1},
		{"B-4", list{`60-1["x"]`}, msgCount, 1},
		{"B-6", list{`511-["x"]`}, msgTooMany, 2},
		{"B-6", list{`51000000000-["x"]`}, msgTooMany, 3},
		{"B-6", list{`5` + digits(400) + `-["x"]`}, msgTooMany, 2},
		{"B-7", list{`5-1-["x"]`}, msgCount, 1},
		{"B-7", list{`51.5-["x"]`}, msgCount, 2},
		{"B-7", list{`5["x"]`}, msgCount, 1},
		{"B-7", list{`5-["x"]`}, msgCount, 1},
		{"B-7", list{`51`}, msgCount, 2},
		{"B-7", list{`5`}, msgCount, 1},
		{"B-8", list{`51e1-["x"]`}, msgCount, 2},
		{"B-8", list{`50x1-["x"]`}, msgCount, 1},
		{"B-8", list{`5 1-["x"]`}, msgCount, 1},
		{"B-8", list{`501-["x"]`}, msgCount, 1},
		{"B-12", list{`51-`}, msgNoPayload, 3},
		{"B-12", list{`61-1`}, msgNoPayload, 4},
		{"B-12", list{`51-/a`}, msgNoPayload, 5},
		{"B-13", list{`51-["x",{"_placeholder":true,"num":1}]`, bin("a")}, msgPlaceholder, 8},
		{"B-13", list{`51-["x",{"_placeholder":true,"num":4294967295}]`, bin("a")}, msgPlaceholder, 8},
		{"B-13", list{`51-["x",{"_placeholder":true,"num":4294967296}]`, bin("a")}, msgPlaceholder, 8},
		{"B-13", list{`51-["x",{"_placeholder":true,"num":1e400}]`, bin("a")}, msgPlaceholder, 8},
		{"B-14", list{`51-["x",{"_placeholder":true,"num":-1}]`, bin("a")}, msgPlaceholder, 8},
		{"B-15", list{`51-["x",{"_placeholder":true,"num":"splice"}]`, bin("a")}, msgPlaceholder, 8},
		{"B-15", list{`51-["x",{"_placeholder":true,"num":"0"}]`, bin("a")}, msgPlaceholder, 8},
		{"B-16", list{`51-["x",{"_placeholder":true,"num":0.5}]`, bin("a")}, msgPlaceholder, 8},
		{"B-17", list{`51-["x",{"_placeholder":true,"num":null}]`, bin("a")}, msgPlaceholder, 8},
		{"B-17", list{`51-["x",{"_placeholder":true,"num":[0]}]`, bin("a")}, msgPlaceholder, 8},
		{"B-18", list{`51-["x",1,[2,{"_placeholder":true}]]`, bin("a")}, msgPlaceholder, 13},
		{"B-22", list{`51-[{"_placeholder":true,"num":0}]`, bin("a")}, msgName, 4},
	} {
		d := JSON(nil).NewDecoder()
		packets, err := decodeWith(d, c.frames...)
		want := &SyntaxError{Offset: c.at, Msg: c.msg}
		var syntax *SyntaxError
		if len(packets) > 0 || !errors.As(err, &syntax) || *syntax != *want {
			t.Errorf("%s: %.80q: %d packets, %v; want %v", c.id, c.frames, len(packets), err, want)
		}
		// T-17: whatever came before, nothing is kept from here on.
		for range 3 {
			if p, err := d.Add(Frame{Binary: true, Data: []byte("x")}); p != nil || err == nil {
				t.Errorf("%s: %.80q: the decoder went on after its error", c.id, c.frames)
			}
		}
		if n, waiting := d.Pending(); n != 0 || waiting {
			t.Errorf("%s: %.80q: %d bytes held after the error", c.id, c.frames, n)
		}
	}
}

// nested is n arrays or objects, one in another.
func nested(n int, open, close string) string {
	return strings.Repeat(open, n) + "0" + strings.Repeat(close, n)
}

func TestDepth(t *testing.T) { // P-17, B-29
	for _, c := range []struct{ open, close string }{{"[", "]"}, {`{"a":`, "}"}, {`[{"a":`, "}]"}} {
		per := strings.Count(c.open, "[") + strings.Count(c.open, "{")
		for _, n := range []int{998, 1002, 9_000, 100_000, 500_000} {
			text := `2["x",` + nested(n/per, c.open, c.close) + "]"
			_, err := decodeWith(JSON(nil).NewDecoder(), text)
			if n <= 999 && err != nil {
				t.Errorf("depth %d of %s: %v", n, c.open, err)
			}
			if n > 999 && (err == nil || !strings.Contains(err.Error(), msgDepth)) {
				t.Errorf("depth %d of %s: %v", n, c.open, err)
			}
			if _, err := decodeWith(JSON(nil).NewDecoder(), text[:len(text)/2]); err == nil {
				t.Errorf("depth %d of %s, cut: no error", n, c.open)
			}
		}
	}
	placeholder := func(n int) list {
		return list{`51-["x",` + strings.Repeat("[", n) + `{"_placeholder":true,"num":0}` + strings.Repeat("]", n) +
			"]", bin("a")}
	}
	packets, err := decodeWith(JSON(nil).NewDecoder(), placeholder(998)...)
	if err != nil || len(packets) != 1 {
		t.Fatalf("placeholder at depth 999: %v", err)
	}
	if _, err := packets[0].Args.Values(); err != nil {
		t.Error(err)
	}
	frames, err := JSON(nil).Encode(nil, packets[0])
	if err != nil || len(frames) != 2 || string(frames[0].Data) != placeholder(998)[0] {
		t.Errorf("sent on: %d frames, %v", len(frames), err)
	}
	if _, err := decodeWith(JSON(nil).NewDecoder(), placeholder(5000)...); err == nil {
		t.Error("placeholder at depth 5000 accepted")
	}
}

func TestDepthOption(t *testing.T) {
	text := func(n int) string { return `2["x",` + nested(n, "[", "]") + "]" }
	for _, c := range []struct{ limit, n int }{{1, 0}, {2, 1}, {64, 63}, {65, 64}, {1024, 1023}, {1025, 1024}, {1100,
		1099}, {1 << 30, 9_999}} {
		p := JSON(&JSONOptions{MaxDepth: c.limit})
		if _, err := decodeWith(p.NewDecoder(), text(c.n)); err != nil {
			t.Errorf("limit %d, depth %d: %v", c.limit, c.n+1, err)
		}
		if _, err := decodeWith(p.NewDecoder(), text(c.n+1)); err == nil {
			t.Errorf("limit %d, depth %d: accepted", c.limit, c.n+2)
		}
	}
}

func TestArguments(t *testing.T) { // P-18
	for _, c := range []struct {
		n  int
		ok bool
	}{{0, true}, {1, true}, {4, true}, {5, true}, {100, true}, {10_000, true}, {10_001, false}, {50_000, false},
		{400_000, false}} {
		for _, start := range []string{`2["x"`, `3[0`} {
			n := c.n
			if start[0] == '3' {
				n--
			}
			if n < 0 {
				continue
			}
			packets, err := decodeWith(JSON(nil).NewDecoder(), start+strings.Repeat(",1", n)+"]")
			if (err == nil) != c.ok {
				t.Errorf("%s with %d arguments: %v", start, c.n, err)
			}
			if c.ok && packets[0].Args.Len() != c.n {
				t.Errorf("%s with %d arguments: Len is %d", start, c.n, packets[0].Args.Len())
			}
		}
	}
}

func TestBytesOfAttachments(t *testing.T) { // B-24
	const header = `53-["x"]`
	d := JSON(&JSONOptions{MaxBytes: 100}).NewDecoder()
	for i, want := range []int{len(header), 58, 99} {
		f := []any{header, bin(strings.Repeat("a", 50)), bin(strings.Repeat("a", 41))}[i]
		if _, err := d.Add(frameOf(f)); err != nil {
			t.Fatal(err)
		}
		if n, waiting := d.Pending(); n != want || !waiting {
			t.Errorf("after %d frames %d bytes, %v; want %d", i+1, n, waiting, want)
		}
	}
	if _, err := d.Add(frameOf(bin("ab"))); err == nil || !strings.Contains(err.Error(), msgBytes) {
		t.Errorf("the 101st byte: %v", err)
	}
	d = JSON(&JSONOptions{MaxBytes: 100}).NewDecoder()
	packets, err := decodeWith(d, header, bin(strings.Repeat("a", 92)), bin(""), bin(""))
	if len(packets) != 1 || err != nil {
		t.Errorf("100 bytes: %v", err)
	}
	if n, waiting := d.Pending(); n != 0 || waiting {
		t.Errorf("after a packet: %d, %v", n, waiting)
	}
	if _, err := decodeWith(d, `51-["x","`+strings.Repeat("a", 100)+`"]`); err == nil {
		t.Error("a header of more than 100 bytes accepted")
	}
	if _, err := decodeWith(JSON(&JSONOptions{MaxBytes: 100}).NewDecoder(), `2["x","`+strings.Repeat("a",
		100)+`"]`); err != nil {
		t.Errorf("the limit is on packets without attachments too: %v", err)
	}
}

func TestPeek(t *testing.T) { // B-31
	d := JSON(nil).NewDecoder()
	peeker := d.(Peeker)
	if peeker.Peek() != nil {
		t.Error("a packet waits before any came")
	}
	if _, err := decodeWith(d, `2["x"]`); err != nil || peeker.Peek() != nil {
		t.Error("a packet without attachments waits")
	}
	if _, err := decodeWith(d, `51-/a,3["y",{"_placeholder":true,"num":0}]`); err != nil {
		t.Fatal(err)
	}
	p := peeker.Peek()
	if p == nil || head(p) != `EVENT /a id=3 "y"` {
		t.Fatalf("%+v", p)
	}
	packets, err := decodeWith(d, bin("z"))
	if err != nil || len(packets) != 1 || packets[0] != p || peeker.Peek() != nil {
		t.Errorf("%v, %v", packets, err)
	}
}

func TestPacketsFollowEachOther(t *testing.T) { // B-26 and the decoder's memory of names
	d := JSON(nil).NewDecoder()
	packets, err := decodeWith(d,
		`0`, `2["a",1]`, `2/n,["a",2]`, `51-/n,["b",{"_placeholder":true,"num":0}]`, bin("1"), `2/n,["b"]`, `2/m,["b"]`,
		`2["`+strings.Repeat("long", 50)+`"]`, `2["b"]`, `1/n,`, `3`)
	want := []string{
		"CONNECT /", `EVENT / "a"`, `EVENT /n "a"`, `EVENT /n "b"`, `EVENT /n "b"`, `EVENT /m "b"`,
		`EVENT / "` + strings.Repeat("long", 50) + `"`, `EVENT / "b"`, "DISCONNECT /n", "ACK /",
	}
	var got []string
	for _, p := range packets {
		got = append(got, head(p))
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestLaterInputLeavesPacketsAlone poisons what the transport might reuse: nothing that came after a
// packet may show in it. Its own frames belong to it.
func TestLaterInputLeavesPacketsAlone(t *testing.T) {
	d := JSON(nil).NewDecoder()
	first := mustDecodeWith(t, d, `2/n,1["name",{"a":"text"},[1,2]]`)
	binary := mustDecodeWith(t, d, `51-/n,2["name",{"a":{"_placeholder":true,"num":0}}]`, bin("bytes"))
	want := []string{show(t, first), show(t, binary)}
	for range 100 {
		mustDecodeWith(t, d, `2/z,9["eman",{"z":"poison"},[9,9]]`)
		mustDecodeWith(t, d, `51-/z,9["eman",{"z":{"_placeholder":true,"num":0}}]`, bin("\xdb\xdb\xdb"))
	}
	if got := []string{show(t, first), show(t, binary)}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func mustDecodeWith(t testing.TB, d Decoder, frames ...any) *Packet {
	t.Helper()
	packets, err := decodeWith(d, frames...)
	if err != nil || len(packets) != 1 {
		t.Fatalf("%q: %d packets, %v", frames, len(packets), err)
	}
	return packets[0]
}

func show(t testing.TB, p *Packet) string {
	t.Helper()
	values, err := p.Args.Values()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %#v", head(p), values)
}

func TestErrorsHoldNoInput(t *testing.T) {
	const secret = "SECRET"
	for _, text := range []string{secret, "2" + secret, `2["` + secret, `2["x"]` + secret,
		`51-["x",{"_placeholder":true,"num":"` + secret + `"}]`} {
		_, err := decodeWith(JSON(nil).NewDecoder(), text)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTypeNames(t *testing.T) {
	var got []string
	for ty := range ConnectError + 2 {
		got = append(got, ty.String())
	}
	if s := strings.Join(got, " "); s != "CONNECT DISCONNECT EVENT ACK CONNECT_ERROR unknown(5)" {
		t.Errorf("got %q", s)
	}
}

// Limits may be as large as an int is.
func TestLimitsWithoutBounds(t *testing.T) {
	d := JSON(&JSONOptions{
		MaxNamespace: math.MaxInt, MaxBytes: math.MaxInt, MaxDepth: math.MaxInt, MaxAttachments: math.MaxInt,
		MaxDecoded: math.MaxInt,
	}).NewDecoder()
	for text, namespace := range map[string]string{
		`2/a,["x",[1,{"y":[2]}]]`: "/a", `2["x"]`: "/", "1/a": "/a",
	} {
		p, err := d.Add(Frame{Data: []byte(text)})
		if err != nil || p == nil || p.Namespace != namespace {
			t.Errorf("%s: %+v, %v", text, p, err)
			continue
		}
		var v any
		if p.Args.Len() > 0 {
			if err := p.Args.Decode(0, &v); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}
