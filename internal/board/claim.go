package board

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/op"
)

func (s *Service) claim(ctx context.Context, call op.Call, in boardapi.TaskClaimIn) (orchestron.Task, error) {
	holder := call.Actor.String()
	if in.Assignee != "" && in.Assignee != holder {
		if call.Actor.Kind == orchestron.AgentCall && !s.agents.Leads(call.Actor.Agent, orchestron.AgentID(in.Assignee)) {
			return orchestron.Task{}, orchestron.Errorf(orchestron.Forbidden, "%s claims for itself and for those it leads, not for %q", holder, orchestron.Quotable(in.Assignee)).
				Try("leave the assignee out")
		}
		holder = in.Assignee
	}
	if err := boardapi.Plain("assignee", holder); err != nil {
		return orchestron.Task{}, err
	}
	if in.TaskID != "" {
		return s.change(ctx, call, orchestron.TaskClaimed, "orchestron_task_claim", in.TaskID, in, func(e *edit, t *orchestron.Task) (string, error) {
			return "", e.give(t, holder, in.Minutes)
		})
	}
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return orchestron.Task{}, err
	}
	var t orchestron.Task
	err = s.write(ctx, call, "orchestron_task_claim", in, func(e *edit) (string, error) {
		f := in.Filter(project)
		if f.For, err = e.takable(project, holder); err != nil {
			return "", err
		}
		if t, err = e.tx.NextReady(f); err != nil {
			if orchestron.KindOf(err) == orchestron.NotFound {
				err = orchestron.Errorf(orchestron.NotFound, "no task is ready in %s", project).
					Try("orchestron_check_updates with timeout_seconds waits for a change")
			}
			return "", err
		}
		before := t
		if err := e.give(&t, holder, in.Minutes); err != nil {
			return "", err
		}
		return string(t.ID), e.save(orchestron.TaskClaimed, before, &t, "")
	}, func(tx Tx, id string) (err error) {
		t, err = tx.Task(orchestron.TaskID(id))
		return err
	})
	return t, err
}

// takable is whose tasks a holder may take: nobody's, its own, and those of agents that do not run. They wait for nobody.
func (e *edit) takable(project, holder string) ([]string, error) {
	names := []string{"", holder}
	all, err := e.tx.ReadyFor(project)
	for _, name := range all {
		if name != holder && away(e.agents, name) {
			names = append(names, name)
		}
	}
	return names, err
}

// away reports whether somebody is an agent that does not run.
func away(agents Agents, name string) bool {
	id := orchestron.AgentID(name)
	return id.Valid() && !agents.Alive(id)
}

// give claims a task for a holder. The lease of an agent lasts as long as the agent lives, that of anybody else as many
// minutes as were asked for, or until it is released.
func (e *edit) give(t *orchestron.Task, holder string, minutes int) error {
	id, until := orchestron.AgentID(holder), time.Time{}
	if !id.Valid() {
		if minutes > 0 {
			until = e.now.Add(time.Duration(minutes) * time.Minute)
		}
		return t.Claim(holder, until, e.now)
	}
	if err := e.belongs(holder, t.Project); err != nil {
		return err
	}
	if !e.agents.Alive(id) {
		return orchestron.Errorf(orchestron.Conflict, "%s does not run", id).Try("restart it first, or name another")
	}
	return t.Claim(holder, until, e.now)
}

// belongs checks that an agent which is to work on a task can see it.
func (e *edit) belongs(assignee, project string) error {
	if own, known := e.agents.Project(orchestron.AgentID(assignee)); known && own != project {
		return orchestron.Errorf(orchestron.Invalid, "%s works on the board %s and cannot see this task", assignee, own).
			Try("name an agent that works in %s", project)
	}
	return nil
}

// Run returns the tasks of holders that went away, and delivers notices, until ctx ends. Call it when the state of
// every agent is known.
func (s *Service) Run(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(func() { s.clear(ctx) })
	group.Go(func() { s.deliver(ctx) })
	group.Go(func() { s.keepLeases(ctx) })
	group.Wait()
}

// retry is when something that failed is tried again.
const retry = 5 * time.Second

func (s *Service) keepLeases(ctx context.Context) {
	for {
		agents, leases := s.agents.Changed(), s.leases.Wait()
		next, err := s.sweep(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("returning the tasks of holders that went away", "err", err)
			next = s.now().Add(retry)
		}
		s.rest(ctx, next, agents, leases)
		if ctx.Err() != nil {
			return
		}
	}
}

// rest waits until a time, if one is given, or until something happens.
func (s *Service) rest(ctx context.Context, until time.Time, agents, leases <-chan struct{}) {
	var due <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(max(until.Sub(s.now()), 0))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-agents:
	case <-leases:
	case <-due:
	}
}

// sweep returns the tasks whose lease is over, and says when the next lease ends by itself.
func (s *Service) sweep(ctx context.Context) (next time.Time, err error) {
	held, err := s.store.Leased(ctx)
	if err != nil {
		return next, err
	}
	now := s.now()
	for _, t := range held {
		if why := s.over(t.Lease, now); why != "" {
			err = errors.Join(err, s.giveBack(ctx, t.ID)) // the others go back all the same
			continue
		}
		if until := t.Lease.Until; !until.IsZero() && (next.IsZero() || until.Before(next)) {
			next = until
		}
	}
	return next, err
}

// over says why a lease has ended; empty when it has not.
func (s *Service) over(l orchestron.Lease, now time.Time) string {
	id := orchestron.AgentID(l.Holder)
	switch {
	case l.Holder == "":
		return ""
	case id.Valid() && !s.agents.Alive(id):
		return fmt.Sprintf("%s ended while it held the task", l.Holder)
	case !l.Until.IsZero() && !now.Before(l.Until):
		return fmt.Sprintf("the lease of %s ran out", l.Holder)
	}
	return ""
}

// giveBack returns one task, if its lease is still over.
func (s *Service) giveBack(ctx context.Context, id orchestron.TaskID) error {
	call := op.Call{Actor: orchestron.Actor{Kind: orchestron.System}}
	return s.write(ctx, call, "", nil, func(e *edit) (string, error) {
		t, err := e.tx.Task(id)
		if err != nil {
			return "", err
		}
		why := s.over(t.Lease, e.now)
		if why == "" {
			return "", nil
		}
		before := t
		t.Abandon(e.now)
		return "", e.save(orchestron.TaskReturned, before, &t, why)
	}, nil)
}
