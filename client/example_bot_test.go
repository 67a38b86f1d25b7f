package client_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/event"
)

// A Remark is what somebody said in the room.
type Remark struct {
	From string `json:"from"`
	Text string `json:"text"`
}

// The contract of the room: constants that its server and its clients share.
const (
	Tell event.Of[string] = "tell" // to the room
	Told event.Of[Remark] = "told" // by somebody, to all others
)

// A bot listens to a room and answers who calls it by name. It needs no page and no browser: it is a client like any
// other, which comes back by itself when the connection is lost.
func Example_bot() {
	room := httptest.NewServer(newRoom())
	defer room.Close()
	ctx := context.Background()

	bot := client.NewManager(room.URL, nil).Socket("/", &client.SocketOptions{Auth: map[string]string{"name": "bot"}})
	defer bot.Manager().Close()
	Told.On(bot, func(_ context.Context, r Remark) error {
		question, ok := strings.CutPrefix(r.Text, "bot, ")
		if !ok {
			return nil // not for us
		}
		return Tell.Emit(bot, fmt.Sprintf("%s, I have been asked: %s", r.From, question))
	})
	if err := bot.Connect(ctx); err != nil { // listeners first: nothing that the server says is missed
		fmt.Println(err)
		return
	}

	ada := client.NewManager(room.URL, nil).Socket("/", &client.SocketOptions{Auth: map[string]string{"name": "Ada"}})
	defer ada.Manager().Close()
	answered := make(chan struct{})
	Told.On(ada, func(_ context.Context, r Remark) error {
		fmt.Printf("%s: %s\n", r.From, r.Text)
		close(answered)
		return nil
	})
	if err := ada.Connect(ctx); err != nil {
		fmt.Println(err)
		return
	}
	_ = Tell.Emit(ada, "hello, everybody")
	_ = Tell.Emit(ada, "bot, what is two and two?")
	<-answered

	// Output:
	// bot: Ada, I have been asked: what is two and two?
}

// newRoom is the server: whoever connects is in the room.
func newRoom() *socketio.Server {
	io := socketio.NewServer(nil)
	socketio.Handle(io.Of("/"), Tell, func(_ context.Context, s *socketio.Socket, text string) error {
		var auth struct{ Name string }
		if err := s.Handshake().Auth.Bind(&auth); err != nil {
			return err
		}
		return Told.Emit(s.Broadcast(), Remark{From: auth.Name, Text: text})
	})
	return io
}
