package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The verdicts of docs/parity.tsv, in the order of the table.
const verdicts = "YDdN-"

var (
	namedTest = regexp.MustCompile(`\bTest[A-Z]\w*\*?`)
	namedADR  = regexp.MustCompile(`\bADRs? ([0-9]{4})`)
)

// TestParityList: docs/parity.tsv has a row for each test of the official server and the packages below, with a verdict
// and a reason; what is different on purpose has an ADR, and nothing is different without; the tests and ADRs that are
// named exist, and the table of docs/conformance.md counts right.
func TestParityList(t *testing.T) {
	tests, adrs := testNames(t), adrNumbers(t)
	counts := map[string]*[1 + len(verdicts)]int{"all": {}} // by suite
	var suites []string
	last := map[string]int{} // number by file
	rows := strings.Split(strings.TrimSuffix(read(t, "docs/parity.tsv"), "\n"), "\n")
	for i, line := range rows[1:] {
		cells := strings.Split(line, "\t")
		if len(cells) != 5 {
			t.Fatalf("line %d: %d cells", i+2, len(cells))
		}
		suite, file, verdict, note := cells[0], cells[0]+" "+cells[1], cells[3], strings.TrimSpace(cells[4])
		if number, err := strconv.Atoi(cells[2]); err != nil || number != last[file]+1 {
			t.Errorf("line %d: %s follows row %d of %s", i+2, cells[2], last[file], file)
		}
		last[file]++
		at := strings.Index(verdicts, verdict)
		if len(verdict) != 1 || at < 0 || note == "" {
			t.Fatalf("line %d: verdict %q, note %q", i+2, verdict, note)
		}
		if counts[suite] == nil {
			counts[suite] = new([1 + len(verdicts)]int)
			suites = append(suites, suite)
		}
		for _, c := range []string{suite, "all"} {
			counts[c][0]++
			counts[c][1+at]++
		}
		for _, name := range namedTest.FindAllString(note, -1) {
			prefix, many := strings.CutSuffix(name, "*")
			if !slices.ContainsFunc(tests, func(test string) bool {
				return test == name || many && strings.HasPrefix(test, prefix)
			}) {
				t.Errorf("line %d names %s, which does not exist", i+2, name)
			}
		}
		named := namedADR.FindAllStringSubmatch(note, -1)
		for _, m := range named {
			if !slices.Contains(adrs, m[1]) {
				t.Errorf("line %d names ADR %s, which does not exist", i+2, m[1])
			}
		}
		if verdict == "D" && named == nil {
			t.Errorf("line %d: different on purpose, without an ADR", i+2)
		}
	}
	if n := counts["all"]; n[0] != 532 || n[1+strings.Index(verdicts, "d")] != 0 {
		t.Errorf("%d rows, of which %d are different without a reason; want 532 and 0", n[0],
			n[1+strings.Index(verdicts, "d")])
	}
	conformance := read(t, "docs/conformance.md")
	for _, suite := range append(suites, "all") {
		name := "`" + suite + "`"
		if suite == "all" {
			name = suite
		}
		n := counts[suite]
		row := fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d |\n", name, n[0], n[1], n[2], n[3], n[4], n[5])
		if !strings.Contains(conformance, row) {
			t.Errorf("docs/conformance.md lacks the row\n%s", row)
		}
	}
}

// testNames are those of all tests.
func testNames(t *testing.T) (names []string) {
	goFiles(t, func(file string, _ *token.FileSet, f *ast.File) {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && strings.HasSuffix(file, "_test.go") {
				names = append(names, d.Name.Name)
			}
		}
	})
	return names
}

// adrNumbers are those of all ADRs.
func adrNumbers(t *testing.T) (numbers []string) {
	files, err := os.ReadDir(filepath.Join(root, "docs/adr"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "-")
		numbers = append(numbers, number)
	}
	return numbers
}
