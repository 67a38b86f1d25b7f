package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser/msgpack"
)

// socketOptions are the opts of open, by their official names. Unknown ones are ignored, as officially.
type socketOptions struct {
	Transports           []string          `json:"transports"`
	Upgrade              *bool             `json:"upgrade"`
	TryAllTransports     bool              `json:"tryAllTransports"`
	Path                 string            `json:"path"`
	Query                map[string]any    `json:"query"`
	ExtraHeaders         map[string]string `json:"extraHeaders"`
	Auth                 json.RawMessage   `json:"auth"`
	AutoConnect          *bool             `json:"autoConnect"`
	ForceNew             bool              `json:"forceNew"`
	Timeout              limit             `json:"timeout"`
	Reconnection         *bool             `json:"reconnection"`
	ReconnectionAttempts *float64          `json:"reconnectionAttempts"` // null is JSON's infinity
	ReconnectionDelay    float64           `json:"reconnectionDelay"`
	ReconnectionDelayMax float64           `json:"reconnectionDelayMax"`
	RandomizationFactor  *float64          `json:"randomizationFactor"`
	AckTimeout           float64           `json:"ackTimeout"`
	Retries              int               `json:"retries"`
	Parser               string            `json:"parser"`
}

// limit is a time in milliseconds, or false for none.
type limit time.Duration

// UnmarshalJSON makes false a negative time.
func (l *limit) UnmarshalJSON(text []byte) error {
	if string(text) == "false" {
		*l = -1
		return nil
	}
	var ms float64
	if err := json.Unmarshal(text, &ms); err != nil {
		return err
	}
	*l = limit(milliseconds(ms))
	return nil
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// manager are the options of a Manager that is made for this socket.
func (o *socketOptions) manager() (*client.Options, error) {
	if o.Parser != "" && o.Parser != "msgpack" {
		return nil, fmt.Errorf("opts.parser: %q is not there", o.Parser)
	}
	opts := &client.Options{
		Engine: engineio.DialOptions{
			Path:             o.Path,
			Transports:       o.Transports,
			TryAllTransports: o.TryAllTransports,
			DisableUpgrade:   o.Upgrade != nil && !*o.Upgrade,
		},
		ConnectTimeout:       time.Duration(o.Timeout),
		DisableReconnection:  o.Reconnection != nil && !*o.Reconnection,
		ReconnectionDelay:    milliseconds(o.ReconnectionDelay),
		ReconnectionDelayMax: milliseconds(o.ReconnectionDelayMax),
	}
	if o.Parser == "msgpack" {
		opts.Parser = msgpack.Parser(nil)
	}
	if o.ReconnectionAttempts != nil {
		opts.ReconnectionAttempts = int(*o.ReconnectionAttempts)
	}
	if f := o.RandomizationFactor; f != nil {
		opts.RandomizationFactor = *f
		if *f == 0 {
			opts.RandomizationFactor = -1
		}
	}
	if len(o.Query) > 0 {
		opts.Engine.Query = url.Values{}
		for k, v := range o.Query {
			opts.Engine.Query.Set(k, queryText(v))
		}
	}
	if len(o.ExtraHeaders) > 0 {
		opts.Engine.Header = http.Header{}
		for k, v := range o.ExtraHeaders {
			opts.Engine.Header.Set(k, v)
		}
	}
	return opts, nil
}

// queryText is String(v) of JavaScript, as far as it makes sense in a query.
func queryText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	text, _ := json.Marshal(v) // it was JSON before
	return string(text)
}

// socket are the options of the socket alone.
func (o *socketOptions) socket() (*client.SocketOptions, error) {
	opts := &client.SocketOptions{Retries: o.Retries, AckTimeout: milliseconds(o.AckTimeout)}
	var err error
	opts.Auth, opts.AuthFunc, err = readAuth(o.Auth)
	return opts, err
}

// readAuth reads an auth: an object, or {"$fn":"counter","prefix":"k"}, a function that gives {"token":"k1"}, then
// {"token":"k2"} and so on.
func readAuth(text json.RawMessage) (any, func(context.Context) (any, error), error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || string(text) == "null" {
		return nil, nil, nil
	}
	if text[0] != '{' {
		return nil, nil, errors.New("auth is not an object")
	}
	var fn struct {
		Fn     string `json:"$fn"`
		Prefix string `json:"prefix"`
	}
	if err := json.Unmarshal(text, &fn); err != nil || fn.Fn == "" {
		return text, nil, nil
	}
	if fn.Fn != "counter" {
		return nil, nil, fmt.Errorf("auth: there is no function %q", fn.Fn)
	}
	calls := new(atomic.Int64)
	return nil, func(context.Context) (any, error) {
		return map[string]string{"token": fmt.Sprint(fn.Prefix, calls.Add(1))}, nil
	}, nil
}

// address is what open's url says.
type address struct {
	server    string // the URL without a path
	namespace string
	key       string // of the Manager that may be shared
}

// readAddress takes a URL apart. opts count for what identifies a connection.
func readAddress(rawURL string, opts *socketOptions) (*address, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if u.Host == "" {
		return nil, fmt.Errorf("url: %q has no host", rawURL)
	}
	a := &address{namespace: u.Path}
	if a.namespace == "" {
		a.namespace = "/"
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https" || u.Scheme == "wss":
		port = "443"
	default:
		port = "80"
	}
	path := strings.TrimSuffix(opts.Path, "/")
	if path == "" {
		path = "/socket.io"
	}
	a.key = u.Scheme + "://" + u.Hostname() + ":" + port + path
	u.Path, u.RawPath, u.Fragment = "", "", ""
	if len(opts.Query) > 0 { // as officially, the query of the URL counts only without this one
		u.RawQuery = ""
	}
	a.server = u.String()
	return a, nil
}
