package archtest

import (
	"bytes"
	"cmp"
	"flag"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the exported API to testdata/api")

// TestAPI compares the exported API of each public package with the one agreed upon.
func TestAPI(t *testing.T) {
	dir := filepath.Join("testdata", "api")
	want := map[string]bool{}
	for _, p := range packages(t, "./...") {
		if !p.public() || len(p.GoFiles) == 0 {
			continue
		}
		name := strings.ReplaceAll(p.rel, "/", "_") + ".txt"
		if p.rel == "." {
			name = p.Name + ".txt"
		}
		want[name] = true
		got, file := api(t, p), filepath.Join(dir, name)
		if *update {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		old, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%v (run this test with -update)", err)
			continue
		}
		if !bytes.Equal(old, got) {
			t.Errorf("%s: the API has changed:\n%s", p.rel, strings.Join(difference(string(old), string(got)), "\n"))
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !want[e.Name()] {
			t.Errorf("%s is of no package", filepath.Join(dir, e.Name()))
		}
	}
	if t.Failed() {
		t.Log("if these changes of the API are wanted: go test ./internal/archtest -run TestAPI -update")
	}
}

// api prints the exported declarations of a package in alphabetical order, without comments and bodies.
func api(t *testing.T, p *pkg) []byte {
	t.Helper()
	fset := token.NewFileSet()
	var decls []string
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.FileExports(f)
		for _, d := range f.Decls {
			var nodes []ast.Node
			switch d := d.(type) {
			case *ast.FuncDecl:
				if ast.IsExported(receiver(d)) {
					d.Body = nil
					nodes = append(nodes, d)
				}
			case *ast.GenDecl:
				nodes = specs(d)
			}
			for _, n := range nodes {
				decls = append(decls, format(t, fset, n))
			}
		}
	}
	slices.Sort(decls)
	return []byte(strings.Join(decls, ""))
}

// specs splits groups, except of constants: there, a value may depend on the ones before.
func specs(d *ast.GenDecl) []ast.Node {
	switch d.Tok {
	case token.IMPORT:
		return nil
	case token.CONST:
		return []ast.Node{d}
	}
	var nodes []ast.Node
	for _, s := range d.Specs {
		if v, ok := s.(*ast.ValueSpec); ok && v.Type != nil {
			v.Values = nil
		}
		nodes = append(nodes, &ast.GenDecl{Tok: d.Tok, Specs: []ast.Spec{s}})
	}
	return nodes
}

func format(t *testing.T, fset *token.FileSet, n ast.Node) string {
	t.Helper()
	var b bytes.Buffer
	if err := (&printer.Config{Mode: printer.UseSpaces, Tabwidth: 4}).Fprint(&b, fset, n); err != nil {
		t.Fatal(err)
	}
	if _, ok := n.(*ast.FuncDecl); ok { // wherever its lines are broken
		return strings.Join(strings.Fields(b.String()), " ") + "\n"
	}
	// Alignment depends on comments, which are gone.
	var lines []string
	for line := range strings.Lines(b.String()) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if fields := strings.Fields(line); len(fields) > 0 {
			lines = append(lines, line[:indent]+strings.Join(fields, " "))
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// difference lists the lines that are only in one of two texts.
func difference(a, b string) []string {
	count := map[string]int{}
	for line := range strings.Lines(a) {
		count[line]--
	}
	for line := range strings.Lines(b) {
		count[line]++
	}
	var diff []string
	for line, n := range count {
		switch line = strings.TrimSpace(line); {
		case n < 0:
			diff = append(diff, "gone: "+line)
		case n > 0:
			diff = append(diff, "new: "+line)
		}
	}
	slices.SortFunc(diff, cmp.Compare[string])
	return diff
}

// TestMethodsAreForwarded: go doc shows no methods that come from an embedded type, so a Server declares those of a
// Namespace, and a Namespace those of an operator.
func TestMethodsAreForwarded(t *testing.T) {
	methods := map[string]map[string]bool{}
	for line := range strings.Lines(read(t, "internal/archtest/testdata/api/socketio.txt")) {
		if m := regexp.MustCompile(`^func \(\w+ \*?(\w+)\) (\w+)\(`).FindStringSubmatch(line); m != nil {
			if methods[m[1]] == nil {
				methods[m[1]] = map[string]bool{}
			}
			methods[m[1]][m[2]] = true
		}
	}
	for _, embeds := range [][2]string{{"Server", "Namespace"}, {"Namespace", "BroadcastOperator"}} {
		if len(methods[embeds[1]]) == 0 {
			t.Errorf("no methods of %s", embeds[1])
		}
		for name := range methods[embeds[1]] {
			if !methods[embeds[0]][name] {
				t.Errorf("%s has no %s of its own, as %s has", embeds[0], name, embeds[1])
			}
		}
	}
}
