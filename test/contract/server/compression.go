package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"sio.example/socketio/engineio"
)

// A deflateOption is perMessageDeflate, and a httpOption httpCompression: a boolean, or an object that means true.
type (
	deflateOption struct {
		on                      bool
		Threshold               *int  `json:"threshold"`
		ServerNoContextTakeover *bool `json:"serverNoContextTakeover"`
		ZlibDeflateOptions      struct {
			Level int `json:"level"`
		} `json:"zlibDeflateOptions"`
	}
	httpOption struct {
		on        bool
		Threshold *int `json:"threshold"`
	}
)

// UnmarshalJSON takes either form.
func (o *deflateOption) UnmarshalJSON(b []byte) error {
	type object deflateOption
	return either("perMessageDeflate", b, &o.on, (*object)(o))
}

// UnmarshalJSON takes either form.
func (o *httpOption) UnmarshalJSON(b []byte) error {
	type object httpOption
	return either("httpCompression", b, &o.on, (*object)(o))
}

func either(name string, b []byte, on *bool, object any) error {
	var err error
	if *on = bytes.HasPrefix(b, []byte("{")); *on {
		err = json.Unmarshal(b, object)
	} else {
		err = json.Unmarshal(b, on)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// compression sets the options of compression. Without a word about takeover there is none; officially there is.
func (o *serverOptions) compression(e *engineio.Options) {
	threshold := func(n *int) int { // where 0 means all
		if n == nil {
			return 0
		}
		return max(1, *n)
	}
	if d := o.PerMessageDeflate; d != nil && d.on {
		e.Deflate = &engineio.DeflateOptions{
			Threshold:       threshold(d.Threshold),
			Level:           min(max(0, d.ZlibDeflateOptions.Level), 9),
			ContextTakeover: d.ServerNoContextTakeover != nil && !*d.ServerNoContextTakeover,
		}
	}
	if h := o.HTTPCompression; h != nil {
		e.DisableCompression = !h.on
		e.CompressionThreshold = threshold(h.Threshold)
	}
}
