module sio.example/socketio/cmd/sio

go 1.26.0

replace (
	sio.example/socketio => ../../
	sio.example/socketio/siowebtransport => ../../siowebtransport
)

require (
	golang.org/x/sys v0.49.0
	golang.org/x/term v0.47.0
	sio.example/socketio v0.0.0-00010101000000-000000000000
	sio.example/socketio/siowebtransport v0.0.0-00010101000000-000000000000
)

require (
	github.com/dunglas/httpsfv v1.1.1 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/quic-go/qpack v0.6.0 // indirect
	github.com/quic-go/quic-go v0.64.1 // indirect
	github.com/quic-go/webtransport-go v0.13.0 // indirect
	golang.org/x/crypto v0.54.0 // indirect
	golang.org/x/net v0.56.0 // indirect
	golang.org/x/text v0.40.0 // indirect
)
