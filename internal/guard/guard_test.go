package guard

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHosts(t *testing.T) {
	h := httptest.NewServer(Hosts(func() []string { return []string{"orch.example:8443"} },
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "in") })))
	defer h.Close()
	own := strings.TrimPrefix(h.URL, "http://")
	_, port, _ := net.SplitHostPort(own)
	type kase struct {
		host   string
		header map[string]string
		pass   bool
	}
	var cases []kase
	for _, host := range []string{own, "localhost:" + port, "LOCALHOST:" + port, "[::1]:" + port, "orch.example:8443"} {
		cases = append(cases, kase{host, nil, true})
	}
	for _, host := range []string{
		"evil.example:" + port, "127.0.0.1.evil.example:" + port, "localhost.evil:" + port, "0x7f.1:" + port, "127.1:" + port,
		"[::ffff:127.0.0.1]:" + port, "127.0.0.1", "localhost:1", "orch.example", "0.0.0.0:" + port, "127.0.0.1:" + port + ".",
	} {
		cases = append(cases, kase{host, nil, false})
	}
	for origin, pass := range map[string]bool{
		"http://" + own: true, "http://localhost:" + port: true, "https://orch.example:8443": true,
		"http://evil": false, "null": false, "http://127.0.0.1.evil": false, "http://localhost:1": false, "file://": false,
		"http://u@" + own: false, "ftp://" + own: false, "": false,
	} {
		cases = append(cases, kase{own, map[string]string{"Origin": origin}, pass})
	}
	for site, pass := range map[string]bool{"same-origin": true, "none": true, "cross-site": false, "same-site": false} {
		cases = append(cases, kase{own, map[string]string{"Sec-Fetch-Site": site}, pass})
	}
	for _, c := range cases {
		for _, method := range []string{"GET", "POST"} {
			status := 403
			if c.pass {
				status = 200
			}
			if got := raw(t, own, method, c.host, c.header); got != status {
				t.Errorf("%s with Host %s and %v: %d, want %d", method, c.host, c.header, got, status)
			}
		}
	}
	for _, hosts := range []string{"Host:\r\n", "Host: " + own + "\r\nHost: evil\r\n", ""} {
		if got := rawRequest(t, own, "GET / HTTP/1.1\r\n"+hosts+"Connection: close\r\n\r\n"); got != 403 && got != 400 {
			t.Errorf("%q: %d, want it refused", hosts, got)
		}
	}
}

// Every client understands why it is refused, whatever it speaks.
func TestRefusal(t *testing.T) {
	h := httptest.NewServer(Hosts(func() []string { return nil }, http.NotFoundHandler()))
	defer h.Close()
	req, _ := http.NewRequest("GET", h.URL, nil)
	req.Header.Set("Origin", "http://evil.example")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var got struct {
		Version string `json:"jsonrpc"`
		Error   struct {
			Code          int
			Kind, Message string
		}
	}
	err = json.NewDecoder(res.Body).Decode(&got)
	if err != nil || got.Version != "2.0" || got.Error.Code != -32600 || got.Error.Kind != "forbidden" || !strings.Contains(got.Error.Message, "Origin") {
		t.Errorf("refused with %+v, %v", got, err)
	}
}

// raw makes a request with headers as given, even those that clients would mend.
func raw(t *testing.T, addr, method, host string, h map[string]string) int {
	t.Helper()
	text := method + " / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nContent-Length: 0\r\n"
	for k, v := range h {
		text += k + ": " + v + "\r\n"
	}
	return rawRequest(t, addr, text+"\r\n")
}

func rawRequest(t *testing.T, addr, text string) int {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}
