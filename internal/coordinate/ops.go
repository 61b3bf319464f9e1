package coordinate

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
	"github.com/orchestron/orchestron/internal/op"
)

// begin stores the run that plan makes with its first steps and lets it be driven. A call that is repeated with its key
// finds its run, whatever has become of the agents.
func (s *Service) begin(ctx context.Context, call op.Call, operation string, in any, plan func() (coordinateapi.Run, error)) (coordinateapi.Run, error) {
	none := coordinateapi.Run{}
	if err := s.running(ctx); err != nil {
		return none, err
	}
	ctx = context.WithoutCancel(ctx)
	raw, err := json.Marshal(in)
	if err != nil {
		return none, fmt.Errorf("reading the arguments again: %w", err)
	}
	key := key{call: call, operation: operation, hash: sha256.Sum256(raw)}
	var before coordinateapi.RunID
	if call.Key != "" {
		err := s.store.Write(ctx, func(tx Tx) (err error) { before, err = key.find(tx); return err })
		if err != nil || before != "" {
			return s.found(ctx, before, err)
		}
	}
	run, err := plan()
	if err != nil {
		return none, err
	}
	w := s.look(run)
	run.State, run.Actor, run.Created, run.Updated, run.Title = coordinateapi.Running, call.Actor, w.now, w.now, heading(run)
	var made coordinateapi.Run
	err = s.store.Write(ctx, func(tx Tx) (err error) {
		made = run.Clone()
		if before, err = key.find(tx); err != nil || before != "" {
			return err
		}
		return key.make(tx, &made, w)
	})
	if err != nil || before != "" {
		return s.found(ctx, before, err)
	}
	if !made.State.Over() {
		s.follow(made)
	}
	return made, nil
}

func (s *Service) found(ctx context.Context, id coordinateapi.RunID, err error) (coordinateapi.Run, error) {
	if err != nil {
		return coordinateapi.Run{}, err
	}
	return s.load(ctx, id)
}

// key is the idempotency key of a call, or none.
type key struct {
	call      op.Call
	operation string
	hash      [32]byte
}

// find returns the run that the same call began before, if any.
func (k key) find(tx Tx) (coordinateapi.RunID, error) {
	if k.call.Key == "" {
		return "", nil
	}
	subject, _, err := tx.Keyed(k.call.Actor.String(), k.call.Key, k.operation, k.hash)
	return coordinateapi.RunID(subject), err
}

// make stores a run that begins.
func (k key) make(tx Tx, r *coordinateapi.Run, w world) error {
	open, err := tx.OpenRuns(k.call.Actor)
	if err != nil {
		return err
	}
	if open >= most {
		return orchestron.Errorf(orchestron.Limit, "%d runs of yours are open already", open).
			Try("wait for one with get_run, or end one with cancel_run")
	}
	n, err := tx.NextOrdinal("RUN")
	if err != nil {
		return err
	}
	r.ID = coordinateapi.RunIDOf(int64(n))
	advance(r, w)
	if err := save(tx, coordinateapi.Run{}, *r); err != nil || k.call.Key == "" {
		return err
	}
	return tx.SetKey(k.call.Actor.String(), k.call.Key, k.operation, k.hash, string(r.ID))
}

// load returns a run as it is.
func (s *Service) load(ctx context.Context, id coordinateapi.RunID) (coordinateapi.Run, error) {
	if l := s.find(id); l != nil {
		return l.snapshot(), nil
	}
	return s.store.Run(ctx, id)
}

// await waits until a run is over or the time is, and reports how far it has come.
func (s *Service) await(ctx context.Context, call op.Call, run coordinateapi.Run, timeout time.Duration) (coordinateapi.Run, error) {
	l := s.find(run.ID)
	if l == nil {
		return s.load(ctx, run.ID)
	}
	waiting, cancel := op.Patience(ctx, timeout)
	defer cancel()
	for said := ""; ; {
		changed := l.changed.Wait()
		run = l.snapshot()
		if run.State.Over() {
			return run, nil
		}
		if p := progress(run); p.Message != said {
			said = p.Message
			call.Report(p)
		}
		select {
		case <-changed:
		case <-waiting.Done():
			if err := ctx.Err(); errors.Is(err, context.Canceled) {
				return run, err
			}
			return run, nil
		}
	}
}

// coordinate answers coordinate_instances.
func (s *Service) coordinate(ctx context.Context, call op.Call, in coordinateapi.CoordinateIn) (coordinateapi.RunOut, error) {
	none := coordinateapi.RunOut{}
	run, err := s.begin(ctx, call, "coordinate_instances", in, func() (coordinateapi.Run, error) { return s.team(call.Actor, in) })
	if err != nil {
		return none, err
	}
	note := ""
	if in.Wait && call.Actor.Agent != "" && (run.Coordinator == call.Actor.Agent || slices.Contains(run.Participants, call.Actor.Agent)) {
		in.Wait, note = false, "you take part in it: your prompts come when your turn has ended; "
	}
	if in.Wait {
		if run, err = s.await(ctx, call, run, time.Duration(in.Timeout)*time.Second); err != nil {
			return none, err
		}
	}
	out := show(run, call.Actor)
	if out.Next != "" {
		out.Next = note + out.Next
	}
	return out, nil
}

// team checks who is to work together on what. A call is refused whole.
func (s *Service) team(actor orchestron.Actor, in coordinateapi.CoordinateIn) (coordinateapi.Run, error) {
	text, err := task("task_description", in.Task)
	run := coordinateapi.Run{Kind: coordinateapi.Kind(in.Type), Task: text, Quorum: in.Quorum, Coordinator: orchestron.AgentID(in.CoordinatorID)}
	switch {
	case err != nil:
		return run, err
	case len(in.ParticipantIDs) == 0:
		return run, orchestron.Errorf(orchestron.Invalid, "participant_ids names nobody").Try("list shows the agents")
	case in.Quorum > 0 && run.Kind != coordinateapi.Consensus:
		return run, orchestron.Errorf(orchestron.Invalid, "quorum is for consensus only").Try("leave it out")
	case in.Quorum > len(in.ParticipantIDs):
		return run, orchestron.Errorf(orchestron.Invalid, "a quorum of %d cannot be reached by %d participants", in.Quorum, len(in.ParticipantIDs)).
			Try("leave quorum out for the majority")
	}
	for _, name := range in.ParticipantIDs {
		id := orchestron.AgentID(name)
		if slices.Contains(run.Participants, id) {
			return run, orchestron.Errorf(orchestron.Invalid, "participant_ids names %q twice", orchestron.Quotable(name)).Try("name each once")
		}
		if err := s.ready(actor, id); err != nil {
			return run, err
		}
		run.Participants = append(run.Participants, id)
	}
	if run.Coordinator != "" {
		return run, s.ready(actor, run.Coordinator)
	}
	return run, nil
}

// ready checks that the actor may give the agent something to do, and that it lives.
func (s *Service) ready(actor orchestron.Actor, id orchestron.AgentID) error {
	if !s.agents.Known(actor, id) {
		return orchestron.Errorf(orchestron.NotFound, "there is no agent %q", orchestron.Quotable(string(id))).Try("list shows the agents")
	}
	if !s.agents.Alive(id) {
		return orchestron.Errorf(orchestron.Conflict, "%s does not run", id).Try("restart it first, or leave it out")
	}
	return nil
}

// task checks a text that goes into prompts.
func task(name, text string) (string, error) {
	if len(text) > coordinateapi.MaxTask {
		return "", orchestron.Errorf(orchestron.Invalid, "%s has %d bytes, more than the %d allowed", name, len(text), coordinateapi.MaxTask).
			Try("write it to a file and name the path")
	}
	text, _, err := orchestron.Clean(text)
	var told *orchestron.Error
	if errors.As(err, &told) {
		return "", orchestron.Errorf(told.Kind, "%s: %s", name, told.Message).Try("%s", told.Remedy)
	}
	return text, err
}

// execute answers executeParallel.
func (s *Service) execute(ctx context.Context, call op.Call, in coordinateapi.ExecuteIn) (coordinateapi.ExecuteOut, error) {
	run, err := s.begin(ctx, call, "executeParallel", in, func() (coordinateapi.Run, error) { return s.crew(call.Actor, in) })
	if err == nil && in.Wait {
		run, err = s.await(ctx, call, run, time.Duration(in.Timeout)*time.Second)
	}
	if err != nil {
		return coordinateapi.ExecuteOut{}, err
	}
	return showExecute(run, call.Actor), nil
}

// crew checks whose specialists are to do what.
func (s *Service) crew(actor orchestron.Actor, in coordinateapi.ExecuteIn) (coordinateapi.Run, error) {
	run := coordinateapi.Run{
		Kind: coordinateapi.Execute, Coordinator: orchestron.AgentID(in.ManagerID), WorkDir: in.WorkDir, Concurrency: in.MaxConcurrent,
	}
	if err := s.ready(actor, run.Coordinator); err != nil {
		return run, err
	}
	if !filepath.IsAbs(in.WorkDir) {
		return run, orchestron.Errorf(orchestron.Invalid, "workDir %q is not an absolute path", orchestron.Quotable(in.WorkDir)).
			Try("name an existing directory, as in /jobs/auth")
	}
	if err := s.agents.MayStart(run.Coordinator, run.WorkDir); err != nil {
		return run, err
	}
	var err error
	run.Jobs, err = jobs(in.Tasks)
	return run, err
}

func jobs(in []coordinateapi.JobIn) ([]coordinateapi.Job, error) {
	if len(in) == 0 {
		return nil, noTasks()
	}
	var all []coordinateapi.Job
	seen := map[string]bool{}
	for i, one := range in {
		if one.ID == "" || seen[one.ID] {
			return nil, orchestron.Errorf(orchestron.Invalid, "tasks[%d] has no id of its own: %q", i, orchestron.Quotable(one.ID)).
				Try("give each task a different id")
		}
		seen[one.ID] = true
		if err := orchestron.CheckName(one.Name); err != nil {
			return nil, err
		}
		text, err := task(fmt.Sprintf("tasks[%d].instruction", i), one.Instruction)
		if err != nil {
			return nil, err
		}
		if len(one.Context) > coordinateapi.MaxTask {
			return nil, orchestron.Errorf(orchestron.Invalid, "tasks[%d].context has %d bytes, more than the %d allowed", i, len(one.Context), coordinateapi.MaxTask).
				Try("write it to a file and name the path")
		}
		all = append(all, coordinateapi.Job{ID: one.ID, Name: one.Name, Context: one.Context, Text: text})
	}
	return all, nil
}

func noTasks() error {
	return orchestron.Errorf(orchestron.Invalid, "tasks is empty").Try("give at least one task")
}

// distribute answers distributeWork.
func (s *Service) distribute(ctx context.Context, call op.Call, in coordinateapi.DistributeIn) (coordinateapi.DistributeOut, error) {
	run, err := s.begin(ctx, call, "distributeWork", in, func() (coordinateapi.Run, error) { return s.managers(call.Actor, in) })
	if err == nil && in.Wait {
		run, err = s.await(ctx, call, run, time.Duration(in.Timeout)*time.Second)
	}
	if err != nil {
		return coordinateapi.DistributeOut{}, err
	}
	return s.showDistribute(run, call.Actor), nil
}

// managers checks what is to be distributed, and finds to whom.
func (s *Service) managers(actor orchestron.Actor, in coordinateapi.DistributeIn) (coordinateapi.Run, error) {
	run := coordinateapi.Run{
		Kind: coordinateapi.Distribute, Strategy: coordinateapi.Strategy(in.Strategy), Concurrency: coordinateapi.DefaultSlots,
	}
	var err error
	if run.Jobs, err = items(in.Tasks); err != nil {
		return run, err
	}
	run.Participants, err = s.chosen(actor, in.ManagerIDs)
	return run, err
}

// chosen is the managers that are named, or all that are alive and that the actor leads.
func (s *Service) chosen(actor orchestron.Actor, named []string) ([]orchestron.AgentID, error) {
	all := slices.DeleteFunc(s.agents.Managers(actor), func(id orchestron.AgentID) bool { return id == actor.Agent })
	if len(named) == 0 && len(all) == 0 {
		return nil, orchestron.Errorf(orchestron.Conflict, "no manager is alive to take the tasks").Try("spawn one with role manager")
	}
	if len(named) == 0 {
		return all, nil
	}
	var ids []orchestron.AgentID
	for _, name := range named {
		id := orchestron.AgentID(name)
		if err := s.ready(actor, id); err != nil {
			return nil, err
		}
		if !slices.Contains(all, id) {
			return nil, orchestron.Errorf(orchestron.Invalid, "%s is no manager that you lead", id).Try("list shows the managers")
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// items reads tasks that are texts or objects; of an object with an instruction, managers get all of it as JSON.
func items(in []json.RawMessage) ([]coordinateapi.Job, error) {
	if len(in) == 0 {
		return nil, noTasks()
	}
	var all []coordinateapi.Job
	size := 0
	for i, raw := range in {
		var text string
		var object struct{ ID, Name string }
		switch {
		case json.Unmarshal(raw, &text) == nil:
		case emptyObject(raw):
			return nil, orchestron.Errorf(orchestron.Invalid, "tasks[%d] says nothing", i).Try("write it as a text")
		case len(raw) > 0 && raw[0] == '{':
			text = string(raw)
			_ = json.Unmarshal(raw, &object) // ids and names of other types are for the manager
		default:
			return nil, orchestron.Errorf(orchestron.Invalid, "tasks[%d] is neither a text nor an object", i).Try("write it as a text")
		}
		text, err := task(fmt.Sprintf("tasks[%d]", i), text)
		if err != nil {
			return nil, err
		}
		size += len(text)
		all = append(all, coordinateapi.Job{ID: object.ID, Name: object.Name, Text: text})
	}
	if size > coordinateapi.MaxTask {
		return nil, orchestron.Errorf(orchestron.Invalid, "tasks have %d bytes together, more than the %d allowed", size, coordinateapi.MaxTask).
			Try("write them to files and name the paths")
	}
	return all, nil
}

func emptyObject(raw json.RawMessage) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(raw, &fields) == nil && len(fields) == 0
}
