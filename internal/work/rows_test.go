package work

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/memnet"
	"sio.example/socketio/internal/websocket"
	"sio.example/socketio/parser"
)

// A row is an input of about n bytes, and what is done with it.
type row struct {
	name string
	text func(n int) string
	use  func(text string)
}

// repeat is an array of about n bytes of an item.
func repeat(item string) func(n int) string {
	return func(n int) string { return `[` + strings.Repeat(item+",", n/(len(item)+1)) + item + `]` }
}

// event decodes a packet with one argument, and that into dst, if there is one.
func event(text string, dst any) {
	use(`2["x",`+text+`]`, dst)
}

// attached is event with an attachment.
func attached(text string) { use(`51-["x",`+text+`]`, nil) }

// use does with a packet what a server may do: decode it, look at its values, and send it on to somebody.
func use(text string, dst any) {
	d := parser.JSON(nil).NewDecoder()
	p, err := d.Add(parser.Frame{Data: []byte(text)})
	if p == nil && err == nil {
		p, err = d.Add(parser.Frame{Binary: true, Data: []byte("file")})
	}
	if err != nil {
		return
	}
	if dst != nil {
		_ = p.Args.Bind(dst) // what does not fit is an error, and has its price too
		return
	}
	values, err := p.Args.Values()
	if err != nil {
		panic(err)
	}
	_, _ = parser.JSON(nil).Encode(nil, &parser.Packet{Type: parser.Event, Name: "y", Args: parser.NewArgs(values...)})
	_, _ = parser.JSON(nil).Encode(nil, &parser.Packet{Type: parser.Event, Name: "y", Args: p.Args})
}

func into[T any](text string) { event(text, new(T)) }

func untyped(text string) { event(text, nil) }

type (
	tree    []tree
	numbers struct {
		X float64 `json:"x"`
		Y float32 `json:"y"`
	}
	quoted struct {
		X float64 `json:"x,string"`
	}
	odd struct {
		sync.Mutex
		X []float32
		M map[string][]string
		N []int8
	}
	mixed struct {
		X float64
		A any
		M map[string]any
	}
	linked struct {
		Next *linked `json:"n"`
		Text []string
	}
)

// Opcodes (RFC 6455 11.8).
const ping, pong websocket.Opcode = 9, 10

func rows() []row {
	nothing := row{"nothing", func(int) string { return "0" }, untyped}
	return slices.Concat([]row{nothing}, textRows(), numberRows(), frameRows(), msgpackRows())
}

func numberRows() (rows []row) {
	// The last one is the middle of two floats, but for a digit that strconv needs all digits to see.
	for _, number := range []string{
		"5e-324", "1e-320", "1e-45", "1e309", "1e400", "-1.5e-29", "2.2250738585072011e-308", "9007199254740993",
		"16777217", "16777217e10", "8388608.5", "316883569695492e29",
		"5296372164769368063299e28", "0.1", "1e99999999999999999999",
		"12345678901234567890e-300", "1.7976931348623157081452742373170435e308",
		"4.4501477170144022721148195934182639518696390927032913e-308",
	} {
		rows = append(rows,
			row{number + " into any", repeat(number), untyped},
			row{number + " into []float64", repeat(number), into[[]float64]},
			row{number + " into []float32", repeat(number), into[[]float32]},
			row{number + " into a struct", repeat(`{"y":` + number + `,"x":` + number + `}`), into[[]numbers]},
			row{number + " into a string's float", repeat(`{"x":"` + number + `"}`), into[[]quoted]},
			row{number + " beside interfaces", repeat(`{"X":` + number + `,"A":` + number + `}`), into[[]mixed]},
			row{number + " as the number of an attachment", repeat(`{"num":` + number + `}`), attached},
			row{number + " beside a mutex",
				func(n int) string { return `{"X":` + repeat(number)(n) + `}` }, into[*odd]},
		)
	}
	return append(rows,
		row{"an escaped 5e-324 into a string's float", repeat(`{"x":"\u0035e-324"}`), into[[]quoted]},
		row{"+05.e-324 into a string's float", repeat(`{"x":"+05.e-324"}`), into[[]quoted]},
		row{"5e-324 into json.Number", repeat("5e-324"), into[[]json.Number]},
		row{"5e-324 into []int", repeat("5e-324"), into[[]int]},
		row{"digits", func(n int) string { return strings.Repeat("1", n) }, untyped},
		row{"digits into a float", func(n int) string { return strings.Repeat("1", n) }, into[float64]},
		row{"digits with an exponent", func(n int) string { return strings.Repeat("1", n) + "e-300" }, untyped},
		row{"zeros, then 5", func(n int) string { return "0." + strings.Repeat("0", n) + "5e100" }, untyped},
		row{"digits of an exponent", func(n int) string { return "1e" + strings.Repeat("9", n) }, untyped},
		row{"zeros of an exponent", func(n int) string { return "1e-" + strings.Repeat("0", n) + "324" }, untyped},
		row{"digits as an event's name", func(n int) string { return strings.Repeat("1", n) },
			func(text string) { use(`2[`+text+`]`, nil) }},
		row{"digits as an id", func(n int) string { return strings.Repeat("1", n) },
			func(text string) { use(`2`+text+`["x"]`, nil) }},
		row{"digits into an int", func(n int) string { return strings.Repeat("1", n) }, into[int]},
	)
}

func textRows() []row {
	longKey := func(item string) func(n int) string {
		return func(n int) string { return `{"M":{"` + strings.Repeat("k", n/2) + `":` + repeat(item)(n/2) + `}}` }
	}
	keys := func(n int) string {
		var b strings.Builder
		r := rand.New(rand.NewPCG(1, 2))
		for b.Len() < n {
			fmt.Fprintf(&b, `"%08x":0,`, r.Uint32())
		}
		return `{` + b.String() + `"":0}`
	}
	str := func(s string) func(n int) string {
		return func(n int) string { return `"` + strings.Repeat(s, n/len(s)) + `"` }
	}
	return []row{
		{"arrays", repeat(`[]`), untyped},
		{"arrays into a tree", repeat(`[]`), into[tree]},
		{"nested arrays", repeat(strings.Repeat("[", 900) + strings.Repeat("]", 900)), untyped},
		{"nested arrays into a tree", repeat(strings.Repeat("[", 900) + strings.Repeat("]", 900)), into[tree]},
		{"nested objects", repeat(strings.Repeat(`{"a":`, 900) + "0" + strings.Repeat("}", 900)), untyped},
		{"objects", repeat(`{"":{}}`), untyped},
		{"objects into maps", repeat(`{"a":{}}`), into[[]map[string]map[string]string]},
		{"many keys", keys, untyped},
		{"many keys into a struct", keys, into[numbers]},
		{"many keys beside a mutex", keys, into[odd]},
		{"the same key", func(n int) string { return `{` + strings.Repeat(`"x":1,`, n/6) + `"x":1}` }, untyped},
		{"the same key into a struct", func(n int) string { return `{` + strings.Repeat(`"x":1,`, n/6) + `"x":1}` },
			into[numbers]},
		{"the same list into a struct", func(n int) string {
			return `{` +
				strings.Repeat(`"X":[1],`, n/8) + `"X":[1]}`
		}, into[odd]},
		{"a long key", func(n int) string { return `{"` + strings.Repeat("k", n) + `":0}` }, into[numbers]},
		{"a long key of escapes", func(n int) string { return `{"` + strings.Repeat(`\u0078`, n/6) + `":0}` },
			into[numbers]},
		{"what does not fit below a long key", longKey("1"), into[odd]},
		{"what does not fit below a long key, without a mutex", longKey("1"), into[struct{ M map[string][]string }]},
		{"floats that do not fit below a long key", longKey("1e309"), into[struct {
			sync.Mutex
			M map[string][]float64
		}]},
		{"what does not fit, deep down", func(n int) string {
			return repeat(strings.Repeat(`{"n":`, 100) + `{"Text":[1,2]}` + strings.Repeat("}", 100))(n)
		}, into[[]linked]},
		{"numbers that do not fit", func(n int) string { return `{"N":` + repeat("999")(n) + `}` }, into[odd]},
		{"escapes", str(`\u0061`), untyped},
		{"escapes into a string", str(`\u0061`), into[string]},
		{"half surrogates", str(`\ud800`), untyped},
		{"quotes", str(`\"`), untyped},
		{"base64 into bytes", str("QUJD"), into[[]byte]},
		{"base64 with line breaks into bytes", str(`QUJD\n`), into[[]byte]},
		{"blanks", func(n int) string { return strings.Repeat(" ", n) + "1" }, untyped},
		{"placeholders", repeat(`{"_placeholder":true,"num":0}`), attached},
		{"escaped keys of placeholders", repeat(`{"\u005fplaceholder":true,"num":0}`), attached},
		{"what might be keys of placeholders",
			repeat(`{"\u005f\u005f\u005f\u005f\u005f\u005f\u005f\u005f\u005f\u005f\u005f\u005f":1}`), attached},
		{"numbers of one placeholder", func(n int) string {
			return `{"_placeholder":true,` + strings.Repeat(`"num":0,`, n/8) + `"num":0}`
		}, attached},
		{"arguments", func(n int) string { return strings.Repeat("1,", min(n/2, 9999)) + "1" }, untyped},
	}
}

// frameRows are of the layers below.
func frameRows() []row {
	plain := func(s string) func(n int) string { return func(n int) string { return strings.Repeat(s, n/len(s)) } }
	frames := func(op websocket.Opcode, payload string) func(n int) string {
		one := string(websocket.AppendMasked(nil, op, []byte(payload)))
		return func(n int) string { return strings.Repeat(one, n/len(one)) }
	}
	return []row{
		{"polling: messages without data", plain("4\x1e"), payload},
		{"polling: noops", plain("6\x1e"), payload},
		{"polling: base64", func(n int) string { return strings.TrimSuffix(strings.Repeat("bQUJD\x1e", n/6), "\x1e") },
			payload},
		{"polling: one base64", func(n int) string { return "b" + strings.Repeat("QUJD", n/4) }, payload},
		{"polling: separators", plain("\x1e"), payload},
		{"revision 3: noops", plain("1:6"), payload3},
		{"revision 3: nothing", plain("0:"), payload3},
		{"revision 3: one text",
			func(n int) string { return strconv.Itoa(n/2+1) + ":4" + strings.Repeat("é", n/2) }, payload3},
		{"revision 3: base64", plain("2:b4"), payload3},
		{"revision 3: digits", plain("9"), payload3},
		{"revision 3: binary messages", plain("\x01\x01\xff\x04"), binaryPayload3},
		{"revision 3: binary digits", func(n int) string { return "\x00" + strings.Repeat("\x09", n) }, binaryPayload3},
		{"JSONP: fields", plain("x&"), form},
		{"JSONP: backslashes",
			func(n int) string { return "d=" + strings.Repeat(`\`, n/2) + strings.Repeat(`\n`, n/4) }, form},
		{"JSONP: escapes", func(n int) string { return "d=" + strings.Repeat("%5c", n/3) }, form},
		{"JSONP: a script", plain("\x1e\u2028\""), func(text string) { packet.AppendScript(nil, []byte(text)) }},
		{"open packet: unknown keys", func(n int) string {
			return `{"sid":"x","pingInterval":1,"pingTimeout":1` + strings.Repeat(`,"x":5e-324`, n/11) + `}`
		}, open},
		{"open packet: upgrades", func(n int) string {
			return `{"sid":"x","pingInterval":1,"pingTimeout":1,"upgrades":` + repeat(`"x"`)(n) + `}`
		}, open},
		{"open packet: intervals", func(n int) string {
			return `{"sid":"x"` + strings.Repeat(`,"pingInterval":1`, n/17) + `,"pingTimeout":1}`
		}, open},
		{"open packet: intervals that do not fit",
			func(n int) string { return `{"pingInterval":[` + strings.Repeat(`5e-324,`, n/7) + `1]}` }, open},
		{"websocket: empty messages", frames(websocket.Text, ""), read},
		{"websocket: small messages", frames(websocket.Text, "4x"), read},
		{"websocket: pings", frames(ping, ""), read},
		{"websocket: pings with data", frames(ping, strings.Repeat("x", 125)), read},
		{"websocket: pongs", frames(pong, ""), read},
		{"websocket: fragments of a byte", func(n int) string {
			first := websocket.AppendMasked(nil, websocket.Text, []byte("4"))
			first[0] &^= 0x80
			next := websocket.AppendMasked(nil, 0, []byte("x"))
			next[0] &^= 0x80
			return string(first) + strings.Repeat(string(next), min(n/len(next), 16_000))
		}, read},
		{"websocket: one message", func(n int) string {
			return string(websocket.AppendMasked(nil, websocket.Text, []byte(strings.Repeat("é", n/2))))
		}, read},
	}
}

// payload reads a body of polling, at either end.
func payload(text string) {
	for p, err := range packet.Payload([]byte(text)) {
		if err != nil {
			return
		}
		_ = p
	}
}

// payload3 and binaryPayload3 read one of revision 3, and form what JSONP posts.
func payload3(text string)       { drain(packet.Payload3([]byte(text))) }
func binaryPayload3(text string) { drain(packet.BinaryPayload3([]byte(text))) }

func form(text string) {
	if body, err := packet.FormPayload([]byte(text)); err == nil {
		drain(packet.Payload3(body))
	}
}

func drain(packets iter.Seq2[packet.Packet, error]) {
	for _, err := range packets {
		if err != nil {
			return
		}
	}
}

// open reads the first packet of a server, in a client.
func open(text string) { _, _ = packet.DecodeHandshake([]byte(text)) }

// read reads frames from a connection until it ends.
func read(text string) {
	client, server := memnet.Pipe(len(text) + 1<<20)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	c, err := websocket.Upgrade(&hijacked{nc: server}, r, &websocket.Options{MaxMessage: 10 << 20})
	if err != nil {
		panic(err)
	}
	var drained sync.WaitGroup
	drained.Go(func() { // takes the pongs; ends with the connection
		_, _ = io.Copy(io.Discard, client)
	})
	if _, err := client.Write([]byte(text)); err != nil {
		panic(err)
	}
	if err := client.CloseWrite(); err != nil {
		panic(err)
	}
	for err == nil {
		_, _, err = c.Read()
	}
	c.Abort()
	client.Close()
	drained.Wait()
}

type hijacked struct {
	httptest.ResponseRecorder
	nc net.Conn
}

// Hijack hands the connection over.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReader(h.nc), bufio.NewWriter(h.nc)), nil
}
