package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// root is the repository.
const root = "../.."

// A pkg is what `go list -json` tells of a package.
type pkg struct {
	ImportPath, Name, Doc, Dir string
	GoFiles, TestGoFiles       []string
	XTestGoFiles               []string
	Imports, TestImports       []string
	XTestImports               []string
	Module                     *struct{ Path string }
	Error                      *struct{ Err string }
	DepsErrors                 []*struct{ Err string }
	rel                        string // import path within the module, "." for its root
	core                       bool   // in the core module
}

// packages lists those of the core module, or of all modules of the workspace.
func packages(t *testing.T, pattern string) []*pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json", pattern)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []*pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		if p.Error != nil {
			t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
		}
		if p.Module == nil {
			t.Fatalf("%s is in no module", p.ImportPath)
		}
		p.core = p.Module.Path == module(t)
		p.rel = strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, p.Module.Path), "/")
		if p.rel == "" {
			p.rel = "."
		}
		pkgs = append(pkgs, p)
	}
}

var modulePath = sync.OnceValues(func() (string, error) {
	cmd := exec.Command("go", "list", "-f", "{{.Module.Path}}", ".")
	cmd.Dir = root
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
})

// module is the path of the core module.
func module(t *testing.T) string {
	t.Helper()
	path, err := modulePath()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return path
}

// public reports whether other modules may import the package.
func (p *pkg) public() bool {
	return p.core && p.Name != "main" && !strings.Contains("/"+p.rel+"/", "/internal/") &&
		!strings.HasPrefix(p.rel, "examples/")
}

// files calls fn with the path, relative to the repository, of each file that somebody wrote whose name ends in suffix.
func files(t *testing.T, suffix string, fn func(path string)) {
	t.Helper()
	found := false
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			switch {
			case path == root:
				return nil
			case name == "node_modules", name == "testdata", name == "dist",
				strings.HasPrefix(name, "."), strings.HasPrefix(name, "_"):
				return fs.SkipDir
			case filepath.Dir(path) == root && (name == "bin" || name == "out"):
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, suffix) {
			found = true
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			fn(filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		t.Errorf("there is no file *%s: this test looks in the wrong place", suffix)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// goFiles calls fn with each parsed Go file.
func goFiles(t *testing.T, fn func(path string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	fset := token.NewFileSet()
	files(t, ".go", func(path string) {
		f, err := parser.ParseFile(fset, filepath.Join(root, path),
			nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		fn(path, fset, f)
	})
}
