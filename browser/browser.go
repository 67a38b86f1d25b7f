// Package browser holds the JavaScript client that the server hands to pages. Its sources are the ES
// modules in src; dist holds them bundled, and only what is in dist is compiled in.
//
// The package promises bytes and their entity tags; serving them is the server's business.
package browser

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// Scripts are there as they are and as brotli makes them, for which Go has no writer. Source maps are long and seldom
// asked for: only gzip's form of them is compiled in. What else is in dist is for the npm package.
//
//go:embed dist/*.js dist/*.br dist/*.gz
var dist embed.FS

// names are the files a page may ask for, in the order Names returns them.
var names = []string{
	"socket.io.esm.js",
	"socket.io.esm.js.map",
	"socket.io.esm.min.js",
	"socket.io.esm.min.js.map",
	"socket.io.js",
	"socket.io.js.map",
	"socket.io.min.js",
	"socket.io.min.js.map",
	"socket.io.msgpack.min.js",
	"socket.io.msgpack.min.js.map",
}

type file struct {
	content []byte
	etag    string
}

// files makes each file when it is first asked for. The map is made before main, and only read from then on.
var files = func() map[string]func() file {
	m := make(map[string]func() file)
	for _, name := range names {
		m[name] = sync.OnceValue(func() file { return load(name) })
		if !strings.HasSuffix(name, ".map") {
			m[name+".br"] = sync.OnceValue(func() file { return load(name + ".br") })
		}
	}
	return m
}()

// load reads what was embedded. A missing file is a mistake of the build, which the tests find; it is
// then a file like any other that does not exist.
func load(name string) file {
	content, err := dist.ReadFile("dist/" + name)
	if strings.HasSuffix(name, ".map") {
		content, err = unzip("dist/" + name + ".gz")
	}
	if err != nil {
		return file{}
	}
	sum := sha256.Sum256(content)
	return file{content, fmt.Sprintf("%q", base64.RawURLEncoding.EncodeToString(sum[:15]))}
}

func unzip(name string) ([]byte, error) {
	zipped, err := dist.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// File returns a file of the client, such as "socket.io.min.js", and its strong entity tag (RFC 9110
// 8.8.3) in quotes, which changes with the content and with nothing else. It also has each script in brotli's
// coding, under its name and ".br". ok is false for any other name. The content is UTF-8, JavaScript or, if the
// name ends in ".map", JSON, and shared by all callers: do not change it. File may be called by several goroutines at
// the same time.
func File(name string) (content []byte, etag string, ok bool) {
	get, ok := files[name]
	if !ok {
		return nil, "", false
	}
	f := get()
	return f.content, f.etag, f.content != nil
}

// Names returns the names of what pages may ask for, sorted: the classic script socket.io.js, which makes a global io,
// the ES module socket.io.esm.js, either of them minified (.min.js), the script socket.io.msgpack.min.js, which
// speaks MessagePack, and the source map (.map) of each.
func Names() []string { return slices.Clone(names) }
