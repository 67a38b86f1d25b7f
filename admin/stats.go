package admin

import (
	"os"
	"sync"
	"time"

	"sio.example/socketio/engineio"
)

// An aggregated event is how often something happened, in about one second.
type aggregated struct {
	Timestamp int64  `json:"timestamp"` // of the second, in milliseconds
	Type      string `json:"type"`
	SubType   string `json:"subType,omitempty"`
	Count     uint64 `json:"count"`
}

type namespaceStats struct {
	Name         string `json:"name"`
	SocketsCount int    `json:"socketsCount"`
}

// serverStats is the event server_stats.
type serverStats struct {
	ServerID            string           `json:"serverId"`
	Hostname            string           `json:"hostname"`
	PID                 int              `json:"pid"`
	Uptime              float64          `json:"uptime"` // seconds
	ClientsCount        int64            `json:"clientsCount"`
	PollingClientsCount int64            `json:"pollingClientsCount"`
	AggregatedEvents    []aggregated     `json:"aggregatedEvents"`
	Namespaces          []namespaceStats `json:"namespaces"`
}

// statistics makes the server_stats of a panel, with what happened since the last ones.
type statistics struct {
	panel *panel

	mu   sync.Mutex
	last engineio.Stats
}

// since is what happened since it was called last.
func (s *statistics) since(now time.Time) []aggregated {
	stats := s.panel.io.Stats().Engine
	s.mu.Lock()
	last := s.last
	s.last = stats
	s.mu.Unlock()
	all := []aggregated{}
	second := now.Truncate(time.Second).UnixMilli()
	add := func(kind, sub string, before, after uint64) {
		if after > before {
			all = append(all, aggregated{second, kind, sub, after - before})
		}
	}
	add("rawConnection", "", last.Opened, stats.Opened)
	for _, reason := range []engineio.Reason{
		engineio.TransportClose, engineio.TransportError, engineio.PingTimeout, engineio.ParseError, engineio.ForcedClose,
	} {
		add("rawDisconnection", string(reason), last.Closed[reason], stats.Closed[reason])
	}
	add("packetsIn", "", last.MessagesIn, stats.MessagesIn)
	add("packetsOut", "", last.MessagesOut, stats.MessagesOut)
	add("bytesIn", "", last.BytesIn, stats.BytesIn)
	add("bytesOut", "", last.BytesOut, stats.BytesOut)
	return all
}

// report is server_stats with these events.
func (s *statistics) report(events []aggregated) *serverStats {
	p := s.panel
	engine := p.io.Stats().Engine
	r := &serverStats{
		ServerID: p.opts.ServerID, Hostname: p.hostname, PID: os.Getpid(), Uptime: time.Since(p.started).Seconds(),
		ClientsCount: engine.Sessions, PollingClientsCount: engine.Polling, AggregatedEvents: events,
	}
	if events == nil {
		r.AggregatedEvents = []aggregated{}
	}
	for n := range p.io.Namespaces() {
		r.Namespaces = append(r.Namespaces, namespaceStats{n.Name(), n.SocketCount()})
	}
	return r
}
