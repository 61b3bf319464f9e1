package crew

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/crewapi"
	"github.com/orchestron/orchestron/internal/envelope"
)

// values is what the texts of a template can ask for: text only, so that nothing in a text can do anything.
type values struct {
	Task       string
	Parameters map[string]string
}

// fill puts the values into a text. Values are not read as templates themselves.
func fill(text string, v values) (string, error) {
	t, err := template.New("text").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", fmt.Errorf("the text: %s", ofTemplate.ReplaceAllString(err.Error(), ""))
	}
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", v.lacking(err)
	}
	return strings.TrimSpace(b.String()), nil
}

var (
	ofTemplate = regexp.MustCompile(`^template: text:[0-9:]* *`)
	unknown    = regexp.MustCompile(`at <([^>]*)>: (?:map has no entry for key|can't evaluate field) `)
)

// lacking is the error that a text asks for what is not there.
func (v values) lacking(err error) error {
	asked := unknown.FindStringSubmatch(err.Error())
	if asked == nil {
		return fmt.Errorf("the text: %s", ofTemplate.ReplaceAllString(err.Error(), ""))
	}
	known := []string{"{{.Task}}"}
	for _, name := range slices.Sorted(maps.Keys(v.Parameters)) {
		known = append(known, "{{.Parameters."+name+"}}")
	}
	return fmt.Errorf("the text asks for {{%s}}, and there is only %s", asked[1], strings.Join(known, ", "))
}

// by is the values as they stand in what members know from the start: what an agent says is quoted there, for nothing else
// tells whose it is. In what members are told it is not: their messages come in the caller's name.
func (v values) by(actor orchestron.Actor, in crewapi.SpawnIn) values {
	if actor.Kind != orchestron.AgentCall {
		return v
	}
	quoted := values{Task: envelope.Quote(actor.Agent, v.Task), Parameters: maps.Clone(v.Parameters)}
	for name, value := range in.Parameters {
		quoted.Parameters[name] = envelope.Quote(actor.Agent, value)
	}
	return quoted
}

// filled returns the template with the values in its texts: in what members know those that are known, else those that
// are told. All of it succeeds or fails.
func filled(t crewapi.Template, told, known values) (crewapi.Template, error) {
	var firstErr error
	put := func(text string, v values) string {
		out, err := fill(text, v)
		if err != nil && firstErr == nil {
			firstErr = err
		}
		return out
	}
	t.Members, t.Tasks = append([]crewapi.Member{}, t.Members...), append([]crewapi.Item{}, t.Tasks...)
	for i := range t.Members {
		t.Members[i].Context, t.Members[i].Prompt = put(t.Members[i].Context, known), put(t.Members[i].Prompt, told)
	}
	for i := range t.Tasks {
		t.Tasks[i].Title, t.Tasks[i].Description = put(t.Tasks[i].Title, told), put(t.Tasks[i].Description, told)
	}
	if firstErr != nil {
		return t, orchestron.Errorf(orchestron.Invalid, "the team template %s: %w", t.Name, firstErr).Try("orchestron team show %s shows its texts", t.Name)
	}
	return t, nil
}

// parametersOf returns what the template's texts are given: what the caller says, and defaults.
func parametersOf(t crewapi.Template, given map[string]string) (map[string]string, error) {
	all := map[string]string{}
	var names []string
	for _, p := range t.Parameters[1:] {
		names = append(names, p.Name)
		all[p.Name] = p.Default
		if value, said := given[p.Name]; said {
			all[p.Name] = value
		}
		if p.Required && all[p.Name] == "" {
			return nil, orchestron.Errorf(orchestron.Invalid, "the team template %s needs the parameter %s", t.Name, p.Name).
				Try("say parameters.%s: %s", p.Name, p.Description)
		}
	}
	for name := range given {
		if _, known := all[name]; !known {
			return nil, orchestron.Errorf(orchestron.Invalid, "the team template %s has no parameter %q", t.Name, orchestron.Quotable(name)).
				Try("it has %s", strings.Join(append([]string{crewapi.Task}, names...), ", "))
		}
	}
	return all, nil
}

// brief is what a member knows from the start: what the template says, and how the team talks. Whoever leads it has
// an id by then, the others have none yet.
func brief(t crewapi.Template, at int, leader orchestron.AgentID) string {
	m := t.Members[at]
	var b strings.Builder
	if m.Context != "" {
		b.WriteString(m.Context + "\n\n")
	}
	fmt.Fprintf(&b, "# Your team\n\nYou are %s (%s) in the team %s. Its members:\n\n", m.Name, m.Role, t.Name)
	for i, one := range t.Members {
		fmt.Fprintf(&b, "* %s (%s)%s%s\n", one.Name, one.Role, ledBy(one.Parent), you(i == at))
	}
	b.WriteString("\nYour first message has their ids.\n\n# How you talk to each other\n\n")
	if leads(t, m.Name) {
		b.WriteString("* Give a member that you lead a job with `send` and its id; `wait_for_instance` waits for the answer. Use the members\n" +
			"  that are there before you start others, and start no others without need.\n")
	}
	switch {
	case m.Parent != "":
		fmt.Fprintf(&b, "* %s (`%s`) leads you and gives you your jobs. What you write last in a turn is your answer.\n", m.Parent, leader)
	case leader != "":
		fmt.Fprintf(&b, "* `%s` leads you. What you write last in a turn is your answer.\n", leader)
	default:
		b.WriteString("* A person leads you. What you write last in a turn is your answer.\n")
	}
	b.WriteString("* `reply_to_caller` tells whoever gave you the job something before your turn ends: a question, an obstacle.\n" +
		"* The team's tasks are on the board: `orchestron_task_list`, `orchestron_task_claim` before you begin one,\n" +
		"  `orchestron_task_update` when it goes on or is done, `orchestron_task_clarify` for what the others must know.\n")
	return b.String()
}

// opening is the first message to a member: everybody's ids, and what it is asked first.
func opening(t crewapi.Template, at int, ids map[string]orchestron.AgentID) string {
	m := t.Members[at]
	var b strings.Builder
	fmt.Fprintf(&b, "The team %s has been started. You are %s. Its members and their ids:\n\n", t.Name, m.Name)
	for i, one := range t.Members {
		id := string(ids[one.Name])
		if id == "" {
			id = "not started"
		}
		fmt.Fprintf(&b, "* %s (%s): %s%s%s\n", one.Name, one.Role, id, ledBy(one.Parent), you(i == at))
	}
	b.WriteString("\n")
	if m.Prompt != "" {
		b.WriteString(m.Prompt)
		return b.String()
	}
	fmt.Fprintf(&b, "You have no job yet. Begin nothing: answer with one line, and wait for a message from %s.", m.Parent)
	return b.String()
}

func ledBy(parent string) string {
	if parent == "" {
		return ", leads the team"
	}
	return ", led by " + parent
}

func you(yes bool) string {
	if yes {
		return " — you"
	}
	return ""
}

// leads reports whether a member has others below it.
func leads(t crewapi.Template, name string) bool {
	for _, m := range t.Members {
		if m.Parent == name {
			return true
		}
	}
	return false
}
