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
