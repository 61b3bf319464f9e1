package approvalapi

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/orchestron/orchestron"
)

func TestRules(t *testing.T) {
	agent := orchestron.Agent{ID: "mgr_1_2", Role: "reviewer", Level: orchestron.Manager}
	shell := func(command string) Asked { return Asked{Tool: "Bash", Subject: command, Shell: true, Agent: agent} }
	path := func(name, real string) Asked {
		return Asked{Tool: "Write", Subject: name, Agent: agent, Path: &Path{Named: name, Real: real, Workspace: "/w", RealWorkspace: "/w"}}
	}
	allow, deny := RuleAllow, RuleDeny
	for _, tt := range []struct {
		rule Rule
		q    Asked
		want bool
	}{
		{Rule{Decision: deny}, shell("anything"), true},
		{Rule{Tool: "Bash", Decision: deny}, shell("x"), true},
		{Rule{Tool: "Ba", Decision: deny}, shell("x"), false},
		{Rule{Tool: "B?s*", Decision: deny}, shell("x"), true},
		{Rule{Agent: "mgr_*", Decision: deny}, shell("x"), true},
		{Rule{Agent: "exec_*", Decision: deny}, shell("x"), false},
		{Rule{Role: "reviewer", Level: "manager", Decision: deny}, shell("x"), true},
		{Rule{Role: "review", Decision: deny}, shell("x"), false},
		{Rule{Level: "executive", Decision: deny}, shell("x"), false},

		{Rule{Tool: "Bash", Argument: "git *", Decision: allow}, shell("git status"), true},
		{Rule{Tool: "Bash", Argument: "git *", Decision: allow}, shell("git"), false},
		{Rule{Tool: "Bash", Argument: "git *", Decision: allow}, shell("sudo git status"), false},
		{Rule{Tool: "Bash", Argument: "git *", Decision: allow}, shell("git status; rm -r ."), false},
		{Rule{Tool: "Bash", Argument: "git *", Decision: allow}, shell("git status && rm -r ."), false},
		{Rule{Tool: "Bash", Argument: "git *", Decision: allow}, shell("git status\nrm -r ."), false},
		{Rule{Tool: "Bash", Argument: "git *", Decision: allow}, shell("git log | sh"), false},
		{Rule{Tool: "Bash", Argument: "git *", Decision: allow}, shell("git log > /etc/passwd"), false},
		{Rule{Tool: "Bash", Argument: "git *", Decision: allow}, shell("git log $(rm -r .)"), false},
		{Rule{Tool: "Bash", Argument: "git *", Decision: allow}, shell("git log `rm -r .`"), false},
		{Rule{Tool: "Bash", Argument: "git *?x", Decision: allow}, shell("git log;x"), false},
		{Rule{Tool: "Bash", Argument: "cd * && go test *", Decision: allow}, shell("cd sub && go test ./..."), true},
		{Rule{Tool: "Bash", Argument: "cd * && go test *", Decision: allow}, shell("cd sub && rm x && go test ./..."), false},
		{Rule{Tool: "Bash", Argument: "*rm *", Decision: deny}, shell("cd / && rm -r x"), true},
		{Rule{Tool: "Bash", Argument: "a*b*c", Decision: deny}, shell("aXbXbXc"), true},
		{Rule{Tool: "Bash", Argument: "a*b*c", Decision: deny}, shell("aXbXbX"), false},
		{Rule{Tool: "Bash", Argument: "é?ü", Decision: deny}, shell("éñü"), true},

		{Rule{Argument: "src/*", Decision: allow}, path("/w/src/a/b.go", "/w/src/a/b.go"), true},
		{Rule{Argument: "src/*", Decision: allow}, path("/w/other/b.go", "/w/other/b.go"), false},
		{Rule{Argument: "*", Decision: allow}, path("/w/x", "/w/x"), true},
		{Rule{Argument: "*", Decision: allow}, path("/etc/passwd", "/etc/passwd"), false},
		{Rule{Argument: "*", Decision: allow}, path("/wild/x", "/wild/x"), false},
		{Rule{Argument: "*", Decision: allow}, path("/w/link/x", "/etc/x"), false},
		{Rule{Argument: "/etc/*", Decision: allow}, path("/etc/x", "/etc/x"), true},
		{Rule{Argument: "*.pem", Decision: deny}, path("/etc/x.pem", "/etc/x.pem"), true},
		{Rule{Argument: "/etc/*", Decision: deny}, path("/w/link/x", "/etc/x"), true},
		{Rule{Argument: "/etc/*", Decision: deny}, path("/w/x", "/w/x"), false},
	} {
		if got := tt.rule.Matches(tt.q); got != tt.want {
			t.Errorf("%+v matches %q: %v, want %v", tt.rule, tt.q.Subject, got, tt.want)
		}
	}
}

func TestWrongPolicies(t *testing.T) {
	for want, p := range map[string]Policy{
		"expiry: 0s is not":                           {},
		"expiry: 25h":                                 {Expiry: 25 * time.Hour},
		"rule 2: it has no decision":                  {Expiry: time.Minute, Rules: []Rule{{Decision: RuleDeny}, {Tool: "x"}}},
		`rule 1: the decision "maybe"`:                {Expiry: time.Minute, Rules: []Rule{{Decision: "maybe"}}},
		`rule 1: the level "boss"`:                    {Expiry: time.Minute, Rules: []Rule{{Decision: RuleDeny, Level: "boss"}}},
		"rule 1: only a denial has a reason":          {Expiry: time.Minute, Rules: []Rule{{Tool: "x", Decision: RuleAllow, Reason: "y"}}},
		"rule 1: it allows every tool everything":     {Expiry: time.Minute, Rules: []Rule{{Tool: "*", Argument: "**", Decision: RuleAllow}}},
		"rule 1: it allows every tool everything (na": {Expiry: time.Minute, Rules: []Rule{{Decision: RuleAllow, Role: "x"}}},
	} {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", p, err, want)
		}
	}
	if err := (Policy{Expiry: time.Minute, Rules: []Rule{{Decision: RuleDeny}, {Tool: "Read", Decision: RuleAllow}, {Decision: RuleAsk}}}).Check(); err != nil {
		t.Errorf("a policy that is right: %v", err)
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "aXbYc")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern)+len(text) > 200 || !utf8.ValidString(pattern+text) {
			t.Skip()
		}
		if !strings.ContainsAny(pattern, "*?") && glob(pattern, text, nil) != (pattern == text) {
			t.Errorf("glob(%q, %q) without wildcards is not equality", pattern, text)
		}
		if glob(pattern, text, joins) && !glob(pattern, text, nil) {
			t.Errorf("glob(%q, %q) is wider when it excludes more", pattern, text)
		}
		if !strings.ContainsAny(pattern, ";&|<>`$()\n\r") && strings.ContainsAny(text, ";&|<>`$()\n\r") && glob(pattern, text, joins) {
			t.Errorf("glob(%q, %q) lets a shell join commands", pattern, text)
		}
	})
}
