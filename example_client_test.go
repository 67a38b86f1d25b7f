package socketio_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// An exampleClient stands for a browser: it sends and receives packets as they are on the wire, by long-polling.
type exampleClient struct {
	url     string
	packets []string // received, and not read yet
}

// dialExample opens a session.
func dialExample(url string) *exampleClient {
	c := &exampleClient{url: url + "/socket.io/?EIO=4&transport=polling"}
	_, rest, _ := strings.Cut(c.read(), `"sid":"`)
	id, _, _ := strings.Cut(rest, `"`)
	c.url += "&sid=" + id
	return c
}

// connect connects to a namespace, and says whether that went well.
func (c *exampleClient) connect(namespace, auth string) string {
	c.send("40" + namespace + "," + auth)
	answer := c.read()
	if strings.HasPrefix(answer, "40") {
		return "connected"
	}
	return answer
}

func (c *exampleClient) send(packet string) {
	resp, err := http.Post(c.url, "text/plain;charset=UTF-8", strings.NewReader(packet))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close()
}

// read returns the next packet.
func (c *exampleClient) read() string {
	for len(c.packets) == 0 {
		resp, err := http.Get(c.url)
		if err != nil {
			return err.Error()
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		c.packets = strings.Split(string(body), "\x1e")
	}
	p := c.packets[0]
	c.packets = c.packets[1:]
	return p
}
