package parser

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// checkFloats compares parseFar with strconv, in both formats.
func checkFloats(t *testing.T, number string) {
	t.Helper()
	want, _ := strconv.ParseFloat(number, 64)
	bits, negative, ok := format64.parseFar([]byte(number))
	if got := signed(math.Float64frombits(bits), negative); !ok || math.Float64bits(got) != math.Float64bits(want) {
		t.Errorf("%s: got %v, want %v", number, got, want)
	}
	want, _ = strconv.ParseFloat(number, 32)
	bits, negative, ok = format32.parseFar([]byte(number))
	got := float32(signed(float64(math.Float32frombits(uint32(bits))), negative))
	if !ok || math.Float32bits(got) != math.Float32bits(float32(want)) {
		t.Errorf("%s: got %v, want %v as a float32", number, got, float32(want))
	}
}

// TestFarNumbersAreReadAsByStrconv, whatever their digits are.
func TestFarNumbersAreReadAsByStrconv(t *testing.T) {
	for _, number := range []string{
		"5e-324", "4.9e-324", "2e-324", "3e-324", "2.4703282292062327208e-324", "2.4703282292062327209e-324",
		"-5e-324", "1e-400",
		"2.2250738585072011e-308", "2.2250738585072014e-308", "1.7976931348623157e308", "1.7976931348623158e308",
		"1.797693134862315807e308", "1.797693134862315808e308", "1e309", "1e308", "-1e999999999999999999999",
		"0e999999999999", "-0e99",
		"0.000000001e-320", "100000000000e-330", "1e-0000324", "1E+0038", "3.4028235677973366e38",
		"3.4028235677973365e38", "1e-45", "7e-46",
		"7.006492321624085e-46", "0." + strings.Repeat("0", 400) + "1e100", strings.Repeat("1", 400) + "e-100", "1" +
			strings.Repeat("0", 700) + "e-700",
		"9007199254740993e30", "123456789012345678901234567890e-330", "5.e-324", ".5e-323", "+5e-324", "005e-324",
		"1e-343", "9e-343", "1e-344",
	} {
		checkFloats(t, number)
	}
	// strconv of Go 1.26 takes this for 1e-201.
	if f := parseFloat([]byte("1" + strings.Repeat("0", 1000) + "e-1000")); f != 1 {
		t.Errorf("got %v, want 1", f)
	}
	for _, number := range []string{"e-324", ".e-324", "5e-", "5e", "5e-3x", "5x-324", "--5e-324", "5.5.5e-324"} {
		if _, _, ok := format64.parseFar([]byte(number)); ok {
			t.Errorf("%q is a number", number)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	n := 8000
	if testing.Short() || raceEnabled {
		n = 2000
	}
	for range n {
		digits := strconv.FormatUint(r.Uint64(), 10)
		if r.IntN(2) == 0 {
			digits = digits[:1+r.IntN(len(digits))]
		} else if r.IntN(3) == 0 {
			digits += strings.Repeat(strconv.FormatUint(r.Uint64(), 10), 1+r.IntN(4))
		}
		checkFloats(t, fmt.Sprintf("%se%d", digits, r.IntN(700)-370))
		checkFloats(t, fmt.Sprintf("%s.%se%d", digits[:1], digits[1:]+"0", r.IntN(100)-50))
	}
	for range n / 10 {
		checkMiddles(t, math.Float64frombits(r.Uint64()&math.MaxInt64>>uint(r.IntN(2)*r.IntN(60))))
	}
}

// checkMiddles tries numbers just below, at and above the middle between f and the next float, cut after some digits.
func checkMiddles(t *testing.T, f float64) {
	t.Helper()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return
	}
	next := math.Nextafter(f, math.Inf(1))
	if math.IsInf(next, 0) {
		return
	}
	middle := new(big.Float).SetPrec(2000).SetFloat64(f)
	middle.Add(middle, new(big.Float).SetPrec(2000).SetFloat64(next)).Quo(middle, big.NewFloat(2))
	exact := middle.Text('e', 780)
	mantissa, exponent, _ := strings.Cut(exact, "e")
	for _, n := range []int{18, 19, 20, 21, 22, 38, 39, 60, 782} {
		n = min(n, len(mantissa))
		checkFloats(t, mantissa[:n]+"e"+exponent)
		checkFloats(t, mantissa[:n]+"1e"+exponent)
	}
	checkFloats(t, mantissa+strings.Repeat("0", 50)+"1e"+exponent)
	checkFloats(t, mantissa+strings.Repeat("0", 50)+"e"+exponent)
}

func FuzzFarNumbers(f *testing.F) {
	f.Add(uint64(5), int16(-324), uint64(0))
	f.Fuzz(func(t *testing.T, digits uint64, exponent int16, more uint64) {
		checkFloats(t, fmt.Sprintf("%d%de%d", digits, more, exponent))
		checkFloats(t, fmt.Sprintf("0.%d%de%d", digits, more, exponent))
	})
}
