// Package strict reads YAML that people write into Go values, and says what is wrong with it in their words: the line, the
// key, and what may stand there.
package strict

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/orchestron/orchestron"
)

// Fault is what is wrong with a text, and in which line.
type Fault struct {
	Line int
	Text string
}

func (f *Fault) Error() string { return fmt.Sprintf("line %d: %s", f.Line, f.Text) }

func wrong(n *yaml.Node, format string, args ...any) error {
	return &Fault{max(n.Line, 1), fmt.Sprintf(format, args...)}
}

// Parse reads a text that is one document, and returns what it is made of. Its errors are of type *Fault.
func Parse(data []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		return nil, plain(err, "it is no YAML: ")
	}
	return doc.Content[0], nil
}

// plain is an error of the library without what only its authors know.
func plain(err error, before string) error {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return &Fault{1, before + err.Error()}
	}
	return &Fault{max(e.Mark.Line, 1), before + strings.TrimPrefix(e.Message, "yaml: ")}
}

// Decode reads what Parse returned into what v points to, which keeps what the text does not say. Keys that there are not,
// keys that are there twice, and values of another type are errors of type *Fault.
func Decode(n *yaml.Node, v any) error {
	if err := check(n, reflect.TypeOf(v).Elem(), ""); err != nil {
		return err
	}
	if err := n.Load(v, yaml.WithKnownFields()); err != nil {
		return plain(err, "")
	}
	return nil
}

// check holds a node against a type. path is the keys that lead to it. What stands for something else (*name) is left to
// the library, which also sees when it stands for itself.
func check(n *yaml.Node, t reflect.Type, path string) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode || n.ShortTag() == "!!null" {
		return nil
	}
	if own(t) || !slices.Contains([]reflect.Kind{reflect.Struct, reflect.Map, reflect.Slice}, t.Kind()) {
		return checkValue(n, t, path)
	}
	switch {
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, one := range n.Content {
			if err := check(one, t.Elem(), path); err != nil {
				return err
			}
		}
		return nil
	case t.Kind() != reflect.Slice && n.Kind == yaml.MappingNode:
		return checkKeys(n, t, path)
	}
	return unfit(n, t, path)
}

// own reports whether a type reads itself.
func own(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[yaml.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func checkValue(n *yaml.Node, t reflect.Type, path string) error {
	if n.Load(reflect.New(t).Interface()) != nil {
		return unfit(n, t, path)
	}
	return nil
}

// unfit is the error that a value is none of a type.
func unfit(n *yaml.Node, t reflect.Type, path string) error {
	if path != "" {
		path += ": "
	}
	found := "what stands there"
	if n.Kind == yaml.ScalarNode {
		found = fmt.Sprintf("%q", orchestron.Quotable(n.Value))
	}
	return wrong(n, "%s%s is no %s", path, found, kind(t))
}

// kind is what people call a type.
func kind(t reflect.Type) string {
	if t == reflect.TypeFor[time.Duration]() {
		return "length of time, as 90s, 10m or 2h"
	}
	switch k := t.Kind(); {
	case k >= reflect.Int && k <= reflect.Uint64:
		return "whole number"
	case k == reflect.Float32 || k == reflect.Float64:
		return "number"
	case k == reflect.Bool:
		return "truth value, true or false"
	case k == reflect.Slice:
		return "list, as [a, b]"
	case k == reflect.Struct || k == reflect.Map:
		return "group of settings, each as key: value"
	}
	return "text"
}

// checkKeys holds the keys and values of a mapping against a struct or a map.
func checkKeys(n *yaml.Node, t reflect.Type, path string) error {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			continue // the library joins them
		}
		name := orchestron.Quotable(key.Value)
		if key.Kind != yaml.ScalarNode {
			return wrong(key, "a key is no text")
		}
		if line := first[key.Value]; line != 0 {
			return wrong(key, "%s is there twice, first in line %d", below(path, name), line)
		}
		first[key.Value] = key.Line
		inner, err := typeOf(key, t, below(path, name))
		if err != nil {
			return err
		}
		if err := check(value, inner, below(path, name)); err != nil {
			return err
		}
	}
	return nil
}

// typeOf is the type of what stands behind a key of a struct or a map.
func typeOf(key *yaml.Node, t reflect.Type, path string) (reflect.Type, error) {
	if t.Kind() == reflect.Map {
		return t.Elem(), nil
	}
	names, types := fields(t)
	inner, known := types[key.Value]
	if !known {
		return nil, wrong(key, "there is no setting %s (there are %s)", path, strings.Join(names, ", "))
	}
	return inner, nil
}

func below(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// fields are the keys that a struct has in a text, in the order in which they are declared, and their types.
func fields(t reflect.Type) (names []string, types map[string]reflect.Type) {
	types = map[string]reflect.Type{}
	for f := range t.Fields() {
		if key, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); f.IsExported() && key != "" && key != "-" {
			names, types[key] = append(names, key), f.Type
		}
	}
	return names, types
}
