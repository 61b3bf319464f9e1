package role

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

func TestRolesThatComeWithOrchestron(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "missing")} {
		roles, err := Load(dir)
		if err != nil {
			t.Fatalf("Load(%q): %v", dir, err)
		}
		want := []string{
			"architect", "backend_developer", "code_reviewer", "data_analyst", "debugger", "documentation_writer",
			"executive", "frontend_developer", "general", "manager", "security_analyst", "specialist", "testing_specialist",
		}
		if diff := cmp.Diff(want, roles.Names()); diff != "" {
			t.Errorf("roles (-want +got):\n%s", diff)
		}
		for name, r := range roles {
			level := orchestron.Specialist
			if l := orchestron.Level(name); l.Prefix() != "" {
				level = l
			}
			if r.Name != name || r.Title == "" || r.Level != level {
				t.Errorf("role %s = %q, %q, %q, want the level %s", name, r.Name, r.Title, r.Level, level)
			}
			if n := strings.Count(r.Text, "\n") + 1; n < 10 || n > 35 {
				t.Errorf("the text of %s has %d lines", name, n)
			}
			if !strings.Contains(r.Text, "hand back") && !strings.Contains(r.Text, "Hand back") && !strings.Contains(r.Text, "handed back") {
				t.Errorf("the text of %s does not say what to hand back", name)
			}
		}
	}
}

// Only those who lead are told of the tools for leading: specialists have none.
func TestRolesKnowTheirTools(t *testing.T) {
	roles, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range roles {
		for _, tool := range []string{"`spawn`", "`send`", "`read`", "`list`", "`wait_for_instance`"} {
			if got, want := strings.Contains(r.Text, tool), r.Level != orchestron.Specialist; got != want {
				t.Errorf("the text of %s mentions %s: %v, want %v", name, tool, got, want)
			}
		}
	}
}

func TestOwnRoles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "mine.md", "---\r\nname: release_lead\r\ntitle: Release lead\r\nlevel: manager\r\n---\r\n\r\nYou release.\r\n")
	write(t, dir, "arch.md", "---\nname: architect\n---\nOurs.\n---\nmore\n")
	write(t, dir, "notes.txt", "no role")
	roles, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Role{
		{Name: "release_lead", Title: "Release lead", Level: orchestron.Manager, Text: "You release."},
		{Name: "architect", Title: "architect", Level: orchestron.Specialist, Text: "Ours.\n---\nmore"},
	} {
		got, err := roles.Get(want.Name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("role %s (-want +got):\n%s", want.Name, diff)
		}
	}
	if _, err := roles.Get("debugger"); err != nil {
		t.Errorf("a role that comes with Orchestron is gone: %v", err)
	}
}

func TestUnknownRole(t *testing.T) {
	roles, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	_, err = roles.Get("Architect")
	if orchestron.KindOf(err) != orchestron.Invalid {
		t.Errorf("Get(Architect) = %v, want an error of kind invalid", err)
	}
	for _, part := range []string{`"Architect"`, "architect, backend_developer", "testing_specialist"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("Get(Architect) = %v, want it to contain %q", err, part)
		}
	}
}

func TestWrongRoleFiles(t *testing.T) {
	for content, want := range map[string]string{
		"":                                       "no front matter",
		"You are nice.\n":                        "no front matter",
		"---\nname: a\n":                         "no front matter",
		"text\n---\nname: a\n---\nx":             "no front matter",
		"---\nname: a\n---\n \n":                 "no text",
		"---\ntitle: A\n---\nx\n":                `the name ""`,
		"---\nname: A b\n---\nx\n":               `line 2: the name "A b"`,
		"---\nname: a\nlevel: boss\n---\nx\n":    `line 3: the level "boss"`,
		"---\nname: a\ncolour: red\n---\nx\n":    "colour",
		"---\nname: [a\n---\nx\n":                "front matter",
		"---\nname: manager\n---\nx\n":           "must have the level manager",
		"---\nname: a\nname: b\n---\nx\n":        "line 3:",
		"---\nname: a\nlevel: [manager]\n---\nx": "line 3: its front matter",
		"---\n- a\n---\nx":                       "line 2: its front matter",
	} {
		dir := t.TempDir()
		write(t, dir, "wrong.md", content)
		_, err := Load(dir)
		if orchestron.KindOf(err) != orchestron.Invalid || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), filepath.Join(dir, "wrong.md")) {
			t.Errorf("Load with %q = %v, want an invalid error with the file and %q", content, err, want)
		}
	}
}

func TestTwoFilesForOneRole(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.md", "---\nname: x\n---\nA")
	write(t, dir, "b.md", "---\nname: x\n---\nB")
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "a.md") || !strings.Contains(err.Error(), "b.md") {
		t.Errorf("Load = %v, want an error that names both files", err)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
