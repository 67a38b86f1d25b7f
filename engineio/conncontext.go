package engineio

import (
	"context"
	"net"

	"sio.example/socketio/internal/websocket"
)

// ConnContext is for http.Server.ConnContext. It bounds what the kernel holds for a client on polling that does not
// read its answers, and for how long it waits for one that is gone; connections of WebSockets get the same in any case.
// It sets TCP_NOTSENT_LOWAT to 128 KiB where there is such a thing (Linux, macOS), and TCP_USER_TIMEOUT (Linux) to the
// time after which a client must have answered a ping. It looks through connections that have NetConn, as those of TLS
// do, or SyscallConn; of others it knows nothing. What comes in is not limited, which might be for another handler of
// the http.Server. It returns ctx.
func (s *Server) ConnContext(ctx context.Context, c net.Conn) context.Context {
	websocket.Tune(c, s.silence(), -1)
	return ctx
}
