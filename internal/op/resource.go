package op

import (
	"encoding/json"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/orchestron/orchestron"
)

// Resource is the answer of a read operation under an address of its own, so that clients can read it and be told of
// changes. Who may call the operation may read the resource.
type Resource struct {
	URI         string // fixed, or a template with {id} for one segment of it
	Name        string
	Title       string
	Description string
	Operation   string         // a read operation
	Arguments   map[string]any // what it is called with
	Variable    string         // the argument that takes what stands for {id}, as a string
}

const variable = "{id}"

// Template reports whether the URI has a variable.
func (r Resource) Template() bool { return strings.Contains(r.URI, variable) }

// Match reports whether the resource has that URI, and returns what stands for {id}.
func (r Resource) Match(uri string) (id string, ok bool) {
	before, after, template := strings.Cut(r.URI, variable)
	if !template {
		return "", uri == r.URI
	}
	rest, ok := strings.CutPrefix(uri, before)
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutSuffix(rest, after); !ok || rest == "" || strings.ContainsFunc(rest, reserved) {
		return "", false
	}
	id, err := url.PathUnescape(rest)
	return id, err == nil && utf8.ValidString(id)
}

// reserved reports whether a character must be escaped where a value stands for a variable.
func reserved(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return !strings.ContainsRune("-._~%", c)
}

// Input is what the operation is called with for a URI with that id.
func (r Resource) Input(id string) (json.RawMessage, error) {
	args := map[string]any{}
	for name, value := range r.Arguments {
		args[name] = value
	}
	if r.Variable != "" {
		args[r.Variable] = id
	}
	return json.Marshal(args)
}

// Check finds faults of a declaration: an operation that is not there or changes something, a variable without a use.
func (r Resource) Check(c *Catalogue) error {
	o, found := c.Get(r.Operation)
	example := strings.Replace(r.URI, variable, "id", 1)
	u, err := url.Parse(example)
	switch {
	case err != nil || u.Scheme == "" || strings.ContainsAny(example, "{}"):
		return orchestron.Errorf(orchestron.Invalid, "resource %q: this is no URI with at most one %s", r.URI, variable)
	case !found:
		return orchestron.Errorf(orchestron.Invalid, "resource %s: there is no operation %q", r.URI, r.Operation)
	case o.Access != Read:
		return orchestron.Errorf(orchestron.Invalid, "resource %s: %s changes something", r.URI, r.Operation)
	case r.Template() != (r.Variable != ""):
		return orchestron.Errorf(orchestron.Invalid, "resource %s: %s and the argument that takes it go together", r.URI, variable)
	}
	return nil
}
