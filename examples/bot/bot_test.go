package main

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/examples/chat"
	"sio.example/socketio/siotest"
)

// A visitor is somebody who talks to the bot.
type visitor struct {
	t      *testing.T
	socket *client.Socket
	heard  chan chat.Message
}

func visit(t *testing.T, srv *siotest.Server) *visitor {
	v := &visitor{t: t, heard: make(chan chat.Message, 100)}
	v.socket = srv.Client(nil).Socket(chat.Namespace, &client.SocketOptions{Auth: chat.Auth{Key: "0123456789abcdef"}})
	chat.Said.On(v.socket, func(_ context.Context, m chat.Message) error {
		v.heard <- m
		return nil
	})
	if err := v.socket.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := chat.SetName.Emit(t.Context(), v.socket, chat.NameRequest{Name: "Ada"}); err != nil {
		t.Fatal(err)
	}
	if _, err := chat.Enter.Emit(t.Context(), v.socket, chat.EnterRequest{Room: "Lobby"}); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *visitor) say(cid, text string) {
	v.t.Helper()
	if _, err := chat.Say.Emit(v.t.Context(), v.socket,
		chat.SayRequest{Room: "Lobby", CID: cid, Text: text}); err != nil {
		v.t.Fatal(err)
	}
}

func (v *visitor) wantAnswer(want string) {
	v.t.Helper()
	select {
	case m := <-v.heard:
		if m.Text != want || m.From.Name != "bot" {
			v.t.Errorf("%s says %q, want %q", m.From.Name, m.Text, want)
		}
	case <-time.After(time.Hour):
		v.t.Fatalf("the bot does not say %q", want)
	}
}

func (v *visitor) wantSilence() {
	v.t.Helper()
	select {
	case m := <-v.heard:
		v.t.Errorf("%s says %q", m.From.Name, m.Text)
	case <-time.After(time.Hour):
	}
}

// newChat is a server with the chat.
func newChat(t *testing.T) *siotest.Server {
	return siotest.NewServer(t, &siotest.Options{Setup: func(io *socketio.Server) { chat.New(io) }})
}

// start connects a bot over the network n, and waits until it is in the room.
func start(t *testing.T, n *siotest.Network) {
	newBot(n.Client(nil), "bot", "Lobby", slog.New(slog.DiscardHandler)).socket.Open()
	<-time.After(time.Second) // the upgrade takes a moment of virtual time
	synctest.Wait()
}

func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newChat(t)
		ada := visit(t, srv)
		ada.say("0", "!roll 1d1") // nobody is there yet
		start(t, srv.Network)
		ada.wantSilence()
		ada.say("1", "!roll 3d1")
		ada.wantAnswer("3d1: 3")
		ada.say("2", "!help")
		ada.wantAnswer("I know !time and !roll 2d6.")
		ada.say("3", "hello, bot")
		ada.wantSilence()
	})
}

// TestAnswersWhatItMissed: once, and in order.
func TestAnswersWhatItMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newChat(t)
		ada := visit(t, srv)
		network := srv.NewNetwork()
		start(t, network)
		ada.say("1", "!roll 1d1")
		ada.wantAnswer("1d1: 1")

		network.Refuse()
		network.Drop()
		synctest.Wait()
		ada.say("2", "!roll 2d1")
		ada.say("3", "!roll 3d1")
		ada.wantSilence()
		network.Allow()
		ada.wantAnswer("2d1: 2")
		ada.wantAnswer("3d1: 3")
		ada.wantSilence()
	})
}

// TestAnswersOnce: an answer whose acknowledgement is lost is not told again.
func TestAnswersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newChat(t)
		ada := visit(t, srv)
		network := srv.NewNetwork()
		start(t, network)
		network.SetDelay(siotest.ToClient, time.Second) // the question takes a second, and so does the acknowledgement
		ada.say("1", "!roll 1d1")
		ada.wantAnswer("1d1: 1")
		network.Drop() // before the acknowledgement has arrived
		ada.wantSilence()
		ada.say("2", "!roll 2d1")
		ada.wantAnswer("2d1: 2")
		ada.wantSilence()
	})
}

// TestNewServer: after a restart messages are counted from 1 again.
func TestNewServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newChat(t)
		ada := visit(t, srv)
		start(t, srv.Network)
		ada.say("1", "!roll 1d1")
		ada.wantAnswer("1d1: 1")
		ada.socket.Close()
		srv.Restart()
		<-time.After(time.Minute)
		ada = visit(t, srv)
		ada.say("1", "!roll 2d1")
		ada.wantAnswer("2d1: 2")
	})
}

func TestRoll(t *testing.T) {
	for dice, ok := range map[string]bool{"2d6": true, "100d1000": true, "": false,
		"2": false, "0d6": false, "101d1": false, "1d0": false, "d": false, "-1d3": false} {
		if got := roll(dice); (got != roll("?")) != ok {
			t.Errorf("%q: %s", dice, got)
		}
	}
	if text, ok := answer(" !time "); !ok || text == "" {
		t.Errorf("%q, %v", text, ok)
	}
}
