package boardapi

import (
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/orchestron/orchestron"
)

// Plain checks a name that is shown in lists: one line without control characters. It is Invalid when it is none.
func Plain(what, name string) error {
	if n := utf8.RuneCountInString(name); n > MaxName*4 {
		return orchestron.Errorf(orchestron.Invalid, "the %s has %d characters, more than %d", what, n, MaxName*4)
	}
	if strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) || strings.TrimSpace(name) != name {
		return orchestron.Errorf(orchestron.Invalid, "the %s %q is not a plain name of one line", what, orchestron.Quotable(name)).
			Try("leave out control characters and spaces at its ends")
	}
	return nil
}

// Check checks what a task is made of, as far as a schema cannot. It is Invalid when something is wrong.
func Check(t orchestron.Task) error {
	if t.Title == "" {
		return orchestron.Errorf(orchestron.Invalid, "a task needs a title")
	}
	for _, named := range [][2]string{{"title", t.Title}, {"assignee", t.Assignee}, {"sprint", t.Sprint}} {
		if err := Plain(named[0], named[1]); err != nil {
			return err
		}
	}
	for _, l := range t.Labels {
		if err := Plain("label", l); err != nil {
			return err
		}
	}
	if utf8.RuneCountInString(t.Description) > MaxText || !utf8.ValidString(t.Description) {
		return orchestron.Errorf(orchestron.Invalid, "the description is no text of at most %d characters", MaxText)
	}
	return nil
}

// Changed is what became of the fields that a caller can change, by their names in JSON.
func Changed(before, after orchestron.Task) map[string]any {
	diff := map[string]any{}
	b, a := reflect.ValueOf(before), reflect.ValueOf(after)
	for i := range b.NumField() {
		name, _, _ := strings.Cut(b.Type().Field(i).Tag.Get("json"), ",")
		switch name {
		case "version", "updatedAt", "children", "waitsFor", "clarifications", "handoff":
			continue
		}
		if !reflect.DeepEqual(b.Field(i).Interface(), a.Field(i).Interface()) {
			diff[name] = a.Field(i).Interface()
		}
	}
	return diff
}

// List is a list that is there, though it may be empty.
func List(all []string) []string { return append([]string{}, all...) }

// Set is a list without doubles, sorted.
func Set(all []string) []string {
	out := List(all)
	slices.Sort(out)
	return slices.Compact(out)
}
