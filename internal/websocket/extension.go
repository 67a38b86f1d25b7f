package websocket

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// DeflateOptions ask for the compression of messages (RFC 7692, permessage-deflate).
type DeflateOptions struct {
	// Threshold is from how many bytes on it is worth it to compress a message, see [Conn.WorthDeflating].
	Threshold int
	// Level is that of compress/flate, 1 to 9; default 1.
	Level int
	// ContextTakeover lets messages of both directions refer to those before, if the peer agrees. Each direction that
	// is in use then keeps the last 32 KiB of what it carried, and what is written is compressed anew for each
	// connection.
	ContextTakeover bool
}

// A deflation is what the two ends have agreed about. The zero value means that nothing is compressed.
type deflation struct {
	on      bool
	from    int32 // bytes of a message that is compressed
	level   int8
	bits    uint8 // log2 of how far what we write may refer back
	takeOut bool  // what we write may refer to earlier messages
	takeIn  bool  // what we read may
}

// maxBits is the largest window that there is, which is also that of compress/flate.
const maxBits = 15

const extensionName = "permessage-deflate"

// level is the one to compress with.
func (o *DeflateOptions) level() int8 {
	if o.Level < 1 || o.Level > 9 {
		return 1
	}
	return int8(o.Level)
}

func (o *DeflateOptions) threshold() int32 { return int32(min(max(0, o.Threshold), math.MaxInt32)) }

// An extension is an item of Sec-WebSocket-Extensions (RFC 6455 9.1).
type extension struct {
	name   string
	params []param
}

// A param may have a value. One that is quoted counts as what is in the quotes.
type param struct {
	name, value string
	valued      bool
}

// maxExtensions bounds what is looked at of a peer's header.
const maxExtensions = 32

var errExtensions = errors.New("malformed Sec-WebSocket-Extensions")

// parseExtensions reads the lines of the header.
func parseExtensions(lines []string) (all []extension, err error) {
	p := extensionParser{strings.Join(lines, ",")}
	for {
		p.blanks()
		switch {
		case p.rest == "":
			return all, nil
		case p.take(','): // empty elements of a list are ignored (RFC 9110 5.6.1)
			continue
		}
		e := extension{name: p.token()}
		for p.blanks(); p.take(';'); p.blanks() {
			p.blanks()
			q := param{name: p.token()}
			p.blanks()
			if q.valued = p.take('='); q.valued {
				p.blanks()
				q.value = p.value()
			}
			if q.name == "" || q.valued && q.value == "" || len(e.params) == maxExtensions {
				return nil, errExtensions
			}
			e.params = append(e.params, q)
		}
		if e.name == "" || p.rest != "" && !p.take(',') || len(all) == maxExtensions {
			return nil, errExtensions
		}
		all = append(all, e)
	}
}

type extensionParser struct{ rest string }

func (p *extensionParser) blanks() { p.rest = strings.TrimLeft(p.rest, " \t") }

func (p *extensionParser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// token takes a token, which is empty if there is none.
func (p *extensionParser) token() string {
	n := 0
	for n < len(p.rest) && isToken(p.rest[n:n+1]) {
		n++
	}
	t := p.rest[:n]
	p.rest = p.rest[n:]
	return t
}

// value takes a token, or a quoted string that is one when it is unquoted (RFC 6455 9.1).
func (p *extensionParser) value() string {
	if !p.take('"') {
		return p.token()
	}
	var b []byte
	for p.rest != "" && p.rest[0] != '"' {
		if p.rest[0] == '\\' && len(p.rest) > 1 {
			p.rest = p.rest[1:]
		}
		b = append(b, p.rest[0])
		p.rest = p.rest[1:]
	}
	if !p.take('"') || !isToken(string(b)) {
		return ""
	}
	return string(b)
}

// The parameters of permessage-deflate (RFC 7692 7.1).
type parameters struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             uint8 // 0 if it is not there
	clientBitsAny                      bool  // there, without a value
}

// parameters reads those of an offer, or of the answer to one. It reports false for what is unknown, there twice, or
// has a wrong value.
func (e *extension) parameters(answer bool) (p parameters, ok bool) {
	for i, q := range e.params {
		if slices.ContainsFunc(e.params[:i], func(o param) bool { return o.name == q.name }) {
			return p, false
		}
		switch {
		case q.name == "server_no_context_takeover" && !q.valued:
			p.serverNoTakeover = true
		case q.name == "client_no_context_takeover" && !q.valued:
			p.clientNoTakeover = true
		case q.name == "client_max_window_bits" && !q.valued && !answer:
			p.clientBitsAny = true
		case q.name == "server_max_window_bits", q.name == "client_max_window_bits":
			n, err := strconv.ParseUint(q.value, 10, 8)
			if err != nil || n < 8 || n > maxBits || q.value[0] < '1' || q.value[0] > '9' {
				return p, false
			}
			if q.name[0] == 's' {
				p.serverBits = uint8(n)
			} else {
				p.clientBits = uint8(n)
			}
		default:
			return p, false
		}
	}
	return p, true
}

// accept answers the first offer that can be kept (RFC 7692 5.1, 7.1): what is agreed, and the value of the header. If
// there is none, nothing is agreed and the answer is empty. A header that is not well-formed is an error.
//
// Each window that a client asks for can be kept, as what is compressed is cut for it.
func (o *DeflateOptions) accept(lines []string) (d deflation, answer string, err error) {
	offers, err := parseExtensions(lines)
	if err != nil {
		return d, "", err
	}
	for _, e := range offers {
		if e.name != extensionName {
			continue
		}
		p, ok := e.parameters(false)
		if !ok {
			continue
		}
		d = deflation{on: true, from: o.threshold(), level: o.level(), bits: maxBits}
		answer = extensionName
		if p.serverBits != 0 {
			d.bits = p.serverBits
		}
		d.takeOut = o.ContextTakeover && !p.serverNoTakeover && d.bits == maxBits
		d.takeIn = o.ContextTakeover && !p.clientNoTakeover
		if !d.takeOut {
			answer += "; server_no_context_takeover"
		}
		if !d.takeIn {
			answer += "; client_no_context_takeover"
		}
		if p.serverBits != 0 {
			answer += fmt.Sprintf("; server_max_window_bits=%d", p.serverBits)
		}
		return d, answer, nil
	}
	return d, "", nil
}

// offer is what a client asks for. Without client_max_window_bits a server can't make our window smaller.
func (o *DeflateOptions) offer() string {
	if o.ContextTakeover {
		return extensionName
	}
	return extensionName + "; server_no_context_takeover; client_no_context_takeover"
}

// agreed is what a server's answer to offer means. It reports false for one that does not fit (RFC 7692 5.1). Without o
// there was no offer.
func (o *DeflateOptions) agreed(lines []string) (d deflation, ok bool) {
	all, err := parseExtensions(lines)
	switch {
	case err != nil:
		return d, false
	case len(all) == 0:
		return d, len(lines) == 0
	case o == nil || len(all) > 1 || all[0].name != extensionName:
		return d, false
	}
	p, ok := all[0].parameters(true)
	if !ok || p.clientBits != 0 || !o.ContextTakeover && !p.serverNoTakeover {
		return d, false
	}
	return deflation{
		on: true, from: o.threshold(), level: o.level(), bits: maxBits,
		takeOut: o.ContextTakeover && !p.clientNoTakeover, takeIn: !p.serverNoTakeover,
	}, true
}
