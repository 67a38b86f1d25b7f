package documents

// A row is how a shell line of a document is run.
type row struct {
	line string
	dir  string // where it is run, as seen from the repository
	// server is what must run meanwhile: a line of the same or another document, which is started if it does not run,
	// or "example", the server that docs/cli.md talks to. The last one is ended first: all of them want the same port.
	server string
	// prints is what must come on stdout and stderr, in this order. What begins with "> " is typed when all before it
	// has come. "^D" ends stdin; otherwise that is done after the last.
	prints []string
	page   string // what must be in the page at http://localhost:3000/ then
	stays  bool   // it runs until it is interrupted
	status int
	needs  string // a program that not everybody has
	// why says why the line is not run as it stands, and instead what is: the same with a smaller load, or what shows
	// at least that the line means something.
	why, instead string
}

const (
	demo       = "go run ./cmd/sio demo"
	quickstart = "go run ./examples/quickstart"
	tests      = "it runs all tests, and this is one of them"
	long       = "it takes minutes"
)

var (
	theDemo = row{line: demo, stays: true,
		prints: []string{"http://localhost:3000", "two browser windows"}, page: "<title>"}
	theBot = row{line: "go run ./examples/bot", server: demo, stays: true, prints: []string{"in the room"}}
)

// forms explain how a command is written, and cannot be typed.
var forms = []string{"sio connect URL", "sio connect URL -v", "sio emit URL EVENT [ARG...]"}

// makes is a line that runs too long, or too much, for a test: make has such a target, and its programs are built.
func makes(line, why string) row { return row{line: line, why: why, instead: line + " --dry-run"} }

// checked is a script that make test runs.
func checked(line string) row {
	return row{line: line, why: "scripts/test runs it", instead: "bash -n " + line}
}

// rows are those of each document, in its order.
var rows = map[string][]row{
	"README.md": {
		theDemo,
		{
			line: quickstart, stays: true, prints: []string{"http://localhost:3000"},
			page: "<title>quickstart</title>",
		},
		{line: "mkdir ../hello && cd ../hello && go mod init hello"},
		{line: "cp ../sio/examples/quickstart/main.go .", dir: "../hello"},
		{line: "go mod edit -require sio.example/socketio@v0.0.0 -replace sio.example/socketio=../sio", dir: "../hello"},
		{
			line: "go mod tidy && go run .", dir: "../hello", stays: true, prints: []string{"http://localhost:3000"},
			page: "<title>quickstart</title>",
		},
		{line: "go install ./cmd/sio", why: "it would change this machine", instead: "go build -o sio ./cmd/sio"},
		theBot,
		{
			line: "go run ./cmd/sio connect localhost:3000", server: quickstart,
			prints: []string{"connected to /", "> say hello", "say", `"hello"`},
		},
		{line: "go run ./cmd/sio emit localhost:3000 say hello --no-ack", server: quickstart},
		{line: "go doc .", prints: []string{"package socketio", "func NewServer"}},
		makes("make", tests),
		makes("make test", tests),
	},
	"CONTRIBUTING.md": {
		{line: "go build ./..."},
		{line: "go test ./...", why: tests, instead: "go list ./..."},
		theDemo,
		makes("make test", tests),
		makes("make", tests),
		makes("make test", tests),
		{line: ".ci/run", why: tests, instead: "test -x .ci/run"},
		makes("make lint", "it fetches staticcheck from the network"),
		makes("make fuzz", long),
		makes("make micro", long),
		makes("make bench", "it takes most of an hour"),
		makes("make bench-check", "it compares speeds, which another test beside it would change"),
		makes("make bench-million", "it takes minutes and 12 GiB"),
		makes("make bench-hostile", long),
		makes("make recovery-model", long),
		{line: "make api"},
		checked("scripts/newest-go"),
		makes("make test", tests),
		checked("scripts/platforms"),
		makes("make test", tests),
		release("scripts/release VERSION"),
		makes("make rename-check", "scripts/test runs it"),
		{line: "scripts/rename-module", why: "scripts/check-rename runs it, in a copy",
			instead: "test -x scripts/rename-module"},
		{
			line: "scripts/protocol-suite eio-protocol ../engine.io-protocol", status: 2,
			why:     "the suites are no part of the project; TestProtocolSuites runs them where they are",
			instead: "scripts/protocol-suite",
		},
		{
			line: "scripts/protocol-suite sio-protocol ../socket.io-protocol", status: 2,
			why:     "the suites are no part of the project; TestProtocolSuites runs them where they are",
			instead: "scripts/protocol-suite",
		},
		{line: "scripts/autobahn [REPORTS]", why: "it takes an hour and a Python 2",
			instead: "bash -n scripts/autobahn"},
		makes("make test", tests),
		makes("make fuzz", long),
		makes("make bench-check", "it compares speeds, which another test beside it would change"),
		{line: "scripts/autobahn", why: "it takes an hour and a Python 2", instead: "bash -n scripts/autobahn"},
		release("scripts/release vX.Y.Z"),
		release("scripts/release -act vX.Y.Z"),
		{
			line: "scripts/rename-module github.com/OWNER/REPOSITORY", why: "scripts/check-rename runs it, in a copy",
			instead: "test -x scripts/rename-module",
		},
		makes("make rename-check", "scripts/test runs it"),
		{line: "go test ./test/release", why: tests, instead: "go list ./test/release"},
		{
			line: "go test ./client -run 'Sweep|Storm' -sweep", why: long,
			instead: "go test ./client -sweep -list 'Sweep|Storm'", prints: []string{"Test"},
		},
		{
			line: "SIO_CUTS=1400 go test ./test/client -run TestCuts", why: long,
			instead: "grep -rq SIO_CUTS test/client && grep -rq 'func TestCuts' test/client",
		},
		{line: "MUTATIONS=5000000 go test ./test/parser", why: long, instead: "grep -rq MUTATIONS test/parser"},
	},
	"docs/webtransport.md": {
		{
			line: "go run ./cmd/sio demo --webtransport", stays: true,
			prints: []string{"http://localhost:", "WebTransport is at https://localhost:", "serverCertificateHashes"},
		},
	},
	"docs/cli.md": {
		{line: "go run ./cmd/sio help", prints: []string{"connect", "emit", "demo"}},
		{line: "go build -o sio ./cmd/sio"},
		{line: "sio demo", stays: true, prints: []string{"http://localhost:3000"}, page: "<title>"},
		{line: "sio version", prints: []string{"sio "}},
		{
			line: "sio connect localhost:3000", server: "example",
			prints: []string{
				"connected to /", "← hello", `> echo 1 "two" {"a":[1,2]}`, `← echo 1 "two" {"a":[1,2]}`,
				`> echo "hi" ?`, `← ack #1 "hi"`, `> ask "what"`, `← question "what"`,
				`> /ack "because" 42`, `← answered "because" 42`,
			},
		},
		{line: "sio connect 3000", server: "example", prints: []string{"connected to /"}},
		{
			line: "sio connect https://localhost:4443 --ca cert.pem -v", server: "example",
			prints: []string{"> GET /socket.io/?EIO=4&transport=polling",
				"TLS 1.3", "HTTP/1.1 200 OK", "→ CONNECT /", "← CONNECT /"},
		},
		{
			line:   `printf 'login alice ?\nsay hello\n' | sio connect localhost:3000 --linger 2s`,
			server: "example", prints: []string{`ack #1 "welcome"`, `said "hello"`},
		},
		{
			line: "tail -f app.log | sio connect localhost:3000/logs --event line", server: "example", stays: true,
			prints: []string{"the first line of app.log"}, status: 130,
		},
		{
			line:   `sio connect localhost:3000 --json | jq 'select(.type == "event") | .args'`,
			server: "example", needs: "jq",
			// jq keeps what it writes into a pipe, and the answer comes after "hello"
			prints: []string{"> echo 1 ?", "^D", "nsp"},
		},
		{
			line: "sio connect localhost:3000 --answer ok", server: "example",
			prints: []string{"> ask 1", "← question 1", `← answered "ok"`},
		},
		{line: "sio emit localhost:3000 add 1 2", server: "example", prints: []string{"3\n"}},
		{
			line: `sio emit localhost:3000/admin kick '{"id": 7}' --auth @token.json`, server: "example",
			prints: []string{`{"kicked":true}`},
		},
		{line: "sio emit localhost:3000 upload @photo.jpg --no-ack", server: "example"},
		{line: "sio emit localhost:3001 add 1 2 --parser msgpack", server: "example", prints: []string{"3\n"}},
		{
			line: "sio emit localhost:3000 add 1 2 --path /wrong/", server: "example", status: 3,
			prints: []string{"sio emit: no connection to http://localhost:3000: ", "--path"},
		},
	},
	"docs/memory.md": {makes("make bench", "it takes most of an hour")},
	"docs/server.md": {{line: "go doc sio.example/socketio", prints: []string{"package socketio", "func NewServer"}}},
	"docs/client.md": {
		{line: "go doc sio.example/socketio/client", prints: []string{"package client"}},
	},
	"docs/hostile-input.md": {
		{
			line: "go test -run TestHostileInput ./internal/work", why: tests,
			instead: "go test -list TestHostileInput ./internal/work", prints: []string{"TestHostileInput"},
		},
		{
			line: "go test -run TestSubject -v ./internal/work", why: tests,
			instead: "go test -list TestSubject ./internal/work", prints: []string{"TestSubject"},
		},
	},
	"docs/platforms.md": {makes("make test", tests), checked("scripts/platforms"), checked("scripts/newest-go")},
	"docs/testing.md":   {{line: "go doc sio.example/socketio/siotest", prints: []string{"package siotest"}}},
	"docs/benchmarks.md": {
		{line: "go run ./bench", why: "it takes most of an hour", instead: "go run ./bench -h"},
	},
	"docs/performance.md": {
		makes("make bench-million", "it takes minutes and 12 GiB"),
		makes("make bench-check", "it compares speeds, which another test beside it would change"),
		{
			line: "go run ./bench -s echo,broadcast,idle -peers typed,floor -reps 3", why: long,
			instead: "go run ./bench -s echo,broadcast,idle -peers typed,floor -reps 3 -h",
		},
		profiled,
		{line: "go tool pprof -top -cum out/profiles/echo-typed-1.cpu", prints: []string{"Showing nodes"}},
		makes("make micro", long),
		{line: "go run ./bench/million", why: "it takes minutes and 12 GiB",
			instead: "go run ./bench/million -n 500 -rooms 10 -rest 1s"},
		{line: "grep -rn AllocsPerRun", prints: []string{"AllocsPerRun"}},
	},
	"bench/README.md": {
		{line: "scripts/setup", why: "it may install packages; make test begins with it",
			instead: "bash -n scripts/setup"},
		makes("make bench", "it takes most of an hour"),
		{
			line: "go run ./bench -s echo,idle -peers typed,node,floor -reps 3", why: long,
			instead: "go run ./bench -s echo,idle -peers typed,node,floor -reps 3 -h",
		},
		{
			line: "go run ./bench -reps 5 -raw out/bench.json -o docs/benchmarks.md", why: "it takes most of an hour",
			instead: "mkdir -p out; go run ./bench -s echo -peers typed,floor -reps 1 -warm 50ms -d 200ms " +
				// slow answers are an error to it
				"-raw out/bench.json -o docs/benchmarks.md || test -s out/bench.json",
		},
		{line: "go run ./bench -from out/bench.json -o docs/benchmarks.md"},
		{line: "go run ./bench -add other='path/to/server --quiet'", why: long,
			instead: "go run ./bench -add other='path/to/server --quiet' -h"},
		makes("make bench-check", "it compares speeds, which another test beside it would change"),
		{line: "go run ./bench -check", why: "it compares speeds, which another test beside it would change",
			instead: "go run ./bench -check -h"},
		profiled,
		{line: "go tool pprof -top out/profiles/echo-typed-1.cpu", prints: []string{"Showing nodes"}},
		{line: "go tool pprof -top -inuse_space out/profiles/idle-typed-1.heap", prints: []string{"Showing nodes"}},
		{line: "go build -o bin/ ./bench/load ./bench/server"},
		{
			line: "bin/load -s echo -d 3s -- bin/server", why: "slow answers are an error to it",
			instead: "bin/load -s echo -d 500ms -- bin/server || test $? = 3",
		},
		{line: "go test ./bench/internal/load", why: tests, instead: "go list ./bench/internal/load"},
		makes("make bench-million", "it takes minutes and 12 GiB"),
		{line: "go run ./bench/million -n 100000 -rooms 100", why: long,
			instead: "go run ./bench/million -n 500 -rooms 100 -rest 1s"},
		{line: "go run ./bench/million -profile out/profiles", why: long,
			instead: "go run ./bench/million -profile out/profiles -n 500 -rooms 10 -rest 1s"},
		makes("make bench-hostile", long),
		{
			line: "go run ./bench/hostile -kinds auth,rooms -d 5s", why: "it takes much memory",
			instead: "go run ./bench/hostile -kinds auth,rooms -d 1s -before 1s -n 1 -honest 2",
			prints:  []string{"| auth", "| rooms"},
		},
		{
			line:    "go run ./bench/hostile -kinds all -limit 64",
			why:     "it is of the machine as it is whether the limit holds",
			instead: "go run ./bench/hostile -kinds all -d 1s -before 1s -n 1 -honest 2", prints: []string{"| all"},
		},
		makes("make micro", long),
		{line: "go test -run '^$' -bench Typical ./parser", why: long,
			instead: "go test -run '^$' -bench Typical -benchtime 1x ./parser", prints: []string{"BenchmarkTypical"}},
	},
	"browser/README.md": {
		{line: "npm pack", why: "its packages are not in the copy; browser/test/package.test.js does it",
			instead: `grep -q '"prepack":' browser/package.json`},
		{line: "npm ci", why: "it needs the network; scripts/setup runs it",
			instead: "test -s browser/package-lock.json"},
		{line: "npm run build", why: "its packages are not in the copy",
			instead: `grep -q '"build":' browser/package.json`},
		{line: "npm test", why: "scripts/test runs it", instead: `grep -q '"test":' browser/package.json`},
	},
	"examples/chat/README.md": {theDemo, theBot},
}

// release is a line of those about releases.
func release(line string) row {
	return row{line: line, status: 1, why: "the copy has no history; test/release runs it", instead: "scripts/release"}
}

// profiled makes the profiles that the lines after it look at.
var profiled = row{
	line: "go run ./bench -s echo,idle -peers typed -reps 1 -profile out/profiles", why: long,
	instead: "go run ./bench -s echo,idle -peers typed -reps 1 -warm 50ms -d 200ms -rest 100ms -profile " +
		"out/profiles -o out/page.md " +
		"|| test -s out/profiles/idle-typed-1.heap",
}
