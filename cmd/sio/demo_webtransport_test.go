package main

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/siowebtransport"
)

// What the demo prints and what its page says is enough to connect.
func TestDemoByWebTransport(t *testing.T) {
	c := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer c.CloseIdleConnections()
	d := startDemo(t, "--webtransport", "--port", "0")
	_, page := fetch(t, c, d.url+"/")
	found := regexp.MustCompile(`data-certificate="([^"]+)"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the page begins with %.200s", page)
	}
	hash, err := base64.StdEncoding.DecodeString(found[1])
	if err != nil || len(hash) != sha256.Size {
		t.Fatalf("hash %q, %v", found[1], err)
	}
	dialer := &siowebtransport.Dialer{CertificateHashes: [][sha256.Size]byte{[sha256.Size]byte(hash)}}
	socket, err := client.Dial(t.Context(), d.url+"/chat", &client.Options{
		Engine: engineio.DialOptions{Transports: []string{"webtransport"}, DialStream: dialer.DialStream},
		Socket: client.SocketOptions{Auth: map[string]string{"key": strings.Repeat("k", 20)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := socket.Close(); err != nil {
		t.Error(err)
	}
	code, out := d.end(t)
	if code != 0 || !strings.Contains(out, "https://localhost:") || !strings.Contains(out, found[1]) {
		t.Errorf("got status %d and\n%s", code, out)
	}
}
