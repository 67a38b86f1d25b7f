package cluster

import "time"

// past is how far nodes had come that are forgotten, or topics of theirs: an engine may repeat a message after that,
// and nobody gets it again. It is bounded in number and in age; what is beyond that, a message that old, may come
// again.
type past struct {
	limit int
	all   map[forgotten]mark
	order []dated // by age; what was noted again meanwhile is skipped
}

// forgotten is a topic of a node, or all of them if topic is "".
type forgotten struct{ node, topic string }

type mark struct {
	seq  uint64 // what came before and with that has been handled
	at   time.Time
	left bool // the node said goodbye, and has nothing more to say
}

type dated struct {
	forgotten
	at time.Time
}

// note remembers m, and forgets what is too much.
func (p *past) note(f forgotten, m mark) {
	if p.all == nil {
		p.all = make(map[forgotten]mark)
	}
	p.all[f] = m
	p.order = append(p.order, dated{f, m.at})
	for len(p.all) > p.limit || len(p.order) > 2*p.limit {
		p.drop()
	}
}

// drop forgets what is first in order.
func (p *past) drop() {
	first := p.order[0]
	p.order[0] = dated{}
	p.order = p.order[1:]
	if p.all[first.forgotten].at.Equal(first.at) {
		delete(p.all, first.forgotten)
	}
}

// expire forgets what is from before a moment.
func (p *past) expire(before time.Time) {
	for len(p.order) > 0 && p.order[0].at.Before(before) {
		p.drop()
	}
}
