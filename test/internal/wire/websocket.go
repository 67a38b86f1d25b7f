package wire

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Key is the Sec-WebSocket-Key of all handshakes here; what it holds does not matter.
const Key = "dGhlIHNhbXBsZSBub25jZQ=="

// A WebSocket is an upgraded connection.
type WebSocket struct {
	conn    *net.TCPConn
	in      *bufio.Reader
	timeout time.Duration
}

// A RefusedError is an answer other than 101 to an upgrade.
type RefusedError struct{ *Response }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("wire: upgrade refused: %d %s", e.Status, e.Body)
}

// UpgradeHeader are the headers of a lawful WebSocket handshake.
func UpgradeHeader() http.Header {
	return http.Header{
		"Connection":            {"Upgrade"},
		"Upgrade":               {"websocket"},
		"Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":     {Key},
	}
}

// WebSocket opens a connection and upgrades it; header is added to the request and wins over the usual ones. A refusal
// is a *RefusedError.
func (t Target) WebSocket(url string, header http.Header) (*WebSocket, error) {
	h, err := t.HTTP()
	if err != nil {
		return nil, err
	}
	all := UpgradeHeader()
	for name, values := range header {
		all[name] = values
	}
	ws, err := h.Upgrade(url, all)
	if err != nil {
		_ = h.Close()
		return nil, err
	}
	return ws, nil
}

// Upgrade sends a handshake with exactly these headers, and takes the connection over if the answer is 101.
func (h *HTTP) Upgrade(url string, header http.Header) (*WebSocket, error) {
	if err := h.Start(http.MethodGet, url, header, nil); err != nil {
		return nil, err
	}
	return h.finishUpgrade(header.Get("Sec-WebSocket-Key"))
}

// FinishUpgrade waits for the answer to a handshake that was written by hand, with Key, and takes the connection over
// if it is 101.
func (h *HTTP) FinishUpgrade() (*WebSocket, error) { return h.finishUpgrade(Key) }

func (h *HTTP) finishUpgrade(key string) (*WebSocket, error) {
	resp, err := h.Finish(http.MethodGet)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusSwitchingProtocols {
		return nil, &RefusedError{resp}
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if want := base64.StdEncoding.EncodeToString(sum[:]); resp.Header.Get("Sec-WebSocket-Accept") != want {
		return nil, fmt.Errorf("%w: Sec-WebSocket-Accept %q", ErrUnexpected, resp.Header.Get("Sec-WebSocket-Accept"))
	}
	return &WebSocket{conn: h.conn, in: h.in, timeout: h.timeout}, nil
}

// Write sends frames with one call.
func (w *WebSocket) Write(frames ...Frame) error {
	var b []byte
	for _, f := range frames {
		b = f.Append(b)
	}
	return w.WriteRaw(b)
}

// WriteRaw sends bytes as they are. One goroutine may write while another reads.
func (w *WebSocket) WriteRaw(b []byte) error {
	if err := w.conn.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return fmt.Errorf("wire: write: %w", err)
	}
	if _, err := w.conn.Write(b); err != nil {
		return fmt.Errorf("wire: write: %w", err)
	}
	return nil
}

// Read waits for one frame.
func (w *WebSocket) Read() (Frame, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(w.timeout)); err != nil {
		return Frame{}, fmt.Errorf("wire: read: %w", err)
	}
	f, err := ReadFrame(w.in)
	if err != nil {
		return Frame{}, fmt.Errorf("wire: read: %w", err)
	}
	return f, nil
}

// ReadClose reads until the close frame and returns it; data frames on the way are dropped.
func (w *WebSocket) ReadClose() (Frame, error) {
	for {
		f, err := w.Read()
		if err != nil || f.Opcode == CloseFrame {
			return f, err
		}
	}
}

// Conn is the TCP connection beneath.
func (w *WebSocket) Conn() *net.TCPConn { return w.conn }

// Close closes the TCP connection without a close frame. It may be called by any goroutine.
func (w *WebSocket) Close() error { return w.conn.Close() }

// Reset closes the connection with a TCP reset.
func (w *WebSocket) Reset() error {
	_ = w.conn.SetLinger(0) // fails only on a closed connection
	return w.conn.Close()
}
