package packet

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Handshake is what an Open packet holds. Times are in milliseconds on the wire.
type Handshake struct {
	SID            string   `json:"sid"`
	Upgrades       []string `json:"upgrades"`
	PingIntervalMS int64    `json:"pingInterval"`
	PingTimeoutMS  int64    `json:"pingTimeout"`
	MaxPayload     int64    `json:"maxPayload"`
}

// AppendHandshake appends the JSON of h with exactly the official keys in the official order: the data of an Open
// packet, without the digit before it.
func AppendHandshake(dst []byte, h Handshake) []byte {
	dst = appendString(append(dst, `{"sid":`...), h.SID)
	dst = append(dst, `,"upgrades":[`...)
	for i, name := range h.Upgrades {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
	}
	dst = strconv.AppendInt(append(dst, `],"pingInterval":`...), h.PingIntervalMS, 10)
	dst = strconv.AppendInt(append(dst, `,"pingTimeout":`...), h.PingTimeoutMS, 10)
	dst = strconv.AppendInt(append(dst, `,"maxPayload":`...), h.MaxPayload, 10)
	return append(dst, '}')
}

// appendString appends s as JSON; what is not UTF-8 in it becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // the error only tells about invalid UTF-8
	return dst
}

// maxTimeMS is the longest interval JavaScript's timers know, 24.8 days. A Handshake that asks for more
// is refused, so that nobody who turns milliseconds into a time.Duration overflows it.
const maxTimeMS = 1<<31 - 1

// DecodeHandshake decodes the data of an Open packet, for clients: unknown keys are ignored. The id and both times must
// be there and make sense; upgrades and maxPayload (0 means no limit was told) may be absent. An error is a
// *SyntaxError.
func DecodeHandshake(data []byte) (Handshake, error) {
	h := Handshake{PingIntervalMS: -1, PingTimeoutMS: -1}
	err := json.Unmarshal(data, &h, jsontext.AllowDuplicateNames(true))
	if err != nil || h.SID == "" || h.MaxPayload < 0 ||
		h.PingIntervalMS <= 0 || h.PingIntervalMS > maxTimeMS ||
		h.PingTimeoutMS <= 0 || h.PingTimeoutMS > maxTimeMS {
		return Handshake{}, &SyntaxError{Msg: msgHandshake}
	}
	return h, nil
}
