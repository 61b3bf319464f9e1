package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron/internal/config"
)

var update = flag.Bool("update", false, "write what the program says over the files that pin it") //nolint:gochecknoglobals // a flag

// TestPinnedCatalogue pins the operations: their names, schemas and documentation change only when somebody means it.
func TestPinnedCatalogue(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	raw := []byte(h.must("tools", "--json"))
	var pretty bytes.Buffer
	var list struct{ Tools []operation }
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	pin(t, "testdata/catalogue.json", pretty.String()+"\n")
	pin(t, "../docs/tools.md", reference(list.Tools, h.resources()))
	for _, o := range list.Tools {
		if len(o.Summary) > 300 {
			t.Errorf("the summary of %s has %d characters, want 300 at most", o.Name, len(o.Summary))
		}
	}
}

// TestPinnedConfiguration holds that the documentation shows the configuration's own example.
func TestPinnedConfiguration(t *testing.T) {
	const path = "../docs/configuration.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), "```yaml\n")
	_, after, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatal("docs/configuration.md has no example")
	}
	pin(t, path, before+"```yaml\n"+strings.TrimSpace(config.Example())+"\n```\n"+after)
}

// pin compares a file with what it should be.
func pin(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("%s is stale; if the change is meant: go test ./e2e -run Pinned -update (-file +program):\n%s", filepath.Base(path), diff)
	}
}

// operation is an operation as the catalogue tells of it.
type operation struct {
	Name, Summary, Access, Toolset string
	Long, Destructive              bool
	Input, Output                  schema
}

// schema is what the reference uses of a JSON schema.
type schema struct {
	Type        any                `json:"type"`
	Description string             `json:"description"`
	Default     json.RawMessage    `json:"default"`
	Enum        []string           `json:"enum"`
	Minimum     *float64           `json:"minimum"`
	Maximum     *float64           `json:"maximum"`
	Required    []string           `json:"required"`
	Properties  map[string]*schema `json:"properties"`
	Items       *schema            `json:"items"`
}

// UnmarshalJSON takes true, the schema of anything, for an empty one.
func (s *schema) UnmarshalJSON(data []byte) error {
	if string(data) == "true" {
		return nil
	}
	type plain schema
	return json.Unmarshal(data, (*plain)(s))
}

// reference is docs/tools.md.
func reference(operations []operation, resources string) string {
	var b strings.Builder
	b.WriteString(referenceHead + resourceHead + resources + "\n## The operations\n")
	var agent *schema
	for _, o := range operations {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n%s\n", o.Name, o.Summary, o.traits())
		b.WriteString(o.Input.table("argument"))
		switch {
		case o.Output.isAgent():
			agent = &o.Output
			b.WriteString("\nAnswers with [an agent](#an-agent).\n")
		default:
			b.WriteString("\nAnswers:\n" + o.Output.table("field"))
		}
	}
	fmt.Fprintf(&b, "\n## An agent\n%s", agent.table("field"))
	return b.String()
}

const referenceHead = `# Operations

Every operation is an MCP tool, ` + "`POST /api/v1/tools/NAME`" + ` with the arguments as its JSON body, and
` + "`orchestron call NAME`" + `. ` + "`orchestron tools NAME`" + ` shows the same as this page, which is made from the running program:
` + "`go test ./e2e -run Pinned -update`" + `.

Who may call what is in [a table](teams.md#who-may-do-what): the operator everything; agents what their level allows, for
those below them. Who calls is decided by the credential, never by an argument.

Arguments that an operation does not know are refused. Over HTTP the header ` + "`Idempotency-Key`" + ` makes a call safe to repeat:
the same key and arguments give the same answer for 24 hours, and another call under the same key is refused.

| error | HTTP | exit code | meaning |
|---|---|---|---|
| invalid | 400, or 415 for a body that is not JSON | 2 | the request is wrong; change it |
| not_found | 404 | 3 | what was named does not exist, or is not below the caller |
| conflict | 409 | 4 | its state forbids this |
| forbidden | 403 | 5 | the caller may not do this |
| limit | 429 | 7 | a configured limit is reached |
| unavailable | 503 | 6 | something outside is missing or down; repair it or try later |
| internal | 500 | 1 | a fault of Orchestron; its log has the details |

An error is ` + "`{\"error\":{\"kind\",\"message\",\"remedy\"}}`" + `. The states of an agent are explained in
[the command line's page](cli.md#states).
`

const resourceHead = `
## Resources

What some operations show can also be read at an address, as an MCP resource, by whoever may call the operation. An id
in an address is escaped as in any URL. An agent finds there what is below it, and nothing else.

A client that subscribes (` + "`resources/subscribe`" + ` before the revision 2026-07-28, ` + "`subscriptions/listen`" + ` since) is told
when a resource changes, and reads it again when it likes. A slow client is told once of what changed often. What is not
there yet can be subscribed to. An agent is told of what it can read at that moment. A client has 1,000 subscriptions at
most.

The address of the server takes choices: ` + "`/mcp?toolsets=agents,admin`" + ` shows some toolsets and their resources,
` + "`readonly=1`" + ` only what reads, and ` + "`dir=/absolute/path`" + ` says where an operator's client works, as ` + "`orchestron mcp`" + ` does
by itself.

`

func (o operation) traits() string {
	traits := []string{o.Access, "toolset " + o.Toolset}
	if o.Long {
		traits = append(traits, "reports progress")
	}
	if o.Destructive {
		traits = append(traits, "ends something")
	}
	return strings.Join(traits, "; ") + "."
}

// table lists the properties of an object: the required ones of the arguments first.
func (s schema) table(what string) string {
	if len(s.Properties) == 0 {
		return "\nNo " + what + "s.\n"
	}
	names := slices.Sorted(maps.Keys(s.Properties))
	if what == "field" {
		s.Required = nil
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return slices.Index(append(s.Required, a), a) - slices.Index(append(s.Required, b), b)
	})
	var b strings.Builder
	fmt.Fprintf(&b, "\n| %s | type | meaning |\n|---|---|---|\n", what)
	for _, name := range names {
		p := s.Properties[name]
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, p.kind(), p.meaning(slices.Contains(s.Required, name)))
	}
	return b.String()
}

func (s schema) isAgent() bool { return s.Properties["paneTarget"] != nil }

func (s schema) kind() string {
	kind := strings.Trim(fmt.Sprint(s.Type), "[]")
	kind = strings.TrimPrefix(kind, "null ")
	switch {
	case s.isAgent():
		return "[agent](#an-agent)"
	case s.Items != nil:
		return "list of " + s.Items.kind()
	case s.Type == nil:
		return "any"
	}
	return kind
}

func (s schema) meaning(required bool) string {
	var parts []string
	if required {
		parts = append(parts, "required")
	}
	if s.Description != "" {
		parts = append(parts, s.Description)
	}
	if len(s.Enum) > 0 {
		parts = append(parts, "one of "+strings.Join(s.Enum, ", "))
	}
	if s.Minimum != nil && s.Maximum != nil {
		parts = append(parts, fmt.Sprintf("%.0f to %.0f", *s.Minimum, *s.Maximum))
	}
	if s.Default != nil {
		parts = append(parts, "default "+string(s.Default))
	}
	inner := s
	if s.Items != nil {
		inner = *s.Items
	}
	if names := slices.Sorted(maps.Keys(inner.Properties)); len(names) > 0 && !inner.isAgent() {
		parts = append(parts, "with `"+strings.Join(names, "`, `")+"`")
	}
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(strings.Join(parts, "; "))
}
