package strict_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron/internal/strict"
)

type part struct {
	Name  string `yaml:"name"`
	Count *int   `yaml:"count"`
}

type whole struct {
	Name  string            `yaml:"name"`
	Yes   bool              `yaml:"yes"`
	Ratio float64           `yaml:"ratio"`
	For   time.Duration     `yaml:"for"`
	Parts []part            `yaml:"parts"`
	Words map[string]string `yaml:"words"`
	own   int
}

func decode(text string, v any) error {
	n, err := strict.Parse([]byte(text))
	if err != nil {
		return err
	}
	return strict.Decode(n, v)
}

func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "line 1: it is no YAML: no documents in stream",
		"name: [a\n":                      "line 2: it is no YAML: did not find expected ',' or ']'",
		"name: a\n---\nname: b\n":         "line 1: it is no YAML: expected single document, found multiple",
		"name: *a\n":                      "line 1: it is no YAML: unknown anchor 'a' referenced",
		"- a\n":                           `line 1: what stands there is no group of settings, each as key: value`,
		"\nnome: a\n":                     "line 2: there is no setting nome (there are name, yes, ratio, for, parts, words)",
		"own: 1\n":                        "line 1: there is no setting own (there are name, yes, ratio, for, parts, words)",
		"parts:\n- name: a\n  cuont: 1":   "line 3: there is no setting parts.cuont (there are name, count)",
		"parts:\n- count: two\n":          `line 2: parts.count: "two" is no whole number`,
		"parts: {name: a}\n":              "line 1: parts: what stands there is no list, as [a, b]",
		"parts: [a]\n":                    `line 1: parts: "a" is no group of settings, each as key: value`,
		"yes: perhaps\n":                  `line 1: yes: "perhaps" is no truth value, true or false`,
		"ratio: much\n":                   `line 1: ratio: "much" is no number`,
		"for: soon\n":                     `line 1: for: "soon" is no length of time, as 90s, 10m or 2h`,
		"words: {a: [b]}\n":               "line 1: words.a: what stands there is no text",
		"name: a\nname: b\n":              "line 2: name is there twice, first in line 1",
		"words:\n  a: b\n  a: c\n":        "line 3: words.a is there twice, first in line 2",
		"[a]: b\n":                        "line 1: a key is no text",
		"name: \"\\e[2Jx\"\nyes: \"\\e\"": `line 2: yes: "." is no truth value, true or false`,
	} {
		var v whole
		err := decode(text, &v)
		var f *strict.Fault
		if !errors.As(err, &f) || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestValues(t *testing.T) {
	two := 2
	got := whole{Name: "kept", own: 7}
	err := decode("base: &x\n", &struct {
		Base *part `yaml:"base"`
	}{})
	if err != nil {
		t.Error(err)
	}
	err = decode("yes: true\nratio: 1.5\nfor: 90s\nparts:\n- &a {name: a, count: 2}\n- *a\n- <<: *a\n  name: b\nwords: {a: b}\n", &got)
	want := whole{Name: "kept", Yes: true, Ratio: 1.5, For: 90 * time.Second, Parts: []part{{"a", &two}, {"a", &two}, {"b", &two}}, Words: map[string]string{"a": "b"}, own: 7}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(whole{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := decode("words: &w {a: *w}\n", &got); err == nil {
		t.Error("what stands for itself was read")
	}
}
