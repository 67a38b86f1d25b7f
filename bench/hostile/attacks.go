package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/bench/internal/wsframe"
)

// An attack is a kind of hostile client.
type attack struct {
	name, about string
	run         func(ctx context.Context, addr string) error // until the connection ends, or ctx
}

const (
	namespaces   = 100
	authSize     = 900_000
	inboxEvent   = 8_000
	largeEvent   = 900_000
	echoEvent    = 10_000
	valuesSize   = 30_000
	roomsJoined  = 5_000
	numbersSize  = 100_000
	askEvery     = 50 * time.Millisecond
	numbersEvery = 5 * time.Second
	roomsEvery   = 5 * time.Second
	pongEvery    = 20 * time.Second
)

var attacks = []attack{
	{"auth", "auth of 900 KB to each of 100 namespaces, then silence", keepAuth},
	{"inbox", "events to 100 namespaces whose handlers do not end", fillInboxes},
	{"large", "events of 900 KB whose handlers do not end", fillLarge},
	{"pieces", "sends a binary event but for the end of its second attachment of 900 KB", halfEvents},
	{"echo", "asks for echoes of 10 KB and reads nothing", neverRead},
	{"values", "30 KB of {\"a\":1} again and again, decoded by a handler that keeps the values half a second",
		manyValues},
	{"posts", "a POST of 900 KB of which the end never comes", halfPosts},
	{"acks", "makes the server ask for 200 acknowledgements a second with EmitFunc, and sends none", neverAck},
	{"rooms", "has middleware join 5,000 rooms, leaves, and comes again after 5 s", joinRooms},
	{"numbers", "100 KB of 5e-324 every 5 s", slowNumbers},
	{"ws-100", "is sent 100 KB/s by WebSocket and reads nothing, but sends pongs", reader(100_000, false)},
	{"ws-20", "the same at 20 KB/s", reader(20_000, false)},
	{"poll-100", "is sent 100 KB/s by polling and does not read the answer of its poll, but sends pongs",
		reader(100_000, true)},
	{"poll-20", "the same at 20 KB/s", reader(20_000, true)},
}

// about lists the kinds.
func about() string {
	var b strings.Builder
	for _, a := range attacks {
		fmt.Fprintf(&b, "%-8s  %s\n", a.name, a.about)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// A set is attacks that happen at once.
type set struct {
	name    string
	attacks []attack
}

func pick(names string) ([]set, error) {
	var sets []set
	if names == "" {
		for _, a := range attacks {
			sets = append(sets, set{a.name, []attack{a}})
		}
		return sets, nil
	}
next:
	for name := range strings.SplitSeq(names, ",") {
		if name == "all" {
			sets = append(sets, set{"all", attacks})
			continue
		}
		for _, a := range attacks {
			if a.name == name {
				sets = append(sets, set{a.name, []attack{a}})
				continue next
			}
		}
		return nil, fmt.Errorf("there is no kind %q", name)
	}
	return sets, nil
}

// assail lets so many clients of each kind loose, until they are done or ctx ends.
func assail(ctx context.Context, addr, names, number string) error {
	sets, err := pick(names)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	var hostile sync.WaitGroup
	for _, set := range sets {
		for _, a := range set.attacks {
			for range n {
				hostile.Go(func() { _ = a.run(ctx, addr) }) // how it ended, the server knows
			}
		}
	}
	hostile.Wait()
	return nil
}

func keepAuth(ctx context.Context, addr string) error {
	p, err := dial(ctx, addr, 0)
	if err != nil {
		return err
	}
	auth := `{"x":"` + strings.Repeat("x", authSize) + `"}`
	go func() { // ends when a namespace could not be joined, or all are
		for i := range namespaces {
			if p.send("40/many"+strconv.Itoa(i)+","+auth) != nil {
				return
			}
		}
	}()
	p.drain()
	return nil
}

func fillInboxes(ctx context.Context, addr string) error {
	p, err := dial(ctx, addr, 0)
	if err != nil {
		return err
	}
	for i := range namespaces { // an event before the answer would break the protocol
		if err := errors.Join(p.send("40/many"+strconv.Itoa(i)+","), p.await("40/many")); err != nil {
			return err
		}
	}
	go func() { // ends with the connection
		for text := strings.Repeat("x", inboxEvent); ; {
			for i := range namespaces {
				if p.send("42/many"+strconv.Itoa(i)+`,["work","`+text+`"]`) != nil {
					return
				}
			}
		}
	}()
	p.drain()
	return nil
}

func fillLarge(ctx context.Context, addr string) error {
	p, err := dial(ctx, addr, 0)
	if err != nil {
		return err
	}
	go func() { // ends with the connection
		if p.send("40/many0,") != nil {
			return
		}
		for text := `42/many0,["work","` + strings.Repeat("x", largeEvent) + `"]`; p.send(text) == nil; {
		}
	}()
	p.drain()
	return nil
}

func halfEvents(ctx context.Context, addr string) error {
	p, err := dial(ctx, addr, 0)
	if err != nil {
		return err
	}
	go func() { // ends with the connection
		if p.send("40") != nil ||
			p.send(`452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`) != nil ||
			p.write(wsframe.Binary, make([]byte, largeEvent), 0) != nil {
			return
		}
		_ = p.write(wsframe.Binary, make([]byte, largeEvent), 10) // as above
	}()
	p.drain()
	return nil
}

func neverRead(ctx context.Context, addr string) error {
	p, err := dial(ctx, addr, tiny)
	if err != nil {
		return err
	}
	if err := p.send("40"); err != nil {
		return err
	}
	for text := `420["echo","` + strings.Repeat("x", echoEvent) + `"]`; ; {
		if err := p.send(text); err != nil {
			return err
		}
	}
}

func manyValues(ctx context.Context, addr string) error {
	const value = `{"a":1},`
	return every(ctx, addr, "/values", 10*time.Millisecond,
		`42/values,["values",[`+strings.Repeat(value, valuesSize/len(value))+`0]]`)
}

// halfPosts sends all of a POST but the end.
func halfPosts(ctx context.Context, addr string) error {
	p, err := openPoll(ctx, addr)
	if err != nil {
		return err
	}
	defer p.client.CloseIdleConnections()
	conn, err := connect(ctx, addr, 0)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s",
		p.path(), addr, largeEvent,
		strings.Repeat("x", largeEvent-10))
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func neverAck(ctx context.Context, addr string) error {
	return every(ctx, addr, "/ask", askEvery, `42/ask,["ask"]`)
}

func slowNumbers(ctx context.Context, addr string) error {
	const number = "5e-324,"
	return every(ctx, addr, "/numbers", numbersEvery,
		`42/numbers,["numbers",[`+strings.Repeat(number, numbersSize/len(number))+`0]]`)
}

// every joins a namespace, and sends the same again and again.
func every(ctx context.Context, addr, namespace string, interval time.Duration, text string) error {
	p, err := dial(ctx, addr, 0)
	if err != nil {
		return err
	}
	if err := p.send("40" + namespace + ","); err != nil {
		return err
	}
	if err := p.await("40" + namespace); err != nil {
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	go func() { // ends with the connection
		defer cancel()
		p.drain()
	}()
	return ticking(ended, interval, func() error { return p.send(text) })
}

// ticking calls do at once and then at each interval, until it fails or ctx ends.
func ticking(ctx context.Context, interval time.Duration, do func() error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := do(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func joinRooms(ctx context.Context, addr string) error {
	p, err := dial(ctx, addr, 0)
	if err != nil {
		return err
	}
	if err := p.send("40"); err != nil { // so that the session has a namespace meanwhile
		return err
	}
	ended, cancel := context.WithCancel(ctx)
	var asking atomic.Bool // a second CONNECT meanwhile would only end the session
	go func() {            // ends with the connection
		defer cancel()
		for {
			text, err := p.next()
			if err == nil && strings.HasPrefix(text, "40/rooms") {
				err = p.send("41/rooms,")
				asking.Store(false)
			}
			if err != nil {
				return
			}
		}
	}()
	return ticking(ended, roomsEvery, func() error {
		if asking.Swap(true) {
			return nil
		}
		return p.send(fmt.Sprintf(`40/rooms,{"rooms":%d}`, roomsJoined))
	})
}

// reader is a client that reads nothing of what it asked for.
func reader(rate int, polling bool) func(context.Context, string) error {
	hello := fmt.Sprintf(`40/feed,{"rate":%d}`, rate)
	return func(ctx context.Context, addr string) error {
		if !polling {
			p, err := dial(ctx, addr, tiny)
			if err != nil {
				return err
			}
			if err := p.send(hello); err != nil {
				return err
			}
			return ticking(ctx, pongEvery, func() error { return p.send("3") })
		}
		p, err := openPoll(ctx, addr)
		if err != nil {
			return err
		}
		defer p.client.CloseIdleConnections()
		if _, err := p.request(ctx, "POST", hello); err != nil {
			return err
		}
		if _, err := p.request(ctx, "GET", ""); err != nil { // the answer to CONNECT
			return err
		}
		if err := p.ask(ctx); err != nil {
			return err
		}
		return ticking(ctx, pongEvery, func() error {
			_, err := p.request(ctx, "POST", "3")
			return err
		})
	}
}
