package event_test

import (
	"errors"
	"testing"

	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// decoded is an argument as it comes from the wire.
func decoded(t *testing.T, text string) parser.Args {
	t.Helper()
	p, err := parser.JSON(nil).NewDecoder().Add(parser.Frame{Data: []byte("4" + text)})
	if err != nil {
		t.Fatal(err)
	}
	return p.Args
}

func TestReceivedConnectError(t *testing.T) {
	e, ok := event.ReceivedConnectError(decoded(t, `{"message":"no","data":{"code":9007199254740993,"why":"x"}}`))
	if !ok || e.Message != "no" || e.Error() != "no" {
		t.Fatalf("%+v, %v", e, ok)
	}
	if m, _ := e.Data.(map[string]any); m["why"] != "x" {
		t.Errorf("data %v", e.Data)
	}
	var data struct {
		Code int64
		Why  string
	}
	if err := e.Bind(&data); err != nil || data.Code != 9007199254740993 || data.Why != "x" {
		t.Errorf("%+v, %v", data, err)
	}
	var argument *parser.ArgumentError
	if err := e.Bind(new(int)); !errors.As(err, &argument) {
		t.Errorf("into an int: %v", err)
	}
}

func TestReceivedConnectErrorWithoutData(t *testing.T) {
	e, ok := event.ReceivedConnectError(decoded(t, `{"message":""}`))
	if !ok || e.Data != nil {
		t.Fatalf("%+v, %v", e, ok)
	}
	n := 5
	if err := e.Bind(&n); err != nil || n != 5 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestConnectErrorOfOurOwnBinds(t *testing.T) {
	e := &event.ConnectError{Message: "no", Data: map[string]int{"code": 3}}
	var data struct{ Code int }
	if err := e.Bind(&data); err != nil || data.Code != 3 {
		t.Errorf("%+v, %v", data, err)
	}
}

func TestWhatIsNoConnectError(t *testing.T) {
	for _, text := range []string{`{}`, `{"message":1}`, `{"message":null}`, `{"Message2":"x"}`} {
		if e, ok := event.ReceivedConnectError(decoded(t, text)); ok {
			t.Errorf("%s: %+v", text, e)
		}
	}
	if e, ok := event.ReceivedConnectError(parser.Args{}); ok {
		t.Errorf("no payload: %+v", e)
	}
}
