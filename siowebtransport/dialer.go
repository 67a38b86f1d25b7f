package siowebtransport

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"sio.example/socketio/engineio"
)

// A Dialer makes the streams of the client's transport "webtransport": its DialStream is that of
// [engineio.DialOptions]. The zero value is ready, and may be used for any number of sessions.
type Dialer struct {
	TLSConfig *tls.Config // it is not changed; default: certificates are checked against the system's

	// CertificateHashes are those of the only certificates that are taken, signed by anybody, as long as they are
	// valid: what serverCertificateHashes is in a browser. See [CertificateHash].
	CertificateHashes [][sha256.Size]byte
}

// Times of a client's connection.
const (
	dialTimeout  = 5 * time.Second // for a packet of the server's, while it is being established
	maxErrorBody = 1 << 10         // bytes of a refusal that are kept
)

// DialStream opens a session with the server that r is for, and a stream in it. A host with several addresses is asked
// at one after another, those of IPv4 first. A refusal is an *engineio.ClientError.
func (d *Dialer) DialStream(ctx context.Context, r *http.Request) (io.ReadWriteCloser, error) {
	host, port := r.URL.Hostname(), r.URL.Port()
	if port == "" {
		port = "443"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("siowebtransport: port %q", port)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("siowebtransport: %w", err)
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.Unmap().BitLen() - b.Unmap().BitLen() })
	for _, addr := range addrs {
		var s *stream
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr.Unmap(), uint16(number)))
		if s, err = d.dial(ctx, r, host, to); err == nil {
			return s, nil
		}
		var refused *engineio.ClientError
		if ctx.Err() != nil || errors.As(err, &refused) {
			break
		}
	}
	return nil, err
}

// dial opens a session by one address. Everything of it ends with its QUIC connection.
func (d *Dialer) dial(ctx context.Context, r *http.Request, host string, to *net.UDPAddr) (*stream, error) {
	socket, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, fmt.Errorf("siowebtransport: %w", err)
	}
	transport := &quic.Transport{Conn: socket}
	closeSocket := func() {
		transport.Close()
		socket.Close()
	}
	qc, err := transport.Dial(ctx, to, d.config(host), &quic.Config{
		HandshakeIdleTimeout:             dialTimeout,
		MaxIdleTimeout:                   maxIdle,
		KeepAlivePeriod:                  keepAlive,
		MaxIncomingStreams:               -1, // none
		MaxIncomingUniStreams:            maxUniStreams,
		EnableDatagrams:                  true,
		EnableStreamResetPartialDelivery: true,
	})
	if err != nil {
		closeSocket()
		return nil, fmt.Errorf("siowebtransport: %w", err)
	}
	context.AfterFunc(qc.Context(), closeSocket)
	leave := func() { qc.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") }
	inTime := context.AfterFunc(ctx, leave)
	s, err := open(ctx, qc, r)
	if !inTime() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		leave()
		return nil, err
	}
	context.AfterFunc(s.session.Context(), leave)
	return s, nil
}

// open opens a session on a connection, and a stream in it.
func open(ctx context.Context, qc *quic.Conn, r *http.Request) (*stream, error) {
	conn, err := new(webtransport.Transport).NewClientConn(qc)
	if err != nil {
		return nil, fmt.Errorf("siowebtransport: %w", err)
	}
	u := *r.URL
	u.Scheme, u.User = "https", nil
	if r.Host != "" {
		u.Host = r.Host
	}
	res, session, err := conn.Dial(ctx, u.String(), r.Header)
	switch {
	case err != nil && res != nil:
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
		return nil, &engineio.ClientError{
			Transport: "webtransport", Message: "webtransport error", Status: res.StatusCode, Body: body,
		}
	case err != nil:
		return nil, fmt.Errorf("siowebtransport: %w", err)
	}
	str, err := session.OpenStreamSync(ctx)
	if err != nil {
		return nil, fmt.Errorf("siowebtransport: %w", err)
	}
	s := newStream(session, qc)
	s.first.Store(str)
	go s.refuseOneWay() // owned by the session, ends with it
	return s, nil
}

// config is the TLS configuration for a host.
func (d *Dialer) config(host string) *tls.Config {
	c := &tls.Config{}
	if d.TLSConfig != nil {
		c = d.TLSConfig.Clone()
	}
	c.NextProtos = []string{http3.NextProtoH3}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if len(d.CertificateHashes) > 0 {
		c.InsecureSkipVerify = true // but see VerifyConnection
		verify := c.VerifyConnection
		c.VerifyConnection = func(state tls.ConnectionState) error {
			leaf, now := state.PeerCertificates[0], time.Now()
			switch {
			case !slices.Contains(d.CertificateHashes, sha256.Sum256(leaf.Raw)):
				return errors.New("siowebtransport: the certificate's hash is not among CertificateHashes")
			case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
				return errors.New("siowebtransport: the certificate is not valid at this time")
			case verify != nil:
				return verify(state)
			}
			return nil
		}
	}
	return c
}
