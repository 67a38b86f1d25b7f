package browser_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"sio.example/socketio/browser"
)

var strongTag = regexp.MustCompile(`^"[A-Za-z0-9_-]{20}"$`)

func TestFileIsWhatDistHolds(t *testing.T) {
	onDisk := distFiles(t)
	names := slices.Sorted(maps.Keys(onDisk))
	if got := browser.Names(); !slices.Equal(got, slices.DeleteFunc(slices.Clone(names), isBrotli)) {
		t.Fatalf("Names() = %q, dist holds %q", got, names)
	}

	tags := map[string]string{}
	for _, name := range names {
		want := onDisk[name]
		content, etag, ok := browser.File(name)
		if !ok || !bytes.Equal(content, want) {
			t.Errorf("File(%q) = %d bytes, %v; want the %d bytes of dist", name, len(content), ok, len(want))
		}
		if !isBrotli(name) && !utf8.Valid(content) {
			t.Errorf("%s is not UTF-8", name)
		}
		if !strongTag.MatchString(etag) {
			t.Errorf("entity tag of %s is %s, want a strong one", name, etag)
		}
		if other, taken := tags[etag]; taken {
			t.Errorf("%s and %s have one entity tag", name, other)
		}
		tags[etag] = name
		if _, again, _ := browser.File(name); again != etag {
			t.Errorf("entity tag of %s changed from %s to %s", name, etag, again)
		}
	}
}

// distFiles are the committed files of dist, without the coding of maps. Each script has one in brotli's coding.
func distFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"dist/*.js", "dist/*.br", "dist/*.gz"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, zipped := strings.CutSuffix(filepath.Base(path), ".gz")
			if zipped {
				content = unzip(t, content)
			}
			files[name] = content
		}
	}
	for name := range files {
		if strings.HasSuffix(name, ".js") && (files[name+".br"] == nil || files[name+".map"] == nil) {
			t.Errorf("%s has no map, or no form in brotli's coding", name)
		}
	}
	return files
}

func isBrotli(name string) bool { return strings.HasSuffix(name, ".br") }

func unzip(t *testing.T, zipped []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// A map says where a debugger finds the sources, and has them with it.
func TestMapsBelongToTheirScripts(t *testing.T) {
	for _, name := range browser.Names() {
		script, ok := strings.CutSuffix(name, ".map")
		if !ok {
			continue
		}
		content, _, _ := browser.File(script)
		if link := "//# sourceMappingURL=" + name + "\n"; !bytes.HasSuffix(content, []byte(link)) {
			t.Errorf("%s does not end with %q", script, link)
		}
		var m struct {
			Version                 int
			Sources, SourcesContent []string
			Mappings                string
		}
		content, _, _ = browser.File(name)
		if err := json.Unmarshal(content, &m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if m.Version != 3 || len(m.Sources) < 10 || len(m.Sources) != len(m.SourcesContent) || m.Mappings == "" {
			t.Errorf("%s: version %d, sources %q, %d with content", name, m.Version, m.Sources, len(m.SourcesContent))
		}
	}
}

func TestFileKnowsNoOtherName(t *testing.T) {
	for _, name := range []string{"", ".", "..", "dist", "dist/socket.io.js", "../browser.go", "/socket.io.js",
		"socket.io.js/", "Socket.IO.js", "socket.io.msgpack.js", "socket.io.js.map.gz", "socket.io.js.map.br", "index.cjs"} {
		if content, etag, ok := browser.File(name); ok || content != nil || etag != "" {
			t.Errorf("File(%q) = %d bytes, %q, %v; want nothing", name, len(content), etag, ok)
		}
	}
}

func TestNamesReturnsACopy(t *testing.T) {
	browser.Names()[0] = "changed"
	if browser.Names()[0] == "changed" {
		t.Error("a caller can change the names")
	}
}

// The README promises pages no more.
func TestMinifiedFilesAreSmall(t *testing.T) {
	for name, limit := range map[string]int{
		"socket.io.min.js": 9<<10 + 512, "socket.io.esm.min.js": 9<<10 + 512, "socket.io.msgpack.min.js": 11 << 10,
	} {
		content, _, _ := browser.File(name)
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		brotli, _, _ := browser.File(name + ".br")
		t.Logf("%s: %d bytes, %d with gzip, %d with brotli", name, len(content), b.Len(), len(brotli))
		if len(content) == 0 || b.Len() > limit {
			t.Errorf("%s is %d bytes with gzip, want at most %d", name, b.Len(), limit)
		}
	}
}
