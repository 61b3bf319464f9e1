package mcpapi

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
)

var manager = orchestron.Actor{Kind: orchestron.AgentCall, Agent: "mgr_1", Level: orchestron.Manager}

type taskIn struct {
	Task string `json:"task"`
}

// taskOps are a list that every agent may read, tasks that managers may read once they are there, and what only
// operators may.
func taskOps(there func(id string) bool) []op.Op {
	return []op.Op{
		op.New("list_tasks", op.Read, "Lists.", func(_ context.Context, call op.Call, _ none) (echoOut, error) {
			return echoOut{call.Actor.String() + " in " + call.Actor.Dir}, nil
		}, op.For(orchestron.Specialist), op.In("board")),
		op.New("get_task", op.Read, "Gets.", func(_ context.Context, _ op.Call, in taskIn) (echoOut, error) {
			switch {
			case in.Task == "broken":
				panic("broken")
			case !there(in.Task):
				return echoOut{}, orchestron.Errorf(orchestron.NotFound, "there is no task %q", in.Task)
			}
			return echoOut{in.Task}, nil
		}, op.For(orchestron.Manager), op.In("board")),
		op.New("get_costs", op.Read, "Counts.", func(context.Context, op.Call, none) (echoOut, error) { return echoOut{"much"}, nil }),
	}
}

func taskResources() []op.Resource {
	return []op.Resource{
		{URI: "o://tasks/{id}", Name: "task", Operation: "get_task", Variable: "task"},
		{URI: "o://tasks", Name: "tasks", Operation: "list_tasks"},
		{URI: "o://tasks/current", Name: "current", Operation: "get_task", Arguments: map[string]any{"task": "now"}},
		{URI: "o://costs", Name: "costs", Operation: "get_costs"},
	}
}

func resourceServer(t testing.TB, there func(string) bool) *Server {
	t.Helper()
	s := newServer(catalogue(taskOps(there)...), func(c *Config) { c.Resources = taskResources() })
	t.Cleanup(s.Close)
	return s
}

func line(id int, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s}}`, id, method, params)
}

func TestResources(t *testing.T) {
	s := resourceServer(t, func(id string) bool { return id != "gone" })
	for name, c := range map[string]struct {
		actor            orchestron.Actor
		lists, templates string
		read             map[string]string
	}{
		"operator": {operator, "o://costs o://tasks o://tasks/current", "o://tasks/{id}", map[string]string{
			"o://tasks": "operator in ", "o://tasks/current": "now", "o://tasks/a%20b": "a b", "o://tasks/gone": "", "o://costs": "much", "o://nothing": "",
			"o://tasks/a/b": "",
		}},
		"manager": {manager, "o://tasks o://tasks/current", "o://tasks/{id}", map[string]string{
			"o://tasks": "mgr_1 in ", "o://tasks/current": "now", "o://costs": "",
		}},
		"specialist": {someone, "o://tasks", "", map[string]string{"o://tasks": "spec_1 in ", "o://tasks/current": "", "o://tasks/a": ""}},
	} {
		for era, ask := range map[string]func(w *wire, method, params string) string{
			"older":  func(w *wire, method, params string) string { return w.ask(line(1, method, params)) },
			"modern": func(w *wire, method, params string) string { return w.ask(modernLine(1, method, params, "{}")) },
		} {
			t.Run(name+" "+era, func(t *testing.T) {
				w := connect(t, s, c.actor)
				if era == "older" {
					w.initialize()
				}
				for method, want := range map[string][3]string{
					"resources/list": {"resources", "uri", c.lists}, "resources/templates/list": {"resourceTemplates", "uriTemplate", c.templates},
				} {
					got := ask(w, method, "")
					list, ok := at(t, got, "result", want[0]).([]any)
					var uris []string
					for _, r := range list {
						uris = append(uris, fmt.Sprint(r.(map[string]any)[want[1]]))
					}
					if !ok || strings.Join(uris, " ") != want[2] {
						t.Errorf("%s shows %q in %s, want %q", method, uris, got, want[2])
					}
				}
				for uri, text := range c.read {
					got := ask(w, "resources/read", fmt.Sprintf(`"uri":%q`, uri))
					if text == "" {
						want(t, got, float64(-32602), "error", "code")
						want(t, got, uri, "error", "data", "uri")
						continue
					}
					want(t, got, fmt.Sprintf(`{"text":%q}`, text), "result", "contents", 0, "text")
					want(t, got, uri, "result", "contents", 0, "uri")
					want(t, got, "application/json", "result", "contents", 0, "mimeType")
				}
			})
		}
	}
}

// A resource follows the choice of toolsets, as its operation does.
func TestResourcesFollowToolsets(t *testing.T) {
	s := serveSite(t, resourceServer(t, func(string) bool { return true }))
	read := `"uri":"o://costs"`
	for query, status := range map[string]int{"": 200, "?toolsets=board": 400} {
		h := header{versionHeader: "2026-07-28", "Mcp-Method": "resources/read", "Mcp-Name": "o://costs"}
		if a := s.do("POST", query, modernLine(1, "resources/read", read, "{}"), h); a.status != status {
			t.Errorf("%q: reading the costs: %d %s, want %d", query, a.status, a.body, status)
		}
	}
}

func TestWrongResourcePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a resource of an operation that is not there was accepted")
		}
	}()
	newServer(catalogue(echoOp()), func(c *Config) { c.Resources = taskResources() })
}

// What a URI is made of cannot break the error that names it.
func TestOddURIs(t *testing.T) {
	s := resourceServer(t, func(string) bool { return false })
	w := connect(t, s, operator).initialize()
	for i, uri := range []string{`a\u0001b`, `a:\udb40\udc01`, `nothing`, `o://tasks/%00`, `o://tasks/\u0000`, `o://tasks/` + strings.Repeat("x", 10000)} {
		got := w.ask(line(i, "resources/read", `"uri":"`+uri+`"`))
		want(t, got, float64(-32602), "error", "code")
	}
}

// Where an operator works comes with the request; where an agent works does not.
func TestDir(t *testing.T) {
	s := resourceServer(t, func(string) bool { return true })
	here := serveSite(t, s)
	read := modernLine(1, "resources/read", `"uri":"o://tasks"`, "{}")
	for _, c := range []struct {
		token, query, text string
		status             int
	}{
		{"token", "?dir=/home/a%20b/", "operator in /home/a b", 200},
		{"token", "", "operator in ", 200},
		{"token", "?dir=home", "", 400},
		{"token", "?dir=", "", 400},
		{"token", "?dir=/a%00b", "", 400},
		{"agent", "?dir=/home", "spec_1 in ", 200},
		{"agent", "?dir=home", "spec_1 in ", 200},
	} {
		a := here.do("POST", c.query, read, header{
			"Authorization": "Bearer " + c.token, versionHeader: "2026-07-28", "Mcp-Method": "resources/read", "Mcp-Name": "o://tasks",
		})
		if a.status != c.status {
			t.Errorf("%s %q: %d %s, want %d", c.token, c.query, a.status, a.body, c.status)
			continue
		}
		if c.status == 200 {
			want(t, a.data, fmt.Sprintf(`{"text":%q}`, c.text), "result", "contents", 0, "text")
		} else if text := fmt.Sprint(at(t, a.data, "error", "message")); !strings.Contains(text, "no absolute path") {
			t.Errorf("%q is refused with %s", c.query, a.body)
		}
	}
	for dir, text := range map[string]string{"/work": `{"text":"operator in /work"}`, "work": ""} {
		w := connectIn(t, s, operator, url.Values{"dir": {dir}})
		got := w.ask(read)
		if text != "" {
			want(t, got, text, "result", "contents", 0, "text")
		} else if m := fmt.Sprint(at(t, got, "error", "message")); !strings.Contains(m, "no absolute path") {
			t.Errorf("over a stream %q is refused with %s", dir, got)
		}
	}
}
