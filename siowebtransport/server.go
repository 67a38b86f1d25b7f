package siowebtransport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"
)

// Limits of a QUIC connection.
const (
	maxStreams     = 32              // open at a time, requests and sessions together
	maxUniStreams  = 16              // HTTP/3 itself has three
	maxIdle        = 2 * time.Minute // without a packet of the peer's
	keepAlive      = 45 * time.Second
	manyConnecting = 128 // handshakes at a time, above which addresses are verified first
)

// A Server listens for QUIC connections and serves HTTP/3 and WebTransport on them. Its fields are not changed once it
// serves. Its methods may be called from any goroutine.
type Server struct {
	Addr string // of UDP, for ListenAndServe and ListenAndServeTLS; default ":443"

	// Handler gets the requests, CONNECT among them: it is the handler of the http.Server beside this one. A
	// *socketio.Server or *engineio.Server in it makes sessions of those that are WebTransport, if its option
	// Transports lists "webtransport". Default: http.DefaultServeMux.
	Handler http.Handler

	TLSConfig      *tls.Config   // has the certificate, unless ListenAndServeTLS gets it; it is not changed
	MaxHeaderBytes int           // of a request; default 32 KiB
	MaxUnread      int           // bytes of a connection that have come and are not read yet; default 128 KiB
	IdleTimeout    time.Duration // for a connection without a request and a session; default 30 s
	Logger         *slog.Logger  // default: slog.Default, of which it gets warnings and errors only

	once       sync.Once
	wt         *webtransport.Server
	connecting atomic.Int64 // connections that are being established

	mu        sync.Mutex // a leaf
	closed    bool
	listeners map[*listener]struct{}
	active    int           // requests and sessions
	idle      chan struct{} // closed when active is 0; made by a Shutdown that waits
}

// A listener is one that Serve serves.
type listener struct {
	*quic.Listener
	transport *quic.Transport
	packets   net.PacketConn
}

// close ends all connections of the listener.
func (l *listener) close() {
	l.Close()
	l.transport.Close()
	l.packets.Close()
}

// init is what a Server needs before it serves.
func (s *Server) init() {
	s.once.Do(func() {
		log := s.Logger
		if log == nil {
			log = slog.New(quiet{slog.Default().Handler()})
		}
		s.wt = &webtransport.Server{
			H3: &http3.Server{
				Handler: http.HandlerFunc(s.serve), MaxHeaderBytes: cmp.Or(max(s.MaxHeaderBytes, 0), 32<<10),
				EnableDatagrams: true, Logger: log,
			},
			CheckOrigin: func(*http.Request) bool { return true }, // the handler does
		}
		s.listeners = map[*listener]struct{}{}
	})
}

// quiet is a handler without what is said of every connection and request.
type quiet struct{ slog.Handler }

// Enabled reports whether something is a warning, or worse.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

// ListenAndServe listens on Addr, and serves until Shutdown or Close. It always returns an error, after these
// [http.ErrServerClosed].
func (s *Server) ListenAndServe() error {
	packets, err := net.ListenPacket("udp", cmp.Or(s.Addr, ":443"))
	if err != nil {
		return fmt.Errorf("siowebtransport: %w", err)
	}
	return s.Serve(packets)
}

// ListenAndServeTLS is ListenAndServe with a certificate, and what it is signed by, of a file.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return fmt.Errorf("siowebtransport: %w", err)
	}
	config := &tls.Config{}
	if s.TLSConfig != nil {
		config = s.TLSConfig.Clone()
	}
	config.Certificates = append(config.Certificates, cert)
	packets, err := net.ListenPacket("udp", cmp.Or(s.Addr, ":443"))
	if err != nil {
		return fmt.Errorf("siowebtransport: %w", err)
	}
	return s.serveOn(packets, config)
}

// Serve serves the connections that come by a UDP socket, until Shutdown or Close. It owns the socket, and always
// returns an error, after these [http.ErrServerClosed]. It may be called for several sockets at the same time.
func (s *Server) Serve(packets net.PacketConn) error { return s.serveOn(packets, s.TLSConfig) }

var errCertificate = errors.New("siowebtransport: no certificate in TLSConfig")

func (s *Server) serveOn(packets net.PacketConn, config *tls.Config) error {
	s.init()
	if config == nil ||
		len(config.Certificates) == 0 && config.GetCertificate == nil && config.GetConfigForClient == nil {
		packets.Close()
		return errCertificate
	}
	transport := &quic.Transport{
		Conn: packets, ConnContext: s.connContext,
		VerifySourceAddress: func(net.Addr) bool { return s.connecting.Load() > manyConnecting },
	}
	ln, err := transport.Listen(http3.ConfigureTLSConfig(config), s.quicConfig())
	if err != nil {
		packets.Close()
		return fmt.Errorf("siowebtransport: %w", err)
	}
	l := &listener{ln, transport, packets}
	if !s.add(l) {
		l.close()
		return http.ErrServerClosed
	}
	for {
		qc, err := l.Accept(context.Background())
		if err != nil {
			if s.remove(l) {
				l.close()
				return fmt.Errorf("siowebtransport: %w", err)
			}
			return http.ErrServerClosed // Close, or Shutdown, sees to the rest
		}
		connOf(qc.Context()).established(qc)
		go s.serveConn(qc) // owned by the connection, ends with it and its handlers; it is none once the server is closed
	}
}

// quicConfig limits what one peer can take. There is no 0-RTT, so nobody can replay a request.
func (s *Server) quicConfig() *quic.Config {
	unread := uint64(cmp.Or(max(s.MaxUnread, 0), 128<<10))
	return &quic.Config{
		MaxIncomingStreams:               maxStreams,
		MaxIncomingUniStreams:            maxUniStreams,
		InitialStreamReceiveWindow:       unread,
		MaxStreamReceiveWindow:           unread,
		InitialConnectionReceiveWindow:   unread,
		MaxConnectionReceiveWindow:       unread,
		MaxIdleTimeout:                   maxIdle,
		KeepAlivePeriod:                  keepAlive,
		EnableDatagrams:                  true,
		EnableStreamResetPartialDelivery: true,
	}
}

// add makes a listener known, unless the server is closed.
func (s *Server) add(l *listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.listeners[l] = struct{}{}
	}
	return !s.closed
}

// remove reports whether a listener has ended by itself.
func (s *Server) remove(l *listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		delete(s.listeners, l)
	}
	return !s.closed
}

func (s *Server) serveConn(qc *quic.Conn) {
	if err := s.wt.ServeQUICConn(qc); err != nil {
		s.wt.H3.Logger.Debug("siowebtransport: connection", "error", err)
		qc.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeInternalError), "")
	}
}

// Shutdown lets no new connection and no new request in, and waits until no session and no request is left or ctx is
// done; then it does what Close does, and returns an error that matches ctx.Err(). It ends no session: shut down the
// socketio.Server first. It may be called more than once.
func (s *Server) Shutdown(ctx context.Context) error {
	var idle chan struct{}
	s.mu.Lock()
	s.closed = true
	if s.active > 0 {
		if s.idle == nil {
			s.idle = make(chan struct{})
		}
		idle = s.idle
	}
	listeners := s.listenersLocked()
	s.mu.Unlock()
	for _, l := range listeners {
		l.Close() // its connections go on
	}
	var err error
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return errors.Join(err, s.Close())
}

// Close closes all connections, and returns when nothing of them is left but handlers that have not returned. It
// returns nil, and may be called more than once, also during Shutdown.
func (s *Server) Close() error {
	s.init()
	s.mu.Lock()
	s.closed = true
	listeners := s.listenersLocked()
	clear(s.listeners)
	s.mu.Unlock()
	s.wt.Close()
	for _, l := range listeners {
		l.close()
	}
	return nil
}

func (s *Server) listenersLocked() []*listener {
	all := make([]*listener, 0, len(s.listeners))
	for l := range s.listeners {
		all = append(all, l)
	}
	return all
}
