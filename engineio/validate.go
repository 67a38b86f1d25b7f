package engineio

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/units"
)

// Validate reports options that no server can keep, or that nobody can mean: unknown transports, origins that no
// browser sends, durations that are a number of milliseconds, credentials for every origin, a cookie that cannot be
// sent. Each message has the right form. NewServer logs the same at error level and goes on with the default in place
// of what is wrong; a program that would rather not start asks here first.
func (o *Options) Validate() error {
	if o == nil {
		return nil
	}
	_, errs := o.checked()
	return errors.Join(errs...)
}

// checked returns a copy without what is wrong, and with one form for what has several.
func (o *Options) checked() (Options, []error) {
	d := *o
	var c checks
	c.path(&d)
	c.duration("PingInterval", &d.PingInterval)
	c.duration("PingTimeout", &d.PingTimeout)
	c.duration("UpgradeTimeout", &d.UpgradeTimeout)
	c.duration("BodyTimeout", &d.BodyTimeout)
	if d.PingInterval > maxTimer || d.PingTimeout > maxTimer || d.PingInterval+d.PingTimeout > maxTimer {
		c.failf("PingInterval and PingTimeout make %v: the timer of a browser ends after %v, and goes off at once beyond",
			d.PingInterval+d.PingTimeout, maxTimer)
		d.PingInterval, d.PingTimeout = 0, 0
	}
	size(&c, "MaxPayload", &d.MaxPayload)
	size(&c, "MaxQueueBytes", &d.MaxQueueBytes)
	size(&c, "MaxQueuePackets", &d.MaxQueuePackets)
	size(&c, "MaxMemory", &d.MaxMemory)
	size(&c, "CompressionThreshold", &d.CompressionThreshold)
	d.Encoders = c.encoders(d.Encoders)
	d.Deflate = checkDeflate(d.Deflate, c.failf)
	d.Transports = c.transports(d.Transports)
	if d.CORS != nil {
		d.CORS = c.cors(*d.CORS)
	}
	if d.Cookie != nil {
		cookie := *d.Cookie
		c.age("Cookie.MaxAge", &cookie.MaxAge)
		d.Cookie = &cookie
		if err := checkCookie(d.Cookie.cookie("id")); err != nil {
			c.errs = append(c.errs, err)
			d.Cookie = nil
		}
	}
	return d, c.errs
}

// maxTimer is the longest that setTimeout takes (HTML standard, timers; 32 bits of milliseconds in all engines).
const maxTimer = math.MaxInt32 * time.Millisecond

type checks struct{ errs []error }

func (c *checks) failf(format string, args ...any) {
	c.errs = append(c.errs, errtext.Errorf("engineio: "+format, args...))
}

// duration refuses what is negative, and the milliseconds of JavaScript: 25000 is 25 microseconds here.
func (c *checks) duration(name string, d *time.Duration) {
	if err := units.Check(name, *d, time.Millisecond); err != nil {
		c.errs = append(c.errs, errtext.Errorf("engineio: %w", err))
		*d = 0
	}
}

func size[T int | int64](c *checks, name string, v *T) {
	if *v < 0 {
		c.failf("%s is negative (%d): 0 means the default", name, *v)
		*v = 0
	}
}

func (c *checks) encoders(all []Encoder) (right []Encoder) {
	for i, e := range all {
		switch {
		case e.Append == nil:
			c.failf("Encoders[%d] (%q) has no Append", i, e.Coding)
		case e.Coding == "" || e.Coding != strings.ToLower(e.Coding) || strings.ContainsAny(e.Coding, " \t\r\n,;=*"):
			c.failf("Encoders[%d] has the Coding %q: write a name as in Accept-Encoding, such as \"br\"", i, e.Coding)
		default:
			right = append(right, e)
		}
	}
	return right
}

func (c *checks) path(d *Options) {
	right := ""
	switch p := d.Path; {
	case strings.Contains(p, "://"):
		right = "the path alone, as in /socket.io/"
	case strings.ContainsAny(p, "?#"):
		right = "the path without query and fragment, as in /socket.io/"
	case strings.ContainsAny(p, "*{}"):
		right = `one path without wildcards, as in /socket.io/; MatchPrefix is for all below it`
	case strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		right = "the path without blanks, as in /socket.io/"
	default:
		plain, err := url.PathUnescape(p)
		if err == nil && plain == p {
			return
		}
		right = "the path without escapes, as net/http has it"
	}
	c.failf("Path %q matches no request: write %s", d.Path, right)
	d.Path = ""
}

func (c *checks) transports(all []string) (known []string) {
	for _, name := range all {
		switch t := strings.ToLower(strings.TrimSpace(name)); t {
		case transportPolling, transportWebSocket, transportStream:
			known = append(known, t)
		case "xhr", "xhr-polling", "http", "https", "long-polling":
			c.failf("unknown transport %q: write %q", name, transportPolling)
		case "ws", "wss", "web-socket":
			c.failf("unknown transport %q: write %q", name, transportWebSocket)
		default:
			c.failf("unknown transport %q: there are %q, %q and %q", name, transportPolling, transportWebSocket, transportStream)
		}
	}
	return known
}

func (c *checks) cors(o CORSOptions) *CORSOptions {
	if len(o.Origins) == 0 && o.AllowOrigin == nil && !o.ReflectOrigin {
		c.failf(`CORS without origins: list them, as in "https://example.com"`)
	}
	var origins []string
	o.wildcards = nil
	for _, given := range o.Origins {
		origin, wild, right := originOrWildcard(given)
		switch {
		case right != "":
			c.failf("CORS: no browser sends the origin %q: write %s", given, right)
			continue
		case wild != nil:
			o.wildcards = append(o.wildcards, *wild)
		}
		origins = append(origins, origin)
	}
	o.Origins = origins
	if s := o.PreflightStatus; s != 0 && (s < 200 || s > 299) {
		c.failf("CORS.PreflightStatus %d: browsers take 200 to 299 for success", s)
		o.PreflightStatus = 0
	}
	if o.Credentials && slices.Contains(origins, "*") {
		c.failf(`CORS credentials for every origin: list the origins, as in "https://example.com"; ` +
			`ReflectOrigin is for all, whatever their pages do`)
		o.Credentials = false
	}
	o.Methods = slices.Clone(o.Methods)
	for i, m := range o.Methods { // "get" has one meaning
		o.Methods[i] = strings.ToUpper(strings.TrimSpace(m))
	}
	c.age("CORS.MaxAge", &o.MaxAge)
	return &o
}

// age refuses what is no number of seconds.
func (c *checks) age(name string, d *time.Duration) {
	if err := units.Check(name, *d, time.Second); err != nil {
		c.errs = append(c.errs, errtext.Errorf("engineio: %w", err))
		*d = 0
	}
}

// originOrWildcard returns an origin as normalOrigin does, or "https://*.example.com", which stands for those of all
// subdomains. All below a top-level domain belong to nobody, so it is refused.
func originOrWildcard(given string) (origin string, wild *wildcard, right string) {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(given), "://*.")
	if !ok {
		origin, right = normalOrigin(given)
		return origin, nil, right
	}
	base, right := normalOrigin(scheme + "://" + rest)
	if right != "" {
		return "", nil, right + `, with "*." before the domain`
	}
	scheme, host, _ := strings.Cut(base, "://")
	name, _, _ := strings.Cut(host, ":")
	name = strings.Trim(name, ".") // a name with the root is another origin, and as far up
	if !strings.Contains(name, ".") && name != "localhost" || strings.HasPrefix(host, "[") {
		return "", nil, `a domain, as in "https://*.example.com"`
	}
	return scheme + "://*." + host, &wildcard{scheme + "://", "." + host}, ""
}

// normalOrigin returns an origin as browsers send it (Fetch and HTML standards, serialization of an origin): scheme and
// host in lower case, without the scheme's own port and without a path. What has no single meaning is refused; right
// tells what to write.
func normalOrigin(given string) (origin, right string) {
	o := strings.TrimSpace(given)
	switch {
	case o == "*" || o == "null":
		return o, ""
	case o == "":
		return "", `one, as in "https://example.com", or "*" for any`
	case strings.ContainsAny(o, ", \t\r\n"):
		return "", "one origin for each entry of the list"
	case strings.Contains(o, "*"):
		return "", `"https://*.example.com" for all subdomains, or each origin; CORS.AllowOrigin can decide about others`
	}
	scheme, rest, ok := strings.Cut(o, "://")
	if !ok {
		return "", fmt.Sprintf("the scheme, too, as in %q", "https://"+strings.Trim(o, "/"))
	}
	scheme = strings.ToLower(scheme)
	if scheme == "ws" || scheme == "wss" {
		return "", fmt.Sprintf("the scheme of the page, as in %q", "http"+strings.TrimPrefix(scheme, "ws")+"://"+rest)
	}
	if strings.Trim(rest, "/") == "" && scheme != "http" && scheme != "https" {
		return scheme + "://", "" // file:// of some web views
	}
	u, err := url.Parse(scheme + "://" + rest)
	switch {
	case err != nil || u.Host == "":
		return "", `a URL, as in "https://example.com"`
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(rest, "#") ||
		strings.Trim(u.Path, "/") != "":
		return "", fmt.Sprintf("the origin alone, as in %q", scheme+"://"+strings.ToLower(u.Host))
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r >= 0x80 }) || strings.Contains(u.Host, "%"):
		return "", `the host in ASCII, as browsers do ("xn--...")`
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > 65535) {
		return "", "a port up to 65535, as in " + strconv.Quote(scheme+"://"+host+":8080")
	}
	if port != "" && !(scheme == "http" && port == "80") && !(scheme == "https" && port == "443") {
		host += ":" + strings.TrimLeft(port, "0")
	}
	return scheme + "://" + host, ""
}

func checkCookie(c *http.Cookie) error {
	if err := c.Valid(); err != nil {
		return errtext.Errorf("engineio: cookie: %w", err)
	}
	if c.SameSite == http.SameSiteNoneMode && !c.Secure {
		return errtext.New("engineio: cookie: SameSite=None needs Secure")
	}
	return nil
}
