package parser

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/test/internal/program"
)

// mutations is how many changed inputs each test tries. MUTATIONS=5000000 makes a night of it.
func mutations(t *testing.T) int {
	if s := os.Getenv("MUTATIONS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("MUTATIONS: %v", err)
		}
		return n
	}
	if testing.Short() {
		return 5_000
	}
	return 20_000
}

// A frame goes to and comes from the official parser. Exactly one of the two is set.
type frame struct {
	Text   *string `json:"text,omitempty"`
	Binary *string `json:"binary,omitempty"` // base64
}

func text(s string) frame { return frame{Text: &s} }

func bin(s string) frame {
	s = base64.StdEncoding.EncodeToString([]byte(s))
	return frame{Binary: &s}
}

func (f frame) String() string {
	if f.Text != nil {
		return strconv.Quote(*f.Text)
	}
	return "binary:" + *f.Binary
}

func (f frame) data() (data []byte, binary bool) {
	if f.Text != nil {
		return []byte(*f.Text), false
	}
	data, err := base64.StdEncoding.DecodeString(*f.Binary)
	if err != nil {
		panic(err)
	}
	return data, true
}

// ask gives cases to the official packages and returns their answers, one a case.
func ask[Case, Answer any](t *testing.T, cases []Case) (answers []Answer) {
	t.Helper()
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, c := range cases {
		if err := enc.Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program.Node(t), filepath.Join(program.Root(), "parser", "oracle.js"))
	cmd.Dir = filepath.Dir(program.Modules())
	cmd.Stdin = &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	for range cases {
		var a Answer
		if err := dec.Decode(&a); err != nil {
			t.Fatalf("%d answers to %d cases: %v", len(answers), len(cases), err)
		}
		answers = append(answers, a)
	}
	return answers
}

// jsValue is a value in the form the script prints: its kind and what it holds.
type jsValue struct {
	v any // nil, bool, float64, string, []byte, time.Time, []any, map[string]any or undefined
}

type undefined struct{}

func (j *jsValue) UnmarshalJSON(data []byte) error {
	var parts []json.RawMessage
	var kind string
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	if err := json.Unmarshal(parts[0], &kind); err != nil {
		return err
	}
	switch kind {
	case "null":
		j.v = nil
		return nil
	case "undefined":
		j.v = undefined{}
		return nil
	case "boolean":
		var v bool
		err := json.Unmarshal(parts[1], &v)
		j.v = v
		return err
	case "array":
		return j.array(parts[1])
	case "object":
		return j.object(parts[1])
	}
	var s string
	if err := json.Unmarshal(parts[1], &s); err != nil {
		return err
	}
	var b []byte
	var err error
	switch kind {
	case "string":
		j.v = s
	case "date":
		j.v, err = time.Parse("2006-01-02T15:04:05.000Z", strings.TrimPrefix(s, "+0"))
		if err != nil { // of a year beyond 9999, which has six digits and a sign
			j.v, err = s, nil
		}
	case "bytes":
		b, err = base64.StdEncoding.DecodeString(s)
		j.v = b
	case "number":
		b, err = hex.DecodeString(s)
		j.v = math.Float64frombits(binary.BigEndian.Uint64(b))
	default:
		err = fmt.Errorf("kind %q", kind)
	}
	return err
}

func (j *jsValue) array(data []byte) error {
	var items []jsValue
	err := json.Unmarshal(data, &items)
	l := make([]any, len(items))
	for i := range items {
		l[i] = items[i].v
	}
	j.v = l
	return err
}

func (j *jsValue) object(data []byte) error {
	var members [][2]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	o := make(map[string]any, len(members))
	for _, m := range members {
		var key string
		var value jsValue
		if err := json.Unmarshal(m[0], &key); err != nil {
			return err
		}
		if err := json.Unmarshal(m[1], &value); err != nil {
			return err
		}
		o[key] = value.v
	}
	j.v = o
	return nil
}

// A mutator makes inputs that are almost right.
type mutator struct {
	r      *rand.Rand
	seeds  []string
	pieces []string
	raw    bool // the inputs are bytes, not text
}

func (m *mutator) next() string {
	s := m.seeds[m.r.Intn(len(m.seeds))]
	for range 1 + m.r.Intn(4) {
		s = m.change(s)
	}
	if m.raw {
		return s
	}
	return strings.ToValidUTF8(s, "?") // the codecs get text that was checked
}

func (m *mutator) change(s string) string {
	i := m.r.Intn(len(s) + 1)
	j := min(len(s), i+m.r.Intn(4))
	switch m.r.Intn(6) {
	case 0: // leave out
		return s[:i] + s[j:]
	case 1: // twice
		return s[:j] + s[i:]
	case 2: // cut and go on with another
		other := m.seeds[m.r.Intn(len(m.seeds))]
		return s[:i] + other[m.r.Intn(len(other)+1):]
	case 3: // any character
		return s[:i] + string(rune(m.r.Intn(0x180))) + s[j:]
	default:
		return s[:i] + m.pieces[m.r.Intn(len(m.pieces))] + s[j:]
	}
}

// A difference is one that we want.
type difference[Case any] struct {
	name, why string
	is        func(c Case) bool
	example   Case // of which exactly this is to be said
}

// tell returns the name of the first difference that explains why c is not answered alike.
func tell[Case any](differences []difference[Case], c Case) string {
	i := slices.IndexFunc(differences, func(d difference[Case]) bool { return d.is(c) })
	if i < 0 {
		return ""
	}
	return differences[i].name
}
