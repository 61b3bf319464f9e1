package scheduleapi

import (
	"encoding/json"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/orchestron/orchestron"
)

// Usual is the message when none is given.
const Usual = "Plz continue"

const maxAgents = 200 // that one schedule names

// ScheduleIn is the arguments of schedule_message.
type ScheduleIn struct {
	Message string   `json:"message,omitempty"`
	At      string   `json:"at,omitempty" jsonschema:"15:30, 3:30pm, +30m, +2h, +1h30m, in 30 minutes, tomorrow 9am or 2026-12-31T15:30"`
	Every   string   `json:"every,omitempty" jsonschema:"again and again: 30m, 2h, 1d; without at the first time is that long from now. Whole days keep the time of day"`
	Agents  []string `json:"agents,omitempty" jsonschema:"the agents' ids"`
	All     bool     `json:"all,omitempty" jsonschema:"instead of agents: whichever of yours are alive then"`
	Zone    string   `json:"zone,omitempty" jsonschema:"the time zone of at, as in Europe/Berlin; without it the machine's"`
	DryRun  bool     `json:"dry_run,omitempty" jsonschema:"only say what would be"`
}

// Amend adds the default and the bounds.
func (ScheduleIn) Amend(s *jsonschema.Schema) {
	raw, err := json.Marshal(Usual)
	if err != nil {
		panic(err)
	}
	agents, words := maxAgents, 100
	s.Properties["message"].Default = raw
	s.Properties["agents"].MaxItems = &agents
	for _, name := range []string{"at", "every", "zone"} {
		s.Properties[name].MaxLength = &words
	}
}

// ScheduleOut is what schedule_message answers.
type ScheduleOut struct {
	Entry
	DryRun  bool     `json:"dryRun,omitempty"`
	Targets []Target `json:"targets" jsonschema:"who would get it if it were now"`
}

// Target is an agent that a schedule is for.
type Target struct {
	Agent  orchestron.AgentID `json:"agentId"`
	Status orchestron.Status  `json:"status"`
	Alive  bool               `json:"alive"`
}

// Entry is a schedule as callers see it.
type Entry struct {
	Schedule
	Next   time.Time `json:"next,omitzero" jsonschema:"when it runs next"`
	Passed int64     `json:"passed,omitempty" jsonschema:"how many times went by while nothing could run"`
	Text   string    `json:"text" jsonschema:"the whole in a sentence"`
}

// ListIn is the arguments of list_schedules.
type ListIn struct {
	All bool `json:"all,omitempty" jsonschema:"also those that are done or cancelled, for thirty days"`
}

// ListOut is what list_schedules answers, oldest first.
type ListOut struct {
	Schedules []Entry `json:"schedules"`
	Count     int     `json:"count"`
}

// CancelIn is the arguments of cancel_schedule.
type CancelIn struct {
	ID string `json:"id" jsonschema:"as in SCHED-1"`
}
