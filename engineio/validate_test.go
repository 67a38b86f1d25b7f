package engineio

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// What has one meaning is taken in any form; what has none, or several, is refused with the right form.
func TestOrigins(t *testing.T) {
	for given, want := range map[string]string{
		"*":                          "*",
		"null":                       "null",
		"https://example.com":        "https://example.com",
		"https://example.com/":       "https://example.com",
		" https://example.com ":      "https://example.com",
		"HTTPS://Example.COM":        "https://example.com",
		"https://example.com:443":    "https://example.com",
		"http://example.com:80/":     "http://example.com",
		"http://example.com:":        "http://example.com",
		"http://example.com:443":     "http://example.com:443",
		"http://localhost:3000":      "http://localhost:3000",
		"http://[::1]:3000":          "http://[::1]:3000",
		"http://[2001:DB8::1]":       "http://[2001:db8::1]",
		"capacitor://localhost":      "capacitor://localhost",
		"chrome-extension://abcdef":  "chrome-extension://abcdef",
		"file://":                    "file://",
		"https://xn--bcher-kva.test": "https://xn--bcher-kva.test",

		"":                                     "",
		"https://a.*.example.com":              "",
		"*.example.com":                        "",
		"example.com":                          "",
		"localhost:3000":                       "",
		"//example.com":                        "",
		"https://":                             "",
		"https://example.com/app":              "",
		"https://example.com?a":                "",
		"https://example.com?":                 "",
		"https://example.com#":                 "",
		"https://user@example.com":             "",
		"https://a.example, https://b.example": "",
		"https://a.example https://b.example":  "",
		"wss://example.com":                    "",
		"https://bücher.test":                  "",
		"https://example.com:99999":            "",
		"https://example.com:http":             "",
		"https:/example.com":                   "",
		"^https://.*$":                         "",
	} {
		got, right := normalOrigin(given)
		if got != want || (right == "") != (want != "") {
			t.Errorf("%q: %q, %q, want %q", given, got, right, want)
		}
		err := (&Options{CORS: &CORSOptions{Origins: []string{given}}}).Validate()
		if (err == nil) != (want != "") || err != nil && !strings.Contains(err.Error(), "write ") {
			t.Errorf("%q: %v", given, err)
		}
	}
	for given, form := range map[string]string{
		"example.com":             `"https://example.com"`,
		"https://Example.com/app": `"https://example.com"`, "wss://a.b:1": `"https://a.b:1"`,
	} {
		if _, right := normalOrigin(given); !strings.Contains(right, form) {
			t.Errorf("%q: the right form is %q", given, right)
		}
	}
}

// An origin in another form matches, for polling and for WebSocket.
func TestOriginInAnotherForm(t *testing.T) {
	bubble(t, &Options{CORS: &CORSOptions{Origins: []string{"HTTPS://A.Example:443/"}}}, func(t *testing.T, e *env) {
		a := e.do("GET", handshakeQuery, "", "Origin", "https://a.example")
		if a.header.Get("Access-Control-Allow-Origin") != "https://a.example" {
			t.Errorf("%+v", a)
		}
		p, _ := e.ws("Origin", "https://a.example")
		p.conn.Close()
	})
}

func TestOptionsThatCannotBeMeant(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"ping interval of JavaScript": {Options{PingInterval: 25000},
			"PingInterval is 25µs: a time.Duration counts nanoseconds; write 25000 * time.Millisecond"},
		"ping timeout of JavaScript":    {Options{PingTimeout: 20000}, "20000 * time.Millisecond"},
		"upgrade timeout of JavaScript": {Options{UpgradeTimeout: 10000}, "10000 * time.Millisecond"},
		"body timeout of JavaScript":    {Options{BodyTimeout: 30000}, "30000 * time.Millisecond"},
		"negative duration":             {Options{PingTimeout: -time.Second}, "PingTimeout is negative"},
		"max age of JavaScript": {Options{CORS: &CORSOptions{Origins: []string{"*"}, MaxAge: 600}},
			"600 * time.Second"},
		"more than a browser's timer": {Options{PingInterval: 30 * 24 * time.Hour}, "timer of a browser"},
		"negative size":               {Options{MaxPayload: -1}, "MaxPayload is negative"},
		"negative queue":              {Options{MaxQueueBytes: -1}, "MaxQueueBytes is negative"},
		"negative memory":             {Options{MaxMemory: -1}, "MaxMemory is negative"},
		"negative number":             {Options{MaxQueuePackets: -1}, "MaxQueuePackets is negative"},
		"path with a host":            {Options{Path: "http://a/engine.io"}, "the path alone"},
		"path with a query":           {Options{Path: "/engine.io/?a"}, "without query"},
		"path with a wildcard":        {Options{Path: "/engine.io/*"}, "MatchPrefix"},
		"path of a mux":               {Options{Path: "/engine.io/{rest...}"}, "MatchPrefix"},
		"path with an escape":         {Options{Path: "/a%20b/"}, "without escapes"},
		"path with a blank":           {Options{Path: "/engine.io /"}, "without blanks"},
		"transport of another name":   {Options{Transports: []string{"ws"}}, `write "websocket"`},
		"unknown transport": {Options{Transports: []string{"carrier pigeon"}},
			`there are "polling", "websocket" and "webtransport"`},
		"no origins": {Options{CORS: &CORSOptions{}}, "CORS without origins"},
		"credentials for all": {Options{CORS: &CORSOptions{Origins: []string{"*"}, Credentials: true}},
			"list the origins"},
		"cookie's age of JavaScript":     {Options{Cookie: &CookieOptions{MaxAge: 600}}, "600 * time.Second"},
		"wildcard of a top-level domain": {Options{CORS: &CORSOptions{Origins: []string{"https://*.com"}}}, "a domain"},
		"cookie":                         {Options{Cookie: &CookieOptions{Name: "a b"}}, "cookie"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.o.Validate()
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want one error with %q", err, c.want)
			}
			var logged strings.Builder
			c.o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			got := NewServer(nil, &c.o).Options()
			if strings.Count(logged.String(), "level=ERROR") != 1 {
				t.Errorf("logged %s", &logged)
			}
			def := NewServer(nil, nil).Options() // what is wrong has its default
			if got.PingInterval != def.PingInterval || got.PingTimeout != def.PingTimeout ||
				got.UpgradeTimeout != def.UpgradeTimeout ||
				got.BodyTimeout != def.BodyTimeout || got.MaxPayload != def.MaxPayload ||
				got.MaxQueueBytes != def.MaxQueueBytes ||
				got.MaxQueuePackets != def.MaxQueuePackets || got.Path != def.Path ||
				!slices.Equal(got.Transports, def.Transports) {
				t.Errorf("options are %+v", got)
			}
		})
	}
}

func TestOptionsInAnotherForm(t *testing.T) {
	o := Options{
		Path: "engine.io", Transports: []string{"WebSocket", " polling"}, PingInterval: time.Millisecond,
		CORS: &CORSOptions{Origins: []string{"*"}, Methods: []string{"get", "POST"}},
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	got := NewServer(nil, &o).Options()
	if got.Path != "/engine.io/" || !slices.Equal(got.Transports, []string{"websocket", "polling"}) ||
		!slices.Equal(got.CORS.Methods, []string{"GET", "POST"}) {
		t.Errorf("%+v", got)
	}
	if o.Transports[0] != "WebSocket" || o.CORS.Methods[0] != "get" {
		t.Error("the caller's options were changed")
	}
}
