package client

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"sio.example/socketio/parser"
)

// patience is how long anything may take. Nothing that passes waits for it.
const patience = 5 * time.Minute

// A record is a list of entries that can be waited for.
type record struct {
	mu      sync.Mutex
	entries []string
	changed chan struct{} // closed and replaced with each entry
}

func newRecord() *record { return &record{changed: make(chan struct{})} }

func (r *record) add(what string, args ...any) {
	text := entry(what, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, text)
	close(r.changed)
	r.changed = make(chan struct{})
}

// wait returns the entries behind the first from, when there are count of them or after a time.
func (r *record) wait(from, count int, limit time.Duration) []string {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		r.mu.Lock()
		entries, changed := slices.Clone(r.entries[min(from, len(r.entries)):]), r.changed
		r.mu.Unlock()
		if len(entries) >= count {
			return entries
		}
		select {
		case <-changed:
		case <-timer.C:
			return entries
		}
	}
}

// records are named.
type records struct {
	mu    sync.Mutex
	named map[string]*record
}

func (r *records) of(source string) *record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.named == nil {
		r.named = map[string]*record{}
	}
	if r.named[source] == nil {
		r.named[source] = newRecord()
	}
	return r.named[source]
}

// entry is the text of an entry: what, and each argument as JSON.
func entry(what string, args ...any) string {
	for _, arg := range args {
		if text, ok := arg.(string); ok {
			what += " " + text
			continue
		}
		text, err := json.Marshal(notate(arg))
		if err != nil {
			text = []byte(err.Error())
		}
		what += " " + string(text)
	}
	return what
}

// notate replaces bytes in a value by an object that names them, so that it can be JSON.
func notate(v any) any {
	switch v := v.(type) {
	case []byte:
		return map[string]any{"$bytes": hex.EncodeToString(v)}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = notate(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = notate(v[k])
		}
		return out
	}
	return v
}

// values are received arguments, in any.
func values(args parser.Args) []any {
	vs, err := args.Values()
	if err != nil {
		return []any{fmt.Sprintf("unreadable: %v", err)}
	}
	return vs
}
