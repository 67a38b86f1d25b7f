package engineio

import (
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// The bounds of a cookieJar (attack: a flood of cookies, each sent back with each request).
const (
	maxCookies    = 32
	maxCookieSize = 4 << 10
)

// A cookieJar keeps the cookies of one session, which come from one host and go back there only. When it is full the
// oldest one goes. The paths of cookies are not looked at, as all requests of a session have the same.
type cookieJar struct {
	host   string // with port, as in the URL or the Host header
	secure bool   // it is https

	mu      sync.Mutex
	cookies []jarCookie // oldest first
}

type jarCookie struct {
	name, value string
	expires     time.Time // zero for the end of the session
}

// SetCookies keeps the cookies of an answer from u.
func (j *cookieJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	if !j.ours(u) {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	for _, c := range cookies {
		if len(c.Name)+len(c.Value) > maxCookieSize || c.Secure && !j.secure || !j.covers(u, c.Domain) {
			continue
		}
		j.cookies = slices.DeleteFunc(j.cookies, func(have jarCookie) bool { return have.name == c.Name })
		k := jarCookie{name: c.Name, value: c.Value, expires: c.Expires}
		switch { // RFC 6265 5.3: Max-Age counts if there is one
		case c.MaxAge < 0:
			continue
		case c.MaxAge > 0:
			k.expires = now.Add(time.Duration(min(c.MaxAge, math.MaxInt32)) * time.Second)
		}
		if !k.expires.IsZero() && !k.expires.After(now) {
			continue
		}
		if len(j.cookies) == maxCookies {
			j.cookies = slices.Delete(j.cookies, 0, 1)
		}
		j.cookies = append(j.cookies, k)
	}
}

// Cookies are those for a request to u.
func (j *cookieJar) Cookies(u *url.URL) []*http.Cookie {
	if !j.ours(u) {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	j.cookies = slices.DeleteFunc(j.cookies, func(c jarCookie) bool {
		return !c.expires.IsZero() && !c.expires.After(now)
	})
	all := make([]*http.Cookie, len(j.cookies))
	for i, c := range j.cookies {
		all[i] = &http.Cookie{Name: c.name, Value: c.value}
	}
	return all
}

func (j *cookieJar) ours(u *url.URL) bool {
	return strings.EqualFold(u.Host, j.host) && (u.Scheme == "https") == j.secure
}

// covers reports whether a cookie with that Domain attribute is for the host of u (RFC 6265 5.1.3).
func (j *cookieJar) covers(u *url.URL, domain string) bool {
	domain = strings.ToLower(strings.TrimPrefix(domain, "."))
	host := strings.ToLower(u.Hostname())
	if domain == "" || host == domain {
		return true
	}
	_, notAddress := netip.ParseAddr(host)
	return notAddress != nil && strings.HasSuffix(host, "."+domain)
}
