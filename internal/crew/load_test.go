package crew_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/crew"
	"github.com/orchestron/orchestron/internal/crewapi"
	"github.com/orchestron/orchestron/internal/op"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func list(t *testing.T, c *op.Catalogue) crewapi.ListOut {
	t.Helper()
	var out crewapi.ListOut
	raw, err := c.Call(t.Context(), "list_team_templates", nil, op.Call{Actor: operator})
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func names(out crewapi.ListOut) string {
	var all []string
	for _, one := range out.Templates {
		all = append(all, one.Name)
	}
	return strings.Join(all, " ")
}

const small = `name: mine
description: Two.
members:
  - {name: boss, role: manager, prompt: "{{.Task}}"}
  - {name: hand, role: specialist, parent: boss, count: 2, driver: scripted, model: haiku}
`

// TestOwnTemplates: a person's files add to ours and replace them by name, at once.
func TestOwnTemplates(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	c := w.service(dir, roomy())
	if got := names(list(t, c)); got != "data_pipeline research security_audit software_engineering" {
		t.Errorf("without files of one's own: %s", got)
	}
	path := write(t, dir, "mine.yaml", small)
	write(t, dir, "research.yaml", strings.Replace(small, "mine", "research", 1))
	write(t, dir, "notes.txt", "no template")
	out := list(t, c)
	if got := names(out); got != "data_pipeline mine research security_audit software_engineering" || len(out.Broken) > 0 {
		t.Errorf("with files of one's own: %s, broken %v", got, out.Broken)
	}
	if len(out.Templates[2].Members) != 3 || out.Templates[1].File != path {
		t.Errorf("the own research has the members %v, and mine the file %s", out.Templates[2].Members, out.Templates[1].File)
	}
	if _, err := start(t, c, operator, "", map[string]any{"template": "mine", "task_description": "x"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range w.agents {
		got = append(got, fmt.Sprint(a.Name, " ", a.Driver, " ", a.Model))
	}
	if diff := cmp.Diff([]string{"boss  ", "hand-1 scripted haiku", "hand-2 scripted haiku"}, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// TestWrongFiles: what is wrong is named with file and line, takes away its own name, and nothing else.
func TestWrongFiles(t *testing.T) {
	const head = "name: x\ndescription: d\n"
	const boss = head + "members:\n  - name: boss\n    role: manager\n    prompt: go\n" // six lines
	tests := []struct {
		text string
		line int
		want string
	}{
		{"", 1, "no documents"},
		{"- a\n", 1, "group of settings"},
		{"name: [a\n", 2, "expected"},
		{"name: x\n\tdescription: d\n", 2, "tab"},
		{head + "colour: red\n", 3, "there is no setting colour (there are name, description, parameters, members, tasks)"},
		{"name: x\nname: x\n", 2, "name is there twice, first in line 1"},
		{"description: d\nname: y\n", 2, `the name "y" is not that of the file, "x"`},
		{"name: x\nmembers: []\n", 1, "no description"},
		{head, 1, "no members"},
		{head + "members: []\n", 3, "no members"},
		{head + "members:\n  - name: boss\n    role: manager\n", 4, "has no prompt"},
		{head + "members:\n  - name: Boss\n", 4, `the name "Boss"`},
		{head + "members:\n  - name: boss\n    role: bos\n", 5, `there is no role "bos"`},
		{head + "members:\n  - name: boss\n    role: manager\n    prompt: go\n    parent: boss\n", 7, "leads all"},
		{head + "members:\n  - name: boss\n    role: manager\n    prompt: go\n    count: 2\n", 7, "count"},
		{boss + "  - name: boss\n    role: debugger\n    parent: boss\n", 7, "two members"},
		{boss + "  - name: a\n    role: debugger\n", 7, `the parent "" of a`},
		{boss + "  - name: a\n    role: debugger\n    parent: b\n  - name: b\n    role: debugger\n    parent: a\n", 9, `the parent "b" of a is no member before it`},
		{boss + "  - name: a\n    role: manager\n    parent: boss\n", 9, "boss (manager) cannot lead a (manager)"},
		{boss + "  - name: a\n    role: debugger\n    parent: boss\n    count: 0\n", 10, "count"},
		{boss + "  - name: a\n    role: debugger\n    parent: boss\n    count: two\n", 10, `members.count: "two" is no whole number`},
		{boss + "  - name: a\n    role: debugger\n    cuont: 2\n", 9, "there is no setting members.cuont (there are name, role, parent, driver, model, count, context, prompt)"},
		{boss + "  - name: a-1\n    role: debugger\n    parent: boss\n  - name: a\n    role: debugger\n    parent: boss\n    count: 2\n", 13, `two members have the name "a-1"`},
		{boss + "  - name: a\n    role: debugger\n    parent: boss\n    count: 2\n  - name: a-2\n    role: debugger\n    parent: boss\n", 11, `two members have the name "a-2"`},
		{boss + "  - name: a\n    role: debugger\n    parent: boss\n    count: 100\n", 4, "101 members"},
		{boss + "  - name: a\n    role: debugger\n    parent: boss\n    context: \"{{.Tusk}}\"\n", 10, "asks for {{.Tusk}}, and there is only {{.Task}}"},
		{boss + "  - name: a\n    role: debugger\n    parent: boss\n    context: \"{{.Parameters.who}}\"\n", 10, "who"},
		{boss + "  - name: a\n    role: debugger\n    parent: boss\n    prompt: \"{{env \\\"HOME\\\"}}\"\n", 10, `function "env" not defined`},
		{boss + "parameters:\n  task_description:\n    default: x\n", 9, "can have no default"},
		{boss + "parameters:\n  Who: {}\n", 8, `the name "Who"`},
		{boss + "tasks:\n  - name: a\n", 8, "no title"},
		{boss + "tasks:\n  - name: a\n    title: t\n    after: [b]\n", 10, `"b" is no task before a`},
		{boss + "tasks:\n  - name: a\n    title: t\n    assignee: me\n", 10, `the assignee "me" is no member`},
		{boss + "tasks:\n  - name: a\n    title: t\n    type: BUG\n", 10, `the type "BUG"`},
	}
	for _, test := range tests {
		w, dir := newWorld(t), t.TempDir()
		path := write(t, dir, "x.yaml", test.text)
		out := list(t, w.service(dir, roomy()))
		want := fmt.Sprintf("the team template %s is wrong in line %d: ", path, test.line)
		if len(out.Templates) != 4 || len(out.Broken) != 1 || !strings.HasPrefix(out.Broken[0].Error, want) || !strings.Contains(out.Broken[0].Error, test.want) {
			t.Errorf("%q is %v, want %q and %q", test.text, out.Broken, want, test.want)
		}
		_, err := start(t, w.service(dir, roomy()), operator, "", map[string]any{"template": "x", "task_description": "x"})
		if orchestron.KindOf(err) != orchestron.Invalid || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("the team of %q: %v", test.text, err)
		}
	}
}

// TestWrongFileInPlaceOfOurs: a broken file does not bring back what it was to replace.
func TestWrongFileInPlaceOfOurs(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	write(t, dir, "research.yaml", "name: research\n")
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "endless.yaml")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "huge.yaml", strings.Repeat("#", 300<<10))
	templates, broken := crew.Embedded(w.roles).With(dir, w.roles).All()
	if len(templates) != 3 || len(broken) != 3 || broken[2].Name != "research" || !strings.Contains(broken[0].Error, "no regular file") {
		t.Errorf("%d templates, broken %v", len(templates), broken)
	}
}

// TestDocumentedTemplate: the example of the documentation is one.
func TestDocumentedTemplate(t *testing.T) {
	page, err := os.ReadFile("../../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	text, _, found := strings.Cut(rest, "```\n")
	w, dir := newWorld(t), t.TempDir()
	write(t, dir, "release.yaml", text)
	in := map[string]any{"template": "release", "task_description": "Soon.", "parameters": map[string]any{"version": "1.2"}}
	out, err := start(t, w.service(dir, roomy()), operator, "", in)
	if !found || err != nil || !out.Complete || len(out.Members) != 3 || !strings.Contains(w.told(t, out.Leader), "Prepare release 1.2 from main: Soon.") {
		t.Errorf("the example makes %+v, %v", out, err)
	}
	delete(in, "parameters")
	if _, err := start(t, w.service(dir, roomy()), operator, "", in); err == nil || !strings.Contains(err.Error(), "needs the parameter version") {
		t.Errorf("without a parameter that is needed: %v", err)
	}
}
