package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// released are the folders of the modules that others can get: the library, its WebTransport, and the program. A module
// comes after those of ours that it requires, since it names their hashes.
var released = []string{".", "siowebtransport", "cmd/sio"}

// unreleased are the folders of those that nobody gets: they are used in a checkout, where go.work and their
// replace directives join them.
var unreleased = []string{"bench", "test"}

// A release is one version of all modules that are released.
type release struct {
	source  repository
	branch  string
	version string
	out     io.Writer

	modules []nested          // in the order of released
	paths   map[string]string // the module path of each folder with a go.mod
	clone   repository        // where it is made
}

// A nested is a module, by the path that others import and the folder it lies in.
type nested struct {
	dir, path string
}

// tag is how the go command finds a version of the module: nested ones have their folder before it.
func (m nested) tag(version string) string {
	if m.dir == "." {
		return version
	}
	return m.dir + "/" + version
}

func (m nested) file(name string) string { return path.Join(m.dir, name) }

// tags are those of the release.
func (r *release) tags() []string {
	var all []string
	for _, m := range r.modules {
		all = append(all, m.tag(r.version))
	}
	return all
}

// check looks whether the release can be made of what is here. It reports whether that has been done already.
func (r *release) check() (done bool, err error) {
	if err := r.checkVersion(); err != nil {
		return false, err
	}
	if err := r.findModules(); err != nil {
		return false, err
	}
	if done, err := r.checkTags(); done || err != nil {
		return done, err
	}
	return false, errors.Join(r.checkTree(), r.checkChangelog(), r.checkRequirements())
}

func (r *release) checkVersion() error {
	switch v := r.version; {
	case !semver.IsValid(v) || semver.Canonical(v) != v:
		return fmt.Errorf("%q is no version: it has the form v0.1.0 or v0.1.0-rc.1", v)
	case module.IsPseudoVersion(v):
		return fmt.Errorf("%s looks like a version that the go command makes of a commit", v)
	}
	return nil
}

// findModules reads the go.mod of each module, and wants each to be known.
func (r *release) findModules() error {
	files, err := r.source.git("ls-files", "--", "go.mod", "*/go.mod")
	if err != nil {
		return err
	}
	r.paths = map[string]string{}
	for _, file := range lines(files) {
		if strings.Contains(file, "testdata/") {
			continue
		}
		dir := path.Dir(file)
		if !slices.Contains(released, dir) && !slices.Contains(unreleased, dir) {
			return fmt.Errorf("the module in %s is neither released nor unreleased: add it to test/release/check.go", dir)
		}
		text, err := os.ReadFile(filepath.Join(r.source.dir, filepath.FromSlash(file)))
		if err != nil {
			return err
		}
		r.paths[dir] = modfile.ModulePath(text)
	}
	for _, dir := range released {
		p, ok := r.paths[dir]
		if !ok {
			return fmt.Errorf("there is no go.mod in %s: is this the repository?", dir)
		}
		if err := module.Check(p, r.version); err != nil {
			return fmt.Errorf("%w: from v2 on the module path ends in the major version (scripts/rename-module)", err)
		}
		r.modules = append(r.modules, nested{dir, p})
	}
	return nil
}

// checkTags wants none of the tags, or all of them at one commit of the branch.
func (r *release) checkTags() (done bool, err error) {
	found, err := r.source.git("tag", "--list")
	if err != nil {
		return false, err
	}
	existing := lines(found)
	var there, missing []string
	for _, tag := range r.tags() {
		if slices.Contains(existing, tag) {
			there = append(there, tag)
		} else {
			missing = append(missing, tag)
		}
	}
	switch {
	case len(there) == 0:
		return false, r.checkOrder(existing)
	case len(missing) > 0:
		return false, fmt.Errorf("half a release: there is a tag %s, and none %s. If it was never pushed, "+
			"delete it (git tag -d); otherwise the version is taken: release the next one",
			strings.Join(there, ", "), strings.Join(missing, ", "))
	}
	var commits []string
	for _, tag := range there {
		commit, err := r.source.git("rev-parse", tag+"^{commit}")
		if err != nil {
			return false, err
		}
		commits = append(commits, commit)
	}
	if len(slices.Compact(commits)) > 1 {
		return false, fmt.Errorf("half a release: the tags %s are at different commits", strings.Join(there, ", "))
	}
	if _, err := r.source.git("merge-base", "--is-ancestor", commits[0], r.branch); err != nil {
		return false, fmt.Errorf("half a release: the tags %s are not on %s", strings.Join(there, ", "), r.branch)
	}
	return true, nil
}

// checkOrder wants a version above those of the same major and minor version, and above all on the main branch.
func (r *release) checkOrder(tags []string) error {
	for _, tag := range tags {
		if !semver.IsValid(tag) || semver.Compare(tag, r.version) < 0 {
			continue
		}
		if r.branch == "main" || semver.MajorMinor(tag) == semver.MajorMinor(r.version) {
			return fmt.Errorf("%s is not above %s, which is released", r.version, tag)
		}
	}
	return nil
}

// checkTree wants the branch, with nothing that is not committed and not behind what it follows.
func (r *release) checkTree() error {
	var errs []error
	if head, err := r.source.git("symbolic-ref", "--short", "-q", "HEAD"); err != nil || head != r.branch {
		errs = append(errs, fmt.Errorf("the branch here is %q, and releases are made on %s (or -branch)", head, r.branch))
	}
	if status, err := r.source.git("status", "--porcelain"); err != nil || status != "" {
		errs = append(errs, errors.Join(errors.New("there is something that is not committed:\n"+status), err))
	}
	if upstream, err := r.source.git("rev-parse", "--abbrev-ref", "@{upstream}"); err == nil {
		if _, err := r.source.git("merge-base", "--is-ancestor", upstream, "HEAD"); err != nil {
			errs = append(errs, fmt.Errorf("%s lacks commits of %s: pull them", r.branch, upstream))
		}
	}
	return errors.Join(errs...)
}

var (
	heading = regexp.MustCompile(`(?m)^## (.*)$`)
	entry   = regexp.MustCompile(`(?m)^- \S`)
)

// checkChangelog wants a section for the version, with a date and entries, and nothing that is listed as
// unreleased.
func (r *release) checkChangelog() error {
	text, err := os.ReadFile(filepath.Join(r.source.dir, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	version := strings.TrimPrefix(r.version, "v")
	title := regexp.MustCompile(`^\[?` + regexp.QuoteMeta(version) + `\]? - \d{4}-\d\d-\d\d$`)
	found := false
	at := heading.FindAllSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		name, filled := string(text[m[2]:m[3]]), entry.Match(text[m[1]:end])
		switch {
		case strings.Trim(name, "[]") == "Unreleased" && filled:
			return fmt.Errorf("CHANGELOG.md has changes under %q: move them to \"## %s - YYYY-MM-DD\"", name, version)
		case title.MatchString(name):
			found = filled
		}
	}
	if !found {
		return fmt.Errorf("CHANGELOG.md has no section \"## %s - YYYY-MM-DD\" with entries", version)
	}
	return nil
}

// checkRequirements wants nothing in a go.mod that others would see differently, but for what the release rewrites.
func (r *release) checkRequirements() error {
	before := map[string]bool{}
	for _, m := range r.modules {
		name := m.file("go.mod")
		text, err := os.ReadFile(filepath.Join(r.source.dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		f, err := modfile.Parse(name, text, nil)
		if err != nil {
			return err
		}
		for _, x := range f.Replace {
			if !r.ours(x.Old.Path) || !modfile.IsDirectoryPath(x.New.Path) {
				return fmt.Errorf("%s: replace %s => %s: others would get %s itself", name, x.Old.Path, x.New.Path, x.Old.Path)
			}
		}
		for _, x := range f.Exclude {
			return fmt.Errorf("%s: exclude %s: go install refuses modules with that", name, x.Mod.Path)
		}
		for _, x := range f.Require {
			if r.ours(x.Mod.Path) && !before[x.Mod.Path] {
				return fmt.Errorf("%s requires %s, which is not released, or not before it", name, x.Mod.Path)
			}
		}
		before[m.path] = true
	}
	return nil
}

// ours reports whether the path is that of a module of this repository.
func (r *release) ours(path string) bool {
	for _, p := range r.paths {
		if p == path {
			return true
		}
	}
	return false
}
