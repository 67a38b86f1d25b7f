package socketio_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"sio.example/socketio"
	"sio.example/socketio/event"
	"sio.example/socketio/siotest"
)

type account struct {
	ID     json.Number            `json:"id"`
	Limits map[string]json.Number `json:"limits"`
	More   []any                  `json:"more"`
}

// A json.Number is a number on the wire, and comes back digit by digit, from either end and at any depth.
func TestNumbersKeepTheirDigitsAtBothEnds(t *testing.T) {
	const big = json.Number("12345678901234567890.5")
	const get event.WithAck[account, account] = "get"
	const told event.Of[json.Number] = "told"
	setup := func(io *socketio.Server) {
		socketio.HandleWithAck(io.Of("/"), get,
			func(_ context.Context, s *socketio.Socket, a account) (account, error) {
				if a.ID != big || a.Limits["day"] != "1e3" {
					t.Errorf("the server got %+v", a)
				}
				if err := s.Emit("told", a.ID); err != nil {
					return account{}, err
				}
				return account{ID: a.ID, Limits: a.Limits, More: []any{a.ID, map[string]any{"n": json.Number("7")}}},
					nil
			})
	}
	twoEnds(t, setup, func(t *testing.T, srv *siotest.Server) {
		if strings.HasSuffix(t.Name(), "/msgpack") {
			return // its numbers have 64 bits
		}
		c := srv.Dial("/", nil)
		heard := make(chan json.Number, 1)
		told.On(c, func(_ context.Context, n json.Number) error {
			heard <- n
			return nil
		})
		args, err := c.EmitWithAck(t.Context(), "get", account{ID: big, Limits: map[string]json.Number{"day": "1e3"}})
		if err != nil {
			t.Fatal(err)
		}
		var got account
		var raw json.RawMessage
		if err := args.Bind(&got); err != nil || got.ID != big || got.Limits["day"] != "1e3" {
			t.Errorf("the client got %+v, %v", got, err)
		}
		if err := args.Bind(&raw); err != nil ||
			string(raw) != `{"id":12345678901234567890.5,"limits":{"day":1e3},"more":[12345678901234567890.5,`+
				`{"n":7}]}` {
			t.Errorf("on the wire: %s, %v", raw, err)
		}
		if n := <-heard; n != big {
			t.Errorf("the client was told %s", n)
		}
	})
}
