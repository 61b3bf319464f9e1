package boardapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

func TestDifferences(t *testing.T) {
	before := `{"same":{"x":[1,2]},"list":[1,2,3],"gone":true,"kind":{"a":1},"we/ird~":1}`
	after := `{"same":{"x":[1,2]},"list":[1,4],"new":null,"kind":[1],"we/ird~":2}`
	got, err := Differences(json.RawMessage(before), json.RawMessage(after))
	want := []Difference{
		{Path: "/gone", Before: json.RawMessage("true")},
		{Path: "/kind", Before: json.RawMessage(`{"a":1}`), After: json.RawMessage("[1]")},
		{Path: "/list/1", Before: json.RawMessage("2"), After: json.RawMessage("4")},
		{Path: "/list/2", Before: json.RawMessage("3")},
		{Path: "/new", After: json.RawMessage("null")},
		{Path: "/we~1ird~0", Before: json.RawMessage("1"), After: json.RawMessage("2")},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Differences: %v (-want +got):\n%s", err, diff)
	}
	if got, err := Differences(json.RawMessage(before), json.RawMessage(before)); err != nil || len(got) != 0 || got == nil {
		t.Errorf("Differences of the same = %v, %v; want an empty list", got, err)
	}
}

func TestReadLines(t *testing.T) {
	const head = `{"board":1}` + "\n"
	for text, want := range map[string]string{
		"":                                       "line 1: the file is empty",
		head + "\n" + `{"task":{"id":"TASK-1"}}`: "",
		head + "{":                               "line 2: ",
		head + `{"board":1} {}`:                  "line 2: there is something behind the object",
		head + `{"board":1}}`:                    "line 2: there is something behind the object",
		head + `{"unknown":1}`:                   "line 2: json: unknown field",
		head + "{\"change\":{\"text\":\"\xff\"}}": "line 2: it is not UTF-8",
		head + head + `{"sprint":{}}`:             "line 3: no sprints",
		head + strings.Repeat(" ", longestLine+1): "line 2: bufio.Scanner: token too long",
	} {
		seen := 0
		err := ReadLines(strings.NewReader(text), func(_ int, l Line) error {
			if seen++; l.Sprint != nil {
				return orchestron.Errorf(orchestron.Conflict, "no sprints")
			}
			return nil
		})
		switch {
		case want == "" && (err != nil || seen != 2):
			t.Errorf("ReadLines(%.40q) = %v after %d lines, want 2 lines", text, err, seen)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("ReadLines(%.40q) = %v, want %s", text, err, want)
		case want != "" && orchestron.KindOf(err) == orchestron.Internal:
			t.Errorf("ReadLines(%.40q): %v is of kind internal", text, err)
		}
	}
}

func TestChoices(t *testing.T) {
	for in, want := range map[string]Choices{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}, `[]`: {}} {
		var got Choices
		if err := json.Unmarshal([]byte(in), &got); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s is %q, %v; want %q", in, got, err, want)
		}
	}
	var c Choices
	if err := json.Unmarshal([]byte(`1`), &c); err == nil {
		t.Error("a number is a choice")
	}
}

func TestCircle(t *testing.T) {
	links := func(needs ...[]orchestron.TaskID) (all []Link) {
		for _, n := range needs {
			all = append(all, Link{Was: n[0], DependsOn: n[1:]})
		}
		return all
	}
	type ids = []orchestron.TaskID
	for _, c := range []struct {
		links []Link
		found orchestron.TaskID
	}{
		{links: links(ids{"a", "b", "c"}, ids{"b", "c"}, ids{"c"})},
		{links: links(ids{"a", "elsewhere"}, ids{"b", "a"}, ids{"c", "a", "b"})},
		{links: links(ids{"a", "a"}), found: "a"},
		{links: links(ids{"x", "a"}, ids{"a", "b"}, ids{"b", "c"}, ids{"c", "a"}), found: "c"},
	} {
		l, on := Circle(c.links)
		if got := l != nil; got != (c.found != "") || got && (l.Was != c.found || on != "a") {
			t.Errorf("Circle(%v) = %v, %s; want %q", c.links, l, on, c.found)
		}
	}
	const deep = 200_000
	chain := make([]Link, deep)
	for i := range chain {
		chain[i] = Link{Was: orchestron.TaskIDOf(int64(i + 1)), DependsOn: ids{orchestron.TaskIDOf(int64(i + 2))}}
	}
	if l, _ := Circle(chain); l != nil {
		t.Errorf("a long chain is a circle at %s", l.Was)
	}
}

func TestPlace(t *testing.T) {
	want := PlaceOf(orchestron.Task{ID: "TASK-77", Priority: orchestron.Low})
	if got, err := ParsePlace(want.String()); got != want || err != nil {
		t.Errorf("ParsePlace(%s) = %v, %v", want, got, err)
	}
	for _, bad := range []string{"", "1", "1.", ".1", "-1.2", "1.-2", "x.1"} {
		if _, err := ParsePlace(bad); orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("ParsePlace(%q) = %v, want Invalid", bad, err)
		}
	}
}
