package documents

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sio.example/socketio/test/internal/program"
)

// repository is where the documents are.
func repository() string { return filepath.Join(program.Root(), "..") }

// documents are those with lines for readers, by their path: not the changelog and the decisions, which are history.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "bench/*.md",
		"browser/*.md", "examples/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(repository(), filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			name, err := filepath.Rel(repository(), file)
			if err != nil {
				t.Fatal(err)
			}
			if name = filepath.ToSlash(name); name != "CHANGELOG.md" {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return all
}

var (
	span = regexp.MustCompile("`([^`]+)`")
	// command is what a line that somebody could type begins with.
	command = regexp.MustCompile(`^((go (run|build|test|tool|vet|doc|get|install)|make|sio|npm|npx|grep|curl|git) ` +
		`\S|make$|scripts/\w|\.ci/\w|[A-Z_]+=\S+ \w)`)
	comment = regexp.MustCompile(`\s+# .*$`)
)

// shellLines are the lines of a document that can be typed, in its order: those of sh blocks, those after a $ in other
// blocks, those of indented blocks, and code in the text that begins with a command.
func shellLines(text string) []string {
	var all []string
	var paragraph strings.Builder
	flush := func() {
		for _, m := range span.FindAllStringSubmatch(paragraph.String(), -1) {
			line := strings.Join(strings.Fields(m[1]), " ")
			if command.MatchString(line) {
				all = append(all, strings.ReplaceAll(line, `\|`, "|")) // as it is shown in a table
			}
		}
		paragraph.Reset()
	}
	add := func(line string) {
		if line = strings.TrimSpace(comment.ReplaceAllString(line, "")); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	inside, language := false, ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		prompted, isPrompted := strings.CutPrefix(line, "$ ")
		switch fence, fenced := strings.CutPrefix(strings.TrimSpace(line), "```"); {
		case fenced && !inside:
			flush()
			inside, language = true, fence
		case fenced:
			inside = false
		case inside && (language == "sh" || language == "bash" || language == "shell"):
			add(line)
		case inside && isPrompted:
			add(prompted)
		case inside:
		case strings.HasPrefix(line, "    ") && command.MatchString(strings.TrimSpace(line)):
			flush()
			add(line)
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "- "):
			flush()
			paragraph.WriteString(line)
		default:
			paragraph.WriteString("\n" + line)
		}
	}
	flush()
	return all
}

func TestShellLines(t *testing.T) {
	got := shellLines("Say `make`, or `go run\n./x`, not `makes` or `io.Emit`.\n\n```sh\na b  # c\n# d\n```\n\n" +
		"| `make x` | `go test -run 'A\\|B' ./y` |\n```\n$ sio z '#1'\n{}\n```\n\n    go run ./w" +
		"\n\nand `scripts/setup`\n")
	want := []string{"make", "go run ./x", "a b", "make x",
		"go test -run 'A|B' ./y", "sio z '#1'", "go run ./w", "scripts/setup"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestEveryLineHasARow: rows says of each line of each document how it is run, or why not.
func TestEveryLineHasARow(t *testing.T) {
	for _, name := range documents(t) {
		text, err := os.ReadFile(filepath.Join(repository(), filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		found := slices.DeleteFunc(shellLines(string(text)),
			func(line string) bool { return slices.Contains(forms, line) })
		var known []string
		for _, r := range rows[name] {
			known = append(known, r.line)
			if (r.why == "") != (r.instead == "") {
				t.Errorf("%s: %s: what is not run as it stands needs a reason, and something to run instead",
					name, r.line)
			}
		}
		if !slices.Equal(found, known) {
			t.Errorf("%s has the lines\n\t%s\nand rows has\n\t%s", name,
				strings.Join(found, "\n\t"), strings.Join(known, "\n\t"))
		}
	}
}
