// Package taggedparser is a parser.Parser of another format, for tests only: it shows that the server, the client and
// all that is between them do without JSON.
//
// A packet is one binary frame. Each value is a tag and what belongs to it, so that integers of 64 bits, NaN,
// infinities, times and bytes stand where they are. Nothing of package parser is used that is not exported: what this
// needs, another parser gets too.
package taggedparser
