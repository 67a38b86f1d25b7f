package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/examples/chat"
)

// patience is how long an acknowledgement may take.
const patience = 10 * time.Second

// A bot is in one room. Its fields need no lock: OnConnect and the handlers of a socket run one at a time.
type bot struct {
	socket *client.Socket
	name   string
	room   string
	log    *slog.Logger

	me    string // the id of the person it is
	epoch string // of the room; empty before the first time
	last  int64  // the latest message that is dealt with
}

// newBot returns a bot that is not connected yet.
func newBot(m *client.Manager, name, room string, logger *slog.Logger) *bot {
	b := &bot{
		// The key by which the chat knows it again, whatever its connection is.
		socket: m.Socket(chat.Namespace,
			&client.SocketOptions{Auth: chat.Auth{Key: rand.Text()}, AckTimeout: patience}),
		name: name, room: room, log: logger,
	}
	b.socket.OnConnect(func() {
		ctx := b.socket.Context()
		if err := b.enter(ctx); err != nil && ctx.Err() == nil {
			b.log.Error("bot: not in the room", "error", err)
		}
	})
	b.socket.OnConnectError(func(err error) {
		b.log.Warn("bot: not connected",
			"error", err, "again", b.socket.Active())
	})
	chat.Said.On(b.socket, b.hear)
	return b
}

// enter runs on each connection, for the chat's server remembers neither nickname nor room of the one before.
func (b *bot) enter(ctx context.Context) error {
	named, err := chat.SetName.Emit(ctx, b.socket, chat.NameRequest{Name: b.name})
	if err == nil && named.Taken {
		named, err = chat.SetName.Emit(ctx, b.socket, chat.NameRequest{Name: named.Suggest})
	}
	if err != nil {
		return err
	}
	b.me, b.name = named.You.ID, named.You.Name
	entered, err := chat.Enter.Emit(ctx, b.socket, chat.EnterRequest{Room: b.room, Epoch: b.epoch, After: b.last})
	if err != nil {
		return err
	}
	b.log.Info("bot: in the room", "name", b.name, "room", entered.Room.Name, "people", len(entered.People))
	switch {
	case b.epoch == "": // what was said before it was there is not meant for it
		b.last = entered.Room.Last
	case entered.Reset: // the server has started anew, and counts from 1 again
		b.last = 0
	}
	b.epoch = entered.Room.Epoch
	for _, m := range entered.Messages { // what was said while it was away
		if err := b.hear(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// hear deals with a message. Until the chat has acknowledged the answer the message counts as not heard, and comes
// again with the next connection. The answer has the same id then, so that it is not told twice.
func (b *bot) hear(ctx context.Context, m chat.Message) error {
	if m.ID <= b.last {
		return nil
	}
	if text, ok := answer(m.Text); ok && m.From.ID != b.me {
		_ = chat.Typing.Emit(b.socket.Volatile(), chat.TypingState{On: true}) // nobody misses it
		_, err := chat.Say.Emit(ctx, b.socket, chat.SayRequest{
			Room: m.Room,
			CID:  fmt.Sprintf("bot-%s-%d", b.epoch, m.ID),
			Text: text,
		})
		if err != nil {
			return fmt.Errorf("bot: answer %d: %w", m.ID, err)
		}
	}
	b.last = m.ID
	return chat.Seen.Emit(b.socket, chat.SeenMark{Room: m.Room, ID: m.ID})
}

// answer is what the bot says to a message, if it says something.
func answer(text string) (string, bool) {
	command, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch command {
	case "!help":
		return "I know !time and !roll 2d6.", true
	case "!time":
		return "It is " + time.Now().UTC().Format("15:04:05") + " in Greenwich.", true
	case "!roll":
		return roll(strings.TrimSpace(rest)), true
	}
	return "", false
}

// roll throws dice: "3d6" are three with six sides.
func roll(dice string) string {
	count, sides, ok := strings.Cut(dice, "d")
	n, err := strconv.Atoi(count)
	m, err2 := strconv.Atoi(sides)
	if !ok || err != nil || err2 != nil || n < 1 || n > 100 || m < 1 || m > 1000 {
		return "Say !roll 2d6: up to 100 dice, with up to 1000 sides."
	}
	sum := 0
	for range n {
		sum += 1 + mrand.IntN(m)
	}
	return fmt.Sprintf("%s: %d", dice, sum)
}
