package parser

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"sync"
)

// strconv.ParseFloat takes some 20 microseconds for a number below the least normal one, 5e-324 for example, and for
// one of more than 19 digits that lies near the middle of two floats far from 1: a megabyte of such numbers would cost
// seconds. What has an exponent of farExponent or more is therefore read here, in bounded time: the product of its
// first 19 digits and a power of ten of 128 bits says which two floats it can be, and if they differ, integers of any
// size say which one it is. All other numbers cost strconv less per byte than an ordinary string does.

// farExponent is the least exponent, up or down, that strconv is not trusted with. It has two digits.
const farExponent = 30

// isFar tells whether the digits of an exponent make farExponent or more.
func isFar(exponent []byte) bool {
	for len(exponent) > 0 && exponent[0] == '0' {
		exponent = exponent[1:]
	}
	return len(exponent) > 2 || len(exponent) == 2 && exponent[0] >= '0'+farExponent/10
}

// isFarNumber tells whether a number has an exponent that is far.
func isFarNumber(number []byte) bool {
	i := len(number)
	for i > 0 && number[i-1]-'0' <= 9 {
		i--
	}
	digits := number[i:]
	if i > 0 && (number[i-1] == '-' || number[i-1] == '+') {
		i--
	}
	return i > 0 && number[i-1]|0x20 == 'e' && isFar(digits)
}

// A floatFormat is one of IEEE 754.
type floatFormat struct {
	bits  uint // of the significand, without the hidden one
	bias  int
	least int // exponent of the least normal number
}

var (
	format64 = floatFormat{52, 1023, -1022}
	format32 = floatFormat{23, 127, -126}
)

// infinity is the bits of +Inf.
func (f floatFormat) infinity() uint64 { return uint64(2*f.bias+1) << f.bits }

// value is the float of some bits.
func (f floatFormat) value(bits uint64) float64 {
	if f == format32 {
		return float64(math.Float32frombits(uint32(bits)))
	}
	return math.Float64frombits(bits)
}

// round returns the bits of the float nearest to hi:lo times two to the power of e; half goes to even. hi is not 0.
func (f floatFormat) round(hi, lo uint64, e int) uint64 {
	if n := bits.LeadingZeros64(hi); n > 0 {
		hi, lo, e = hi<<n|lo>>(64-n), lo<<n, e-n
	}
	e += 127 // of the highest bit
	if e > f.bias {
		return f.infinity()
	}
	keep := int(f.bits) + 1
	if e < f.least {
		keep -= f.least - e
	}
	if keep < 0 {
		return 0
	}
	mantissa, half, rest := uint64(0), uint64(1)<<63, lo // half and rest are of what is dropped, from the top
	dropped := hi
	if keep > 0 {
		mantissa = hi >> (64 - keep)
		dropped = hi<<keep | lo>>(64-keep)
		rest = lo << keep
	}
	if dropped > half || dropped == half && (rest != 0 || mantissa&1 == 1) {
		mantissa++
	}
	if e < f.least {
		return mantissa // one that became normal is right, too
	}
	return uint64(e+f.bias-1)<<f.bits + mantissa // the hidden bit adds one to the exponent
}

// A decimal is the number that a text stands for: digits times ten to the power of exponent, and a little more if
// digits is not all there is.
type decimal struct {
	negative bool
	more     bool
	digits   uint64 // 19 at most
	exponent int
}

// maxDigits is how many digits of a number can matter: the middle of two floats has at most 767.
const maxDigits = 800

// parseDecimal reads a number. all, if not nil, gets its first maxDigits digits. Go's grammar is wider than JSON's, and
// numbers within strings follow it: ok is false if this is none of either.
func parseDecimal(number []byte, all *[]byte) (d decimal, ok bool) {
	i := 0
	if number[0] == '-' || number[0] == '+' {
		d.negative = number[0] == '-'
		i++
	}
	var seen, kept, exponent int
	point := false
	for ; i < len(number); i++ {
		c := number[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c-'0' > 9 {
			break
		}
		seen++
		if point {
			exponent--
		}
		switch {
		case c == '0' && kept == 0: // leads
			continue
		case kept < 19:
			d.digits = d.digits*10 + uint64(c-'0')
		default:
			exponent++
			d.more = d.more || c != '0'
		}
		kept++
		if all != nil && len(*all) < maxDigits {
			*all = append(*all, c)
		}
	}
	if seen == 0 {
		return d, false
	}
	if i < len(number) {
		n, ok := parseExponent(number[i:])
		if !ok {
			return d, false
		}
		exponent += n
	}
	d.exponent = exponent
	return d, true
}

// parseExponent reads an e, a sign if there is one, and digits. What is too large for any number of that many digits is
// cut.
func parseExponent(text []byte) (n int, ok bool) {
	if text[0]|0x20 != 'e' || len(text) == 1 {
		return 0, false
	}
	sign := 1
	text = text[1:]
	if text[0] == '-' || text[0] == '+' {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	for _, c := range text {
		if c-'0' > 9 {
			return 0, false
		}
		if n < math.MaxInt32/20 {
			n = n*10 + int(c-'0')
		}
	}
	return n * sign, len(text) > 0
}

// parseFar returns the bits of the float nearest to a number, as strconv would; ok is false if it is no decimal number.
func (f floatFormat) parseFar(number []byte) (bits uint64, negative, ok bool) {
	d, ok := parseDecimal(number, nil)
	if !ok {
		return 0, false, false
	}
	switch {
	case d.digits == 0 || d.exponent < leastPower:
		return 0, d.negative, true
	case d.exponent > greatestPower:
		return f.infinity(), d.negative, true
	}
	low, high := f.bounds(d)
	if low != high && f.atLeastMiddle(number, low) {
		low = high
	}
	return low, d.negative, true
}

// bounds returns the two floats, likely the same, that d can be.
func (f floatFormat) bounds(d decimal) (low, high uint64) {
	p := &powersOfTen()[d.exponent-leastPower]
	shift := bits.LeadingZeros64(d.digits)
	w := d.digits << shift
	hi, lo := bits.Mul64(w, p.hi)
	mid, _ := bits.Mul64(w, p.lo)
	lo, carry := bits.Add64(lo, mid, 0)
	hi += carry
	e := 64 + p.exponent - shift
	low = f.round(hi, lo, e)
	// What was cut off the product and off the power is less than one each; a digit more would be the power once more.
	more, lots := uint64(2), uint64(0)
	if d.more {
		lots, more = p.hi>>(64-shift), p.hi<<shift
		more, carry = bits.Add64(more, 2+1<<shift, 0)
		lots += carry
	}
	lo, carry = bits.Add64(lo, more, 0)
	hi, carry = bits.Add64(hi, lots, carry)
	if carry > 0 { // past the next power of two
		lo, hi, e = hi<<63|lo>>1, 1<<63|hi>>1, e+1
	}
	return low, f.round(hi, lo, e)
}

// atLeastMiddle tells whether a number is to be rounded up from low: whether it is beyond the middle between that and
// the next float, or just there and low is odd.
func (f floatFormat) atLeastMiddle(number []byte, low uint64) bool {
	text := make([]byte, 0, 64)
	d, _ := parseDecimal(number, &text)
	kept := min(len(text), 19)
	exponent := d.exponent - (len(text) - kept) // of all of text
	left, _ := new(big.Int).SetString(string(text), 10)

	mantissa, e := low&(1<<f.bits-1), int(low>>f.bits)
	if e > 0 {
		mantissa |= 1 << f.bits
	} else {
		e = 1
	}
	e -= f.bias + int(f.bits)
	right := new(big.Int).SetUint64(2*mantissa + 1)
	e-- // the middle is right times two to the power of e
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil)
	if exponent < 0 {
		right.Mul(right, power)
	} else {
		left.Mul(left, power)
	}
	if e < 0 {
		left.Lsh(left, uint(-e))
	} else {
		right.Lsh(right, uint(e))
	}
	switch left.Cmp(right) {
	case -1:
		// Digits beyond maxDigits would not lift it: the middle has fewer.
		return false
	case 1:
		return true
	}
	return mantissa&1 == 1 || beyond(number)
}

// beyond tells whether a number has a digit that counts after the first maxDigits.
func beyond(number []byte) bool {
	n := 0
	for _, c := range number {
		switch {
		case c|0x20 == 'e':
			return false
		case c-'0' > 9 || n == 0 && c == '0':
			continue
		}
		if n++; n > maxDigits && c != '0' {
			return true
		}
	}
	return false
}

// The powers of ten by which 19 digits can become a float that is neither 0 nor infinite.
const (
	leastPower    = -343
	greatestPower = 308
)

// A powerOfTen is hi:lo times two to the power of exponent, or up to one more than hi:lo.
type powerOfTen struct {
	hi, lo   uint64
	exponent int
}

// powersOfTen are those from leastPower to greatestPower; made when they are first needed, in some milliseconds.
var powersOfTen = sync.OnceValue(func() *[greatestPower - leastPower + 1]powerOfTen {
	var powers [greatestPower - leastPower + 1]powerOfTen
	ten, power, word := big.NewInt(10), big.NewInt(1), new(big.Int).SetUint64(math.MaxUint64)
	set := func(n int, v *big.Int, exponent int) {
		if shift := v.BitLen() - 128; shift > 0 {
			v, exponent = new(big.Int).Rsh(v, uint(shift)), exponent+shift
		} else {
			v, exponent = new(big.Int).Lsh(v, uint(-shift)), exponent+shift
		}
		lo := new(big.Int).And(v, word).Uint64()
		powers[n-leastPower] = powerOfTen{new(big.Int).Rsh(v, 64).Uint64(), lo, exponent}
	}
	for n := range -leastPower + 1 {
		if n <= greatestPower {
			set(n, power, 0)
		}
		if n > 0 {
			k := power.BitLen() + 127
			v := new(big.Int).Lsh(big.NewInt(1), uint(k))
			set(-n, v.Quo(v, power), -k)
		}
		power.Mul(power, ten)
	}
	return &powers
})

// parseFloat returns the value of a JSON number, ±Inf if it is out of range, as JavaScript does.
func parseFloat(number []byte) float64 {
	if len(number) <= 15 { // exactly representable if it is an integer
		n, i, sign := int64(0), 0, int64(1)
		if number[0] == '-' {
			i, sign = 1, -1
		}
		for ; i < len(number) && number[i]-'0' <= 9; i++ {
			n = n*10 + int64(number[i]-'0')
		}
		if i == len(number) && (n != 0 || sign > 0) { // but minus zero is none
			return float64(sign * n)
		}
	}
	if isFarNumber(number) {
		if bits, negative, ok := format64.parseFar(number); ok {
			return signed(math.Float64frombits(bits), negative)
		}
	}
	f, _ := strconv.ParseFloat(string(number), 64) // the scan leaves ErrRange only
	return f
}

func signed(f float64, negative bool) float64 {
	if negative {
		return -f
	}
	return f
}
