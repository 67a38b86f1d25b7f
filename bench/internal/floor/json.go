package floor

import "encoding/json"

// message is the payload of the benchmark's events.
type message struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

// Typed decodes the payload into a struct and encodes that again, both with encoding/json.
func Typed(dst, name, args []byte) ([]byte, error) {
	var m message
	if err := json.Unmarshal(args, &m); err != nil {
		return nil, err
	}
	values := make([]any, 0, 2)
	if len(name) > 0 {
		values = append(values, string(name[1:len(name)-1]))
	}
	text, err := json.Marshal(append(values, m))
	return append(dst, text...), err
}
