package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser/msgpack"
)

// config is the environment of the program.
type config struct {
	node           string
	adapter        string
	adapterOptions adapterOptions
	redisURL       string
	postgresURL    string
	server         serverOptions
	adapters       *adapters
}

// serverOptions are the SIO_OPTIONS in use, by their official names; others are ignored.
type serverOptions struct {
	AllowEIO3               bool             `json:"allowEIO3"`
	PingInterval            *float64         `json:"pingInterval"` // milliseconds
	PingTimeout             *float64         `json:"pingTimeout"`
	ConnectionStateRecovery *json.RawMessage `json:"connectionStateRecovery"`
	CORS                    *corsOptions     `json:"cors"`
	Cookie                  bool             `json:"cookie"`
	PerMessageDeflate       *deflateOption   `json:"perMessageDeflate"`
	HTTPCompression         *httpOption      `json:"httpCompression"`
	Parser                  string           `json:"parser"` // "msgpack", which in JSON stands for the module
}

type corsOptions struct {
	Origin      json.RawMessage `json:"origin"` // a string, a list of them, or true for any
	Credentials bool            `json:"credentials"`
}

// adapterOptions are the ADAPTER_OPTIONS that are given to all adapters.
type adapterOptions struct {
	HeartbeatInterval float64 `json:"heartbeatInterval"` // milliseconds
	HeartbeatTimeout  float64 `json:"heartbeatTimeout"`
}

func readConfig(getenv func(string) string) (*config, error) {
	c := &config{
		node:        getenv("NODE_ID"),
		adapter:     getenv("ADAPTER"),
		redisURL:    getenv("REDIS_URL"),
		postgresURL: getenv("PG_URL"),
		adapters:    &adapters{all: make(map[string]adapter.Adapter)},
	}
	if c.node == "" {
		c.node = "node"
	}
	if c.adapter == "" {
		c.adapter = "memory"
	}
	if err := unmarshal("SIO_OPTIONS", getenv("SIO_OPTIONS"), &c.server); err != nil {
		return nil, err
	}
	if err := unmarshal("ADAPTER_OPTIONS", getenv("ADAPTER_OPTIONS"), &c.adapterOptions); err != nil {
		return nil, err
	}
	return c, nil
}

func unmarshal(name, text string, dst any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), dst); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// options are the server's. What the server does not have yet is said on stderr and left off, so that a driver can
// still run the rest.
func (c *config) options(log *slog.Logger) (*socketio.Options, error) {
	if c.adapter != "memory" {
		return nil, fmt.Errorf("ADAPTER: %q is not there yet", c.adapter)
	}
	cors, err := c.server.CORS.options()
	if err != nil {
		return nil, err
	}
	recovery, err := c.server.recovery()
	if err != nil {
		return nil, err
	}
	opts := &socketio.Options{
		Engine: engineio.Options{
			PingInterval: milliseconds(c.server.PingInterval),
			PingTimeout:  milliseconds(c.server.PingTimeout),
			CORS:         cors,
			AllowEIO3:    c.server.AllowEIO3,
			JSONP:        true, // as officially
		},
		Adapter:  c.adapters.keep(adapter.NewMemory),
		Recovery: recovery,
		Logger:   log,
	}
	c.server.compression(&opts.Engine)
	switch c.server.Parser {
	case "":
	case "msgpack":
		opts.Parser = msgpack.Parser(nil)
	default:
		return nil, fmt.Errorf("SIO_OPTIONS: parser: there is no %q", c.server.Parser)
	}
	if c.server.Cookie {
		opts.Engine.Cookie = &engineio.CookieOptions{}
	}
	return opts, nil
}

func (c *corsOptions) options() (*engineio.CORSOptions, error) {
	if c == nil {
		return nil, nil
	}
	out := &engineio.CORSOptions{Credentials: c.Credentials}
	var one string
	var all bool
	switch {
	case len(c.Origin) == 0:
		out.Origins = []string{"*"}
	case json.Unmarshal(c.Origin, &all) == nil:
		if !all {
			return nil, nil
		}
		out.ReflectOrigin = true
	case json.Unmarshal(c.Origin, &one) == nil:
		out.Origins = []string{one}
	default:
		if err := json.Unmarshal(c.Origin, &out.Origins); err != nil {
			return nil, fmt.Errorf("SIO_OPTIONS: cors.origin: %w", err)
		}
	}
	return out, nil
}

// recovery is connectionStateRecovery, by its official names. As officially, middleware is left out unless it is said
// not to be.
func (o *serverOptions) recovery() (*socketio.RecoveryOptions, error) {
	if r := o.ConnectionStateRecovery; r == nil || string(*r) == "null" || string(*r) == "false" {
		return nil, nil
	}
	var in struct {
		MaxDisconnectionDuration *float64 `json:"maxDisconnectionDuration"` // milliseconds
		SkipMiddlewares          *bool    `json:"skipMiddlewares"`
	}
	if string(*o.ConnectionStateRecovery) != "true" {
		if err := json.Unmarshal(*o.ConnectionStateRecovery, &in); err != nil {
			return nil, fmt.Errorf("SIO_OPTIONS: connectionStateRecovery: %w", err)
		}
	}
	return &socketio.RecoveryOptions{
		MaxDisconnectionDuration: milliseconds(in.MaxDisconnectionDuration),
		SkipMiddleware:           in.SkipMiddlewares == nil || *in.SkipMiddlewares,
	}, nil
}

// milliseconds converts an option; 0 and nothing mean the default.
func milliseconds(ms *float64) time.Duration {
	if ms == nil {
		return 0
	}
	return time.Duration(*ms * float64(time.Millisecond))
}
