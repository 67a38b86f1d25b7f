package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"sio.example/socketio/test/internal/program"
)

const version = "v0.1.0"

// changes is what the changelog needs for the version.
const changes = "## 0.1.0 - 2026-01-02\n\n### Added\n\n- Everything.\n"

// TestRelease releases a copy of the repository as it is here: others can get the library, and install the program.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds everything for somebody else")
	}
	needGit(t)
	dir := t.TempDir()
	program.CopyRepository(t, dir)
	src := begin(t, dir)
	old, err := os.ReadFile(filepath.Join(dir, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	src.write("CHANGELOG.md", strings.Replace(string(old), "## Unreleased\n", changes, 1))
	src.commit("all: begin")
	before := src.git("rev-parse", "HEAD")

	out := src.release("-act", version)
	for _, want := range []string{
		"-replace ", "tried: go get ", "tried: go install ", "tried: go build ",
		"git push --atomic origin main " + version + " siowebtransport/" + version + " cmd/sio/" + version,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it did not say %q:\n%s", want, out)
		}
	}
	if got := src.git("status", "--porcelain"); got != "" {
		t.Errorf("afterwards there is something to commit:\n%s", got)
	}
	src.git("diff", "--exit-code", before, "HEAD")
	got := src.git("rev-parse", version+"^{commit}", "siowebtransport/"+version+"^{commit}",
		"cmd/sio/"+version+"^{commit}", "HEAD~1")
	if len(unique(got)) != 1 {
		t.Errorf("the tags and the commit before the last are\n%s", got)
	}
	if got := src.git("rev-parse", "HEAD~2"); got != before {
		t.Errorf("the release is two commits above %s, not above the one it is made of", got)
	}
	for _, gomod := range []string{"siowebtransport/go.mod", "cmd/sio/go.mod"} {
		f, err := modfile.Parse(gomod, []byte(src.git("show", version+":"+gomod)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Replace) != 0 || f.Require[len(f.Require)-1].Mod.Version == "" {
			t.Errorf("in the release %s is\n%s", gomod, src.git("show", version+":"+gomod))
		}
	}
	if out := src.release("-act", version); !strings.Contains(out, "released here already") {
		t.Errorf("once more says:\n%s", out)
	}
}

// TestDryRunChangesNothing: without -act a repository is only read.
func TestDryRunChangesNothing(t *testing.T) {
	needGit(t)
	src := small(t)
	before := src.git("for-each-ref") + src.git("count-objects") + src.git("status", "--porcelain")
	var out bytes.Buffer
	r := src.checked(&out)
	if err := r.prepare(filepath.Join(t.TempDir(), "clone")); err != nil {
		t.Fatal(err)
	}
	if err := r.describe(); err != nil {
		t.Fatal(err)
	}
	if after := src.git("for-each-ref") + src.git("count-objects") + src.git("status", "--porcelain"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	for _, want := range []string{
		"commit ", "all: release v0.1.0",
		"tag    v0.1.0   for module.example/library",
		"tag    cmd/sio/v0.1.0   for module.example/library/cmd/sio",
		"tag    siowebtransport/v0.1.0   for module.example/library/siowebtransport",
		"-replace module.example/library => ../../",
		"+require module.example/library/siowebtransport v0.1.0", "+require module.example/library v0.1.0",
		"+module.example/library v0.1.0 h1:", "reserved for examples",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it did not say %q:\n%s", want, out.String())
		}
	}
}

// TestTakeOverIsWholeOrNothing: what has come meanwhile is not overwritten, and then nothing else comes either.
func TestTakeOverIsWholeOrNothing(t *testing.T) {
	needGit(t)
	for name, meanwhile := range map[string]func(s *source){
		"a tag":    func(s *source) { s.git("tag", "cmd/sio/v0.1.0") },
		"a commit": func(s *source) { s.write("more.txt", "more"); s.commit("all: go on") },
	} {
		t.Run(name, func(t *testing.T) {
			src := small(t)
			r := src.checked(new(bytes.Buffer))
			if err := r.prepare(filepath.Join(t.TempDir(), "clone")); err != nil {
				t.Fatal(err)
			}
			meanwhile(src)
			before := src.git("for-each-ref")
			if err := r.takeOver(); err == nil {
				t.Error("it was taken over")
			}
			if after := src.git("for-each-ref"); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

// TestRefused: no release is made of a state that it should not be made of, and the answer says what to do.
func TestRefused(t *testing.T) {
	needGit(t)
	for name, test := range map[string]struct {
		version string
		change  func(s *source)
		want    string
	}{
		"no version":           {version: "0.1.0", want: "it has the form v0.1.0"},
		"short version":        {version: "v0.1", want: "it has the form v0.1.0"},
		"pseudo-version":       {version: "v0.0.0-20260102030405-abcdefabcdef", want: "makes of a commit"},
		"second major version": {version: "v2.0.0", want: "the module path ends in the major version"},
		"changed file":         {change: func(s *source) { s.write("library.go", "package x\n") }, want: "not committed"},
		"new file":             {change: func(s *source) { s.write("new.txt", "new") }, want: "not committed"},
		"other branch": {
			change: func(s *source) { s.git("checkout", "-q", "-b", "topic") },
			want:   `the branch here is "topic"`,
		},
		"no branch": {change: func(s *source) { s.git("checkout", "-q", "--detach") }, want: `the branch here is ""`},
		"no section": {
			change: func(s *source) { s.write("CHANGELOG.md", "## Unreleased\n"); s.commit("c") },
			want:   `no section "## 0.1.0 - YYYY-MM-DD"`,
		},
		"empty section": {
			change: func(s *source) {
				s.write("CHANGELOG.md", "## 0.1.0 - 2026-01-02\n\n## 0.0.9 - 2026-01-01\n\n- x\n")
				s.commit("c")
			},
			want: `no section "## 0.1.0 - YYYY-MM-DD"`,
		},
		"unreleased changes": {
			change: func(s *source) { s.write("CHANGELOG.md", "## Unreleased\n\n- x\n\n"+changes); s.commit("c") },
			want:   "move them to \"## 0.1.0",
		},
		"one tag": {
			change: func(s *source) { s.git("tag", "v0.1.0") },
			want:   "half a release: there is a tag v0.1.0, and none siowebtransport/v0.1.0, cmd/sio/v0.1.0",
		},
		"tags apart": {
			change: func(s *source) {
				s.git("tag", "v0.1.0")
				s.write("more.txt", "more")
				s.commit("c")
				s.git("tag", "siowebtransport/v0.1.0")
				s.git("tag", "cmd/sio/v0.1.0")
			},
			want: "at different commits",
		},
		"tags elsewhere": {
			change: func(s *source) {
				s.git("checkout", "-q", "--orphan", "other")
				s.commit("c")
				s.git("tag", "v0.1.0")
				s.git("tag", "siowebtransport/v0.1.0")
				s.git("tag", "cmd/sio/v0.1.0")
				s.git("checkout", "-q", "main")
			},
			want: "are not on main",
		},
		"lower version": {change: func(s *source) { s.git("tag", "v0.1.1") }, want: "v0.1.0 is not above v0.1.1"},
		"behind": {
			change: func(s *source) {
				s.git("branch", "upstream")
				s.git("checkout", "-q", "upstream")
				s.write("more.txt", "more")
				s.commit("c")
				s.git("checkout", "-q", "main")
				s.git("branch", "-q", "--set-upstream-to=upstream")
			},
			want: "main lacks commits of upstream",
		},
		"unknown module": {
			change: func(s *source) { s.write("more/go.mod", "module module.example/library/more\n"); s.commit("c") },
			want:   "the module in more is neither released nor unreleased",
		},
		"foreign replacement": {
			change: func(s *source) { s.append("cmd/sio/go.mod", "replace other.example/x => ../../x\n") },
			want:   "others would get other.example/x itself",
		},
		"exclusion": {
			change: func(s *source) { s.append("cmd/sio/go.mod", "exclude other.example/x v1.0.0\n") },
			want:   "exclude other.example/x",
		},
		"unreleased requirement": {
			change: func(s *source) { s.append("cmd/sio/go.mod", "require module.example/library/test v0.0.0\n") },
			want:   "requires module.example/library/test, which is not released",
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := small(t)
			if test.change != nil {
				test.change(src)
			}
			if test.version == "" {
				test.version = version
			}
			before := src.git("for-each-ref")
			var out bytes.Buffer
			err := run(t.Context(), src.dir, []string{"-act", test.version}, &out)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, without %q; it printed\n%s", err, test.want, out.String())
			}
			if after := src.git("for-each-ref"); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		program.Missing(t, "git is not installed")
	}
}

// A source is a repository to release from.
type source struct {
	t   *testing.T
	dir string
}

// begin makes a repository of a folder.
func begin(t *testing.T, dir string) *source {
	t.Helper()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	s := &source{t, dir}
	s.git("init", "-q", "-b", "main")
	s.git("config", "user.name", "Test")
	s.git("config", "user.email", "test@test.example")
	return s
}

// small is a repository with modules that require each other as ours do, and nothing else.
func small(t *testing.T) *source {
	t.Helper()
	s := begin(t, t.TempDir())
	s.write("go.mod", "module module.example/library\n\ngo 1.26.0\n")
	s.write("library.go", "package library\n")
	s.write("CHANGELOG.md", "## Unreleased\n\n"+changes)
	ups := map[string]string{"siowebtransport": "../", "cmd/sio": "../../", "bench": "../", "test": "../"}
	for dir, up := range ups {
		s.write(dir+"/go.mod", "module module.example/library/"+dir+"\n\ngo 1.26.0\n\n"+
			"replace module.example/library => "+up+"\n\nrequire module.example/library v0.0.0-00010101000000-000000000000\n")
		s.write(dir+"/main.go", "package main\n\nimport _ \"module.example/library\"\n\nfunc main() {}\n")
	}
	s.write("cmd/sio/go.mod", "module module.example/library/cmd/sio\n\ngo 1.26.0\n\n"+
		"replace module.example/library => ../../\n"+
		"replace module.example/library/siowebtransport => ../../siowebtransport\n\n"+
		"require module.example/library v0.0.0-00010101000000-000000000000\n"+
		"require module.example/library/siowebtransport v0.0.0-00010101000000-000000000000\n")
	s.commit("all: begin")
	return s
}

// checked is a release of it that may be made.
func (s *source) checked(out *bytes.Buffer) *release {
	s.t.Helper()
	r := &release{source: repository{s.t.Context(), s.dir}, branch: "main", version: version, out: out}
	if done, err := r.check(); done || err != nil {
		s.t.Fatalf("done %v, %v", done, err)
	}
	return r
}

func (s *source) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// append adds a line to a file, and commits that.
func (s *source) append(name, line string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(name)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(name, string(text)+line)
	s.commit("c")
}

func (s *source) commit(message string) {
	s.t.Helper()
	s.git("add", "--all")
	s.git("commit", "-q", "-m", message)
}

func (s *source) git(args ...string) string {
	s.t.Helper()
	out, err := repository{s.t.Context(), s.dir}.git(args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// release runs the command, which has to succeed.
func (s *source) release(args ...string) string {
	s.t.Helper()
	var out bytes.Buffer
	if err := run(s.t.Context(), s.dir, args, &out); err != nil {
		s.t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

func unique(text string) map[string]bool {
	all := map[string]bool{}
	for _, line := range lines(text) {
		all[line] = true
	}
	return all
}
