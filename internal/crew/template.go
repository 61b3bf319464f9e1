// Package crew is the subject of teams from templates: files that say who is in a team, who leads whom, and what each
// is told.
package crew

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/crewapi"
	"github.com/orchestron/orchestron/internal/role"
	"github.com/orchestron/orchestron/internal/strict"
)

// The bounds of a template.
const (
	maxFile    = 256 << 10 // bytes
	maxMembers = 100
)

// file is a template as it stands in its file.
type file struct {
	Name        string               `yaml:"name"`
	Description string               `yaml:"description"`
	Parameters  map[string]parameter `yaml:"parameters"`
	Members     []member             `yaml:"members"`
	Tasks       []task               `yaml:"tasks"`
}

type parameter struct {
	Description string `yaml:"description"`
	Required    bool   `yaml:"required"`
	Default     string `yaml:"default"`
}

type member struct {
	Name    string `yaml:"name"`
	Role    string `yaml:"role"`
	Parent  string `yaml:"parent"`
	Driver  string `yaml:"driver"`
	Model   string `yaml:"model"`
	Count   *int   `yaml:"count"`
	Context string `yaml:"context"`
	Prompt  string `yaml:"prompt"`
}

type task struct {
	Name        string   `yaml:"name"`
	Title       string   `yaml:"title"`
	Type        string   `yaml:"type"`
	Priority    string   `yaml:"priority"`
	Description string   `yaml:"description"`
	Assignee    string   `yaml:"assignee"`
	After       []string `yaml:"after"`
}

// fault is what is wrong with a file, and in which line.
type fault struct {
	line int
	err  error
}

func (f *fault) Error() string { return f.err.Error() }

// parse reads a template whose file is called name.yaml. What is wrong with it is a *fault.
func parse(name string, data []byte, roles role.Set) (crewapi.Template, error) {
	none := crewapi.Template{}
	if len(data) > maxFile {
		return none, &fault{1, fmt.Errorf("it has %d bytes, more than %d", len(data), maxFile)}
	}
	doc, err := strict.Parse(data)
	if err != nil {
		return none, inYAML(err)
	}
	var f file
	if err := strict.Decode(doc, &f); err != nil {
		return none, inYAML(err)
	}
	c := check{doc: doc, roles: roles}
	if f.Name != name {
		return none, c.wrong(fmt.Errorf("the name %q is not that of the file, %q", orchestron.Quotable(f.Name), name), "name")
	}
	return c.template(f)
}

// inYAML is a fault of the YAML itself.
func inYAML(err error) error {
	var f *strict.Fault
	if !errors.As(err, &f) {
		return &fault{1, err}
	}
	return &fault{f.Line, errors.New(f.Text)}
}

// check makes a template of a file, and knows where in the file everything stands.
type check struct {
	doc   *yaml.Node
	roles role.Set
}

// wrong is a fault of the value at a path of keys and indexes, or of the nearest thing around it that is there.
func (c *check) wrong(err error, path ...any) error {
	node := c.doc
	at := node.Line
	for _, step := range path {
		next := below(node, step)
		if next == nil {
			break
		}
		node, at = next, next.Line
	}
	return &fault{at, err}
}

func below(node *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case int:
		if node.Kind == yaml.SequenceNode && step < len(node.Content) {
			return node.Content[step]
		}
	case string:
		for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i+1]
			}
		}
	}
	return nil
}

func (c *check) template(f file) (crewapi.Template, error) {
	t := crewapi.Template{Name: f.Name, Description: strings.TrimSpace(f.Description), Parameters: []crewapi.Parameter{}, Tasks: []crewapi.Item{}}
	if t.Description == "" {
		return t, c.wrong(errors.New("it has no description"), "description")
	}
	var err error
	if t.Parameters, err = c.parameters(f.Parameters); err != nil {
		return t, err
	}
	if t.Members, err = c.members(f.Members); err != nil {
		return t, err
	}
	if t.Tasks, err = c.tasks(f.Tasks, t.Members); err != nil {
		return t, err
	}
	return t, c.texts(f, t)
}

var plainName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

func (c *check) name(what, name string, path ...any) error {
	if !plainName.MatchString(name) {
		return c.wrong(fmt.Errorf("the name %q of a %s is not made of small letters, digits, - and _, beginning with a letter", orchestron.Quotable(name), what), path...)
	}
	return nil
}

// parameters returns what is asked for: what the team is for first, then the others by name.
func (c *check) parameters(asked map[string]parameter) ([]crewapi.Parameter, error) {
	all := []crewapi.Parameter{{Name: crewapi.Task, Description: asked[crewapi.Task].Description, Required: true}}
	for name, p := range asked {
		if err := c.name("parameter", name, "parameters", name); err != nil {
			return nil, err
		}
		if p.Default != "" && (p.Required || name == crewapi.Task) {
			return nil, c.wrong(fmt.Errorf("the parameter %s is required and can have no default", name), "parameters", name, "default")
		}
		if name != crewapi.Task {
			all = append(all, crewapi.Parameter{Name: name, Description: p.Description, Required: p.Required, Default: p.Default})
		}
	}
	slices.SortFunc(all[1:], func(a, b crewapi.Parameter) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// members returns the agents that are asked for, each after whoever leads it. A member that is to be there several times
// becomes several.
func (c *check) members(asked []member) ([]crewapi.Member, error) {
	var all []crewapi.Member
	seen := map[string]bool{}
	for i, m := range asked {
		if err := c.member(m, i, all, seen); err != nil {
			return nil, err
		}
		one := crewapi.Member{
			Name: m.Name, Role: m.Role, Level: c.roles[m.Role].Level, Parent: m.Parent, Driver: m.Driver, Model: m.Model,
			Context: strings.TrimSpace(m.Context), Prompt: strings.TrimSpace(m.Prompt),
		}
		if m.Count == nil {
			all = append(all, one)
			continue
		}
		for n := range *m.Count {
			one.Name = fmt.Sprintf("%s-%d", m.Name, n+1)
			if seen[one.Name] {
				return nil, c.wrong(fmt.Errorf("two members have the name %q, one of them by its count", one.Name), "members", i, "count")
			}
			seen[one.Name] = true
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return nil, c.wrong(errors.New("it has no members"), "members")
	}
	if len(all) > maxMembers {
		return nil, c.wrong(fmt.Errorf("it has %d members, more than %d", len(all), maxMembers), "members")
	}
	return all, nil
}

// member checks the i-th member against those before it.
func (c *check) member(m member, i int, before []crewapi.Member, seen map[string]bool) error {
	if err := c.name("member", m.Name, "members", i, "name"); err != nil {
		return err
	}
	if seen[m.Name] {
		return c.wrong(fmt.Errorf("two members have the name %q", m.Name), "members", i, "name")
	}
	seen[m.Name] = true
	r, err := c.roles.Get(m.Role)
	if err != nil {
		return c.wrong(err, "members", i, "role")
	}
	if m.Count != nil && (*m.Count < 1 || *m.Count > maxMembers || i == 0) {
		return c.wrong(fmt.Errorf("the count of %s is not from 1 to %d, or %s leads all", m.Name, maxMembers, m.Name), "members", i, "count")
	}
	if i == 0 {
		if strings.TrimSpace(m.Prompt) == "" {
			return c.wrong(fmt.Errorf("%s leads all and has no prompt: nobody would begin", m.Name), "members", i)
		}
		if m.Parent != "" {
			return c.wrong(fmt.Errorf("the first member leads all, and %s has the parent %q", m.Name, orchestron.Quotable(m.Parent)), "members", i, "parent")
		}
		return nil
	}
	at := slices.IndexFunc(before, func(b crewapi.Member) bool { return b.Name == m.Parent })
	if at < 0 {
		return c.wrong(fmt.Errorf("the parent %q of %s is no member before it", orchestron.Quotable(m.Parent), m.Name), "members", i, "parent")
	}
	if !before[at].Level.Leads(r.Level) {
		return c.wrong(fmt.Errorf("%s (%s) cannot lead %s (%s)", m.Parent, before[at].Level, m.Name, r.Level), "members", i, "parent")
	}
	return nil
}

func (c *check) tasks(asked []task, members []crewapi.Member) ([]crewapi.Item, error) {
	all := []crewapi.Item{}
	seen := map[string]bool{}
	for i, t := range asked {
		if err := c.name("task", t.Name, "tasks", i, "name"); err != nil {
			return nil, err
		}
		one := crewapi.Item{
			Name: t.Name, Title: strings.TrimSpace(t.Title), Type: t.Type, Priority: t.Priority,
			Description: strings.TrimSpace(t.Description), Assignee: t.Assignee, After: t.After,
		}
		if one.Type == "" {
			one.Type = string(orchestron.Job)
		}
		if one.Priority == "" {
			one.Priority = string(orchestron.Medium)
		}
		isOne := func(m crewapi.Member) bool { return m.Name == t.Assignee }
		switch {
		case seen[t.Name]:
			return nil, c.wrong(fmt.Errorf("two tasks have the name %q", t.Name), "tasks", i, "name")
		case one.Title == "":
			return nil, c.wrong(fmt.Errorf("the task %s has no title", t.Name), "tasks", i)
		case !slices.Contains(orchestron.TaskTypes, orchestron.TaskType(one.Type)):
			return nil, c.wrong(fmt.Errorf("the type %q is none of %v", orchestron.Quotable(t.Type), orchestron.TaskTypes), "tasks", i, "type")
		case !slices.Contains(orchestron.Priorities, orchestron.Priority(one.Priority)):
			return nil, c.wrong(fmt.Errorf("the priority %q is none of %v", orchestron.Quotable(t.Priority), orchestron.Priorities), "tasks", i, "priority")
		case t.Assignee != "" && !slices.ContainsFunc(members, isOne):
			return nil, c.wrong(fmt.Errorf("the assignee %q is no member", orchestron.Quotable(t.Assignee)), "tasks", i, "assignee")
		}
		for n, name := range t.After {
			if !seen[name] {
				return nil, c.wrong(fmt.Errorf("%q is no task before %s", orchestron.Quotable(name), t.Name), "tasks", i, "after", n)
			}
		}
		seen[t.Name] = true
		all = append(all, one)
	}
	return all, nil
}

// texts checks every text that is a template: that it can be read, and that it asks for nothing that is not there.
func (c *check) texts(f file, t crewapi.Template) error {
	values := values{Task: "x", Parameters: map[string]string{}}
	for _, p := range t.Parameters[1:] {
		values.Parameters[p.Name] = "x"
	}
	try := func(text string, path ...any) error {
		if _, err := fill(text, values); err != nil {
			return c.wrong(err, path...)
		}
		return nil
	}
	var err error
	for i, m := range f.Members {
		err = errors.Join(err, try(m.Context, "members", i, "context"), try(m.Prompt, "members", i, "prompt"))
	}
	for i, one := range f.Tasks {
		err = errors.Join(err, try(one.Title, "tasks", i, "title"), try(one.Description, "tasks", i, "description"))
	}
	if err == nil {
		return nil
	}
	var first *fault
	errors.As(err, &first)
	return first
}
