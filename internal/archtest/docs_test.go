package archtest

import (
	"bytes"
	"compress/gzip"
	"go/ast"
	"go/token"
	"math"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t, "work") {
		if len(p.GoFiles) == 0 { // tests only
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(p.ImportPath) + " "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package comment should begin with %q, it is %q", p.ImportPath, want, p.Doc)
		}
	}
}

// TestExportedDocs wants a comment on each exported name, beginning with it; constants, variables and fields may share
// one.
func TestExportedDocs(t *testing.T) {
	goFiles(t, func(file string, fset *token.FileSet, f *ast.File) {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "test/") || f.Name.Name == "main" {
			return
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if !d.Name.IsExported() || !ast.IsExported(receiver(d)) || selfEvident[d.Name.Name] && d.Recv != nil {
					continue
				}
				needDoc(t, fset, d.Name, d.Doc)
			case *ast.GenDecl:
				checkSpecs(t, fset, d)
			}
		}
	})
}

// selfEvident methods do what their interface says.
var selfEvident = map[string]bool{"Error": true, "String": true, "Unwrap": true, "Is": true, "GoString": true}

func checkSpecs(t *testing.T, fset *token.FileSet, d *ast.GenDecl) {
	t.Helper()
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			switch {
			case !s.Name.IsExported():
			case s.Doc != nil:
				needDoc(t, fset, s.Name, s.Doc)
			case s.Comment != nil, d.Lparen.IsValid() && d.Doc != nil: // a group of types with a common comment
			default:
				needDoc(t, fset, s.Name, d.Doc)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
					t.Errorf("%s: %s has no comment", fset.Position(name.Pos()), name.Name)
				}
			}
		}
	}
}

func needDoc(t *testing.T, fset *token.FileSet, name *ast.Ident, doc *ast.CommentGroup) {
	t.Helper()
	text := doc.Text()
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	if rest, ok := strings.CutPrefix(text, name.Name); !ok || rest == "" || token.IsIdentifier(rest[:1]) {
		t.Errorf("%s: the comment of %s should begin with its name", fset.Position(name.Pos()), name.Name)
	}
}

// receiver is the name of the type that a method belongs to; of a function, something exported.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return "Func"
	}
	for x := d.Recv.List[0].Type; ; {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y.Name
		default:
			return ""
		}
	}
}

// TestSnippets: Go code in a document is part of an example that is compiled.
func TestSnippets(t *testing.T) {
	var examples []string
	files(t, ".go", func(file string) {
		if strings.HasPrefix(file, "examples/") ||
			strings.HasPrefix(path.Base(file), "example") && strings.HasSuffix(file, "_test.go") {
			examples = append(examples, normalize(read(t, file)))
		}
	})
	files(t, ".md", func(file string) {
		for _, block := range codeBlocks(read(t, file), "go") {
			want := normalize(block)
			found := false
			for _, e := range examples {
				found = found || strings.Contains(e, want)
			}
			if !found {
				t.Errorf("%s: this code is in no example:\n%s", file, block)
			}
		}
	})
}

// TestExamplesBoundHeaders: what people copy sets a ReadHeaderTimeout, as SECURITY.md asks.
func TestExamplesBoundHeaders(t *testing.T) {
	check := func(file string) {
		example := strings.HasPrefix(file, "examples/") ||
			strings.HasPrefix(path.Base(file), "example") || strings.HasSuffix(file, ".md")
		if !example {
			return
		}
		text := read(t, file)
		if regexp.MustCompile(`\bhttp\.(ListenAndServe|Serve)(TLS)?\(`).MatchString(text) {
			t.Errorf("%s: a server of package http's functions has no ReadHeaderTimeout", file)
		}
		for _, server := range regexp.MustCompile(`(?s)\bhttp\.Server\{.*?\}`).FindAllString(text, -1) {
			if !strings.Contains(server, "ReadHeaderTimeout:") {
				t.Errorf("%s: no ReadHeaderTimeout in %s", file, server)
			}
		}
	}
	files(t, ".go", check)
	files(t, ".md", check)
}

// normalize drops indentation and empty lines, and begins and ends with a line break.
func normalize(code string) string {
	var b strings.Builder
	b.WriteByte('\n')
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func codeBlocks(doc, language string) []string {
	var blocks []string
	var block strings.Builder
	inside, wanted := false, false
	for line := range strings.Lines(doc) {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && !inside:
			inside, wanted = true, strings.TrimSpace(line) == "```"+language
		case fence:
			if wanted {
				blocks = append(blocks, block.String())
			}
			block.Reset()
			inside, wanted = false, false
		case wanted:
			block.WriteString(line)
		}
	}
	return blocks
}

var mdLink = regexp.MustCompile(`\]\(([^)#\s]+)`)

// TestLinks: what a document refers to in the repository exists.
func TestLinks(t *testing.T) {
	files(t, ".md", func(file string) {
		text := inlineCode.ReplaceAllString(codeBlock.ReplaceAllString(read(t, file), ""), "")
		for _, m := range mdLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if matches, err := filepath.Glob(filepath.Join(root, path.Dir(file), m[1])); err != nil ||
				len(matches) == 0 {
				t.Errorf("%s links to %s, which does not exist", file, m[1])
			}
		}
	})
}

// TestClientSize: the README says how large the browser client is. How well gzip packs differs by the release of Go:
// the tolerance is for that.
func TestClientSize(t *testing.T) {
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(read(t, "browser/dist/socket.io.min.js"))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	size := float64(z.Len()) / 1024
	if size > 9.5 {
		t.Errorf("the browser client has %.2f KiB, more than 9.5", size)
	}
	m := regexp.MustCompile(`\((\d+\.\d) KiB, minified and gzipped\)`).FindStringSubmatch(read(t, "README.md"))
	if m == nil {
		t.Fatal("README.md does not say how large the browser client is")
	}
	if said, err := strconv.ParseFloat(m[1], 64); err != nil || math.Abs(said-size) > 0.4 {
		t.Errorf("README.md says %s KiB, the browser client has %.2f", m[1], size)
	}
}

// TestRules: the tests of this package notice what they are for.
func TestRules(t *testing.T) {
	if got := codeBlocks("a\n```go\nx\n```\n```sh\ny\n```\n\n```go\nz\n```\n", "go"); len(got) != 2 ||
		got[0] != "x\n" || got[1] != "z\n" {
		t.Errorf("code blocks %q", got)
	}
	if !strings.Contains(normalize("\tfoo()\n\n\tbar() \n"), normalize("foo()\nbar()")) {
		t.Error("indentation matters to normalize")
	}
	if strings.Contains(normalize("foo()\nbaz()\nbar()"), normalize("foo()\nbar()")) {
		t.Error("normalize leaves out lines")
	}
	for path, want := range map[string]bool{"net/http": false, "example.com/x": true,
		thirdParty[0]: false, thirdParty[0] + "/y": false, thirdParty[0] + "y": true} {
		if isThirdParty(path) != want {
			t.Errorf("isThirdParty(%s) = %v", path, !want)
		}
	}
}

var (
	inlineCode = regexp.MustCompile("`[^`\n]+`")
	goName     = regexp.MustCompile(`\b[A-Z][A-Za-z]*[a-z][A-Za-z]*\b`)
)

// notOurs is what code in a document quotes, and what it takes from packages that are not of this module.
var notOurs = regexp.MustCompile(`"[^"]*"|\bX-[\w-]+|\b(context|echo|errors|gin|http|slog|time)\.\w+`)

// elsewhere are names in the guide that belong to the standard library, to JavaScript or to its examples.
var elsewhere = map[string]bool{
	"Canceled": true, "Cause": true, "Config": true, "DeadlineExceeded": true, "Dialer": true,
	"GetPrice": true, "Tell": true, "Told": true, "Remark": true, "Login": true, "Moved": true, "User": true,
	"ReadTimeout": true, "WriteTimeout": true, "ReadHeaderTimeout": true, "Hijack": true, "Get": true, "Any": true,
	"ArrayBuffer": true, "HttpOnly": true, "SameSite": true,
}

// TestNamesInTheGuide: what the guides of the server, the client and siotest call by name exists.
func TestNamesInTheGuide(t *testing.T) {
	known := map[string]bool{}
	goFiles(t, func(file string, _ *token.FileSet, f *ast.File) {
		dir := path.Dir(file)
		dirs := []string{".", "adapter", "admin", "client", "engineio", "event", "parser", "siotest"}
		if strings.HasSuffix(file, "_test.go") || !slices.Contains(dirs, dir) {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				known[n.Name.Name] = true
				return false
			case *ast.TypeSpec:
				known[n.Name.Name] = true
			case *ast.ValueSpec:
				for _, name := range n.Names {
					known[name.Name] = true
				}
			case *ast.Field:
				for _, name := range n.Names {
					known[name.Name] = true
				}
			}
			return true
		})
	})
	for _, doc := range []string{"docs/client.md", "docs/server.md", "docs/testing.md", "docs/conformance.md"} {
		text := codeBlock.ReplaceAllString(read(t, doc), "")
		for _, code := range inlineCode.FindAllString(text, -1) {
			for _, name := range goName.FindAllString(notOurs.ReplaceAllString(code, ""), -1) {
				if !known[name] && !elsewhere[name] && !strings.HasPrefix(name, "Test") {
					t.Errorf("%s: there is no %s, which %s names", doc, name, code)
				}
			}
		}
	}
}

var codeBlock = regexp.MustCompile("(?ms)^```.*?^```")
