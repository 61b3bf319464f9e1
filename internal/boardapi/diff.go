package boardapi

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Differences is where two documents of JSON differ, sorted by path. It never is nil.
func Differences(before, after json.RawMessage) ([]Difference, error) {
	out := []Difference{}
	var b, a any
	if err := json.Unmarshal(before, &b); err != nil {
		return out, err
	}
	if err := json.Unmarshal(after, &a); err != nil {
		return out, err
	}
	err := compare("", b, a, &out)
	slices.SortFunc(out, func(x, y Difference) int { return strings.Compare(x.Path, y.Path) })
	return out, err
}

var pointer = strings.NewReplacer("~", "~0", "/", "~1") //nolint:gochecknoglobals // a table: RFC 6901, section 3

// compare adds where two values of JSON differ.
func compare(path string, before, after any, out *[]Difference) error {
	b, bok := members(before)
	a, aok := members(after)
	_, bl := before.([]any)
	_, al := after.([]any)
	if !bok || !aok || bl != al {
		rawB, err := json.Marshal(before)
		if err != nil {
			return err
		}
		rawA, err := json.Marshal(after)
		if err != nil || bytes.Equal(rawA, rawB) {
			return err
		}
		*out = append(*out, Difference{Path: path, Before: rawB, After: rawA})
		return nil
	}
	for name := range union(b, a) {
		at := path + "/" + pointer.Replace(name)
		vb, inB := b[name]
		va, inA := a[name]
		d := Difference{Path: at}
		var err error
		switch {
		case inB && inA:
			if err := compare(at, vb, va, out); err != nil {
				return err
			}
			continue
		case inB:
			d.Before, err = json.Marshal(vb)
		default:
			d.After, err = json.Marshal(va)
		}
		if err != nil {
			return err
		}
		*out = append(*out, d)
	}
	return nil
}

// members are the parts of an object or a list by name or number.
func members(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case []any:
		m := map[string]any{}
		for i, one := range v {
			m[strconv.Itoa(i)] = one
		}
		return m, true
	}
	return nil, false
}

func union(a, b map[string]any) map[string]bool {
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	return names
}
