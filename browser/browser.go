// Package browser holds the JavaScript client that the server hands to pages. Its sources are the ES
// modules in src; dist holds them bundled, and only what is in dist is compiled in.
//
// The package promises bytes and their entity tags; serving them is the server's business.
package browser

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"slices"
)

//go:embed dist
var dist embed.FS

// names are the files a page may ask for, in the order Names returns them.
var names = []string{
	"socket.io.esm.js",
	"socket.io.esm.min.js",
	"socket.io.js",
	"socket.io.min.js",
}

type file struct {
	content []byte
	etag    string
}

// files is made once, before main, and only read from then on.
var files = load()

// load reads what was embedded. A missing file is a mistake of the build, which the tests find; it is
// then a file like any other that does not exist.
func load() map[string]file {
	m := make(map[string]file, len(names))
	for _, name := range names {
		content, err := dist.ReadFile("dist/" + name)
		if err != nil {
			continue
		}
		sum := sha256.Sum256(content)
		m[name] = file{content, fmt.Sprintf("%q", base64.RawURLEncoding.EncodeToString(sum[:15]))}
	}
	return m
}

// File returns a file of the client, such as "socket.io.min.js", and its strong entity tag (RFC 9110
// 8.8.3) in quotes, which changes with the content and with nothing else. ok is false for any other
// name. The content is UTF-8 JavaScript, shared by all callers: do not change it. File may be called by
// several goroutines at the same time.
func File(name string) (content []byte, etag string, ok bool) {
	f, ok := files[name]
	return f.content, f.etag, ok
}

// Names returns the names that File knows, sorted: the classic script socket.io.js, which makes a global
// io, the ES module socket.io.esm.js, and either of them minified (.min.js).
func Names() []string { return slices.Clone(names) }
