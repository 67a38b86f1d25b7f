package archtest

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

// No function unlocks what its caller has locked, unless it is called unlock: whoever reads a function sees in it how
// long a lock is held.
func TestNoFunctionUnlocksWhatItsCallerLocked(t *testing.T) {
	goFiles(t, func(path string, fset *token.FileSet, f *ast.File) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil || strings.EqualFold(fn.Name.Name, "unlock") || fn.Name.Name == "RUnlock" {
				continue
			}
			locked := map[string]bool{}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) > 0 {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				switch what := types.ExprString(sel.X); sel.Sel.Name {
				case "Lock", "RLock", "TryLock":
					locked[what] = true
				case "Unlock", "RUnlock":
					if !locked[what] {
						t.Errorf("%s: %s unlocks %s, which it has not locked", fset.Position(n.Pos()), fn.Name.Name, what)
					}
				}
				return true
			})
		}
	})
}
