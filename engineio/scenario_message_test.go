package engineio

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/memnet"
)

// Opening, heartbeat and messages, on each route. The session is alive afterwards.
func TestScenarios(t *testing.T) {
	runScenarios(t, openings)
	runScenarios(t, messages)
	runScenarios(t, waits)
}

var openings = []scenario{
	{
		name:   "both ends know the same",
		server: Options{MaxPayload: 777, PingInterval: 7 * time.Second, PingTimeout: 5 * time.Second},
		run: func(b *bothEnds) {
			h := b.client.socket.Handshake()
			if h.PingIntervalMS != 7000 || h.PingTimeoutMS != 5000 || h.MaxPayload != 777 || h.SID != b.server.socket.ID() {
				b.t.Errorf("handshake %+v", h)
			}
			if b.client.socket.ID() != h.SID || !b.client.socket.Alive() || b.server.socket.Protocol() != 4 {
				b.t.Error("the ends differ")
			}
			if st := b.Stats(); st.Sessions != 1 || st.Opened != 1 || b.Count() != 1 {
				b.t.Errorf("stats %+v", st)
			}
		},
	},
	{
		name: "what is sent while it opens comes first",
		open: func(b *bothEnds) {
			b.onOpen = func(s *Socket, _ *http.Request) { s.Send(SendOptions{}, text("a"), bin(1)) }
		},
		early: true,
		run: func(b *bothEnds) {
			b.server.send(text("c"))
			b.client.send(text("1"))
			b.client.expect(text("a"), bin(1), text("c"))
			b.server.expect(text("1"))
		},
	},
}

var messages = []scenario{
	{
		name: "echo of text and binary", open: func(b *bothEnds) { b.onMsg = echo },
		run: func(b *bothEnds) {
			ms := []*Prepared{
				text("hello"), bin(1, 2, 3), text(""), bin(), text("cash money €€€"), bin(0, 0x1e, 'b', '4'),
				text("𐀀-\U000EFFFF\U000F0000-\U0010FFFF\uE000-\uF8FF"),
			}
			b.client.send(ms...)
			b.client.expect(ms...)
			for _, m := range ms {
				b.client.send(m)
				b.client.expect(m)
			}
		},
	},
	{
		name: "sizes", server: Options{MaxPayload: 4 << 20, MaxQueueBytes: 100 << 20},
		open: func(b *bothEnds) { b.onMsg = echo }, run: sizes,
	},
	{
		name: "sizes of what is base64", server: Options{MaxPayload: 4 << 20, MaxQueueBytes: 100 << 20},
		client: DialOptions{ForceBase64: true}, open: func(b *bothEnds) { b.onMsg = echo }, run: sizes,
	},
	{
		name: "order at any moment of the opening", seeds: 12, early: true,
		run: func(b *bothEnds) {
			ms := numbered(300, 0)
			var sending sync.WaitGroup
			say := func(seed uint64, send func(...*Prepared)) func() {
				return func() {
					rnd := rand.New(rand.NewPCG(b.seed, seed))
					for _, m := range ms {
						send(m)
						<-time.After(time.Duration(1+rnd.IntN(3)) * time.Millisecond)
					}
				}
			}
			sending.Go(say(1, b.client.send))
			sending.Go(say(2, b.server.send))
			sending.Wait()
			b.client.expect(ms...)
			b.server.expect(ms...)
			<-time.After(10 * time.Second) // for what comes twice
			b.settle()
			if len(b.client.messages) != len(ms) || len(b.server.messages) != len(ms) {
				b.t.Error("something came twice")
			}
		},
	},
	{
		name: "bursts of many", server: Options{MaxQueuePackets: 100_000},
		run: func(b *bothEnds) {
			ms := numbered(10_000, 10)
			for i := range ms {
				b.client.send(ms[i])
				b.server.send(ms[i])
			}
			b.server.expect(ms...)
			b.client.expect(ms...)
		},
	},
	{
		name: "a burst beyond the queue of the server", // whose peer takes it
		run: func(b *bothEnds) {
			ms := numbered(40, 64<<10)
			for _, m := range ms {
				b.server.send(m)
			}
			b.client.expect(ms...)
		},
	},
	{
		name: "messages of one Send stay together",
		run: func(b *bothEnds) {
			var sending sync.WaitGroup
			for i := range 8 {
				for _, send := range []func(...*Prepared){b.client.send, b.server.send} {
					sending.Go(func() {
						for j := range 50 {
							name := fmt.Sprint(i, "-", j)
							send(text(name), bin([]byte(name)...))
						}
					})
				}
			}
			sending.Wait()
			<-time.After(time.Minute)
			for who, r := range map[string]*record{"client": &b.client.record, "server": &b.server.record} {
				for i := range 400 {
					m, _ := r.next()
					if n, ok := r.next(); !ok || m.Binary || !n.Binary || !bytes.Equal(m.Data, n.Data) {
						b.t.Fatalf("the %s got %v and %v, number %d", who, m, n, i)
					}
				}
			}
		},
	},
	{
		name: "volatile messages come while nothing is in the way",
		run: func(b *bothEnds) {
			<-time.After(time.Second)
			for range 3 {
				for _, send := range []func(SendOptions, ...*Prepared) error{b.client.socket.Send, b.server.socket.Send} {
					if err := send(SendOptions{Volatile: true}, text("now")); err != nil {
						b.t.Fatal(err)
					}
				}
				b.client.expect(text("now"))
				b.server.expect(text("now"))
				<-time.After(time.Second)
			}
		},
	},
	{
		name: "deferred messages go with Flush",
		run: func(b *bothEnds) {
			for i := range 10 {
				b.client.socket.Send(SendOptions{Defer: true}, text(fmt.Sprint(i)))
				b.server.socket.Send(SendOptions{Defer: true}, text(fmt.Sprint(i)))
			}
			b.alive() // waits
			if !b.route.polls() && (b.client.texts() != "" || b.server.texts() != "") {
				b.t.Error("sent without Flush")
			}
			b.client.socket.Flush()
			b.server.socket.Flush()
			b.client.expect(numbered(10, 0)...)
			b.server.expect(numbered(10, 0)...)
		},
	},
	{
		name: "packets without meaning are ignored",
		run: func(b *bothEnds) {
			b.server.send(&Prepared{typ: packet.Pong}, noopPacket, &Prepared{typ: packet.Open}, text("end"))
			b.client.expect(text("end"))
			b.client.send(&Prepared{typ: packet.Pong}, noopPacket, text("end"))
			b.server.expect(text("end"))
		},
	},
	{
		name: "what Trace is told",
		open: func(b *bothEnds) {
			b.onMsg = echo
			var mu sync.Mutex
			var told []string
			b.opts.Trace = &Trace{Packet: func(transport string, sent bool, p packet.Packet) {
				if p.Type == packet.Message {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, fmt.Sprint(transport, sent, string(p.Data)))
				}
			}}
			b.t.Cleanup(func() {
				on := b.route.settled
				if want := []string{on + "truehello", on + "falsehello"}; !reflect.DeepEqual(told, want) {
					b.t.Errorf("told %q, want %q", told, want)
				}
			})
		},
		run: func(b *bothEnds) {
			b.client.send(text("hello"))
			b.client.expect(text("hello"))
		},
	},
}

func sizes(b *bothEnds) {
	for _, n := range []int{0, 1, 124, 125, 126, 127, 1000, 65534, 65535, 65536, 1_500_000} {
		ms := []*Prepared{text(strings.Repeat("x", n)), bin(bytes.Repeat([]byte{0xfe}, n)...)}
		b.client.send(ms...)
		b.client.expect(ms...)
	}
}

var waits = []scenario{
	{
		name: "an hour of heartbeats",
		run: func(b *bothEnds) {
			<-time.After(time.Hour)
			b.alive()
			if !b.client.socket.Alive() || b.Stats().Rejected[RejectPong] != 0 {
				b.t.Error("not alive")
			}
			b.client.send(text("x"))
			b.server.expect(text("x"))
		},
	},
	{
		name: "the client's Handler takes its time",
		run: func(b *bothEnds) {
			<-time.After(20 * time.Second)
			b.client.onMsg = func(m Message) {
				if string(m.Data) == "slow" {
					<-time.After(10 * time.Minute)
				}
			}
			b.server.send(text("slow"))
			for range 20 {
				b.server.send(text("more"))
				<-time.After(time.Minute)
				b.alive()
			}
		},
	},
	{
		name: "the server's Handler takes its time",
		run: func(b *bothEnds) {
			b.onMsg = func(_ *recorder, m Message) {
				if string(m.Data) == "slow" {
					<-time.After(10 * time.Minute)
				}
			}
			b.client.send(text("slow"))
			for range 20 {
				b.client.send(text("more"))
				<-time.After(time.Minute)
				b.alive()
			}
			b.server.expect(text("slow"), text("more"))
		},
	},
	{
		name: "a client that reads slowly", server: Options{MaxQueueBytes: 100 << 20},
		run: func(b *bothEnds) {
			b.client.onMsg = func(Message) { <-time.After(100 * time.Millisecond) }
			ms := numbered(200, 10_000)
			b.server.send(ms...)
			b.client.expect(ms...)
		},
	},
	{
		name: "a server that reads slowly",
		run: func(b *bothEnds) {
			b.onMsg = func(*recorder, Message) { <-time.After(100 * time.Millisecond) }
			ms := numbered(200, 10_000)
			b.client.send(ms...)
			b.server.expect(ms...)
		},
	},
	{
		name: "a slow network",
		run: func(b *bothEnds) {
			b.network(func(l *memnet.Link) {
				l.SetDelay(memnet.Both, 300*time.Millisecond)
				l.SetRate(memnet.Both, 20_000)
			})
			ms := numbered(30, 10_000)
			b.client.send(ms...)
			b.server.send(ms...)
			b.client.expect(ms...)
			b.server.expect(ms...)
			b.network((*memnet.Link).Heal)
		},
	},
	{
		name: "the network stops for a while",
		run: func(b *bothEnds) {
			for range 3 {
				b.freeze(memnet.Both)
				b.client.send(text("a"))
				b.server.send(text("b"))
				<-time.After(15 * time.Second)
				b.thaw(memnet.Both)
				b.client.expect(text("b"))
				b.server.expect(text("a"))
				<-time.After(5 * time.Second) // for what waited meanwhile, with polling the ping among it
			}
		},
	},
	{
		name: "the queue of the client is full", client: DialOptions{MaxQueueBytes: 1000, MaxQueuePackets: 10},
		run: func(b *bothEnds) {
			b.freeze(memnet.Both)
			big := text(strings.Repeat("x", 200_000)) // alone it fits
			b.client.send(big)
			<-time.After(time.Second)
			if err := b.client.socket.Send(SendOptions{}, text("a")); err != ErrQueueFull {
				b.t.Errorf("Send: %v", err)
			}
			if err := b.client.socket.Send(SendOptions{Volatile: true}, text("dropped")); err != nil {
				b.t.Errorf("Send: %v", err)
			}
			if err := b.client.socket.Send(SendOptions{NoLimit: true}, text("b")); err != nil {
				b.t.Errorf("Send: %v", err)
			}
			b.thaw(memnet.Both)
			b.server.expect(big, text("b"))
			synctest.Wait()
			b.client.send(numbered(10, 0)...)
			b.server.expect(numbered(10, 0)...)
		},
	},
	{
		name: "all methods of the client at once", early: true, open: func(b *bothEnds) { b.onMsg = echo },
		run: func(b *bothEnds) {
			var running sync.WaitGroup
			for i := range 8 {
				running.Go(func() {
					for j := range 100 {
						_ = b.client.socket.Send(SendOptions{Volatile: j%10 == 9, Defer: j%3 == 0}, text(fmt.Sprint(i, "-", j)))
						b.client.socket.Flush()
						b.client.socket.Alive()
						b.client.socket.Transport()
						b.client.socket.Context()
					}
				})
			}
			running.Wait()
			<-time.After(time.Second)
		},
	},
}
