package mcpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/testkit/audience"
)

// servePush is a server in a process of its own: touch changes a resource, weigh tells the memory. A token that is a
// number is an agent's.
func servePush() error {
	var s *Server
	touch := op.New("touch", op.Write, "Changes o://tasks.", func(ctx context.Context, _ op.Call, _ none) (none, error) {
		s.Changed(ctx, "o://tasks")
		return none{}, nil
	}, op.Keyed())
	weigh := op.New("weigh", op.Read, "Weighs the server.", func(context.Context, op.Call, none) (echoOut, error) {
		debug.FreeOSMemory()
		data, err := os.ReadFile("/proc/self/status")
		_, rest, _ := strings.Cut(string(data), "VmRSS:")
		kb, _, _ := strings.Cut(rest, "kB")
		return echoOut{strings.TrimSpace(kb)}, err
	})
	s = newServer(catalogue(append(taskOps(always), touch, weigh)...), func(c *Config) {
		c.Resources = taskResources()
		c.Authenticate = func(_ context.Context, token string) (orchestron.Actor, bool) {
			if token == "token" {
				return operator, true
			}
			return orchestron.Actor{Kind: orchestron.AgentCall, Agent: orchestron.AgentID("spec_" + token), Level: orchestron.Specialist}, true
		}
	})
	defer s.Close()
	return serveHTTP(s.Handler())
}

// BenchmarkPush tells a thousand subscribers over HTTP of a change: the bar is 250 ms for 99 of 100. It reports what
// they cost the server, too.
func BenchmarkPush(b *testing.B) {
	for _, modern := range []bool{false, true} {
		name := map[bool]string{false: "older", true: "modern"}[modern]
		b.Run(name, func(b *testing.B) { benchmarkPush(b, modern, 1000) })
	}
}

func benchmarkPush(b *testing.B, modern bool, count int) {
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	_, out := spawn(b, "push-http")
	url, err := out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	caller := &httpClient{url: strings.TrimSpace(url), modern: true, tool: "touch"}
	defer caller.http.CloseIdleConnections()
	before := weigh(b, caller)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	crowd, err := audience.Gather(ctx, count, "o://tasks", func(i int) audience.Door {
		return audience.Door{URL: caller.url, Token: fmt.Sprint(i / 50), Modern: modern, HTTP: client} // an actor has few sessions
	})
	if err != nil {
		b.Fatal(err)
	}
	defer crowd.Close()
	var all []time.Duration
	touch := func() error {
		caller.post(b, "tools/call", modernLine(1, "tools/call", `"name":"touch","arguments":{}`, "{}"), `"complete"`)
		return nil
	}
	for b.Loop() {
		took, err := crowd.Hear(ctx, touch)
		if err == nil && len(took) != count {
			err = errors.New("not everybody was told")
		}
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, took...)
	}
	slices.Sort(all)
	b.ReportMetric(all[len(all)-1].Seconds()*1000, "told-max-ms")
	quantiles(b, "told", all)
	b.ReportMetric((weigh(b, caller)-before)/float64(count), "kB/client")
	b.ReportMetric(before/1024, "idle-MB")
}

// weigh returns the server's resident memory in kB.
func weigh(b *testing.B, c *httpClient) float64 {
	c.tool = "weigh"
	defer func() { c.tool = "touch" }()
	var kb float64
	answer := c.post(b, "tools/call", modernLine(1, "tools/call", `"name":"weigh","arguments":{}`, "{}"), "text")
	_, rest, _ := strings.Cut(answer, `"structuredContent":{"text":"`)
	if _, err := fmt.Sscan(strings.SplitN(rest, `"`, 2)[0], &kb); err != nil {
		b.Fatalf("no weight in %s: %v", answer, err)
	}
	return kb
}
