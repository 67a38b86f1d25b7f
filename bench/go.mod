module sio.example/socketio/bench

go 1.26.0

replace sio.example/socketio => ../

require (
	github.com/gorilla/websocket v1.5.3
	sio.example/socketio v0.0.0-00010101000000-000000000000
)

require github.com/go-json-experiment/json v1.27.2 // indirect
