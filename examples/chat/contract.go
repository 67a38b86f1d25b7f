package chat

import (
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// Namespace is where the chat lives, so that it can share a server with others.
const Namespace = "/chat"

// What clients ask for. Each is acknowledged, with {"error": text} if it is refused. The events of one client are
// handled in order, so a page sends SetName and Enter one after the other without waiting in between.
const (
	SetName    event.WithAck[NameRequest, NameReply]       = "name"    // take a nickname, or another one
	Enter      event.WithAck[EnterRequest, EnterReply]     = "enter"   // go into a room, which leaves the one before
	Leave      event.WithAck[parser.None, LeaveReply]      = "leave"   // go out of the room
	Say        event.WithAck[SayRequest, SayReply]         = "say"     // a message to the room
	GetPicture event.WithAck[PictureRequest, PictureReply] = "picture" // the bytes of a picture of the history
)

// What goes both ways, without acknowledgement.
const (
	// Typing is volatile in both directions: it is worth nothing a moment later.
	Typing event.Of[TypingState] = "typing"
	// Seen says, from a client: I have looked at all up to this message; and to a room: everybody has.
	Seen event.Of[SeenMark] = "seen"
)

// What the server tells.
const (
	Said        event.Of[Message]  = "message" // to the room, but for the socket that said it
	Came        event.Of[Presence] = "came"    // to the room
	Went        event.Of[Presence] = "went"    // to the room
	Renamed     event.Of[Presence] = "renamed" // to the room
	RoomChanged event.Of[RoomInfo] = "room"    // to everybody
)

// Auth is the payload a client connects with.
type Auth struct {
	// Key is the secret by which a client is known again after a reconnection: 16 to 64 characters, made by the client.
	// Nobody else gets to see it.
	Key string `json:"key"`
}

// A Person is somebody with a nickname. The ID stays the same across reconnections and renaming.
type Person struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// RoomInfo is what a list of rooms shows.
type RoomInfo struct {
	Name   string `json:"name"`
	Epoch  string `json:"epoch"`  // changes when message ids begin again, as after a restart of the server
	People int    `json:"people"` // who are there now
	Last   int64  `json:"last"`   // id of the latest message
	Gone   bool   `json:"gone,omitzero"`
}

// A Message is one message of a room. Ids count up from 1 within an epoch of a room, without gaps.
type Message struct {
	ID      int64    `json:"id"`
	Room    string   `json:"room"`
	From    Person   `json:"from"`
	At      int64    `json:"at"`  // milliseconds since 1970
	CID     string   `json:"cid"` // the id the author's page gave it
	Text    string   `json:"text"`
	Picture *Picture `json:"picture,omitzero"`
}

// A Picture belongs to a message. The data travels as a binary attachment; it is absent in a history, see GetPicture.
type Picture struct {
	Type   string `json:"type"` // image/jpeg, image/png, image/webp or image/gif, found by looking at the data
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Size   int    `json:"size"` // bytes
	Data   []byte `json:"data,omitzero"`
}

// NameRequest asks for a nickname.
type NameRequest struct {
	Name string `json:"name"`
}

// NameReply gives it, or says that somebody else has it.
type NameReply struct {
	You     Person     `json:"you,omitzero"`
	Rooms   []RoomInfo `json:"rooms,omitzero"`
	Taken   bool       `json:"taken,omitzero"`
	Suggest string     `json:"suggest,omitzero"` // a free name much like the taken one
}

// EnterRequest asks for a room, which is made if there is none of that name.
type EnterRequest struct {
	Room  string `json:"room"`
	Epoch string `json:"epoch"` // of the room when it was last entered; empty if it never was
	After int64  `json:"after"` // id of the latest message known from that epoch
}

// EnterReply is the room as it is, with the messages after EnterRequest.After.
type EnterReply struct {
	Room     RoomInfo  `json:"room"`
	People   []Person  `json:"people"`
	Messages []Message `json:"messages"`
	Seen     int64     `json:"seen"`           // everybody has seen all up to this message
	Reset    bool      `json:"reset,omitzero"` // the epoch asked for is over: what the page shows from it is history
	Gap      bool      `json:"gap,omitzero"`   // messages between After and the first of Messages are forgotten
}

// LeaveReply acknowledges Leave.
type LeaveReply struct {
	Left bool `json:"left"`
}

// SayRequest is a message on its way to the room. Its CID makes sending it again harmless: a message that the room
// knows is acknowledged as before and not told a second time.
type SayRequest struct {
	Room    string `json:"room"`
	CID     string `json:"cid"`
	Text    string `json:"text"`
	Picture []byte `json:"picture,omitzero"` // the file, a binary attachment
}

// SayReply tells what the message became.
type SayReply struct {
	ID      int64    `json:"id"`
	At      int64    `json:"at"`
	Text    string   `json:"text"`             // as the others see it
	Picture *Picture `json:"picture,omitzero"` // without data
}

// PictureRequest names the message whose picture is wanted, of the room the client is in.
type PictureRequest struct {
	ID int64 `json:"id"`
}

// PictureReply is the picture. Without data it is gone: rooms remember a limited amount.
type PictureReply struct {
	Type string `json:"type"`
	Data []byte `json:"data,omitzero"`
}

// TypingState tells that somebody began or stopped writing. Clients leave From empty.
type TypingState struct {
	From Person `json:"from,omitzero"`
	On   bool   `json:"on"`
}

// SeenMark names the latest message seen.
type SeenMark struct {
	Room string `json:"room"`
	ID   int64  `json:"id"`
}

// Presence tells of a person in a room.
type Presence struct {
	Room string `json:"room"`
	Who  Person `json:"who"`
}
