// Package schedule sends messages to agents at times: once or again and again, whether Orchestron runs all the while or
// not. A slot runs once at most, by the clock on the wall; slots that passed while nothing ran are one run.
package schedule

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/scheduleapi"
	"github.com/orchestron/orchestron/internal/signal"
	"github.com/orchestron/orchestron/internal/when"
)

const (
	stem    = "SCHED"             // of the ids
	most    = 100                 // schedules of one caller that are open
	history = 30 * 24 * time.Hour // how long those that ended are shown
)

// Store keeps schedules. Everything written is durable when Write returns.
type Store interface {
	// Write runs change in a transaction and commits it with a full sync. Changes run one at a time. When change fails
	// nothing of it is kept and its error is returned.
	Write(ctx context.Context, change func(Tx) error) error

	Open(ctx context.Context) ([]scheduleapi.Schedule, error) // with a run to begin or to end, oldest first
	All(ctx context.Context) ([]scheduleapi.Schedule, error)  // oldest first
}

// Tx is one change under way.
type Tx interface {
	NextOrdinal(stem string) (int, error) // counts per stem, from 1, and never gives a number twice
	// Keyed and SetKey are an idempotency key and the id of what the call with it made.
	Keyed(actor, key, operation string, hash [32]byte) (subject string, found bool, err error)
	SetKey(actor, key, operation string, hash [32]byte, subject string) error
	AddEvent(e *orchestron.Event) error

	Schedule(id scheduleapi.ID) (scheduleapi.Schedule, error) // NotFound when there is none
	PutSchedule(s scheduleapi.Schedule) error                 // inserts or replaces
	DropSchedules(endedBefore time.Time) error                // those that are not open
}

// Agents is what schedules know of the agents.
type Agents interface {
	// All returns all agents as they are, oldest first.
	All() []orchestron.Agent
	// Gone reports whether the agent was ended on purpose, and nobody starts it again unless somebody wants it.
	Gone(id orchestron.AgentID) bool
	// Within reports whether the agent is the actor or below it. Operators are above all.
	Within(actor orchestron.Actor, id orchestron.AgentID) bool
	// Post puts a message into the agent's inbox, in the name of the agent that scheduled it if one did. For a day the
	// same key means the same message. It is an error with another kind than Internal and Unavailable when the agent does
	// not take it.
	Post(ctx context.Context, by orchestron.Actor, id orchestron.AgentID, key, text string) error
}

// Service is the use cases of schedules. It is safe for concurrent use.
type Service struct {
	store   Store
	agents  Agents
	now     func() time.Time
	log     *slog.Logger
	changed signal.Signal // a schedule was made or cancelled
}

// New makes a service. Run runs its schedules. now is the clock on the wall; its zone is the machine's.
func New(store Store, agents Agents, now func() time.Time, log *slog.Logger) *Service {
	return &Service{store: store, agents: agents, now: func() time.Time { return now().Round(0) }, log: log}
}

// Ops declares what callers can do with schedules.
func (s *Service) Ops() []op.Op {
	in, lead := op.In("schedules"), op.For(orchestron.Manager)
	return []op.Op{
		op.New("schedule_message", op.Write, "Send agents a message at a time, once or again and again. It survives restarts; what was missed meanwhile is sent once.", s.create, in, lead, op.Keyed()),
		op.New("list_schedules", op.Read, "The schedules: when each runs next, and what became of its last run for each agent.", s.list, in, lead),
		op.New("cancel_schedule", op.Write, "Let a schedule run no more. What it has sent stays sent.", s.cancel, in, lead, op.Keyed(), op.Destructive()),
	}
}

// create answers schedule_message.
func (s *Service) create(ctx context.Context, call op.Call, in scheduleapi.ScheduleIn) (out scheduleapi.ScheduleOut, err error) {
	var sched scheduleapi.Schedule
	if in.DryRun {
		sched, err = s.plan(call.Actor, in)
	} else {
		sched, err = s.add(ctx, call, in)
	}
	if err != nil {
		return out, err
	}
	out = scheduleapi.ScheduleOut{Entry: s.entry(sched), DryRun: in.DryRun, Targets: []scheduleapi.Target{}}
	for _, a := range s.targets(sched) {
		out.Targets = append(out.Targets, scheduleapi.Target{Agent: a.ID, Status: a.Status, Alive: a.Alive()})
	}
	return out, nil
}

// plan is the schedule that the arguments ask for, without an id.
func (s *Service) plan(actor orchestron.Actor, in scheduleapi.ScheduleIn) (sched scheduleapi.Schedule, err error) {
	now := s.now()
	zone := now.Location()
	if in.Zone != "" {
		if zone, err = when.Zone(in.Zone); err != nil {
			return sched, err
		}
	}
	actor.Dir = "" // says nothing here
	sched = scheduleapi.Schedule{Zone: zone.String(), All: in.All, By: actor, Created: now.UTC(), State: scheduleapi.Active}
	if sched.Message, _, err = orchestron.Clean(in.Message); err != nil {
		return sched, err
	}
	if sched.Agents, err = s.named(actor, in); err != nil {
		return sched, err
	}
	return sched, times(&sched, in, now.In(zone))
}

// times sets when a schedule runs: the first time, how many seconds after it the next is, and the time of day.
func times(sched *scheduleapi.Schedule, in scheduleapi.ScheduleIn, now time.Time) (err error) {
	every := time.Duration(0)
	if in.Every != "" {
		if every, err = when.Every(in.Every); err != nil {
			return err
		}
	}
	switch {
	case in.At != "":
		sched.First, sched.Daily, err = when.ParseDaily(in.At, now)
	case every > 0:
		sched.First, sched.Daily = when.After(every, now)
	default:
		err = orchestron.Errorf(orchestron.Invalid, "neither at nor every says when").Try("give at as in %s", when.Forms)
	}
	if sched.Every = int64(every / time.Second); !when.Days(every) {
		sched.Daily = ""
	}
	return err
}

// named is the agents that the arguments name. The caller must be above them, or be the one.
func (s *Service) named(actor orchestron.Actor, in scheduleapi.ScheduleIn) ([]orchestron.AgentID, error) {
	switch {
	case in.All && len(in.Agents) > 0:
		return nil, orchestron.Errorf(orchestron.Invalid, "all and agents are two answers to one question").Try("give one of them")
	case !in.All && len(in.Agents) == 0:
		return nil, orchestron.Errorf(orchestron.Invalid, "neither agents nor all says for whom").Try("name agents as in exec_1, or give all")
	}
	known := map[orchestron.AgentID]bool{}
	for _, a := range s.agents.All() {
		known[a.ID] = true
	}
	var ids []orchestron.AgentID
	for _, name := range in.Agents {
		id := orchestron.AgentID(name)
		if !known[id] || !s.agents.Within(actor, id) {
			return nil, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", orchestron.Quotable(name)).Try("list shows the agents")
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// targets is the agents that a schedule is for, if it were now.
func (s *Service) targets(sched scheduleapi.Schedule) []orchestron.Agent {
	return slices.DeleteFunc(s.agents.All(), func(a orchestron.Agent) bool {
		if sched.All {
			return !a.Alive() || !s.agents.Within(sched.By, a.ID)
		}
		return !slices.Contains(sched.Agents, a.ID)
	})
}

// add makes the schedule that the arguments ask for. A call that is repeated with its key gets what it made the first
// time, also when it could not be made any more.
func (s *Service) add(ctx context.Context, call op.Call, in scheduleapi.ScheduleIn) (sched scheduleapi.Schedule, err error) {
	open, err := s.store.Open(ctx)
	if err != nil {
		return sched, err
	}
	own := 0
	for _, other := range open {
		if other.By.String() == call.Actor.String() {
			own++
		}
	}
	err = s.once(ctx, call, "schedule_message", in, func(tx Tx) (string, error) {
		if own >= most {
			return "", orchestron.Errorf(orchestron.Limit, "%s has %d schedules, and more are not allowed", call.Actor, own).Try("cancel_schedule ends one")
		}
		if sched, err = s.plan(call.Actor, in); err != nil {
			return "", err
		}
		n, err := tx.NextOrdinal(stem)
		if err != nil {
			return "", err
		}
		sched.ID = scheduleapi.IDOf(int64(n))
		if err := tx.DropSchedules(s.now().Add(-history)); err != nil {
			return "", err
		}
		if err := tx.PutSchedule(sched); err != nil {
			return "", err
		}
		return string(sched.ID), s.event(tx, scheduleapi.Created, call.Actor, sched, map[string]any{"first": sched.First})
	}, func(tx Tx, id string) (err error) {
		sched, err = tx.Schedule(scheduleapi.ID(id))
		return err
	})
	if err == nil {
		s.changed.Raise()
	}
	return sched, err
}

// list answers list_schedules. An agent sees what it and those below it have made.
func (s *Service) list(ctx context.Context, call op.Call, in scheduleapi.ListIn) (scheduleapi.ListOut, error) {
	out := scheduleapi.ListOut{Schedules: []scheduleapi.Entry{}}
	find := s.store.Open
	if in.All {
		find = s.store.All
	}
	found, err := find(ctx)
	for _, sched := range found {
		if s.visible(call.Actor, sched) {
			out.Schedules = append(out.Schedules, s.entry(sched))
		}
	}
	out.Count = len(out.Schedules)
	return out, err
}

// cancel answers cancel_schedule.
func (s *Service) cancel(ctx context.Context, call op.Call, in scheduleapi.CancelIn) (scheduleapi.Entry, error) {
	missing := orchestron.Errorf(orchestron.NotFound, "there is no schedule %q", orchestron.Quotable(in.ID)).Try("list_schedules shows them")
	var sched scheduleapi.Schedule
	load := func(tx Tx) (err error) {
		if sched, err = tx.Schedule(scheduleapi.ID(in.ID)); orchestron.KindOf(err) == orchestron.NotFound || err == nil && !s.visible(call.Actor, sched) {
			return missing
		}
		return err
	}
	err := s.once(ctx, call, "cancel_schedule", in, func(tx Tx) (string, error) {
		if err := load(tx); err != nil {
			return "", err
		}
		if sched.State != scheduleapi.Active {
			return "", orchestron.Errorf(orchestron.Conflict, "%s is %s already", sched.ID, sched.State).Try("list_schedules shows what will run")
		}
		sched.State, sched.Ended = scheduleapi.Cancelled, s.now()
		if err := tx.PutSchedule(sched); err != nil {
			return "", err
		}
		return in.ID, s.event(tx, scheduleapi.Stopped, call.Actor, sched, nil)
	}, func(tx Tx, _ string) error { return load(tx) })
	if err != nil {
		return scheduleapi.Entry{}, err
	}
	s.changed.Raise()
	return s.entry(sched), nil
}

// visible reports whether the actor may know of a schedule.
func (s *Service) visible(actor orchestron.Actor, sched scheduleapi.Schedule) bool {
	return actor.Trusted() || sched.By.Kind == orchestron.AgentCall && s.agents.Within(actor, sched.By.Agent)
}

// once makes one change. A call that is repeated with its key changes nothing, and again reads what it made.
func (s *Service) once(ctx context.Context, call op.Call, operation string, in any, do func(Tx) (string, error), again func(Tx, string) error) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("reading the arguments again: %w", err)
	}
	hash := sha256.Sum256(raw)
	return s.store.Write(context.WithoutCancel(ctx), func(tx Tx) error {
		if call.Key == "" {
			_, err := do(tx)
			return err
		}
		subject, found, err := tx.Keyed(call.Actor.String(), call.Key, operation, hash)
		if err != nil {
			return err
		}
		if found {
			return again(tx, subject)
		}
		if subject, err = do(tx); err != nil {
			return err
		}
		return tx.SetKey(call.Actor.String(), call.Key, operation, hash, subject)
	})
}

func (s *Service) event(tx Tx, kind orchestron.EventType, by orchestron.Actor, sched scheduleapi.Schedule, data map[string]any) error {
	if data == nil {
		data = map[string]any{}
	}
	data["scheduleId"] = sched.ID
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return tx.AddEvent(&orchestron.Event{At: s.now(), Type: kind, Actor: by.String(), Data: raw})
}
