package orchestron

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestIDs(t *testing.T) {
	tests := []struct {
		parent AgentID
		level  Level
		n      int
		want   AgentID
	}{
		{"", Executive, 1, "exec_1"},
		{"exec_1", Manager, 1, "mgr_1_1"},
		{"mgr_1_1", Specialist, 3, "spec_1_1_3"},
		{"exec_2", Specialist, 1, "spec_2_1"},
		{"", Specialist, 12, "spec_12"},
	}
	for _, tt := range tests {
		got := ChildID(tt.parent, tt.level, tt.n)
		if got != tt.want || !got.Valid() {
			t.Errorf("ChildID(%q, %s, %d) = %q (valid %v), want %q", tt.parent, tt.level, tt.n, got, got.Valid(), tt.want)
		}
	}
	for _, bad := range []AgentID{"", "exec", "exec_", "exec_0", "exec_1;", "../exec_1", "exec_1_", "spec_1\n", "root_1", "exec_01"} {
		if bad.Valid() {
			t.Errorf("%q is valid, want it refused", bad)
		}
	}
}

func TestLeads(t *testing.T) {
	levels := []Level{Executive, Manager, Specialist}
	for i, above := range levels {
		for j, below := range levels {
			if got, want := above.Leads(below), i < j; got != want {
				t.Errorf("%s.Leads(%s) = %v, want %v", above, below, got, want)
			}
		}
	}
}

func TestClean(t *testing.T) {
	tests := []struct {
		text, want string
		removed    int
	}{
		{"hello", "hello", 0},
		{"a\r\nb\rc\nd\te", "a\nb\nc\nd\te", 0},
		{"x\x1b[201~y\x00z\x7f\u009b", "x[201~yz", 4},
		{"👩‍👩‍👧 \u202e", "👩‍👩‍👧 \u202e", 0},
		{"\n  two\nlines \n", "two\nlines", 0},
		{strings.Repeat("x", MaxMessage), strings.Repeat("x", MaxMessage), 0},
	}
	for _, tt := range tests {
		got, removed, err := Clean(tt.text)
		if err != nil || got != tt.want || removed != tt.removed {
			t.Errorf("Clean(%.40q) = %.40q, %d, %v, want %.40q, %d", tt.text, got, removed, err, tt.want, tt.removed)
		}
	}
	for _, bad := range []string{"", " \n\t", "\xff\xfe", strings.Repeat("x", MaxMessage+1), "\x00\x1b"} {
		if _, _, err := Clean(bad); KindOf(err) != Invalid {
			t.Errorf("Clean(%.20q) gives %v, want an invalid error", bad, err)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[201~\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		clean, _, err := Clean(text)
		if err != nil {
			return
		}
		if again, removed, err := Clean(clean); err != nil || again != clean || removed != 0 {
			t.Errorf("Clean is not stable: %q becomes %q becomes %q (%v)", text, clean, again, err)
		}
	})
}

func TestVisible(t *testing.T) {
	inner := Errorf(NotFound, "there is no agent %q", "x").Try("list shows the agents")
	if got := Visible(fmt.Errorf("looking it up: %w", inner)); got.Kind != NotFound || got.Remedy == "" {
		t.Errorf("Visible(wrapped) = %+v, want the inner error", got)
	}
	if got := Visible(errors.New("secret=hunter2")); got.Kind != Internal || strings.Contains(got.Error(), "hunter2") {
		t.Errorf("Visible(internal) = %+v, want nothing of the cause", got)
	}
	if got := Visible(context.Canceled); got.Kind != Unavailable {
		t.Errorf("Visible(cancelled) = %+v, want unavailable", got)
	}
	cause := errors.New("disk")
	if err := Errorf(Unavailable, "writing: %w", cause); !errors.Is(err, cause) {
		t.Errorf("%v does not unwrap to its cause", err)
	}
}
