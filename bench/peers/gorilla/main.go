// Command gorilla is how one would serve the benchmark with gorilla/websocket and encoding/json, without thinking of
// Socket.IO or of speed: a goroutine and a mutex for each connection, a write for each message.
package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("want a port")
	}
	limit := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // the load says so if there are too few
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Args[1]))
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: newHub(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with the process
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGUSR2)
	fmt.Println("ready")
	for s := range signals {
		if s != syscall.SIGUSR2 {
			return
		}
		runtime.GC()
		debug.FreeOSMemory()
	}
}

type hub struct {
	mu      sync.RWMutex
	members map[*client]bool
	rooms   map[string]map[*client]bool
}

func newHub() *hub {
	return &hub{members: map[*client]bool{}, rooms: map[string]map[*client]bool{}}
}

type client struct {
	conn *websocket.Conn
	mu   sync.Mutex // of writes
}

type message struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	c := &client{conn: conn}
	defer h.leave(c)
	c.write(websocket.TextMessage, fmt.Appendf(nil,
		`0{"sid":"%s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`, rand.Text()))
	var header []byte
	for {
		kind, data, err := conn.ReadMessage()
		switch {
		case err != nil:
			return
		case kind == websocket.BinaryMessage:
			c.write(websocket.TextMessage, header)
			c.write(websocket.BinaryMessage, data)
		case len(data) < 2 || data[0] != '4': // pongs
		case data[1] == '0':
			h.mu.Lock()
			h.members[c] = true
			h.mu.Unlock()
			c.write(websocket.TextMessage, fmt.Appendf(nil, `40{"sid":"%s"}`, rand.Text()))
		case data[1] == '1':
			h.leaveRooms(c)
		case data[1] == '2':
			h.event(c, data[2:])
		case data[1] == '5':
			header = data
		}
	}
}

func (c *client) write(kind int, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.WriteMessage(kind, data) // the reader notices a connection that is gone
}

func (h *hub) leaveRooms(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.members, c)
	for _, members := range h.rooms {
		delete(members, c)
	}
}

func (h *hub) leave(c *client) {
	h.leaveRooms(c)
	_ = c.conn.Close()
}

func (h *hub) event(c *client, p []byte) {
	start := 0
	for start < len(p) && p[start] != '[' {
		start++
	}
	id := string(p[:start])
	var args []json.RawMessage
	var name string
	if json.Unmarshal(p[start:], &args) != nil || len(args) < 2 || json.Unmarshal(args[0], &name) != nil {
		return
	}
	var m message
	switch name {
	case "echo":
		if json.Unmarshal(args[1], &m) != nil {
			return
		}
		if id != "" {
			c.write(websocket.TextMessage, encode("43"+id, m))
		} else {
			c.write(websocket.TextMessage, encode("42", "echo", m))
		}
	case "bcast":
		if json.Unmarshal(args[1], &m) == nil {
			h.send(h.members, encode("42", "bcast", m))
		}
	case "join":
		var room string
		if json.Unmarshal(args[1], &room) != nil {
			return
		}
		h.mu.Lock()
		if h.rooms[room] == nil {
			h.rooms[room] = map[*client]bool{}
		}
		h.rooms[room][c] = true
		h.mu.Unlock()
		if id != "" {
			c.write(websocket.TextMessage, encode("43"+id))
		}
	case "room":
		var room string
		if len(args) > 2 && json.Unmarshal(args[1], &room) == nil && json.Unmarshal(args[2], &m) == nil {
			h.mu.RLock()
			members := h.rooms[room]
			h.mu.RUnlock()
			h.send(members, encode("42", "room", m))
		}
	}
}

func encode(head string, values ...any) []byte {
	if values == nil {
		values = []any{}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil
	}
	return append([]byte(head), text...)
}

func (h *hub) send(members map[*client]bool, data []byte) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for c := range members {
		c.write(websocket.TextMessage, data)
	}
}
