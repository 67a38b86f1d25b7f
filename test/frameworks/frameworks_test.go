// Package frameworks runs the server below web frameworks, behind middleware whose ResponseWriter can do less than that
// of net/http.
package frameworks

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
)

// plainWriter is what much middleware makes of a ResponseWriter: it can neither flush nor be hijacked, nor unwrapped.
type plainWriter struct {
	http.ResponseWriter
	status int
}

func (w *plainWriter) WriteHeader(code int) {
	w.status = code
	w.ResponseWriter.WriteHeader(code)
}

func plain(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		h.ServeHTTP(&plainWriter{ResponseWriter: w}, r)
	})
}

func inGin(io http.Handler) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(gin.Recovery())
	g.Any("/socket.io/*any", gin.WrapH(io))
	return g
}

func inEcho(io http.Handler) http.Handler {
	e := echo.New()
	e.Any("/socket.io/*", echo.WrapHandler(io))
	return e
}

// Flush and Hijack of gin and echo panic if what they wrap has neither. Polling works all the same, an upgrade that
// cannot be costs nothing, and whoever wants a WebSocket is told so.
func TestFrameworks(t *testing.T) {
	for name, c := range map[string]struct {
		mount     func(http.Handler) http.Handler
		webSocket bool
	}{
		"gin":          {inGin, true},
		"echo":         {inEcho, true},
		"gin, plain":   {func(h http.Handler) http.Handler { return plain(inGin(h)) }, false},
		"echo, plain":  {func(h http.Handler) http.Handler { return plain(inEcho(h)) }, false},
		"plain in gin": {func(h http.Handler) http.Handler { return inGin(plain(h)) }, false},
	} {
		for _, transports := range [][]string{{"polling"}, {"websocket"}, nil} {
			t.Run(name+"/"+strings.Join(transports, ","), func(t *testing.T) {
				io := socketio.NewServer(nil)
				io.OnConnection(func(s *socketio.Socket) {
					s.On("echo", func(_ context.Context, e *socketio.Event) error {
						var text string
						if err := e.Bind(&text); err != nil {
							return err
						}
						return e.Ack(text)
					})
				})
				srv := httptest.NewServer(c.mount(io))
				defer srv.Close()
				defer io.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s, err := client.Dial(ctx, srv.URL,
					&client.Options{Engine: engineio.DialOptions{Transports: transports}})
				if !c.webSocket && len(transports) > 0 && transports[0] == "websocket" {
					if err == nil {
						s.Close()
						t.Error("a WebSocket through a ResponseWriter that cannot be hijacked")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				long := rand.Text() // which does not compress to nothing
				for len(long) < 100_000 {
					long += rand.Text()
				}
				for range 5 {
					args, err := s.EmitWithAck(ctx, "echo", long)
					if err != nil {
						t.Fatal(err)
					}
					var got string
					if err := args.Bind(&got); err != nil || got != long {
						t.Fatalf("%d bytes, %v", len(got), err)
					}
				}
				if st := io.Engine().Stats(); st.Opened != 1 || st.Rejected[engineio.RejectPanic] != 0 {
					t.Errorf("%+v", st)
				}
			})
		}
	}
}
