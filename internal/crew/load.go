package crew

import (
	"embed"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/crewapi"
	"github.com/orchestron/orchestron/internal/role"
)

//go:embed templates/*.yaml
var embedded embed.FS

// Set is the templates that can be used, and what is wrong with the others, by name.
type Set struct {
	templates map[string]crewapi.Template
	broken    map[string]problem
}

// problem is what is wrong with a file.
type problem struct {
	file string
	err  *orchestron.Error
}

// Embedded returns the templates that come with Orchestron.
func Embedded(roles role.Set) Set {
	s := Set{map[string]crewapi.Template{}, map[string]problem{}}
	s.add(embedded, "templates", "", roles)
	return s
}

// With returns the templates, changed and extended by the files NAME.yaml in dir. A file that cannot be used takes away
// its own name and nothing else.
func (s Set) With(dir string, roles role.Set) Set {
	all := Set{maps.Clone(s.templates), maps.Clone(s.broken)}
	if dir != "" {
		all.add(os.DirFS(dir), ".", dir, roles)
	}
	return all
}

// add reads the templates of a directory of a file system. dir is what it is called, and empty when it is our own.
func (s Set) add(from fs.FS, in, dir string, roles role.Set) {
	entries, err := fs.ReadDir(from, in)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		e := orchestron.Errorf(orchestron.Unavailable, "the directory %s of team templates cannot be read: %w", dir, err)
		s.broken[path.Base(dir)] = problem{dir, e.Try("make it readable, or remove it")}
	}
	for _, e := range entries {
		name, yes := strings.CutSuffix(e.Name(), ".yaml")
		if !yes || e.IsDir() {
			continue
		}
		at := ""
		if dir != "" {
			at = filepath.Join(dir, e.Name())
		}
		delete(s.templates, name)
		data, err := read(from, path.Join(in, e.Name()))
		if err != nil {
			s.broken[name] = problem{at, orchestron.Errorf(orchestron.Invalid, "the team template %s cannot be read: %w", at, err).Try("make it readable, or remove it")}
			continue
		}
		t, err := parse(name, data, roles)
		if err != nil {
			s.broken[name] = problem{at, wrongFile(at, err)}
			continue
		}
		t.File = at
		s.templates[name] = t
	}
}

// read reads a regular file, one byte more than may be: a pipe or a device in its place holds nobody up.
func read(from fs.FS, name string) ([]byte, error) {
	if info, err := fs.Stat(from, name); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it is no regular file"))
	}
	f, err := from.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

func wrongFile(at string, err error) *orchestron.Error {
	var f *fault
	n := 1
	if errors.As(err, &f) {
		n = f.line
	}
	return orchestron.Errorf(orchestron.Invalid, "the team template %s is wrong in line %d: %w", at, n, err).
		Try("docs/templates.md shows how one is written; orchestron team list reads it again")
}

// Get returns a template by name. It is an error when its file is wrong.
func (s Set) Get(name string) (crewapi.Template, error) {
	if t, ok := s.templates[name]; ok {
		return t, nil
	}
	if p, ok := s.broken[name]; ok {
		return crewapi.Template{}, p.err
	}
	return crewapi.Template{}, orchestron.Errorf(orchestron.NotFound, "there is no team template %q", orchestron.Quotable(name)).
		Try("use one of %s", strings.Join(slices.Sorted(maps.Keys(s.templates)), ", "))
}

// All returns the templates and the broken files, by name.
func (s Set) All() ([]crewapi.Template, []crewapi.Broken) {
	all, broken := []crewapi.Template{}, []crewapi.Broken{}
	for _, name := range slices.Sorted(maps.Keys(s.templates)) {
		all = append(all, s.templates[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.broken)) {
		p := s.broken[name]
		broken = append(broken, crewapi.Broken{Name: name, File: p.file, Error: p.err.Message})
	}
	return all, broken
}
