package chat_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"sio.example/socketio"
	"sio.example/socketio/examples/chat"
)

func ExampleNew() {
	io := socketio.NewServer(nil)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/", chat.New(io))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	io.Close()
	// Output: 200 text/html; charset=utf-8
}
