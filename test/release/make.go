package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"
)

// prepare makes the release in a clone: a commit in which the modules require each other as others get them, its
// tags, and a commit that takes the first one back. So the files of the branch end as they began.
func (r *release) prepare(dir string) error {
	_, err := r.source.git("clone", "--quiet", "--shared", "--no-tags", "--branch", r.branch, r.source.dir, dir)
	if err != nil {
		return err
	}
	r.clone = repository{r.source.ctx, dir}
	for _, key := range []string{"user.name", "user.email"} {
		value, err := r.source.git("config", key)
		if err != nil {
			return fmt.Errorf("git does not know who you are: %w", err)
		}
		if _, err := r.clone.git("config", key, value); err != nil {
			return err
		}
	}
	if err := r.fetchDependencies(); err != nil { // while the modules of the clone find each other
		return err
	}
	sums := map[string][]string{}
	for _, m := range r.modules {
		if err := r.rewrite(m, sums); err != nil {
			return fmt.Errorf("%s: %w", m.file("go.mod"), err)
		}
	}
	commands := [][]string{{"commit", "--quiet", "--all", "--allow-empty", "-m", r.subject()}}
	for _, tag := range r.tags() {
		commands = append(commands, []string{"tag", "-a", "-m", tag, tag})
	}
	commands = append(commands,
		[]string{"read-tree", "--reset", "-u", "HEAD~1"},
		[]string{"commit", "--quiet", "--all", "--allow-empty", "-m", "all: join the modules again after " + r.version})
	for _, args := range commands {
		if _, err := r.clone.git(args...); err != nil {
			return err
		}
	}
	return r.sameTree("HEAD", "HEAD~2")
}

func (r *release) subject() string { return "all: release " + r.version }

// sameTree wants two commits of the clone to have the same files.
func (r *release) sameTree(a, b string) error {
	if _, err := r.clone.git("diff", "--quiet", a, b); err != nil {
		return fmt.Errorf("%s and %s differ: %w", a, b, err)
	}
	return nil
}

// rewrite drops the replace directives of a module and names the versions and the hashes of our modules that it
// requires. It adds the module's own hashes to sums.
func (r *release) rewrite(m nested, sums map[string][]string) error {
	name := filepath.Join(r.clone.dir, filepath.FromSlash(m.file("go.mod")))
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	f, err := modfile.Parse(m.file("go.mod"), text, nil)
	if err != nil {
		return err
	}
	for _, x := range slices.Clone(f.Replace) {
		if err := f.DropReplace(x.Old.Path, x.Old.Version); err != nil {
			return err
		}
	}
	var required []string
	for _, x := range slices.Clone(f.Require) {
		if !r.ours(x.Mod.Path) {
			continue
		}
		if err := f.AddRequire(x.Mod.Path, r.version); err != nil {
			return err
		}
		required = append(required, x.Mod.Path)
	}
	f.Cleanup()
	if text, err = f.Format(); err != nil {
		return err
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return err
	}
	if err := r.writeSums(m, required, sums); err != nil {
		return err
	}
	sums[m.path], err = r.sums(m, text)
	return err
}

// writeSums adds the hashes of the required modules to a go.sum, with which the release also builds in its
// checkout.
func (r *release) writeSums(m nested, required []string, sums map[string][]string) error {
	name := filepath.Join(r.clone.dir, filepath.FromSlash(m.file("go.sum")))
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	all := slices.DeleteFunc(lines(string(text)), func(line string) bool {
		path, _, _ := strings.Cut(line, " ")
		return r.ours(path)
	})
	for _, path := range required {
		all = append(all, sums[path]...)
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	if err := os.WriteFile(name, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	_, err = r.clone.git("add", "--", m.file("go.sum"))
	return err
}

// sums are the lines of a go.sum about the module as it lies in the clone.
func (r *release) sums(m nested, gomod []byte) ([]string, error) {
	if _, err := r.clone.git("add", "--", m.file("go.mod")); err != nil {
		return nil, err
	}
	tree, err := r.clone.git("write-tree")
	if err != nil {
		return nil, err
	}
	packed, err := os.CreateTemp("", "sio-release-*.zip")
	if err != nil {
		return nil, err
	}
	defer os.Remove(packed.Name())
	defer packed.Close()
	if err := r.zip(packed, m, tree); err != nil {
		return nil, err
	}
	whole, err := dirhash.HashZip(packed.Name(), dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	open := func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(gomod)), nil }
	alone, err := dirhash.Hash1([]string{"go.mod"}, open)
	if err != nil {
		return nil, err
	}
	return []string{
		m.path + " " + r.version + " " + whole,
		m.path + " " + r.version + "/go.mod " + alone,
	}, nil
}

// zip writes the module as the go command packs it from a commit, a tag or a tree.
func (r *release) zip(w io.Writer, m nested, revision string) error {
	dir := m.dir
	if dir == "." {
		dir = ""
	}
	return modzip.CreateFromVCS(w, module.Version{Path: m.path, Version: r.version}, r.clone.dir, revision, dir)
}

// describe says what the clone has, and the repository would get.
func (r *release) describe() error {
	commits, err := r.clone.git("log", "--reverse", "--format=%h %s", "HEAD~2..HEAD")
	if err != nil {
		return err
	}
	diff, err := r.clone.git("diff", "--no-color", "HEAD~2", "HEAD~1")
	if err != nil {
		return err
	}
	all := lines(commits)
	fmt.Fprintf(r.out, "%s, on %s:\n\n  commit %s\n", r.version, r.branch, all[0])
	for _, m := range r.modules {
		fmt.Fprintf(r.out, "  tag    %s   for %s\n", m.tag(r.version), m.path)
	}
	fmt.Fprintf(r.out, "  commit %s\n\nThe first commit, which the second one takes back:\n\n%s\n\n", all[1], diff)
	for _, m := range r.modules {
		host, _, _ := strings.Cut(m.path, "/")
		if strings.HasSuffix(host, ".example") { // RFC 2606
			fmt.Fprintf(r.out, "Nobody can fetch %s: %s is reserved for examples. See CONTRIBUTING.md.\n\n", m.path, host)
			break
		}
	}
	return nil
}

// takeOver brings branch and tags from the clone, all of them or none. It is refused when the branch has moved or
// a tag has come meanwhile. The files of the checkout are those of the new commit already.
func (r *release) takeOver() error {
	head := "refs/heads/" + r.branch
	args := []string{"fetch", "--quiet", "--atomic", "--update-head-ok", "--no-tags", r.clone.dir, head + ":" + head}
	for _, tag := range r.tags() {
		args = append(args, "refs/tags/"+tag+":refs/tags/"+tag)
	}
	_, err := r.source.git(args...)
	return err
}
