package socketio_test

import (
	"testing"

	socketio "sio.example/socketio"
	"sio.example/socketio/parser"
)

type user struct {
	Name string `json:"name"`
	ID   uint64 `json:"id"`
}

// holder stands for a socket whose data came from somewhere.
type holder struct{ data any }

func (h holder) Data() any { return h.data }

func TestDataOfThisProcessIsTheValueItself(t *testing.T) {
	u := &user{Name: "ada"}
	if got, ok := socketio.Data[*user](holder{u}); !ok || got != u {
		t.Errorf("%v, %v", got, ok)
	}
	if got, ok := socketio.Data[user](holder{u}); ok {
		t.Errorf("a pointer is a value: %v", got)
	}
	if _, ok := socketio.Data[any](holder{nil}); ok {
		t.Error("nothing is something")
	}
	if got, ok := socketio.Data[interface{ Error() string }](holder{socketio.ReasonPingTimeout}); !ok || got == nil {
		t.Errorf("as an interface: %v, %v", got, ok)
	}
}

func TestDataOfAnotherServerIsDecoded(t *testing.T) {
	frames, err := parser.JSON(nil).Encode(nil, &parser.Packet{
		Type: parser.Event, Namespace: "/", Name: "x", Args: parser.NewArgs(user{"ada", 1<<63 + 1}),
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := parser.JSON(nil).NewDecoder().Add(frames[0])
	if err != nil {
		t.Fatal(err)
	}
	remote := holder{p.Args}
	if got, ok := socketio.Data[user](remote); !ok || got != (user{"ada", 1<<63 + 1}) {
		t.Errorf("%v, %v", got, ok)
	}
	if got, ok := socketio.Data[*user](remote); !ok || got.Name != "ada" {
		t.Errorf("%v, %v", got, ok)
	}
	if got, ok := socketio.Data[int](remote); ok {
		t.Errorf("an object is a number: %v", got)
	}
	if got, ok := socketio.Data[user](holder{parser.NewArgs(nil)}); ok {
		t.Errorf("null is something: %v", got)
	}
	if got, ok := socketio.Data[user](holder{parser.Args{}}); ok {
		t.Errorf("nothing is something: %v", got)
	}
	if got, ok := socketio.Data[parser.Args](remote); !ok || got.Len() != 1 {
		t.Errorf("undecoded: %v, %v", got, ok)
	}
}
