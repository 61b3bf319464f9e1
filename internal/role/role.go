// Package role is the briefings that agents start with: files that people can edit.
package role

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/orchestron/orchestron"
)

//go:embed roles/*.md
var embedded embed.FS

// Role is a template that agents are made from. Text is Markdown that the agent knows from the start.
type Role struct {
	Name  string
	Title string
	Level orchestron.Level
	Text  string
}

// Brief is what an agent made from the role must know: its text and what its creator adds, or what its creator puts in
// its place.
func (r Role) Brief(context string, replace bool) string {
	if replace {
		return context
	}
	return strings.TrimSpace(r.Text + "\n\n" + context)
}

// Set is the templates by name.
type Set map[string]Role

// Load returns the roles that come with Orchestron, changed and extended by the Markdown files in dir. A
// directory that does not exist changes nothing. A file is a role when it begins with a front matter.
func Load(dir string) (Set, error) {
	roles := Set{}
	own, err := fs.Sub(embedded, "roles")
	if err != nil {
		return nil, err
	}
	if err := roles.add(own, ""); err != nil {
		return nil, err
	}
	if dir == "" {
		return roles, nil
	}
	if err := roles.add(os.DirFS(dir), dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return roles, nil
}

// add reads the roles in a file system. Two files may not make the same role.
func (r Set) add(from fs.FS, dir string) error {
	entries, err := fs.ReadDir(from, ".")
	if err != nil {
		return fmt.Errorf("reading the roles: %w", err)
	}
	madeBy := map[string]string{}
	for _, e := range entries {
		if path.Ext(e.Name()) != ".md" || e.IsDir() {
			continue
		}
		file := filepath.Join(dir, e.Name())
		data, err := fs.ReadFile(from, e.Name())
		if err != nil {
			return orchestron.Errorf(orchestron.Invalid, "the role file %s cannot be read: %w", file, err)
		}
		role, err := parseRole(data)
		if err != nil {
			return orchestron.Errorf(orchestron.Invalid, "the role file %s is wrong: %w", file, err).
				Try("begin it with ---, name: my_role, title: My role, level: specialist, ---, and then the text")
		}
		if other := madeBy[role.Name]; other != "" {
			return orchestron.Errorf(orchestron.Invalid, "the role files %s and %s both name the role %s", other, file, role.Name).
				Try("rename or remove one of them")
		}
		madeBy[role.Name] = file
		r[role.Name] = role
	}
	return nil
}

// Get returns a role by name.
func (r Set) Get(name string) (Role, error) {
	role, ok := r[name]
	if !ok {
		return Role{}, orchestron.Errorf(orchestron.Invalid, "there is no role %q", orchestron.Quotable(name)).
			Try("use one of %s", strings.Join(r.Names(), ", "))
	}
	return role, nil
}

// Names returns the names of the roles in order.
func (r Set) Names() []string { return slices.Sorted(maps.Keys(r)) }

var roleName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// front is what stands between the lines of ---, and in which line of the file each part of it does.
type front struct {
	role  Role
	lines map[string]int
}

// parseRole reads a role from Markdown that begins with a front matter. Its errors begin with the line, if one is to blame.
func parseRole(data []byte) (Role, error) {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	head, text, ok := strings.Cut(strings.TrimPrefix(string(data), "---\n"), "\n---\n")
	if !ok || !bytes.HasPrefix(data, []byte("---\n")) {
		return Role{}, errors.New("it has no front matter between two lines of ---")
	}
	f := front{lines: map[string]int{}}
	if err := f.read(head); err != nil {
		return Role{}, err
	}
	f.role.Text = strings.TrimSpace(text)
	if f.role.Level == "" {
		f.role.Level = orchestron.Specialist
	}
	if f.role.Title == "" {
		f.role.Title = f.role.Name
	}
	return f.role, f.check()
}

// read takes the front matter in. The line before it is the file's first.
func (f *front) read(head string) error {
	var doc yaml.Node
	err := yaml.Load([]byte(head), &doc)
	var wrong *yaml.LoadError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("line %d: its front matter is no YAML: %s", wrong.Mark.Line+1, wrong.Message)
	case err != nil:
		return fmt.Errorf("its front matter is no YAML: %w", err)
	case len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode:
		return errors.New("line 2: its front matter is not made of name, title and level")
	}
	pairs := doc.Content[0].Content
	for i := 0; i+1 < len(pairs); i += 2 {
		key, value := pairs[i], pairs[i+1]
		if f.lines[key.Value] != 0 || value.Kind != yaml.ScalarNode {
			return fmt.Errorf("line %d: its front matter has %s twice, or not as a text", key.Line+1, orchestron.Quotable(key.Value))
		}
		f.lines[key.Value] = key.Line + 1
		switch key.Value {
		case "name":
			f.role.Name = value.Value
		case "title":
			f.role.Title = value.Value
		case "level":
			f.role.Level = orchestron.Level(value.Value)
		default:
			return fmt.Errorf("line %d: there is no key %s; use name, title and level", key.Line+1, orchestron.Quotable(key.Value))
		}
	}
	return nil
}

func (f *front) check() error {
	r := f.role
	wrong := func(key, format string, args ...any) error {
		return fmt.Errorf("line %d: %s", max(f.lines[key], 1), fmt.Sprintf(format, args...))
	}
	switch {
	case !roleName.MatchString(r.Name):
		return wrong("name", "the name %q is not made of small letters, digits and _, beginning with a letter", r.Name)
	case r.Level.Prefix() == "":
		return wrong("level", "the level %q is none of executive, manager, specialist", r.Level)
	case r.Text == "":
		return errors.New("it has no text after the front matter")
	}
	level := orchestron.Level(r.Name)
	if level.Prefix() != "" && r.Level != level {
		return wrong("level", "the role %s must have the level %s", r.Name, level)
	}
	return nil
}
