package socketio_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
)

// Options that cannot be meant are refused with the right form, logged once each, and left out.
func TestOptionsThatCannotBeMeant(t *testing.T) {
	for want, o := range map[string]socketio.Options{
		"write 45000 * time.Millisecond": {ConnectTimeout: 45000},
		"write 30000 * time.Millisecond": {AttachmentTimeout: 30000},
		"write 25000 * time.Millisecond": {Engine: engineio.Options{PingInterval: 25000}},
		"ConnectTimeout is negative":     {ConnectTimeout: -1},
		"MaxNamespaces is negative":      {MaxNamespaces: -1},
		"MaxInbox is negative":           {MaxInbox: -1},
		"MaxInboxBytes is negative":      {MaxInboxBytes: -1},
		"MaxAuth is negative":            {MaxAuth: -1},
		"MaxPendingAcks is negative":     {MaxPendingAcks: -1},
		"MaxPayload is negative":         {Engine: engineio.Options{MaxPayload: -1}},
		"the path alone":                 {Engine: engineio.Options{Path: "https://example.com/socket.io/"}},
		"the scheme, too": {
			Engine: engineio.Options{CORS: &engineio.CORSOptions{Origins: []string{"example.com"}}},
		},
	} {
		t.Run(want, func(t *testing.T) {
			if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
			logs := new(logBuffer)
			o.Logger = slog.New(slog.NewTextHandler(logs, nil))
			f := socketio.NewServer(&o)
			if s := logs.String(); strings.Count(s, "\n") != 1 ||
				!strings.Contains(s, "level=ERROR") || !strings.Contains(s, want) {
				t.Errorf("logged %s", s)
			}
			got := f.Engine().Options()
			if got.Path != "/socket.io/" || got.MaxPayload != 1_000_000 || got.PingInterval != 25*time.Second {
				t.Errorf("%+v", got)
			}
		})
	}
	if err := new(socketio.Options).Validate(); err != nil {
		t.Error(err)
	}
}
