package socketio_test

import (
	"bytes"
	"testing"
	"testing/synctest"

	"sio.example/socketio"
	"sio.example/socketio/parser/msgpack"
)

// Frames that are no packet in MessagePack end the connection as a parse error, and nothing else.
func TestMsgpackFramesThatAreRefused(t *testing.T) {
	event := func(argument string) []byte {
		return []byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1x" + argument)
	}
	for name, frame := range map[string][]byte{
		"empty":             {},
		"type 99":           []byte("\x82\xa4type\x63\xa3nsp\xa1/"),
		"nsp 5":             []byte("\x82\xa4type\x00\xa3nsp\x05"),
		"data of a connect": []byte("\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x90"),
		"id as text":        []byte("\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xa11"),
		"reserved name":     []byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xaadisconnect"),
		"extension":         event("\xd4\x05\x00"),
		"array of 2^32-1":   event("\xdd\xff\xff\xff\xff"),
		"map of 2^32-1":     event("\xdf\xff\xff\xff\xff"),
		"bytes of 2^32-1":   event("\xc6\xff\xff\xff\xff"),
		"buffer of 2^32-1":  event("\xc9\xff\xff\xff\xff\x00"),
		"nested 10^5 times": append(event(""), bytes.Repeat([]byte{0x91}, 1e5)...),
		"cut":               event("")[:12],
		"no UTF-8":          event("\xa1\xff"),
	} {
		t.Run(name, func(t *testing.T) {
			bubbleOf(t, &socketio.Options{Parser: msgpack.Parser(nil)}, func(t *testing.T, f *fixture) {
				c, _ := f.join("/")
				bystander, _ := f.join("/")
				c.translator = nil
				c.sendBinary(frame)
				c.expectClose("closed: 1002 parse error")
				synctest.Wait()
				if st := f.Stats(); st.Rejected[socketio.RejectParse] != 1 || st.Sockets != 1 {
					t.Errorf("%+v", st)
				}
				_ = f.Emit("still", "here")
				bystander.expect(`42["still","here"]`)
			})
		})
	}
}
