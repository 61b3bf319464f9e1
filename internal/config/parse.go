package config

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/strict"
)

// parse reads YAML over the settings. Unknown keys are refused.
func (s *settings) parse(data []byte, file string, env environment) error {
	if settingless.Match(data) {
		return nil
	}
	refuse := func(err error) error {
		return orchestron.Errorf(orchestron.Invalid, "the configuration %s: %w", file, err).
			Try("orchestron help config shows every field")
	}
	top, err := strict.Parse(data)
	if err != nil {
		return refuse(err)
	}
	if err := expand(top, env); err != nil {
		return refuse(err)
	}
	s.note(top, file, "")
	if err := strict.Decode(top, s); err != nil {
		return refuse(err)
	}
	return nil
}

// note remembers where fields stand.
func (s *settings) note(n *yaml.Node, file, prefix string) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		field := prefix + n.Content[i].Value
		s.from[field] = fmt.Sprintf("%s:%d", file, n.Content[i].Line)
		s.note(n.Content[i+1], file, field+".")
	}
}

var (
	settingless = regexp.MustCompile(`^(?:[ \t]*(?:#[^\n]*)?(?:\r?\n|$))*$`)

	reference = regexp.MustCompile(`\$?\$\{[^}]*\}?`)
	wholeRef  = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}$`)
)

// expand replaces ${VAR} and ${VAR:-default} in values. It works on what was parsed, so that a value of a variable is
// never read as YAML structure. $${ stands for ${.
func expand(n *yaml.Node, env environment) error {
	switch n.Kind {
	case yaml.ScalarNode:
		return expandScalar(n, env)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			if err := expand(n.Content[i], env); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for _, child := range n.Content {
			if err := expand(child, env); err != nil {
				return err
			}
		}
	case yaml.DocumentNode, yaml.AliasNode, yaml.StreamNode: // they hold no values of their own
	}
	return nil
}

func expandScalar(n *yaml.Node, env environment) error {
	var failed error
	value := reference.ReplaceAllStringFunc(n.Value, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		parts := wholeRef.FindStringSubmatch(ref)
		if parts == nil {
			failed = fmt.Errorf("line %d: %s is no ${VARIABLE} or ${VARIABLE:-default}", n.Line, orchestron.Quotable(ref))
			return ""
		}
		if v := env[parts[1]]; v != "" {
			return v
		}
		if !strings.Contains(ref, ":-") {
			failed = fmt.Errorf("line %d: the variable %s is not set; set it or write ${%s:-default}", n.Line, parts[1], parts[1])
		}
		return parts[2]
	})
	if value != n.Value && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		n.Tag = "" // it may have become a number or a truth value
	}
	n.Value = value
	return failed
}
