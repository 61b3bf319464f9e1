package coordinate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
	"github.com/orchestron/orchestron/internal/op"
)

// visible returns a run if the actor may know of it: it asked for it, or leads the agent that did.
func (s *Service) visible(ctx context.Context, actor orchestron.Actor, id string) (coordinateapi.Run, error) {
	missing := orchestron.Errorf(orchestron.NotFound, "there is no run %q", orchestron.Quotable(id)).Try("list_runs shows the runs")
	if coordinateapi.RunID(id).Number() == 0 {
		return coordinateapi.Run{}, missing
	}
	run, err := s.load(ctx, coordinateapi.RunID(id))
	switch {
	case err != nil && orchestron.KindOf(err) != orchestron.NotFound:
		return run, err
	case err != nil || !s.sees(actor, run):
		return coordinateapi.Run{}, missing
	}
	return run, nil
}

func (s *Service) sees(actor orchestron.Actor, r coordinateapi.Run) bool {
	return actor.Trusted() || r.Actor.Agent != "" && s.agents.Known(actor, r.Actor.Agent)
}

// get answers get_run.
func (s *Service) get(ctx context.Context, call op.Call, in coordinateapi.GetIn) (coordinateapi.RunOut, error) {
	if err := s.running(ctx); err != nil {
		return coordinateapi.RunOut{}, err
	}
	run, err := s.visible(ctx, call.Actor, in.RunID)
	if err == nil && in.Timeout > 0 {
		run, err = s.await(ctx, call, run, time.Duration(in.Timeout)*time.Second)
	}
	if err != nil {
		return coordinateapi.RunOut{}, err
	}
	return show(run, call.Actor), nil
}

// list answers list_runs.
func (s *Service) list(ctx context.Context, call op.Call, in coordinateapi.ListIn) (coordinateapi.ListOut, error) {
	f := coordinateapi.Filter{}
	switch in.State {
	case "":
	case "open":
		f.States = []coordinateapi.State{coordinateapi.Running, coordinateapi.Cancelling}
	default:
		f.States = []coordinateapi.State{coordinateapi.State(in.State)}
	}
	f.Limit = in.Limit
	if !call.Actor.Trusted() {
		f.By = s.agents.Visible(call.Actor)
	}
	found, err := s.store.List(ctx, f)
	out := coordinateapi.ListOut{Runs: []coordinateapi.RunLine{}}
	for _, r := range found {
		out.Runs = append(out.Runs, line(r))
	}
	out.Count = len(out.Runs)
	return out, err
}

// cancel answers cancel_run.
func (s *Service) cancel(ctx context.Context, call op.Call, in coordinateapi.CancelIn) (coordinateapi.RunOut, error) {
	if err := s.running(ctx); err != nil {
		return coordinateapi.RunOut{}, err
	}
	run, err := s.visible(ctx, call.Actor, in.RunID)
	if err != nil {
		return coordinateapi.RunOut{}, err
	}
	l := s.find(run.ID)
	if l == nil {
		return show(run, call.Actor), nil // it is over, whoever was first
	}
	w := s.look(run)
	err = s.change(ctx, l, func(r *coordinateapi.Run) {
		if r.State.Over() {
			return
		}
		if r.State == coordinateapi.Running {
			r.State, r.Reason = coordinateapi.Cancelling, "cancelled by "+call.Actor.String()
		}
		r.Interrupt = r.Interrupt || in.Interrupt
		advance(r, w)
	})
	return show(l.snapshot(), call.Actor), err
}

// status answers getParallelStatus.
func (s *Service) status(ctx context.Context, call op.Call, in coordinateapi.StatusIn) (coordinateapi.StatusOut, error) {
	id := orchestron.AgentID(in.ManagerID)
	out := coordinateapi.StatusOut{ManagerID: id, Status: "no_executor", Runs: []coordinateapi.RunID{}}
	if !s.agents.Known(call.Actor, id) {
		return out, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", orchestron.Quotable(in.ManagerID)).Try("list shows the agents")
	}
	f := coordinateapi.Filter{Kind: coordinateapi.Execute, Coordinator: id, States: []coordinateapi.State{coordinateapi.Running, coordinateapi.Cancelling}}
	found, err := s.store.List(ctx, f)
	if err == nil && len(found) == 0 {
		f.States, f.Limit = nil, 1
		found, err = s.store.List(ctx, f)
	}
	for i, r := range found {
		if i == 0 {
			out.Status = string(r.State)
		}
		out.Runs = append(out.Runs, r.ID)
		out.MaxConcurrent = max(out.MaxConcurrent, r.Concurrency)
		for _, step := range r.Steps {
			out.Add(step)
		}
	}
	return out, err
}

// progress is how far a run has come, in numbers and in words.
func progress(r coordinateapi.Run) orchestron.Progress {
	l := line(r)
	var waits []string
	for _, s := range r.Steps {
		if s.State != coordinateapi.Waiting && s.Open() {
			waits = append(waits, strings.TrimSpace(string(s.Agent)+" "+string(s.Part)))
		}
	}
	text := fmt.Sprintf("%s %s: %d of %d", r.ID, r.Kind, l.Done, l.Total)
	if len(waits) > 0 {
		text += "; waits for " + strings.Join(waits, ", ")
	}
	return orchestron.Progress{Done: float64(l.Done), Total: float64(l.Total), Message: text}
}

// expected is how many steps a run will have, as far as that is known.
func expected(r coordinateapi.Run) int {
	n := len(r.Participants)
	switch r.Kind {
	case coordinateapi.Parallel:
		if r.Coordinator != "" {
			n++
			if !slices.Contains(r.Participants, r.Coordinator) {
				n++
			}
		}
	case coordinateapi.Sequential:
		if r.Coordinator != "" {
			n++
		}
	case coordinateapi.Consensus:
		n *= 2
	case coordinateapi.Execute:
		n = len(r.Jobs)
	case coordinateapi.Distribute:
		n = 0
	}
	if r.State.Over() {
		n = 0
	}
	return max(n, len(r.Steps))
}

func line(r coordinateapi.Run) coordinateapi.RunLine {
	l := coordinateapi.RunLine{
		ID: r.ID, Kind: r.Kind, State: r.State, Title: heading(r), By: r.Actor.String(), Total: expected(r),
		Created: r.Created, Ended: r.Ended,
	}
	for _, s := range r.Steps {
		if !s.Open() {
			l.Done++
		}
	}
	return l
}

// heading says in a line what a run is about.
func heading(r coordinateapi.Run) string {
	switch n := len(r.Jobs); {
	case r.Title != "":
		return r.Title
	case r.Task != "" || n == 0:
		return orchestron.Quotable(r.Task)
	case n == 1:
		return title(r.Jobs[0])
	default:
		return fmt.Sprintf("%s and %d more", title(r.Jobs[0]), n-1)
	}
}

// show is a run as a caller sees it.
func show(r coordinateapi.Run, actor orchestron.Actor) coordinateapi.RunOut {
	out := coordinateapi.RunOut{
		RunLine: line(r), Over: r.State.Over(), Reason: r.Reason, Coordinator: r.Coordinator, Participants: r.Participants,
		Report: r.Report, Consensus: r.Decision, Results: []coordinateapi.Result{},
	}
	if out.Participants == nil {
		out.Participants = []orchestron.AgentID{}
	}
	for _, s := range r.Steps {
		out.Results = append(out.Results, coordinateapi.Result{
			Part: s.Part, Round: s.Round, Agent: s.Agent, Message: s.Message, State: s.State, Answer: s.Answer, Error: s.Error, Began: s.Began, Over: s.Over,
		})
	}
	if r.Kind == coordinateapi.Consensus && actor.Agent != "" && slices.Contains(r.Participants, actor.Agent) {
		veil(&out)
	}
	if !out.Over {
		out.Next = fmt.Sprintf("get_run with run_id %s and timeout_seconds waits for the end", r.ID)
	}
	return out
}

// veil leaves out what a participant of a vote may not know: before the end what the others propose and vote, and at all
// times who voted for what. The votes of a round stand in an order that says nothing.
func veil(out *coordinateapi.RunOut) {
	var votes []int // their places
	var veiled []coordinateapi.Result
	for i := range out.Results {
		r := &out.Results[i]
		vote := r.Part == coordinateapi.Vote || r.Part == coordinateapi.Revote
		if vote {
			r.Agent, r.Message, r.Error = "", "", ""
			r.Began, r.Over = time.Time{}, time.Time{}
		}
		if !out.Over && (vote || r.Part == coordinateapi.Proposal) {
			r.Answer = ""
		}
		if vote {
			votes, veiled = append(votes, i), append(veiled, *r)
		}
	}
	slices.SortFunc(veiled, func(a, b coordinateapi.Result) int {
		return cmp.Or(a.Round-b.Round, strings.Compare(string(a.Part), string(b.Part)), strings.Compare(string(a.State), string(b.State)), strings.Compare(a.Answer, b.Answer))
	})
	for i, place := range votes {
		out.Results[place] = veiled[i]
	}
}

func showExecute(r coordinateapi.Run, actor orchestron.Actor) coordinateapi.ExecuteOut {
	out := coordinateapi.ExecuteOut{
		RunOut: show(r, actor), Total: len(r.Jobs), CompletedTasks: []coordinateapi.JobDone{}, FailedTasks: []coordinateapi.JobDone{},
	}
	for _, s := range r.Steps {
		if !s.State.Settled() {
			continue
		}
		job := r.Jobs[s.Jobs[0]]
		done := coordinateapi.JobDone{ID: job.ID, Name: job.Name, Specialist: s.Agent, Result: s.Answer, Error: s.Error}
		if !s.Began.IsZero() {
			done.Seconds = s.Over.Sub(s.Began).Seconds()
		}
		if s.State == coordinateapi.Answered {
			out.CompletedTasks = append(out.CompletedTasks, done)
		} else {
			out.FailedTasks = append(out.FailedTasks, done)
		}
	}
	out.Completed, out.Failed = len(out.CompletedTasks), len(out.FailedTasks)
	return out
}

func (s *Service) showDistribute(r coordinateapi.Run, actor orchestron.Actor) coordinateapi.DistributeOut {
	out := coordinateapi.DistributeOut{
		RunOut: show(r, actor), Strategy: r.Strategy, Managers: len(r.Participants), TotalTasks: len(r.Jobs),
		Unassigned: len(unassigned(&r)), Distribution: []coordinateapi.Share{},
	}
	for _, id := range r.Participants {
		share := coordinateapi.Share{ManagerID: id, Status: "assigned"}
		open := false
		for _, step := range r.Steps {
			if step.Agent != id {
				continue
			}
			share.Tasks += len(step.Jobs)
			open = open || step.Open()
			if step.State.Settled() {
				share.Error = cmp.Or(share.Error, step.Error)
			} else {
				share.Note = cmp.Or(share.Note, step.Error) // what it waits for
			}
		}
		switch {
		case share.Error != "":
			share.Status = "failed"
		case !open && share.Tasks > 0:
			share.Status = "done"
		case s.agents.Alive(id):
			_, away := s.agents.Load(id)
			share.Note = cmp.Or(away, share.Note)
		}
		out.Distribution = append(out.Distribution, share)
	}
	return out
}
