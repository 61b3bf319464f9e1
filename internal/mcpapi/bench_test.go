package mcpapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// caller makes one echo call and returns when the answer is there.
type caller func(b testing.TB, id int)

// stdioSDK is a bare SDK server in a child process.
func stdioSDK(b testing.TB) caller { return stdioCaller(b, "sdk") }

// stdioOurs is the bridge in a child process and the daemon in another.
func stdioOurs(b testing.TB) caller {
	socket := "MCPAPI_SOCKET=" + socketPath(b)
	spawn(b, "daemon", socket)
	return stdioCaller(b, "bridge", socket)
}

func stdioCaller(b testing.TB, role string, env ...string) caller {
	in, out := spawn(b, role, env...)
	exchange(b, in, out, initializeLine, `"serverInfo"`)
	fmt.Fprintln(in, initializedLine)
	return func(b testing.TB, id int) {
		exchange(b, in, out, callLine(id, "echo", `{"text":"`+sixtyFour+`"}`), sixtyFour)
	}
}

func exchange(b testing.TB, in io.Writer, out *bufio.Reader, line, want string) {
	if _, err := io.WriteString(in, line+"\n"); err != nil {
		b.Fatal(err)
	}
	answer, err := out.ReadSlice('\n')
	if err != nil {
		b.Fatal(err)
	}
	if !bytes.Contains(answer, []byte(want)) {
		b.Fatalf("got %s, want %s", answer, want)
	}
}

func httpCaller(role string, modern bool) func(testing.TB) caller {
	return func(b testing.TB) caller {
		env := "MCPAPI_MODERN="
		if modern {
			env += "1"
		}
		_, out := spawn(b, role, env)
		url, err := out.ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		c := &httpClient{url: strings.TrimSpace(url), modern: modern, tool: "echo"}
		b.Cleanup(c.http.CloseIdleConnections)
		if !modern {
			c.post(b, "initialize", initializeLine, "serverInfo")
			c.post(b, "", initializedLine, "")
		}
		return func(b testing.TB, id int) {
			args := `{"text":"` + sixtyFour + `"}`
			line := callLine(id, "echo", args)
			if modern {
				line = modernLine(id, "tools/call", `"name":"echo","arguments":`+args, "{}")
			}
			c.post(b, "tools/call", line, sixtyFour)
		}
	}
}

type httpClient struct {
	http    http.Client
	url     string
	modern  bool
	tool    string // that modern calls name
	session string
}

// post sends a message and returns the answer, which must contain want.
func (c *httpClient) post(b testing.TB, method, body, want string) string {
	req, err := http.NewRequest(http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer token")
	if c.modern {
		req.Header.Set(versionHeader, "2026-07-28")
		req.Header.Set("Mcp-Method", method)
		req.Header.Set("Mcp-Name", c.tool)
	} else if c.session != "" {
		req.Header.Set(sessionHeader, c.session)
		req.Header.Set(versionHeader, "2025-11-25")
	}
	res, err := c.http.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	if res.StatusCode > 299 || !bytes.Contains(answer, []byte(want)) {
		b.Fatalf("%s: %s: %s", method, res.Status, answer)
	}
	if id := res.Header.Get(sessionHeader); id != "" {
		c.session = id
	}
	return string(answer)
}

func benchmark(b *testing.B, open func(testing.TB) caller) {
	call := open(b)
	id := 0
	for range 200 { // what only the first calls cost
		id++
		call(b, id)
	}
	for b.Loop() {
		id++
		call(b, id)
	}
}

func BenchmarkEchoSDK(b *testing.B)        { benchmark(b, stdioSDK) }
func BenchmarkEchoOurs(b *testing.B)       { benchmark(b, stdioOurs) }
func BenchmarkEchoHTTPSDK(b *testing.B)    { benchmark(b, httpCaller("sdk-http", false)) }
func BenchmarkEchoHTTPOurs(b *testing.B)   { benchmark(b, httpCaller("our-http", false)) }
func BenchmarkEchoModernSDK(b *testing.B)  { benchmark(b, httpCaller("sdk-http", true)) }
func BenchmarkEchoModernOurs(b *testing.B) { benchmark(b, httpCaller("our-http", true)) }

// BenchmarkEchoRatio runs both sides in turns, so that a busy machine is unfair to neither, and reports the median of
// what ours takes over what the SDK's next to it takes, of all calls together and of the median call: the bar is 1.3 for
// the latter. It also reports what single calls take, for e2e/bench.
func BenchmarkEchoRatio(b *testing.B) {
	for _, c := range []struct {
		name      string
		sdk, ours func(testing.TB) caller
	}{
		{"stdio", stdioSDK, stdioOurs},
		{"http", httpCaller("sdk-http", false), httpCaller("our-http", false)},
		{"modern", httpCaller("sdk-http", true), httpCaller("our-http", true)},
	} {
		b.Run(c.name, func(b *testing.B) { inTurns(b, c.sdk(b), c.ours(b)) })
	}
}

func inTurns(b *testing.B, sdk, ours caller) {
	var ratios, medians []float64
	var sdkTook, oursTook []time.Duration
	id := 0
	batch := func(call caller, took *[]time.Duration) (all, median float64) {
		start := time.Now()
		var some []time.Duration
		for range 300 {
			id++
			began := time.Now()
			call(b, id)
			some = append(some, time.Since(began))
		}
		all = time.Since(start).Seconds()
		*took = append(*took, some...)
		slices.Sort(some)
		return all, some[len(some)/2].Seconds()
	}
	batch(sdk, new([]time.Duration)) // what only the first calls cost
	batch(ours, new([]time.Duration))
	for b.Loop() {
		ourTime, ourMedian := batch(ours, &oursTook)
		sdkTime, sdkMedian := batch(sdk, &sdkTook)
		ratios, medians = append(ratios, ourTime/sdkTime), append(medians, ourMedian/sdkMedian)
	}
	slices.Sort(ratios)
	slices.Sort(medians)
	b.ReportMetric(ratios[len(ratios)/2], "ours/sdk")
	b.ReportMetric(medians[len(medians)/2], "p50-ratio")
	b.ReportMetric(float64(len(oursTook)), "calls")
	quantiles(b, "ours", oursTook)
	quantiles(b, "sdk", sdkTook)
}

// quantiles reports the median and the 99th percentile.
func quantiles(b *testing.B, who string, took []time.Duration) {
	slices.Sort(took)
	for name, i := range map[string]int{"p50": len(took) / 2, "p99": len(took) * 99 / 100} {
		b.ReportMetric(took[i].Seconds()*1000, who+"-"+name+"-ms")
	}
}
