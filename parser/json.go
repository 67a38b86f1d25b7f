package parser

import (
	"cmp"
	"math"
)

// JSONOptions are the limits of the JSON parser. The zero value of each means its default.
type JSONOptions struct {
	MaxAttachments int // per packet; default 10, as the official parser
	MaxDepth       int // nesting of arrays and objects, the outermost included; default 1000, at most 10,000
	MaxArguments   int // per event or acknowledgement; default 10000
	MaxNamespace   int // bytes; default 1024

	// MaxBytes limits what is held for one packet that has attachments, text and attachments together; default
	// 1,000,000 for each, with as many attachments as MaxAttachments says. Packets without attachments are limited by
	// the transport alone.
	MaxBytes int

	// MaxDecoded limits the memory, in bytes and as it is estimated, that decoding one received argument into
	// interfaces may take, wherever they stand in the destination: a small map takes some 340 bytes, whatever it holds.
	// Beyond it Bind returns an error. Default: 64 MiB, or 48 times the text if that is more, which is enough for any
	// list of ordinary records. What destinations take whose types are the program's own is not counted.
	MaxDecoded int

	decoded uint32 // MaxDecoded in KiB; 0 means the default
}

// The defaults of JSONOptions.
const (
	defaultMaxAttachments = 10
	defaultMaxDepth       = 1000
	defaultMaxArguments   = 10_000
	defaultMaxNamespace   = 1024
	defaultMaxPayload     = 1_000_000

	// hardMaxDepth is where the JSON library stops; what recurses over arguments relies on it.
	hardMaxDepth = 10_000
)

// jsonParser is the standard Parser. It is immutable.
type jsonParser struct {
	limits JSONOptions // every field set
}

// standard decodes and encodes arguments outside of any connection.
var standard = newJSONParser(JSONOptions{})

// JSON returns the standard parser: JSON text with binary attachments. nil means all defaults.
func JSON(opts *JSONOptions) Parser {
	if opts == nil {
		return standard
	}
	return newJSONParser(*opts)
}

func newJSONParser(o JSONOptions) *jsonParser {
	attachments := cmp.Or(max(o.MaxAttachments, 0), defaultMaxAttachments)
	return &jsonParser{limits: JSONOptions{
		MaxAttachments: attachments,
		MaxDepth:       min(cmp.Or(max(o.MaxDepth, 0), defaultMaxDepth), hardMaxDepth),
		MaxArguments:   cmp.Or(max(o.MaxArguments, 0), defaultMaxArguments),
		MaxNamespace:   cmp.Or(max(o.MaxNamespace, 0), defaultMaxNamespace),
		MaxBytes:       cmp.Or(max(o.MaxBytes, 0), maxBytes(attachments, defaultMaxPayload)),
		MaxDecoded:     max(o.MaxDecoded, 0),
		decoded:        kilobytes(o.MaxDecoded),
	}}
}

// MaxBytesOf is MaxBytes such that each message of a packet with the default MaxAttachments may have maxPayload bytes.
func MaxBytesOf(maxPayload int64) int { return maxBytes(defaultMaxAttachments, maxPayload) }

func maxBytes(attachments int, maxPayload int64) int {
	messages := int64(min(attachments, math.MaxInt32-1)) + 1 // the text is one
	if maxPayload > math.MaxInt/messages {
		return math.MaxInt
	}
	return int(maxPayload * messages)
}

// EncodesInline reports true; see InlineEncoder.
func (p *jsonParser) EncodesInline() bool { return true }

// NewDecoder returns the decoder of one connection; it is a Peeker, and Resettable.
func (p *jsonParser) NewDecoder() Decoder {
	return &jsonDecoder{limits: &p.limits}
}
