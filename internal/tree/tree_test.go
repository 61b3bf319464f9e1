package tree

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

func grown() *Tree {
	var t Tree
	for _, edge := range [][2]orchestron.AgentID{
		{"exec_1", ""}, {"mgr_1_1", "exec_1"}, {"spec_1_1_1", "mgr_1_1"}, {"mgr_1_2", "exec_1"}, {"spec_1", ""}, {"spec_1_1_2", "mgr_1_1"},
	} {
		t.Add(edge[0], edge[1])
	}
	return &t
}

func TestTree(t *testing.T) {
	tree := grown()
	type ids = []orchestron.AgentID
	for _, c := range []struct {
		what      string
		got, want ids
	}{
		{"those whom nobody leads", tree.Children(""), ids{"exec_1", "spec_1"}},
		{"the children of exec_1", tree.Children("exec_1"), ids{"mgr_1_1", "mgr_1_2"}},
		{"the children of a leaf", tree.Children("spec_1"), ids{}},
		{"all below exec_1", tree.Below("exec_1"), ids{"spec_1_1_1", "spec_1_1_2", "mgr_1_1", "mgr_1_2"}},
		{"all below a stranger", tree.Below("mgr_9"), nil},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
	for id, want := range map[orchestron.AgentID]int{"exec_1": 3, "mgr_1_1": 2, "spec_1": 1} {
		if got := tree.Height(id); got != want {
			t.Errorf("%s has the height %d, want %d", id, got, want)
		}
	}
	for _, c := range []struct {
		outer, id orchestron.AgentID
		want      bool
	}{
		{"exec_1", "spec_1_1_1", true},
		{"mgr_1_1", "mgr_1_1", true},
		{"mgr_1_2", "spec_1_1_1", false},
		{"spec_1_1_1", "exec_1", false},
		{"", "exec_1", false},
		{"exec_1", "", false},
		{"", "", false},
		{"exec_1", "mgr_9", false},
	} {
		if got := tree.Within(c.outer, c.id); got != c.want {
			t.Errorf("Within(%q, %q) = %v, want %v", c.outer, c.id, got, c.want)
		}
	}
	children := tree.Children("mgr_1_1")
	tree.Remove("spec_1_1_1")
	tree.Add("spec_1_1_3", "mgr_1_1")
	if diff := cmp.Diff(ids{"spec_1_1_1", "spec_1_1_2"}, children); diff != "" {
		t.Errorf("what was returned before changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ids{"spec_1_1_2", "spec_1_1_3"}, tree.Children("mgr_1_1")); diff != "" {
		t.Errorf("after one came and one went (-want +got):\n%s", diff)
	}
}

// TestUpwards calls siblings at the same time and parents last, and not at all when a child fails.
func TestUpwards(t *testing.T) {
	tree := grown()
	var mu sync.Mutex
	var called []orchestron.AgentID
	both := make(chan struct{})
	var met sync.WaitGroup
	met.Add(2)
	go func() { met.Wait(); close(both) }()
	err := tree.Upwards("exec_1", func(id orchestron.AgentID) error {
		if id == "spec_1_1_1" || id == "spec_1_1_2" {
			met.Done()
			<-both // would wait for ever if one came after the other
		}
		mu.Lock()
		defer mu.Unlock()
		called = append(called, id)
		return nil
	})
	at := func(id orchestron.AgentID) int { return slices.Index(called, id) }
	if err != nil || len(called) != 5 || at("exec_1") != 4 || at("mgr_1_1") < at("spec_1_1_1") || at("mgr_1_1") < at("spec_1_1_2") {
		t.Errorf("called were %v, %v", called, err)
	}
	fails := errors.New("it fails")
	err = tree.Upwards("exec_1", func(id orchestron.AgentID) error {
		if id == "mgr_1_1" || id == "exec_1" {
			t.Errorf("%s is called although what it leads failed", id)
		}
		if id == "spec_1_1_2" {
			return fails
		}
		return nil
	})
	if !errors.Is(err, fails) {
		t.Errorf("Upwards says %v", err)
	}
}
