package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxFile = 700 // lines
	maxFunc = 70
	maxLong = 120 // with a comment that begins with "long:" and gives the reason

	maxColumns = 120 // a tab is one
)

// TestLineWidth: no line is longer than 120 columns, but for those of texts that span lines, tables, and addresses.
func TestLineWidth(t *testing.T) {
	goFiles(t, func(file string, fset *token.FileSet, f *ast.File) {
		within := map[int]bool{} // lines of a raw string
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				first, last := fset.Position(lit.Pos()).Line, fset.Position(lit.End()).Line
				for line := first; line <= last && last > first; line++ {
					within[line] = true
				}
			}
			return true
		})
		i := 0
		for line := range strings.Lines(read(t, file)) {
			line = strings.TrimRight(line, "\n")
			if i++; utf8.RuneCountInString(line) > maxColumns && !within[i] && !strings.Contains(line, "://") {
				t.Errorf("%s:%d: %d columns", file, i, utf8.RuneCountInString(line))
			}
		}
	})
	files(t, ".md", func(file string) {
		i, code := 0, false
		for line := range strings.Lines(read(t, file)) {
			i++
			line = strings.TrimRight(line, "\n")
			text := strings.TrimSpace(line)
			if strings.HasPrefix(text, "```") {
				code = !code
			}
			exempt := code || strings.HasPrefix(text, "|") || strings.Contains(line, "://")
			if utf8.RuneCountInString(line) > maxColumns && !exempt {
				t.Errorf("%s:%d: %d columns", file, i, utf8.RuneCountInString(line))
			}
		}
	})
}

// loose is a pronoun without anything that it stands for, or a private way to say that a timer runs.
var loose = regexp.MustCompile(
	`\b[Ww]hoever\b|(^|[.:;,] |so that |\bfor |\bbut )[Ww]ho [a-z]|\bgo(es)? off\b|\bwent off\b`)

// TestPlainComments: a comment has a subject: not "so that who waits sees it", but "so that a caller that waits sees
// it".
func TestPlainComments(t *testing.T) {
	goFiles(t, func(file string, fset *token.FileSet, f *ast.File) {
		if strings.HasSuffix(file, "_test.go") || slices.ContainsFunc(
			[]string{"test/", "bench/", "examples/", "cmd/"},
			func(p string) bool { return strings.HasPrefix(file, p) },
		) {
			return
		}
		for _, c := range f.Comments {
			if text := strings.Join(strings.Fields(c.Text()), " "); loose.MatchString(text) {
				t.Errorf("%s: %q has no subject", fset.Position(c.Pos()), loose.FindString(text))
			}
		}
	})
}

func TestFileLength(t *testing.T) {
	check := func(file string) {
		if n := strings.Count(read(t, file), "\n"); n > maxFile {
			t.Errorf("%s has %d lines, more than %d", file, n, maxFile)
		}
	}
	files(t, ".go", check)
	files(t, ".js", check)
}

func TestFunctionLength(t *testing.T) {
	goFiles(t, func(file string, fset *token.FileSet, f *ast.File) {
		if strings.HasSuffix(file, "_test.go") { // tables may be long
			return
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			limit := maxFunc
			if hasReason(f, fn) {
				limit = maxLong
			}
			if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; n > limit {
				t.Errorf("%s: %s has %d lines, more than %d", fset.Position(fn.Pos()), fn.Name.Name, n, limit)
			}
		}
	})
}

var longReason = regexp.MustCompile(`(?m)^// long: \S`)

func hasReason(f *ast.File, fn *ast.FuncDecl) bool {
	return slices.ContainsFunc(f.Comments, func(c *ast.CommentGroup) bool {
		if c != fn.Doc && (c.Pos() < fn.Pos() || c.End() > fn.End()) {
			return false
		}
		return slices.ContainsFunc(c.List, func(c *ast.Comment) bool { return longReason.MatchString(c.Text) })
	})
}

// TestNoSleep: what sleeps is slow or flaky, and mostly both. Use testing/synctest, or wait for what you wait for.
func TestNoSleep(t *testing.T) {
	goFiles(t, func(file string, fset *token.FileSet, f *ast.File) {
		if !strings.HasSuffix(file, "_test.go") && !strings.HasPrefix(file, "test/") &&
			!strings.HasPrefix(file, "adapter/adaptertest/") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
					t.Errorf("%s: a test sleeps", fset.Position(n.Pos()))
				}
			}
			return true
		})
	})
}

// TestPatience: what a test waits for at most is a matter of minutes, so that only what hangs takes it.
func TestPatience(t *testing.T) {
	patience := regexp.MustCompile(`(?m)^(?:const|var|\t)\s*(?:patience|Deadline) *= *(.*)$`)
	long := regexp.MustCompile(`^(?:[5-9]|[1-9]\d+) ?\* ?time\.Minute\b`)
	files(t, ".go", func(file string) {
		if !strings.HasSuffix(file, "_test.go") && !strings.HasPrefix(file, "test/") &&
			!strings.HasPrefix(file, "adapter/adaptertest/") {
			return
		}
		for _, m := range patience.FindAllStringSubmatch(read(t, file), -1) {
			if !long.MatchString(m[1]) {
				t.Errorf("%s: a patience of %s; want 5 * time.Minute or more", file, m[1])
			}
		}
	})
}

func TestNoSkeletons(t *testing.T) {
	goFiles(t, func(file string, fset *token.FileSet, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok || len(c.Args) != 1 {
				return true
			}
			fn, ok := c.Fun.(*ast.Ident)
			lit, isLit := c.Args[0].(*ast.BasicLit)
			if ok && isLit && fn.Name == "panic" && lit.Value == `"skeleton"` {
				t.Errorf("%s: not written yet", fset.Position(n.Pos()))
			}
			return true
		})
	})
}

// TestGoroutines: each go statement says in a comment, on its line or just above, who owns the goroutine and what ends
// it.
func TestGoroutines(t *testing.T) {
	goFiles(t, func(file string, fset *token.FileSet, f *ast.File) {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "test/") {
			return
		}
		commented := map[int]bool{}
		for _, c := range f.Comments {
			for line := fset.Position(c.Pos()).Line; line <= fset.Position(c.End()).Line; line++ {
				commented[line] = true
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				if line := fset.Position(g.Pos()).Line; !commented[line] && !commented[line-1] {
					t.Errorf("%s: a goroutine without a comment that names its owner and its end",
						fset.Position(g.Pos()))
				}
			}
			return true
		})
	})
}

// TestPackageNames: a package is called after what it is about.
func TestPackageNames(t *testing.T) {
	for _, p := range packages(t, "work") {
		switch base := path.Base(p.ImportPath); base {
		case "util", "utils", "common", "helper", "helpers", "types", "misc", "pkg", "shared", "base":
			t.Errorf("%s: %q says nothing", p.ImportPath, base)
		}
	}
}

// TestPortable: nothing in the repository names a machine's folders or a package registry.
func TestPortable(t *testing.T) {
	foreign := regexp.MustCompile(`(?m)(^|[\s"'=(])/(home|root|Users|work)/\w|registry\.np` +
		`mjs\.org|proxy\.gol` + `ang\.org`)
	check := func(file string) {
		for i, line := range strings.Split(read(t, file), "\n") {
			if m := foreign.FindString(line); m != "" {
				t.Errorf("%s:%d: %s", file, i+1, fmt.Sprintf("%q", m))
			}
		}
	}
	for _, suffix := range []string{".go", ".js", ".json", ".md", "Makefile"} {
		files(t, suffix, check)
	}
}

// TestErrorsOfOurs: an error whose text begins with the name of its package is made by errtext, which leaves the name
// out when another package wraps the error, and knows by that whose text it is.
func TestErrorsOfOurs(t *testing.T) {
	goFiles(t, func(file string, fset *token.FileSet, f *ast.File) {
		dir, name := path.Dir(file), f.Name.Name
		if !slices.Contains(mayImport[dir], "internal/errtext") || strings.HasSuffix(file, "_test.go") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			fn, ok := call.Fun.(*ast.SelectorExpr)
			lit, _ := call.Args[0].(*ast.BasicLit)
			if sum, isSum := call.Args[0].(*ast.BinaryExpr); isSum {
				lit, _ = sum.X.(*ast.BasicLit)
			}
			if !ok || lit == nil || !strings.HasPrefix(lit.Value, `"`+name+": ") {
				return true
			}
			if from, ok := fn.X.(*ast.Ident); ok && (from.Name == "errors" || from.Name == "fmt") && fn.Sel.Name != "Sprintf" {
				t.Errorf("%s: %s.%s of a text with the package's name: use errtext", fset.Position(call.Pos()),
					from.Name, fn.Sel.Name)
			}
			return true
		})
	})
}
