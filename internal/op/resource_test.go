package op

import (
	"context"
	"log/slog"
	"strings"
	"testing"
)

func TestResourceMatch(t *testing.T) {
	list, one := Resource{URI: "o://tasks"}, Resource{URI: "o://tasks/{id}/log", Variable: "task"}
	for _, c := range []struct {
		resource Resource
		uri, id  string
		ok       bool
	}{
		{list, "o://tasks", "", true},
		{list, "o://tasks/", "", false},
		{list, "o://task", "", false},
		{one, "o://tasks/a-1/log", "a-1", true},
		{one, "o://tasks/a%20b%2Fc/log", "a b/c", true},
		{one, "o://tasks/%C3%A9/log", "é", true},
		{one, "o://tasks/a/b/log", "", false},
		{one, "o://tasks/a?b/log", "", false},
		{one, "o://tasks/é/log", "", false},
		{one, "o://tasks/%zz/log", "", false},
		{one, "o://tasks/%ff/log", "", false},
		{one, "o://tasks//log", "", false},
		{one, "o://tasks/log", "", false},
		{one, "o://tasks/a", "", false},
	} {
		id, ok := c.resource.Match(c.uri)
		if ok != c.ok || ok && id != c.id {
			t.Errorf("%s.Match(%s) = %q, %v, want %q, %v", c.resource.URI, c.uri, id, ok, c.id, c.ok)
		}
	}
	one.Arguments = map[string]any{"lines": 5}
	if got, err := one.Input("a"); err != nil || string(got) != `{"lines":5,"task":"a"}` {
		t.Errorf("Input = %s, %v", got, err)
	}
}

func TestResourceCheck(t *testing.T) {
	do := func(context.Context, Call, struct{}) (struct{}, error) { return struct{}{}, nil }
	c := NewCatalogue(nil, slog.New(slog.DiscardHandler), New("get", Read, "Gets.", do), New("set", Write, "Sets.", do))
	for _, r := range []struct {
		resource Resource
		trouble  string
	}{
		{Resource{URI: "o://a", Operation: "get"}, ""},
		{Resource{URI: "o://a/{id}", Operation: "get", Variable: "x"}, ""},
		{Resource{URI: "o://a", Operation: "set"}, "changes something"},
		{Resource{URI: "o://a", Operation: "got"}, "no operation"},
		{Resource{URI: "a", Operation: "get"}, "no URI"},
		{Resource{URI: "o://a/{id}/{id}", Operation: "get", Variable: "x"}, "no URI"},
		{Resource{URI: "o://a/{name}", Operation: "get"}, "no URI"},
		{Resource{URI: "o://a/{id}", Operation: "get"}, "go together"},
		{Resource{URI: "o://a", Operation: "get", Variable: "x"}, "go together"},
	} {
		err := r.resource.Check(c)
		if r.trouble == "" && err != nil || r.trouble != "" && (err == nil || !strings.Contains(err.Error(), r.trouble)) {
			t.Errorf("Check(%+v) = %v, want %q", r.resource, err, r.trouble)
		}
	}
}
