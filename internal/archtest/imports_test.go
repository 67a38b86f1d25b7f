package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// mayImport says which packages of ours a package may import. A package may not be missing, so that a new one is
// thought about. The key of a folder ends in a slash; "public" stands for all that other modules may import.
var mayImport = map[string][]string{
	// pure codecs
	"parser":          {"internal/errtext"},
	"parser/msgpack":  {"parser", "internal/errtext"},
	"engineio/packet": {},
	// vocabulary, sessions, rooms
	"event": {"parser", "internal/errtext"},
	"engineio": {
		"engineio/packet", "internal/websocket", "internal/budget",
		"internal/bufpool", "internal/coding", "internal/deadline", "internal/errtext",
		"internal/index", "internal/journal", "internal/ring", "internal/sid", "internal/stack",
		"internal/standstill", "internal/units",
	},
	"adapter":             {"parser", "internal/errtext", "internal/index", "internal/seal"},
	"adapter/adaptertest": {"adapter", "parser", "internal/seal"},
	"browser":             {},
	// the server
	".": {
		"engineio", "parser", "event", "adapter", "browser", "internal/argbytes", "internal/bufpool",
		"internal/coding", "internal/deadline", "internal/dispatch", "internal/errtext", "internal/index",
		"internal/journal", "internal/reqhead", "internal/ring", "internal/scratch", "internal/seal", "internal/sid",
		"internal/standstill", "internal/units",
	},
	// the client
	"client": {
		"engineio", "parser", "event", "internal/backoff", "internal/dispatch", "internal/errtext", "internal/journal",
		"internal/ring", "internal/scratch", "internal/units",
	},
	// on top of the server
	"admin":        {".", "engineio", "parser"},
	"siotest":      {".", "client", "engineio", "parser", "event", "internal/memnet"},
	"examples/":    {"public", "internal/memnet"},
	"examples/bot": {"public", "examples/chat"},
	// leaves of the core
	"internal/websocket":      {"internal/bufpool", "internal/errtext", "internal/standstill"},
	"internal/dispatch":       {"event", "parser", "internal/ring", "internal/journal", "internal/stack"},
	"internal/coding":         {},
	"internal/errtext":        {},
	"internal/deadline":       {},
	"internal/stack":          {},
	"internal/reqhead":        {"internal/bufpool"},
	"internal/ring":           {},
	"internal/scratch":        {"engineio", "parser"},
	"internal/backoff":        {},
	"internal/bufpool":        {},
	"internal/budget":         {},
	"internal/argbytes":       {"parser"},
	"internal/cluster":        {"adapter", "parser", "internal/argbytes", "internal/errtext"},
	"internal/cluster/membus": {},
	"internal/seal":           {},
	"internal/sid":            {},
	"internal/index":          {},
	"internal/journal":        {},
	"internal/units":          {},
	"internal/memnet":         {},
	"internal/archtest":       {},
	"internal/work":           {},
	"internal/standstill":     {},
	// a model, used by tests only
	"internal/recoverymodel": {},

	// for tests only
	"internal/taggedparser": {"parser"},
}

// thirdParty are the only modules that the core requires.
var thirdParty = []string{"github.com/go-json-experiment/json", "github.com/tinylib/msgp"}

// pure packages know no network, no time and no concurrency.
var pure = []string{"parser", "engineio/packet", "event"}

func TestImports(t *testing.T) {
	core := packages(t, "./...")
	public := map[string]bool{}
	for _, p := range core {
		public[p.ImportPath] = p.public()
	}
	for _, p := range core {
		allowed, ok := mayImport[p.rel]
		for dir := p.rel; !ok && dir != "."; {
			dir = path.Dir(dir)
			allowed, ok = mayImport[dir+"/"]
		}
		if !ok {
			t.Errorf("%s has no row in mayImport", p.rel)
		}
		for _, imp := range p.Imports {
			rel, ours := within(imp, module(t))
			switch {
			case ours && !slices.Contains(allowed, rel) && !(public[imp] && slices.Contains(allowed, "public")):
				t.Errorf("%s imports %s, which is not below it", p.rel, rel)
			case !ours && isThirdParty(imp):
				t.Errorf("%s imports %s: the core requires only %v", p.rel, imp, thirdParty)
			}
		}
		for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
			if rel, ours := within(imp, module(t)); ours &&
				!slices.ContainsFunc(core, func(q *pkg) bool { return q.rel == rel }) {
				t.Errorf("a test of %s imports the nested module of %s", p.rel, imp)
			} else if !ours && isThirdParty(imp) {
				t.Errorf("a test of %s imports %s: tests with dependencies live in the module test", p.rel, imp)
			}
		}
	}
}

// innerTests are tests of internal packages that need a third party, and therefore live in the module test. That module
// is never used without the core of the same commit.
var innerTests = map[string]string{"test/websocket": "internal/websocket",
	"test/websocket/autobahn": "internal/websocket"}

// TestNestedModules: what is internal to the core may change with any version of it.
func TestNestedModules(t *testing.T) {
	for _, p := range packages(t, "work") {
		if p.core {
			continue
		}
		for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			rel, ours := within(imp, module(t))
			if !ours || strings.HasPrefix(imp, p.Module.Path+"/") ||
				innerTests[strings.TrimPrefix(p.ImportPath, module(t)+"/")] == rel {
				continue
			}
			if strings.Contains("/"+rel+"/", "/internal/") {
				t.Errorf("%s imports %s: the internal package of another module", p.ImportPath, imp)
			}
		}
	}
}

func TestPure(t *testing.T) {
	goFiles(t, func(file string, fset *token.FileSet, f *ast.File) {
		dir := path.Dir(file)
		if !slices.ContainsFunc(pure, func(p string) bool { return dir == p || strings.HasPrefix(dir, p+"/") }) ||
			strings.HasSuffix(file, "_test.go") {
			return
		}
		for _, imp := range f.Imports {
			if p := strings.Trim(imp.Path.Value, `"`); p == "net" || strings.HasPrefix(p, "net/http") {
				t.Errorf("%s: a pure package imports %s", file, p)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a pure package starts a goroutine", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				switch name := x.Name + "." + n.Sel.Name; name {
				case "sync.Mutex", "sync.RWMutex", "sync.Cond", "sync.WaitGroup",
					"time.AfterFunc", "time.NewTimer", "time.Sleep", "time.Now":
					t.Errorf("%s: a pure package uses %s", fset.Position(n.Pos()), name)
				}
			}
			return true
		})
	})
}

// within returns an import path relative to a module.
func within(imp, module string) (rel string, ok bool) {
	if imp == module {
		return ".", true
	}
	return strings.CutPrefix(imp, module+"/")
}

// isThirdParty reports whether the path is neither in the standard library nor in a module that the core may require.
func isThirdParty(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	if !strings.Contains(first, ".") {
		return false
	}
	return !slices.ContainsFunc(thirdParty, func(m string) bool { return imp == m || strings.HasPrefix(imp, m+"/") })
}
