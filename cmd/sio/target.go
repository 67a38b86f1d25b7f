package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser/msgpack"
)

// A target is a server and how to connect to it, as the command line says.
type target struct {
	server    string // its URL, with neither path nor password
	namespace string

	path       string
	transports list
	auth       string
	headers    list
	query      list
	insecure   bool
	ca         string
	parser     string
	timeout    time.Duration
	ackTimeout time.Duration
	verbose    bool
	loud       bool
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

const defaultTimeout = 20 * time.Second

// flags adds the flags of t to fs. ack is how long acknowledgements are waited for by default.
func (t *target) flags(fs *flag.FlagSet, ack time.Duration) {
	fs.StringVar(&t.path, "path", "", "`PATH` of the server's requests (default /socket.io/)")
	fs.Var(&t.transports, "transport", "`LIST` of transports, by preference (default polling,websocket)")
	fs.StringVar(&t.auth, "auth", "", "`JSON` object that is sent as auth; @FILE reads it from there")
	fs.Var(&t.headers, "header", "\"`NAME: VALUE`\" sent with each request; may be repeated")
	fs.Var(&t.query, "query", "`NAME=VALUE` sent with each request; may be repeated")
	fs.BoolVar(&t.insecure, "insecure", false, "accept any certificate of the server")
	fs.StringVar(&t.ca, "ca", "", "`FILE` with the certificates to trust, in PEM form")
	fs.StringVar(&t.parser, "parser", "json", "`NAME` of the parser at both ends: json, msgpack")
	fs.DurationVar(&t.timeout, "timeout", defaultTimeout, "`TIME` to connect (default 20s)")
	fs.DurationVar(&t.ackTimeout, "ack-timeout", ack,
		fmt.Sprintf("`TIME` to wait for an acknowledgement (default %v)", ack))
	fs.BoolVar(&t.verbose, "v", false, "show the layers: DNS, TCP, TLS, HTTP, Engine.IO, Socket.IO")
	fs.BoolVar(&t.loud, "vv", false, "show every request and packet, with what is secret in them")
}

// verbosity is 0, 1 for -v or 2 for -vv.
func (t *target) verbosity() int {
	switch {
	case t.loud:
		return 2
	case t.verbose:
		return 1
	}
	return 0
}

// options takes the URL apart, and returns the options of the client.
func (t *target) options(rawURL string) (*client.Options, error) {
	opts := &client.Options{
		ConnectTimeout: t.timeout,
		Engine:         engineio.DialOptions{Path: t.path, Header: http.Header{"User-Agent": {"sio"}}},
		Socket:         client.SocketOptions{AckTimeout: t.ackTimeout},
		Logger:         slog.New(slog.DiscardHandler), // the commands say what goes wrong
	}
	if t.timeout <= 0 || t.ackTimeout <= 0 {
		return nil, fmt.Errorf("a timeout must be more than 0")
	}
	if err := t.locate(rawURL, opts.Engine.Header); err != nil {
		return nil, err
	}
	for _, l := range t.transports {
		for name := range strings.SplitSeq(l, ",") {
			if name = strings.TrimSpace(name); !slices.Contains([]string{"polling", "websocket"}, name) {
				return nil, fmt.Errorf("there is no transport %q, but polling and websocket", name)
			}
			opts.Engine.Transports = append(opts.Engine.Transports, name)
		}
	}
	for _, q := range t.query {
		name, value, _ := strings.Cut(q, "=")
		if opts.Engine.Query == nil {
			opts.Engine.Query = url.Values{}
		}
		opts.Engine.Query.Add(name, value)
	}
	for _, h := range t.headers {
		if err := addHeader(opts.Engine.Header, h); err != nil {
			return nil, err
		}
	}
	switch t.parser {
	case "json":
	case "msgpack":
		opts.Parser = msgpack.Parser(nil)
	default:
		return nil, fmt.Errorf("there is no parser %q, but json and msgpack", t.parser)
	}
	var err error
	if opts.Socket.Auth, err = parseAuth(t.auth); err != nil {
		return nil, err
	}
	opts.Engine.TLS, err = t.tls()
	return opts, err
}

// portAlone matches a URL that has a port, and maybe more, but no host.
var portAlone = regexp.MustCompile(`^[0-9]+([/?#]|$)`)

// locate finds the server and the namespace in rawURL. A port alone, or no scheme, is enough. A name and a password
// become a header, so that they are never shown.
func (t *target) locate(rawURL string, header http.Header) error {
	text := rawURL
	switch {
	case portAlone.MatchString(text):
		text = "http://localhost:" + text
	case strings.HasPrefix(text, ":"):
		text = "http://localhost" + text
	case !strings.Contains(text, "://"):
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("this is not a URL") // more could repeat a password
	}
	known := slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme)
	if !known || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") {
		return fmt.Errorf("a URL is like https://example.com/namespace, not %s", quote(cutText(u.Redacted(), 100)))
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("there is no port %s: they go from 1 to 65535", cutText(port, 20))
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
		u.User = nil
	}
	if t.namespace = u.Path; t.namespace == "" {
		t.namespace = "/"
	}
	u.Path, u.RawPath, u.Fragment = "", "", ""
	t.server = u.String()
	return nil
}

func addHeader(header http.Header, line string) error {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	noToken := func(r rune) bool {
		return r <= ' ' || r >= 0x7F ||
			strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	} // RFC 9110 5.6.2
	if !ok || name == "" || strings.ContainsFunc(name, noToken) {
		return fmt.Errorf("a header is like \"Name: value\", not %s", quote(cutText(line, 40)))
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }) {
		return fmt.Errorf("the header %s holds a control character", name)
	}
	header.Add(name, value)
	return nil
}

// parseAuth reads a JSON object, or one in a @file. Without text it returns nil.
func parseAuth(text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	if name, ok := strings.CutPrefix(text, "@"); ok {
		data, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("auth: %w", err)
		}
		text = string(data)
	}
	var auth map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &auth); err != nil || auth == nil {
		return nil, fmt.Errorf("auth is not a JSON object, like {\"token\":\"...\"}")
	}
	return json.RawMessage(strings.TrimSpace(text)), nil
}

func (t *target) tls() (*tls.Config, error) {
	if !t.insecure && t.ca == "" {
		return nil, nil
	}
	c := &tls.Config{InsecureSkipVerify: t.insecure} // only if --insecure asks for it
	if t.ca != "" {
		pem, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", t.ca)
		}
	}
	return c, nil
}
