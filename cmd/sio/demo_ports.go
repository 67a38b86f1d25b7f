package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"

	"sio.example/socketio/siowebtransport"
)

// ports are where a demo listens.
type ports struct {
	tcp  []net.Listener
	udp  []net.PacketConn // of WebTransport, if wanted: the same numbers
	cert *tls.Certificate // of WebTransport
}

// openPorts opens the port, and that of UDP with its number if WebTransport is wanted.
func openPorts(ctx context.Context, addr string, port int, webTransport bool) (*ports, error) {
	lns, err := listen(ctx, addr, port)
	if err != nil {
		return nil, err
	}
	at := &ports{tcp: lns}
	if !webTransport {
		return at, nil
	}
	os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") // a demo needs no large buffers of UDP
	cert, err := siowebtransport.NewCertificate()
	if err != nil {
		at.close()
		return nil, err
	}
	at.cert = &cert
	for range 10 { // a number that is free for TCP need not be free for UDP
		if err = at.openUDP(ctx); err == nil {
			return at, nil
		}
		at.close()
		if port > 0 || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		if at.tcp, err = listenPort(ctx, addr, 0); err != nil {
			return nil, err
		}
	}
	return nil, err
}

// openUDP opens what tcp has for UDP.
func (at *ports) openUDP(ctx context.Context) error {
	var lc net.ListenConfig
	for _, ln := range at.tcp {
		packets, err := lc.ListenPacket(ctx, "udp", ln.Addr().String())
		if err != nil {
			return err
		}
		at.udp = append(at.udp, packets)
	}
	return nil
}

// close closes what is open.
func (at *ports) close() {
	for _, ln := range at.tcp {
		ln.Close()
	}
	for _, packets := range at.udp {
		packets.Close()
	}
	at.tcp, at.udp = nil, nil
}

// transports are those that the server offers; nil are the usual ones.
func (at *ports) transports() []string {
	if at.cert == nil {
		return nil
	}
	return []string{"polling", "websocket", "webtransport"}
}

// certificateHash is nil without WebTransport.
func (at *ports) certificateHash() []byte {
	if at.cert == nil {
		return nil
	}
	hash := siowebtransport.CertificateHash(*at.cert)
	return hash[:]
}

// webTransport is the server for udp.
func (at *ports) webTransport(h http.Handler, log *slog.Logger) *siowebtransport.Server {
	s := &siowebtransport.Server{Handler: h, Logger: log}
	if at.cert != nil {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*at.cert}}
	}
	return s
}

// listen opens the port. A negative port is the default one, or a free one if that is taken.
func listen(ctx context.Context, addr string, port int) ([]net.Listener, error) {
	if port >= 0 {
		return listenPort(ctx, addr, port)
	}
	lns, err := listenPort(ctx, addr, defaultPort)
	if errors.Is(err, syscall.EADDRINUSE) {
		return listenPort(ctx, addr, 0)
	}
	return lns, err
}

// listenPort opens one port. The name localhost has two addresses, and browsers try one of them first: without both,
// the page could be that of another server, which has the other address.
func listenPort(ctx context.Context, addr string, port int) ([]net.Listener, error) {
	var lc net.ListenConfig
	if addr != "localhost" {
		ln, err := lc.Listen(ctx, "tcp", net.JoinHostPort(addr, strconv.Itoa(port)))
		return []net.Listener{ln}, err
	}
	var err error
	for range 10 { // a port that is free on one address need not be free on the other
		var v4, v6 net.Listener
		if v4, err = lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
			return nil, err
		}
		at := strconv.Itoa(v4.Addr().(*net.TCPAddr).Port)
		if v6, err = lc.Listen(ctx, "tcp6", net.JoinHostPort("::1", at)); err == nil {
			return []net.Listener{v4, v6}, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return []net.Listener{v4}, nil // a machine without IPv6
		}
		v4.Close()
		if port != 0 {
			break
		}
	}
	return nil, err
}
