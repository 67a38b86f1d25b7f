package chat

import (
	"bytes"
	"image"
	_ "image/gif" // so that image.DecodeConfig knows the format
	_ "image/jpeg"
	_ "image/png"
	"net/http"

	"sio.example/socketio/event"
)

const (
	// maxPicture leaves room for a second picture in a session's outgoing budget (1 MiB by default).
	maxPicture = 512 << 10
	// maxEdge keeps small files that unfold into huge pictures away from the browsers of others.
	maxEdge = 4096
)

// inspect looks at the data of a picture, and only at that: what a client says about it does not count.
func inspect(data []byte) (*Picture, error) {
	if len(data) > maxPicture {
		return nil, &event.Error{Message: "That picture is too large: 512 KiB at most."}
	}
	p := &Picture{Type: http.DetectContentType(data), Size: len(data), Data: data}
	ok := true
	switch p.Type {
	case "image/jpeg", "image/png", "image/gif":
		c, _, err := image.DecodeConfig(bytes.NewReader(data))
		p.Width, p.Height, ok = c.Width, c.Height, err == nil
	case "image/webp":
		p.Width, p.Height, ok = webpSize(data)
	default:
		ok = false
	}
	switch {
	case !ok || p.Width < 1 || p.Height < 1:
		return nil, &event.Error{Message: "That is not a picture: JPEG, PNG, WebP and GIF are."}
	case p.Width > maxEdge || p.Height > maxEdge:
		return nil, &event.Error{Message: "That picture is too large: 4096 pixels a side at most."}
	}
	return p, nil
}

// webpSize reads the size of a WebP picture off its first chunk (RFC 9649 2.5 to 2.7).
func webpSize(b []byte) (width, height int, ok bool) {
	if len(b) < 30 {
		return 0, 0, false
	}
	switch string(b[12:16]) {
	case "VP8 ": // a key frame: three bytes of frame tag, the start code, then 14 bits each
		if b[23] != 0x9d || b[24] != 0x01 || b[25] != 0x2a {
			return 0, 0, false
		}
		return int(b[26]) | int(b[27]&0x3f)<<8, int(b[28]) | int(b[29]&0x3f)<<8, true
	case "VP8L": // a signature byte, then 14 bits each, less one
		if b[20] != 0x2f {
			return 0, 0, false
		}
		n := uint32(b[21]) | uint32(b[22])<<8 | uint32(b[23])<<16 | uint32(b[24])<<24
		return int(n&0x3fff) + 1, int(n>>14&0x3fff) + 1, true
	case "VP8X": // flags and reserved bytes, then 24 bits each, less one
		return (int(b[24]) | int(b[25])<<8 | int(b[26])<<16) + 1,
			(int(b[27]) | int(b[28])<<8 | int(b[29])<<16) + 1, true
	}
	return 0, 0, false
}
