package typed

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sio.example/socketio"
)

func TestShop(t *testing.T) {
	server := socketio.NewServer(nil)
	Shop(server)
	ts := httptest.NewServer(server)
	t.Cleanup(ts.Close)
	t.Cleanup(func() { server.Close() })

	var handshake struct{ SID string }
	open := exchange(t, ts.URL+"/socket.io/?EIO=4&transport=polling", "")
	if err := json.Unmarshal([]byte(strings.TrimPrefix(open, "0")), &handshake); err != nil {
		t.Fatalf("handshake %q: %v", open, err)
	}
	session := ts.URL + "/socket.io/?EIO=4&transport=polling&sid=" + handshake.SID
	exchange(t, session, "40/shop,")
	if got := exchange(t, session, ""); !strings.HasPrefix(got, "40/shop,") {
		t.Fatalf("connecting to /shop: %q", got)
	}
	for request, want := range map[string]string{
		`42/shop,1["buy",{"item":"tea","amount":2}]`: `43/shop,1[{"number":1}]`,
		`42/shop,2["buy",{"item":"tea"}]`:            `43/shop,2[{"error":"buy at least one"}]`,
		`42/shop,3["buy","tea"]`:                     `43/shop,3[{"error":"invalid arguments"}]`,
	} {
		exchange(t, session, request)
		if got := exchange(t, session, ""); got != want {
			t.Errorf("%s: got %s, want %s", request, got, want)
		}
	}
}

// exchange posts a packet, or polls if there is none.
func exchange(t *testing.T, url, packet string) string {
	t.Helper()
	method := http.MethodGet
	if packet != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(packet))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %q: %s %q %v", method, packet, res.Status, body, err)
	}
	return string(body)
}
