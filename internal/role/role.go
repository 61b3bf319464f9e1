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

// parseRole reads a role from Markdown that begins with a front matter.
func parseRole(data []byte) (Role, error) {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	head, text, ok := strings.Cut(strings.TrimPrefix(string(data), "---\n"), "\n---\n")
	if !ok || !bytes.HasPrefix(data, []byte("---\n")) {
		return Role{}, errors.New("it has no front matter between two lines of ---")
	}
	var front struct{ Name, Title, Level string }
	if err := yaml.Load([]byte(head), &front, yaml.WithKnownFields()); err != nil {
		return Role{}, fmt.Errorf("its front matter: %w", err)
	}
	role := Role{Name: front.Name, Title: front.Title, Level: orchestron.Level(front.Level), Text: strings.TrimSpace(text)}
	if role.Level == "" {
		role.Level = orchestron.Specialist
	}
	if role.Title == "" {
		role.Title = role.Name
	}
	return role, role.check()
}

func (r Role) check() error {
	switch {
	case !roleName.MatchString(r.Name):
		return fmt.Errorf("the name %q is not made of small letters, digits and _, beginning with a letter", r.Name)
	case r.Level.Prefix() == "":
		return fmt.Errorf("the level %q is none of executive, manager, specialist", r.Level)
	case r.Text == "":
		return errors.New("it has no text after the front matter")
	}
	level := orchestron.Level(r.Name)
	if level.Prefix() != "" && r.Level != level {
		return fmt.Errorf("the role %s must have the level %s", r.Name, level)
	}
	return nil
}
