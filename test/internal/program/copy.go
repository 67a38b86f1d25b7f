package program

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// CopyRepository copies the repository as it is here, without what is built or installed, and without its history.
func CopyRepository(t testing.TB, dir string) {
	t.Helper()
	from := filepath.Join(Root(), "..")
	err := filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, file)
		switch {
		case err != nil:
			return err
		case slices.Contains([]string{".git", "node_modules", "out", "bin"}, d.Name()):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), text, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
}
