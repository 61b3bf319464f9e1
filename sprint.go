package orchestron

import "time"

// Sprint is a stretch of time in which some tasks of a project are to be done.
type Sprint struct {
	Project string      `json:"project"`
	Name    string      `json:"name"`
	Goal    string      `json:"goal,omitempty"`
	State   SprintState `json:"state"`
	Start   time.Time   `json:"start,omitzero"` // when it was started
	End     time.Time   `json:"end,omitzero"`   // when it is to end, and when it was closed
	Created time.Time   `json:"createdAt"`
}

// SprintState is how far a sprint has come.
type SprintState string

// The states of a sprint. One sprint of a project is active at a time.
const (
	Planned SprintState = "planned"
	Active  SprintState = "active"
	Closed  SprintState = "closed"
)
