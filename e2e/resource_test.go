package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/orchestron/orchestron/internal/daemon"
	"github.com/orchestron/orchestron/testkit/audience"
)

// door is where MCP clients get in over HTTP.
func (h *house) door(modern bool) audience.Door {
	h.t.Helper()
	token, err := os.ReadFile(filepath.Join(h.root, "operator.token"))
	if err != nil {
		h.t.Fatal(err)
	}
	var s daemon.Status
	h.mustCall("get_daemon_status", struct{}{}, &s)
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	h.t.Cleanup(client.CloseIdleConnections)
	return audience.Door{URL: s.URL + "/mcp", Token: strings.TrimSpace(string(token)), Modern: modern, HTTP: client}
}

// operator is an MCP client over HTTP.
func (h *house) operator() *mcp.ClientSession {
	h.t.Helper()
	door := h.door(true)
	session, err := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil).Connect(h.t.Context(), &mcp.StreamableClientTransport{
		Endpoint: door.URL, HTTPClient: &http.Client{Transport: bearer(door.Token)},
	}, nil)
	if err != nil {
		h.t.Fatalf("connecting: %v", err)
	}
	h.t.Cleanup(func() { _ = session.Close() })
	return session
}

// resources is the table of what MCP clients can read.
func (h *house) resources() string {
	h.t.Helper()
	session := h.operator()
	fixed, err := session.ListResources(h.t.Context(), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	templates, err := session.ListResourceTemplates(h.t.Context(), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| address | what it shows |\n|---|---|\n")
	for _, r := range fixed.Resources {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.URI, r.Description)
	}
	for _, r := range templates.ResourceTemplates {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.URITemplate, r.Description)
	}
	return b.String()
}

// TestPush subscribes to an agent that is not there yet, and hears when it is, and when it changes.
func TestPush(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const one = "orchestron://agents/spec_1"
	var crowd audience.Audience
	for _, modern := range []bool{false, true} {
		for _, uri := range []string{"orchestron://agents", one} {
			door := h.door(modern)
			some, err := audience.Gather(ctx, 3, uri, func(int) audience.Door { return door })
			if err != nil {
				t.Fatal(err)
			}
			defer some.Close()
			crowd = append(crowd, some...)
		}
	}
	other, err := audience.Listen(ctx, h.door(true), "orchestron://agents/spec_2")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	session := h.operator()
	if _, err := session.ReadResource(ctx, &mcp.ReadResourceParams{URI: one}); err == nil || !strings.Contains(err.Error(), "no such resource") {
		t.Errorf("reading an agent that is not there: %v", err)
	}
	for _, change := range []func(){
		func() { h.spawn("scripted") },
		func() { h.mustCall("terminate", map[string]any{"instanceId": "spec_1"}, nil) },
	} {
		took, err := crowd.Hear(ctx, func() error { change(); return nil })
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("told after %v to %v", took[0], took[len(took)-1])
	}
	got, err := session.ReadResource(ctx, &mcp.ReadResourceParams{URI: one})
	if err != nil || !strings.Contains(got.Contents[0].Text, `"id":"spec_1"`) {
		t.Errorf("reading the agent: %+v, %v", got, err)
	}
	select {
	case n := <-other.Told:
		t.Errorf("who listens for another agent was told of %s", n.URI)
	default:
	}
}
