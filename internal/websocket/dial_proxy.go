package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
)

// tunnel has the proxy at the other end of nc connect to the target.
func (d *dialer) tunnel(ctx context.Context, nc net.Conn, proxy *url.URL, target string) (net.Conn, error) {
	switch proxy.Scheme {
	case "socks5", "socks5h":
		d.stage = "SOCKS proxy"
		return nc, socks(nc, proxy.User, target)
	case "https":
		d.stage = "TLS handshake with proxy"
		t, err := d.encrypt(ctx, nc, proxy.Hostname())
		if err != nil {
			return nil, err
		}
		nc = t
	}
	d.stage = "proxy"
	return nc, connectTo(nc, proxy.User, target)
}

// connectTo asks an HTTP proxy (RFC 9110 9.3.6), also for ws (RFC 6455 4.1).
func connectTo(nc net.Conn, user *url.Userinfo, target string) error {
	b := fmt.Appendf(nil, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", target, target)
	if user != nil {
		b = fmt.Appendf(b, "Proxy-Authorization: %s\r\n", basicAuth(user))
	}
	if _, err := nc.Write(append(b, "\r\n"...)); err != nil {
		return err
	}
	br, res, err := readAnswer(nc, &http.Request{Method: http.MethodConnect})
	switch {
	case err != nil:
		return err
	case res.StatusCode < 200 || res.StatusCode > 299:
		return refusal(nc, res, true)
	case br.Buffered() > 0:
		return errors.New("data before it was asked for")
	}
	return nil
}

// The codes of SOCKS 5 (RFC 1928, RFC 1929).
const (
	socksVersion  = 5
	socksOpen     = 0 // authentication method: none
	socksPassword = 2 // authentication method: name and password
	socksIPv4     = 1
	socksName     = 3
	socksIPv6     = 4
)

// socks asks a SOCKS 5 proxy, which looks up names itself.
func socks(nc net.Conn, user *url.Userinfo, target string) error {
	hello := []byte{socksVersion, 1, socksOpen}
	if user != nil {
		hello = []byte{socksVersion, 2, socksOpen, socksPassword}
	}
	var b [256]byte
	if err := ask(nc, hello, b[:2]); err != nil {
		return err
	}
	switch method := b[1]; {
	case b[0] != socksVersion:
		return errors.New("not SOCKS 5")
	case method == socksPassword && user != nil:
		if err := socksLogin(nc, user); err != nil {
			return err
		}
	case method != socksOpen:
		return errors.New("authentication required")
	}
	request, err := appendSocksTarget([]byte{socksVersion, 1, 0}, target)
	if err != nil {
		return err
	}
	if err := ask(nc, request, b[:5]); err != nil {
		return err
	}
	if b[0] != socksVersion {
		return errors.New("not SOCKS 5")
	}
	if b[1] != 0 {
		return fmt.Errorf("refused with code %d", b[1])
	}
	var rest int // the address that the proxy connects from, of which a byte was read, and two of the port
	switch b[3] {
	case socksIPv4:
		rest = 3 + 2
	case socksIPv6:
		rest = 15 + 2
	case socksName:
		rest = int(b[4]) + 2
	default:
		return errors.New("unknown type of address")
	}
	_, err = io.CopyN(io.Discard, nc, int64(rest))
	return noEOFYet(err)
}

// socksLogin gives name and password.
func socksLogin(nc net.Conn, user *url.Userinfo) error {
	name := user.Username()
	password, _ := user.Password()
	if name == "" || len(name) > 255 || len(password) > 255 {
		return errors.New("name or password has an invalid length")
	}
	b := append([]byte{1, byte(len(name))}, name...)
	b = append(append(b, byte(len(password))), password...)
	var answer [2]byte
	if err := ask(nc, b, answer[:]); err != nil {
		return err
	}
	if answer[1] != 0 {
		return errors.New("authentication refused")
	}
	return nil
}

// appendSocksTarget appends host and port in their binary form.
func appendSocksTarget(b []byte, target string) ([]byte, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, errors.New("port is not a number")
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err == nil && addr.Unmap().Is4():
		b = append(append(b, socksIPv4), addr.Unmap().AsSlice()...)
	case err == nil:
		b = append(append(b, socksIPv6), addr.AsSlice()...)
	case len(host) > 255:
		return nil, errors.New("host name is too long")
	default:
		b = append(append(b, socksName, byte(len(host))), host...)
	}
	return append(b, byte(n>>8), byte(n)), nil
}

// ask writes and reads an answer of fixed size. It does not read on, as what follows is not the proxy's.
func ask(nc net.Conn, question, answer []byte) error {
	if _, err := nc.Write(question); err != nil {
		return err
	}
	_, err := io.ReadFull(nc, answer)
	return noEOFYet(err)
}

// noEOFYet turns the end of input, where more was due, into an error that says so.
func noEOFYet(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
