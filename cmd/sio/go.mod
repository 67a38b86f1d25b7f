module sio.example/socketio/cmd/sio

go 1.26.0

replace sio.example/socketio => ../../

require (
	golang.org/x/sys v0.49.0
	golang.org/x/term v0.47.0
	sio.example/socketio v0.0.0-00010101000000-000000000000
)

require github.com/go-json-experiment/json v1.27.2 // indirect
