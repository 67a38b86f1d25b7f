package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
)

// config is the environment of the program.
type config struct {
	node           string
	adapter        string
	adapterOptions adapterOptions
	redisURL       string
	postgresURL    string
	server         serverOptions
}

// serverOptions are the SIO_OPTIONS in use, by their official names; others are ignored.
type serverOptions struct {
	AllowEIO3               bool             `json:"allowEIO3"`
	PingInterval            *float64         `json:"pingInterval"` // milliseconds
	PingTimeout             *float64         `json:"pingTimeout"`
	ConnectionStateRecovery *json.RawMessage `json:"connectionStateRecovery"`
	CORS                    *corsOptions     `json:"cors"`
	Cookie                  bool             `json:"cookie"`
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
	if c.server.AllowEIO3 {
		log.Warn("allowEIO3 is not there yet")
	}
	if r := c.server.ConnectionStateRecovery; r != nil && string(*r) != "null" && string(*r) != "false" {
		log.Warn("connectionStateRecovery is not there yet")
	}
	cors, err := c.server.CORS.options()
	if err != nil {
		return nil, err
	}
	opts := &socketio.Options{
		Engine: engineio.Options{
			PingInterval: milliseconds(c.server.PingInterval),
			PingTimeout:  milliseconds(c.server.PingTimeout),
			CORS:         cors,
		},
		Logger: log,
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

// milliseconds converts an option; 0 and nothing mean the default.
func milliseconds(ms *float64) time.Duration {
	if ms == nil {
		return 0
	}
	return time.Duration(*ms * float64(time.Millisecond))
}
