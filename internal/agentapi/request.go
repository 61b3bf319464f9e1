package agentapi

import (
	"cmp"
	"time"

	"github.com/orchestron/orchestron"
)

// Bounds is what an agent may use by itself. Zero is no limit.
type Bounds struct {
	Tokens  int
	Cost    float64 // US dollars
	Minutes int     // since it was spawned
}

// Bounds is the limits that the request asks for.
func (in SpawnClaudeIn) Bounds() Bounds {
	return Bounds{Tokens: in.MaxTotalTokens, Cost: in.MaxCost, Minutes: in.TimeoutMinutes}
}

// Spawn is the same request in the words of spawn.
func (in SpawnClaudeIn) Spawn() SpawnIn {
	return SpawnIn{
		Role: cmp.Or(in.Role, "general"), Name: in.Name, WorkDir: in.WorkspaceDir, Context: in.SystemPrompt, ParentID: in.Parent,
		WorkspaceMode: string(orchestron.Isolated), Model: in.Model, PermissionMode: in.PermissionMode, Driver: in.Driver, Wait: in.Wait,
	}
}

// After is the time of Since, and the zero time when there is none.
func (in OutputIn) After() (time.Time, error) {
	if in.Since == "" {
		return time.Time{}, nil
	}
	since, err := time.Parse(time.RFC3339, in.Since)
	if err != nil {
		return time.Time{}, orchestron.Errorf(orchestron.Invalid, "since %q is not an ISO 8601 time", orchestron.Quotable(in.Since)).
			Try("write it as 2026-01-31T15:04:05Z")
	}
	return since, nil
}
