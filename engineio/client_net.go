package engineio

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"sio.example/socketio/internal/errtext"
)

const (
	// attemptDelay is how long an address is waited for before the next one is tried as well (RFC 8305 8).
	attemptDelay = 250 * time.Millisecond
	// maxAddresses bounds how many are tried.
	maxAddresses = 32
)

// netDial makes a TCP connection to a host whose addresses may partly be dead. A net.Dialer alone tries those of one
// family one after the other, each until its share of the deadline is used up, or without a deadline until the kernel
// gives up.
func netDial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return d.DialContext(ctx, network, addr)
	}
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	addrs := make([]string, len(ips))
	for i, ip := range interleave(ips) {
		addrs[i] = net.JoinHostPort(ip.String(), port)
	}
	return race(ctx, addrs[:min(len(addrs), maxAddresses)], func(ctx context.Context, addr string) (net.Conn, error) {
		return d.DialContext(ctx, network, addr)
	})
}

// interleave has the address families take turns, and keeps the resolver's order otherwise (RFC 8305 4).
func interleave(ips []net.IPAddr) []net.IPAddr {
	var first, second []net.IPAddr
	for _, ip := range ips {
		if (ip.IP.To4() == nil) == (ips[0].IP.To4() == nil) {
			first = append(first, ip)
		} else {
			second = append(second, ip)
		}
	}
	all := make([]net.IPAddr, 0, len(ips))
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			all = append(all, first[i])
		}
		if i < len(second) {
			all = append(all, second[i])
		}
	}
	return all
}

// race dials the addresses, each attemptDelay after the one before or when that has failed, and returns the first
// connection. All attempts have ended when it returns.
func race(
	ctx context.Context, addrs []string, dial func(ctx context.Context, addr string) (net.Conn, error),
) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, len(addrs))
	var running sync.WaitGroup
	defer func() {
		cancel()
		running.Wait() // they end soon when ctx does
		close(results)
		for r := range results { // those that came second
			if r.conn != nil {
				r.conn.Close()
			}
		}
	}()
	next := time.NewTimer(0)
	defer next.Stop()
	var first error
	for started, failed := 0, 0; failed < len(addrs); {
		select {
		case <-next.C:
			if started == len(addrs) {
				continue
			}
			addr := addrs[started]
			started++
			running.Go(func() { // owned by race, which waits for it; ends with the attempt
				c, err := dial(ctx, addr)
				results <- result{c, err}
			})
			next.Reset(attemptDelay)
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			if failed++; first == nil {
				first = r.err
			}
			next.Reset(0)
		}
	}
	if first == nil {
		first = errtext.New("engineio: host without addresses")
	}
	return nil, first
}
