package proxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sio.example/socketio/test/internal/certificate"
	"sio.example/socketio/test/internal/program"
)

// A snippet is a configuration of docs/proxies.md.
type snippet struct {
	title    string // of its section
	language string // what is behind the fence: the name of the proxy
	text     string
}

// snippets reads them out of the document.
func snippets(t *testing.T) []snippet {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(program.Root(), "..", "docs", "proxies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var all []snippet
	title, inside := "", false
	for line := range strings.Lines(string(doc)) {
		fence, fenced := strings.CutPrefix(line, "```")
		heading, headed := strings.CutPrefix(line, "## ")
		switch {
		case fenced && !inside:
			all = append(all, snippet{title: title, language: strings.TrimSpace(fence)})
			inside = true
		case fenced:
			inside = false
		case inside:
			all[len(all)-1].text += line
		case headed:
			title = strings.TrimSpace(heading)
		}
	}
	if len(all) < 4 {
		t.Fatalf("docs/proxies.md holds only %d configurations", len(all))
	}
	return all
}

// A proxy is a running one, with servers behind it.
type proxy struct {
	url   string
	ca    string // PEM of its certificate
	trust *tls.Config
}

var backend = regexp.MustCompile(`127\.0\.0\.1:30\d\d`)

// start runs a configuration, in which nothing is changed but addresses and names of files. The proxy is given a socket
// that listens already, so that nobody has to wait until it does, and no other can take its port.
func start(t *testing.T, s snippet, text string) *proxy {
	t.Helper()
	path := find(t, s.language)
	dir := t.TempDir()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	socket, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()

	p := &proxy{url: "https://" + listener.Addr().String()}
	addrs := serve(t, len(backend.FindAllString(text, -1)))
	text = backend.ReplaceAllStringFunc(text, func(string) string {
		addr := addrs[0]
		addrs = addrs[1:]
		return addr
	})
	cert, key := certificate.New(t)
	write(t, dir, "example.com.crt", string(cert))
	write(t, dir, "example.com.key", string(key))
	write(t, dir, "example.com.pem", string(cert)+string(key))
	p.ca = string(cert)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	p.trust = &tls.Config{RootCAs: pool}

	var cmd *exec.Cmd
	switch s.language {
	case "nginx":
		text = replace(t, text, "/etc/ssl/", dir+"/")
		text = replace(t, text, "listen 443", "listen "+listener.Addr().String())
		// With an inherited socket nginx crashes unless it has a master (1.22). The user is for workers of root, who
		// else could not reach the folder.
		user := ""
		if os.Geteuid() == 0 {
			user = "user root root; "
		}
		main := fmt.Sprintf(user+"daemon off; worker_processes 1; pid nginx.pid; error_log stderr;\nevents {}\n"+
			"http {\naccess_log off;\nclient_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"+
			"uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n%s}\n", text)
		cmd = exec.Command(path, "-p", dir, "-c", write(t, dir, "nginx.conf", main))
		cmd.Env = append(os.Environ(), "NGINX=3;")
	case "haproxy":
		text = replace(t, text, "/etc/ssl/", dir+"/")
		text = replace(t, text, "bind :443", "bind fd@3")
		cmd = exec.Command(path, "-db", "-f", write(t, dir, "haproxy.cfg", text))
	default:
		t.Fatalf("docs/proxies.md: %s: a configuration of %q, which this test does not know", s.title, s.language)
	}
	cmd.ExtraFiles = []*os.File{socket}
	run(t, cmd)
	return p
}

// find looks for a proxy where Debian puts it, too.
func find(t *testing.T, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	program.Missing(t, name+" is not installed")
	return ""
}

func replace(t *testing.T, text, old, with string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("the configuration has no %q", old)
	}
	return strings.ReplaceAll(text, old, with)
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// run starts a proxy, which ends with the test; what it said is shown if that fails.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already: then its clients say so
		killer := time.AfterFunc(program.Deadline, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		killer.Stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), said)
		}
	})
}

// output is what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
