package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
)

// tool is what the commands use of an operation's description.
type tool struct {
	Name        string          `json:"name"`
	Summary     string          `json:"summary"`
	Access      string          `json:"access"`
	Toolset     string          `json:"toolset"`
	Destructive bool            `json:"destructive"`
	Input       json.RawMessage `json:"input"`
	schema      schema
}

type schema struct {
	Properties map[string]property `json:"properties"`
	Required   []string            `json:"required"`
}

type property struct {
	Type        any             `json:"type"` // a name or several
	Description string          `json:"description"`
	Default     json.RawMessage `json:"default"`
	Enum        []any           `json:"enum"`
}

func (p property) is(name string) bool {
	if names, several := p.Type.([]any); several {
		return slices.Contains(names, any(name))
	}
	return p.Type == any(name)
}

// names are the arguments, those that must be given first.
func (s schema) names() []string {
	rest := slices.DeleteFunc(slices.Sorted(maps.Keys(s.Properties)), func(name string) bool { return slices.Contains(s.Required, name) })
	return append(slices.Clone(s.Required), rest...)
}

// catalogue returns the operations, and the list as the daemon gave it.
func (a *app) catalogue(ctx context.Context) ([]tool, json.RawMessage, error) {
	d, err := a.Connect(ctx, true)
	if err != nil {
		return nil, nil, err
	}
	raw, err := d.Tools(ctx)
	if err != nil {
		return nil, nil, err
	}
	var list struct{ Tools []tool }
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, nil, fmt.Errorf("reading the list of operations: %w", err)
	}
	for i, t := range list.Tools {
		if err := json.Unmarshal(t.Input, &list.Tools[i].schema); err != nil {
			return nil, nil, fmt.Errorf("reading the schema of %s: %w", t.Name, err)
		}
	}
	return list.Tools, raw, nil
}

func (a *app) tool(ctx context.Context, name string) (tool, error) {
	all, _, err := a.catalogue(ctx)
	if err != nil {
		return tool{}, err
	}
	var names []string
	for _, t := range all {
		if t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	unknown := orchestron.Errorf(orchestron.NotFound, "there is no operation %q that you may call", orchestron.Quotable(name))
	if like := console.Nearest(name, names); like != "" {
		return tool{}, unknown.Try("did you mean %s?", like)
	}
	return tool{}, unknown.Try("orchestron tools lists them")
}

func (a *app) tools() *cobra.Command {
	cmd := &cobra.Command{
		Use: "tools [NAME]", Short: "List the operations, or explain one",
		Example: "orchestron tools\norchestron tools send_to_instance\norchestron tools spawn --json",
		Args:    console.Between("NAME"), ValidArgsFunction: a.toolNames(),
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		if len(pos) == 1 {
			t, err := a.tool(ctx, pos[0])
			if err != nil {
				return err
			}
			return a.Show(t.Input, func() error { return a.explain(t) })
		}
		all, raw, err := a.catalogue(ctx)
		if err != nil {
			return err
		}
		return a.Show(raw, func() error {
			t := &console.Table{Header: []string{"NAME", "ACCESS", "TOOLSET", "SUMMARY"}}
			for _, one := range all {
				t.Row(console.Cell(one.Name), console.Cell(one.Access), console.Cell(one.Toolset), console.Cell(one.Summary))
			}
			return a.PrintTable(t)
		})
	})
	return cmd
}

func (a *app) explain(t tool) error {
	fmt.Fprintf(a.Stdout, "%s (%s)\n%s\n\n", a.Out.Paint(console.Bold, console.Cell(t.Name)), console.Cell(t.Access), console.Harmless(t.Summary))
	list := &console.Table{Header: []string{"ARGUMENT", "TYPE", "DEFAULT", "MEANING"}}
	example := "orchestron call " + t.Name
	for _, name := range t.schema.names() {
		p := t.schema.Properties[name]
		kind, fallback := fmt.Sprint(p.Type), string(p.Default)
		if slices.Contains(t.schema.Required, name) {
			fallback = "required"
			example += " " + name + "=" + sample(name, p)
		}
		meaning := p.Description
		if len(p.Enum) > 0 {
			meaning = strings.TrimSpace(strings.Trim(fmt.Sprint(p.Enum), "[]") + "  " + meaning)
		}
		list.Row(console.Cell(name), console.Cell(kind), console.Cell(fallback), console.Cell(meaning))
	}
	if !list.Empty() {
		if err := a.PrintTable(list); err != nil {
			return err
		}
		fmt.Fprintln(a.Stdout)
	}
	_, err := fmt.Fprintln(a.Stdout, console.Cell(example))
	return err
}

// sample is a value that an argument could have.
func sample(name string, p property) string {
	switch {
	case len(p.Enum) > 0:
		return fmt.Sprint(p.Enum[0])
	case strings.HasPrefix(strings.ToLower(name), "instance") && p.is("string"):
		return "exec_1"
	case p.is("string"):
		return "'…'"
	case p.is("boolean"):
		return "true"
	case p.is("array"):
		return "'[…]'"
	case p.is("object"):
		return "'{…}'"
	}
	return "1"
}

func (a *app) callCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "call NAME [JSON|-|key=value ...]", Short: "Call any operation",
		Long: "Call any operation and print its answer as JSON. Arguments are a JSON object, - for one from stdin, or key=value pairs\n" +
			"whose values are read as the operation's schema says; a list may be given by repeating its key.",
		Example: "orchestron call list status=active\n" +
			"orchestron call send_to_instance instance_id=exec_1 message='Say hello' wait_for_response=true\n" +
			`orchestron call spawn '{"role":"executive","workDir":"/work"}'`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.toolNames(),
	}
	cmd.RunE = console.Do(func(ctx context.Context, cmd *cobra.Command, pos []string) error {
		t, err := a.tool(ctx, pos[0])
		if err != nil {
			return err
		}
		in, err := a.arguments(cmd, t, pos[1:])
		if err != nil {
			return err
		}
		raw, err := a.Call(ctx, t.Name, in)
		if err != nil {
			return err
		}
		return a.ShowJSON(raw)
	})
	return cmd
}

// arguments reads what follows the name of an operation.
func (a *app) arguments(cmd *cobra.Command, t tool, rest []string) (any, error) {
	if len(rest) == 1 && (rest[0] == "-" || strings.HasPrefix(strings.TrimSpace(rest[0]), "{")) {
		text := rest[0]
		if text == "-" {
			var err error
			if text, err = a.Text(cmd, "-"); err != nil {
				return nil, err
			}
		}
		if !json.Valid([]byte(text)) {
			return nil, console.Usage(cmd, "the arguments are not valid JSON")
		}
		return json.RawMessage(text), nil
	}
	in := map[string]json.RawMessage{}
	lists := map[string][]json.RawMessage{}
	for _, pair := range rest {
		name, value, found := strings.Cut(pair, "=")
		p, known := t.schema.Properties[name]
		if !found || !known {
			return nil, unknownArgument(cmd, t, name, found)
		}
		data, err := p.read(value)
		if err != nil {
			return nil, console.Usage(cmd, "%s: %v", name, err)
		}
		if p.is("array") && !strings.HasPrefix(value, "[") {
			lists[name] = append(lists[name], data)
			data, _ = json.Marshal(lists[name])
		} else if _, twice := in[name]; twice {
			return nil, console.Usage(cmd, "%s is given twice", name)
		}
		in[name] = data
	}
	return in, nil
}

func unknownArgument(cmd *cobra.Command, t tool, name string, found bool) error {
	if !found {
		return console.Usage(cmd, "%q is neither JSON nor key=value", orchestron.Quotable(name))
	}
	e := orchestron.Errorf(orchestron.Invalid, "%s has no argument %q", t.Name, orchestron.Quotable(name))
	if like := console.Nearest(name, t.schema.names()); like != "" {
		return e.Try("did you mean %s?", like)
	}
	return e.Try("orchestron tools %s lists them", t.Name)
}

// read turns the text of a value into JSON of the property's type.
func (p property) read(value string) (json.RawMessage, error) {
	if p.is("string") || p.is("array") && !strings.HasPrefix(value, "[") {
		return json.Marshal(value)
	}
	if !json.Valid([]byte(value)) {
		return nil, fmt.Errorf("%q is no %v", orchestron.Quotable(value), cmp.Or[any](p.Type, "JSON"))
	}
	return json.RawMessage(value), nil
}

// toolNames completes an operation's name.
func (a *app) toolNames() cobra.CompletionFunc {
	return a.Completing(func(ctx context.Context, _ console.Daemon) ([]cobra.Completion, error) {
		all, _, err := a.catalogue(ctx)
		var choices []cobra.Completion
		for _, t := range all {
			choices = append(choices, cobra.CompletionWithDesc(console.Cell(t.Name), console.Cell(t.Summary)))
		}
		return choices, err
	})
}
