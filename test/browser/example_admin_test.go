package browser

import (
	"net/http"

	"golang.org/x/crypto/bcrypt"

	socketio "sio.example/socketio"
	"sio.example/socketio/admin"
	"sio.example/socketio/engineio"
)

// watched returns a server that the Admin UI looks into, and the UI. folder is ui/dist of the npm package.
func watched(folder string, hash []byte, readOnly bool) (io *socketio.Server, ui http.Handler, err error) {
	io = socketio.NewServer(&socketio.Options{
		Engine: engineio.Options{CORS: &engineio.CORSOptions{
			Origins: []string{"https://admin.socket.io"}, Credentials: true,
		}},
	})
	err = admin.Instrument(io, &admin.Options{
		Authenticate: admin.Basic("admin", func(password string) error {
			return bcrypt.CompareHashAndPassword(hash, []byte(password))
		}),
		ReadOnly: readOnly,
		ServerID: "server-one",
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/admin-ui/", http.StripPrefix("/admin-ui/", http.FileServer(http.Dir(folder))))
	return io, mux, err
}
