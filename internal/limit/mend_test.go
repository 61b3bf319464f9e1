package limit

import (
	"testing"
	"testing/synctest"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/limitapi"
)

// TestNewInProject holds that a project's limits hold an agent that is not there yet, and whose workspace is not either.
func TestNewInProject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := someone("exec_1", orchestron.Idle), someone("exec_2", orchestron.Starting)
		old.Project, fresh.Project = "/src/repo", "/src/repo"
		w := newWorld(old)
		s, stop := begin(t, w, -1, false)
		defer stop()
		setLimit(t, s, limitapi.Scope{Project: "/src/repo"}, limitapi.Values{MaxInstances: ptr(int64(1)), MaxTotalTokens: ptr(int64(100))})
		if err := s.Admit(fresh); orchestron.KindOf(err) != orchestron.Limit {
			t.Errorf("Admit of a second agent of the project = %v, want a limit", err)
		}
		setLimit(t, s, limitapi.Scope{Project: "/src/repo"}, limitapi.Values{MaxInstances: ptr(int64(2))})
		if err := s.Admit(fresh); err != nil {
			t.Errorf("Admit with room for it = %v", err)
		}
		w.spend("exec_1", 100, 0)
		if err := s.Admit(fresh); orchestron.KindOf(err) != orchestron.Limit {
			t.Errorf("Admit when the project's tokens are used up = %v, want a limit", err)
		}
		if err := s.Admit(someone("exec_3", orchestron.Starting)); err != nil {
			t.Errorf("Admit of one of another project = %v", err)
		}
	})
}
