package state

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

// TestStoppedBy: what is said of a stop stands where the exit stands, once, and agents that ended otherwise are left alone.
func TestStoppedBy(t *testing.T) {
	const why = "stopped by a limit: max_cost of exec_1"
	exit := orchestron.Exit{Code: 143}
	killed := orchestron.Exit{Code: -1, Signal: "SIGKILL", Reason: "killed"}
	for want, a := range map[string]orchestron.Agent{
		"exit code 143: " + why:                 {Status: orchestron.Stopped, Exit: &exit},
		"ended by SIGKILL: " + why + "; killed": {Status: orchestron.Stopped, Exit: &killed},
		"crashed":                               {Status: orchestron.Failed, Exit: &exit, Evidence: orchestron.Evidence{Detail: "crashed"}},
		"idle":                                  {Status: orchestron.Idle, Exit: &exit, Evidence: orchestron.Evidence{Detail: "idle"}},
		"gone":                                  {Status: orchestron.Stopped, Evidence: orchestron.Evidence{Detail: "gone"}},
	} {
		for range 2 {
			StoppedBy(&a, why)
		}
		if a.Evidence.Detail != want || exit.Reason != "" {
			t.Errorf("it says %q, want %q; what others hold says %q", a.Evidence.Detail, want, exit.Reason)
		}
		if a.Status == orchestron.Stopped && a.Exit != nil && cmp.Diff(want, a.Exit.String()) != "" {
			t.Errorf("the exit says %q, want %q", a.Exit, want)
		}
	}
}
