package approvalapi

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
)

// Verdict is what a rule says of a question.
type Verdict string

// The verdicts.
const (
	RuleAllow Verdict = "allow"
	RuleDeny  Verdict = "deny"
	RuleAsk   Verdict = "ask"
)

// Policy is what a person decided beforehand.
type Policy struct {
	Expiry           time.Duration `yaml:"expiry"`             // after which a question is denied
	AgentsMayApprove bool          `yaml:"agents_may_approve"` // agents may answer for those below them
	Rules            []Rule        `yaml:"rules"`              // the first that matches counts
}

// Check says what is wrong with a policy.
func (p Policy) Check() *orchestron.Error {
	if p.Expiry < time.Second || p.Expiry > 24*time.Hour {
		return orchestron.Errorf(orchestron.Invalid, "expiry: %s is not between 1s and 24h", p.Expiry).Try("leave it out for 10m")
	}
	for i, rule := range p.Rules {
		if err := rule.Check(); err != nil {
			where := orchestron.Errorf(err.Kind, "rule %d: %s", i+1, err.Message)
			where.Remedy = err.Remedy
			return where
		}
	}
	return nil
}

// Rule decides questions that match all of what it names. In a pattern * stands for any text and ? for one character.
type Rule struct {
	Tool     string  `yaml:"tool"`     // a pattern; empty matches every tool
	Argument string  `yaml:"argument"` // a pattern of the command, path or address; empty matches all
	Agent    string  `yaml:"agent"`    // a pattern of the agent's id
	Role     string  `yaml:"role"`
	Level    string  `yaml:"level"`
	Decision Verdict `yaml:"decision"`
	Reason   string  `yaml:"reason"` // of a denial: what the model is told
}

// Check says what is wrong with a rule.
func (r Rule) Check() *orchestron.Error {
	switch r.Decision {
	case RuleAllow, RuleDeny, RuleAsk:
	case "":
		return orchestron.Errorf(orchestron.Invalid, "it has no decision").Try("add decision: allow, deny or ask")
	default:
		return orchestron.Errorf(orchestron.Invalid, "the decision %q is none of allow, deny, ask", orchestron.Quotable(string(r.Decision)))
	}
	levels := []orchestron.Level{orchestron.Executive, orchestron.Manager, orchestron.Specialist}
	if r.Level != "" && !slices.Contains(levels, orchestron.Level(r.Level)) {
		return orchestron.Errorf(orchestron.Invalid, "the level %q is none of executive, manager, specialist", orchestron.Quotable(r.Level))
	}
	if r.Reason != "" && r.Decision != RuleDeny {
		return orchestron.Errorf(orchestron.Invalid, "only a denial has a reason").Try("leave the reason out")
	}
	if r.Decision == RuleAllow && strings.Trim(r.Tool, "*?") == "" && strings.Trim(r.Argument, "*?") == "" {
		return orchestron.Errorf(orchestron.Invalid, "it allows every tool everything").Try("name a tool or an argument; permission_mode: bypassPermissions asks nothing at all")
	}
	return nil
}

// Asked is what rules look at.
type Asked struct {
	Tool, Subject string
	Shell         bool  // Subject is a command for a shell
	Path          *Path // if Subject is a path
	Agent         orchestron.Agent
}

// Path is a path in an agent's workspace or elsewhere, absolute, as it was named and where it leads.
type Path struct{ Named, Real, Workspace, RealWorkspace string }

// Outside reports whether the path leads out of the workspace.
func (p Path) Outside() bool { return !below(p.RealWorkspace, p.Real) }

func below(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// Matches reports whether the rule says something of a question.
//
// What a rule allows it allows narrowly: in a command its wildcards stand for no character by which a shell joins or
// nests commands, so that "git *" does not allow "git status; rm -r .".
func (r Rule) Matches(q Asked) bool {
	if r.Tool != "" && !glob(r.Tool, q.Tool, nil) || r.Agent != "" && !glob(r.Agent, string(q.Agent.ID), nil) ||
		r.Role != "" && r.Role != q.Agent.Role || r.Level != "" && r.Level != string(q.Agent.Level) {
		return false
	}
	if r.Argument == "" {
		return true
	}
	if q.Path != nil {
		named, real := r.matchesPath(q.Path.Named, q.Path.Workspace), r.matchesPath(q.Path.Real, q.Path.RealWorkspace)
		return named && real || r.Decision != RuleAllow && (named || real)
	}
	var not func(rune) bool
	if q.Shell && r.Decision == RuleAllow {
		not = joins
	}
	return glob(r.Argument, q.Subject, not)
}

// matchesPath compares a path with the pattern. A pattern that does not begin with / means what is below the directory;
// one that refuses and begins with * means everywhere.
func (r Rule) matchesPath(path, dir string) bool {
	if filepath.IsAbs(r.Argument) || r.Decision != RuleAllow && strings.HasPrefix(r.Argument, "*") {
		return glob(r.Argument, path, nil)
	}
	return below(dir, path) && glob(r.Argument, strings.TrimPrefix(path[len(dir):], "/"), nil)
}

// joins reports whether a shell takes a character for more than a part of a word.
func joins(c rune) bool { return strings.ContainsRune(";&|<>`$()\n\r", c) }

// glob matches a whole text with a pattern whose wildcards stand for any characters that not does not exclude.
func glob(pattern, text string, not func(rune) bool) bool {
	pat, txt := []rune(pattern), []rune(text)
	free := func(c rune) bool { return not == nil || !not(c) }
	mark, resume := -1, 0
	p, t := 0, 0
	for t < len(txt) {
		switch {
		case p < len(pat) && pat[p] == '*':
			mark, resume = p, t
			p++
		case p < len(pat) && (pat[p] == txt[t] || pat[p] == '?' && free(txt[t])):
			p, t = p+1, t+1
		case mark >= 0 && free(txt[resume]): // the last * takes one more
			resume++
			p, t = mark+1, resume
		default:
			return false
		}
	}
	return strings.Trim(string(pat[p:]), "*") == ""
}
