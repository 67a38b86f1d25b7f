package engineio

import (
	"cmp"
	"net/http"
	"time"
)

// CookieOptions are those of the cookie with the session id. The zero value of each means its default. Nothing needs
// the cookie but load balancers that tell servers apart by it.
type CookieOptions struct {
	Name        string        // default "io"
	Path        string        // default "/"
	OmitPath    bool          // leaves the path out, so that it is that of the request (path: false officially)
	Domain      string        // default: the server's host, without subdomains
	MaxAge      time.Duration // in whole seconds; default: as long as the browser runs
	Secure      bool          // by HTTPS only
	SameSite    http.SameSite // default Lax; http.SameSiteDefaultMode leaves it out
	Partitioned bool          // a jar for each site that the page is embedded in
	Readable    bool          // by the page's scripts; by default it is HttpOnly
}

// cookie is one with this value.
func (o *CookieOptions) cookie(value string) *http.Cookie {
	c := &http.Cookie{
		Name: cmp.Or(o.Name, "io"), Value: value, Path: cmp.Or(o.Path, "/"), Domain: o.Domain,
		MaxAge: int(o.MaxAge / time.Second), Secure: o.Secure, SameSite: cmp.Or(o.SameSite, http.SameSiteLaxMode),
		Partitioned: o.Partitioned, HttpOnly: !o.Readable,
	}
	if o.OmitPath {
		c.Path = ""
	}
	return c
}
