package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var testName = regexp.MustCompile("`([a-z/]+)\\.(Test\\w+)`")

// TestConformanceList: docs/conformance.md has a row for each test of the official clients, and names tests that exist.
func TestConformanceList(t *testing.T) {
	exists := map[string]bool{}
	goFiles(t, func(file string, _ *token.FileSet, f *ast.File) {
		if !strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil {
				exists[path.Dir(file)+"."+d.Name.Name] = true
			}
		}
	})
	rows := map[string]int{} // by package
	section, last := "", 0
	for line := range strings.Lines(read(t, "docs/conformance.md")) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			section, last = heading, 0
			continue
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue // the head of the table
		}
		if n != last+1 {
			t.Errorf("%s: row %d follows row %d", strings.TrimSpace(section), n, last)
		}
		last = n
		pkg, _, _ := strings.Cut(section, ":")
		rows[pkg]++
		if strings.TrimSpace(cells[2]) == "" || strings.TrimSpace(cells[3]) == "" {
			t.Errorf("%s: row %d has an empty cell", strings.TrimSpace(section), n)
		}
		for _, m := range testName.FindAllStringSubmatch(cells[3], -1) {
			if !exists[m[1]+"."+m[2]] {
				t.Errorf("%s: row %d names %s.%s, which does not exist", strings.TrimSpace(section), n, m[1], m[2])
			}
		}
	}
	// The numbers of tests in socket.io-client and engine.io-client 4.8.
	if rows["socket.io-client"] != 115 || rows["engine.io-client"] != 98 {
		t.Errorf("%d and %d rows, want 115 and 98", rows["socket.io-client"], rows["engine.io-client"])
	}
}
