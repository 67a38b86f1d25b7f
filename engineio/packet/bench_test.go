package packet

import (
	"bytes"
	"testing"
)

func BenchmarkDecode(b *testing.B) {
	wire := []byte(`42["echo",{"id":1,"text":"0123456789"}]`)
	b.ReportAllocs()
	for b.Loop() {
		Decode(wire, false)
	}
}

func BenchmarkPayloadNoops(b *testing.B) { // E-9: 100,000 packets in one payload
	wire := bytes.Repeat([]byte("6\x1e"), 100_000)
	wire = wire[:len(wire)-1]
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range Payload(wire) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkAppendPayload(b *testing.B) {
	for _, c := range []struct {
		name string
		p    Packet
	}{
		{"text", Packet{Type: Message, Data: bytes.Repeat([]byte("x"), 100)}},
		{"binary", Packet{Type: Message, Binary: true, Data: make([]byte, 1000)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendPayload(buf[:0], 0, c.p)
			}
		})
	}
}
