// Command quickstart is a whole Socket.IO application: what one page says, all pages show.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"sio.example/socketio"
)

const page = `<!doctype html><title>quickstart</title><input id="say" placeholder="say" autofocus><ul id="said"></ul>
<script src="/socket.io/socket.io.js"></script>
<script>
  const socket = io();
  say.onchange = () => { socket.emit("say", say.value); say.value = ""; };
  socket.on("say", (id, text) => said.append(Object.assign(document.createElement("li"), { textContent: id + ": " + text })));
</script>`

func main() {
	io := socketio.NewServer(nil)
	io.OnConnection(func(s *socketio.Socket) {
		s.On("say", func(ctx context.Context, e *socketio.Event) error {
			var text string
			if err := e.Bind(&text); err != nil {
				return err
			}
			return io.Emit("say", s.ID(), text)
		})
	})
	http.Handle("/socket.io/", io)
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) })
	listener, err := net.Listen("tcp", "localhost:3000")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Open http://localhost:3000 in two windows. Ctrl-C stops.")
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}
