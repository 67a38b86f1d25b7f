package browser_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"regexp"
	"slices"
	"testing"
	"unicode/utf8"

	"sio.example/socketio/browser"
)

var strongTag = regexp.MustCompile(`^"[A-Za-z0-9_-]{20}"$`)

func TestFileIsWhatDistHolds(t *testing.T) {
	entries, err := os.ReadDir("dist")
	if err != nil {
		t.Fatal(err)
	}
	var onDisk []string
	for _, e := range entries {
		onDisk = append(onDisk, e.Name())
	}
	if names := browser.Names(); !slices.Equal(names, onDisk) {
		t.Fatalf("Names() = %q, dist holds %q", names, onDisk)
	}

	tags := map[string]string{}
	for _, name := range onDisk {
		want, err := os.ReadFile("dist/" + name)
		if err != nil {
			t.Fatal(err)
		}
		content, etag, ok := browser.File(name)
		if !ok || !bytes.Equal(content, want) {
			t.Errorf("File(%q) = %d bytes, %v; want the %d bytes of dist", name, len(content), ok, len(want))
		}
		if !utf8.Valid(content) {
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

func TestFileKnowsNoOtherName(t *testing.T) {
	for _, name := range []string{"", ".", "..", "dist", "dist/socket.io.js", "../browser.go", "/socket.io.js",
		"socket.io.js/", "Socket.IO.js", "socket.io.msgpack.min.js", "socket.io.js.map"} {
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

// The README promises pages at most 9.5 KiB.
func TestMinifiedFilesAreSmall(t *testing.T) {
	for _, name := range []string{"socket.io.min.js", "socket.io.esm.min.js"} {
		content, _, _ := browser.File(name)
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, %d with gzip", name, len(content), b.Len())
		if len(content) == 0 || b.Len() > 9<<10+512 {
			t.Errorf("%s is %d bytes with gzip, want at most 9.5 KiB", name, b.Len())
		}
	}
}
