package presence

import (
	"testing"

	"sio.example/socketio/client"
	"sio.example/socketio/siotest"
)

func as(name string) *client.Options {
	return &client.Options{Socket: client.SocketOptions{Auth: User{Name: name}}}
}

func TestPresence(t *testing.T) {
	srv := siotest.NewServer(t, &siotest.Options{Setup: Register})
	ada := srv.Socket("/presence", as("ada"))
	rec := siotest.NewRecorder(t)
	rec.Client("ada", ada)
	ada.Open()
	rec.Expect("ada: connect", `ada: here [["ada"]]`)

	bob, again := srv.Dial("/presence", as("bob")), srv.Dial("/presence", as("bob"))
	rec.Expect(`ada: came ["bob"]`)
	bob.Disconnect()
	rec.Note("bob has another connection")
	again.Disconnect()
	rec.Expect("bob has another connection", `ada: went ["bob"]`)

	if err := srv.Socket("/presence", nil).Connect(t.Context()); err == nil {
		t.Error("somebody without a name came in")
	}
}
