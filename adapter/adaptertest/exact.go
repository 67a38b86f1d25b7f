package adaptertest

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

// exact are values that a detour over JavaScript's numbers, or over text, would change.
func exact() parser.Args {
	return parser.NewArgs(int64(1<<53+1), uint64(math.MaxUint64), 0.1, "\u2028<é>", nil,
		map[string]any{"deep": []any{[]byte{0, 255}, map[string]any{"id": int64(-1<<53 - 1)}}})
}

// testExact compares what members of other nodes get with what those of the node that sends do, and answers likewise.
func testExact(t *testing.T, w *world) {
	for i := range w.nodes {
		w.add(fmt.Sprintf("m%d", i), "room").answer = func(_ *member, _ string, ack func(parser.Args)) { ack(exact()) }
	}
	wire := func(p *parser.Packet) []parser.Frame {
		frames, err := codec.Encode(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		return frames
	}
	p := &parser.Packet{Type: parser.Event, Namespace: "/test", Name: "exact", Args: exact()}
	for _, to := range []adapter.Target{{}, {Rooms: []string{"room"}}} {
		if err := w.nodes[0].Broadcast(p, to); err != nil {
			t.Fatal(err)
		}
		w.settle(to)
		for _, m := range w.members {
			m.mu.Lock()
			if last := m.log[len(m.log)-1]; last == "exact" && !reflect.DeepEqual(m.wire, wire(p)) {
				t.Errorf("%s got %v, want %v", m.id, m.wire, wire(p))
			}
			m.mu.Unlock()
		}
	}
	ack := wire(&parser.Packet{Type: parser.Ack, Namespace: "/test", HasID: true, Args: exact()})
	same := func(what string, args parser.Args, err error) {
		t.Helper()
		got := wire(&parser.Packet{Type: parser.Ack, Namespace: "/test", HasID: true, Args: args})
		if err != nil || !reflect.DeepEqual(got, ack) {
			t.Errorf("%s: %v, %v, want %v", what, got, err, ack)
		}
	}
	for args, err := range w.nodes[0].BroadcastWithAck(patient(t), event("question"), adapter.Target{}) {
		same("acknowledgement", args, err)
	}
	for _, nd := range w.nodes {
		nd.serverSide = func(_ string, args parser.Args, _ bool) (parser.Args, error) { return args, nil }
	}
	for args, err := range w.nodes[0].ServerSideEmit(patient(t), "exact", exact(), true) {
		same("answer of a node", args, err)
	}
}

// beyondText are values that JSON text would change into others, or not have at all.
func beyondText() parser.Args {
	return parser.NewArgs(math.NaN(), math.Inf(-1), math.Copysign(0, -1), float32(0.1), float64(1<<60), map[string]any{
		"deep": []any{time.Unix(1, 2).In(time.FixedZone("", 3600)), []byte{}, map[string]any{"nan": math.NaN()}},
	}, time.Unix(0, 0).UTC(), uint64(1<<63))
}

// show is what a parser of another format sees of args.
func show(args parser.Args) (string, error) {
	var b strings.Builder
	for i := range args.Len() {
		err := args.Walk(i, func(t parser.Token) error {
			fmt.Fprintf(&b, "%v %d ", t.Kind, t.Len())
			n, isInt := t.Int64()
			u, isUint := t.Uint64()
			switch {
			case t.Kind == parser.KindNumber && isInt:
				fmt.Fprint(&b, n)
			case t.Kind == parser.KindNumber && isUint:
				fmt.Fprint(&b, u)
			case t.Kind == parser.KindNumber:
				fmt.Fprintf(&b, "%x %v", math.Float64bits(t.Float64()), t.IsFloat32())
			case t.Kind == parser.KindBool:
				fmt.Fprint(&b, t.Bool())
			default:
				fmt.Fprintf(&b, "%q", t.Append(nil))
			}
			return b.WriteByte('\n')
		})
		if err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// testExactBeyondText is testExact for parsers that have more than JSON.
func testExactBeyondText(t *testing.T, w *world) {
	want, err := show(beyondText())
	if err != nil {
		t.Fatal(err)
	}
	for i, nd := range w.nodes {
		nd.shows = true
		nd.serverSide = func(_ string, args parser.Args, _ bool) (parser.Args, error) { return args, nil }
		m := w.add(fmt.Sprintf("m%d", i), "room")
		m.answer = func(_ *member, _ string, ack func(parser.Args)) { ack(beyondText()) }
		m.data = beyondText().Slice(5, 6)
	}
	same := func(what string, args parser.Args, err error) {
		t.Helper()
		got := ""
		if err == nil {
			got, err = show(args)
		}
		if err != nil || got != want {
			t.Errorf("%s: %v: another parser would see\n%swant\n%s", what, err, got, want)
		}
	}
	p := &parser.Packet{Type: parser.Event, Namespace: "/test", Name: "exact", Args: beyondText()}
	for _, to := range []adapter.Target{{}, {Rooms: []string{"room"}}} {
		if err := w.nodes[0].Broadcast(p, to); err != nil {
			t.Fatal(err)
		}
		for _, m := range w.members {
			m.await(t, "exact")
			m.mu.Lock()
			if m.shown != want {
				t.Errorf("%s: another parser would see\n%swant\n%s", m.id, m.shown, want)
			}
			m.mu.Unlock()
		}
	}
	for args, err := range w.nodes[0].BroadcastWithAck(patient(t), p, adapter.Target{}) {
		same("acknowledgement", args, err)
	}
	for args, err := range w.nodes[0].ServerSideEmit(patient(t), "exact", beyondText(), true) {
		same("answer of a node", args, err)
	}
	want, _ = show(beyondText().Slice(5, 6))
	for _, s := range w.fetch(w.nodes[0], adapter.Target{}) {
		args, ok := s.Data.(parser.Args)
		if !ok {
			t.Errorf("%s: data of type %T", s.ID, s.Data)
		}
		same("data", args, nil)
	}
}
