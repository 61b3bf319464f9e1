package coordinate

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

const hands = 8 // steps of one run that are worked on at the same time

// drive does what a run asks for, step by step, until it is over or ctx ends.
func (s *Service) drive(ctx context.Context, l *live) {
	for {
		agents, mine := s.agents.Changed(), l.changed.Wait()
		again, err := s.pass(ctx, l)
		run := l.snapshot()
		if run.State.Over() || ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.Error("a run does not get on", "run", run.ID, "err", err)
		}
		var timer <-chan time.Time
		if again || err != nil {
			timer = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-agents:
		case <-mine:
		case <-timer:
		}
	}
}

// pass lets a run advance and does what its steps need. It reports whether something must be tried again although
// nothing changes.
func (s *Service) pass(ctx context.Context, l *live) (again bool, err error) {
	w := s.look(l.snapshot())
	if err := s.change(ctx, l, func(r *coordinateapi.Run) { advance(r, w) }); err != nil {
		return false, err
	}
	run := l.snapshot()
	if run.State.Over() {
		return false, nil
	}
	var all sync.WaitGroup
	var failed atomic.Bool
	free := make(chan struct{}, hands)
	for i, step := range run.Steps {
		if step.State == coordinateapi.Waiting || !step.Open() {
			continue
		}
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			e := effect{service: s, live: l, run: run, i: i, step: step}
			if err := e.do(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("a step of a run does not get on", "run", run.ID, "step", step.N, "agent", step.Agent, "err", err)
				failed.Store(true)
			}
		})
	}
	all.Wait()
	return failed.Load(), nil
}

// look takes down what a run needs to know of the agents.
func (s *Service) look(r coordinateapi.Run) world {
	w := world{now: s.now().UTC(), alive: map[orchestron.AgentID]bool{}, load: map[orchestron.AgentID]int{}}
	for _, id := range r.Participants {
		w.alive[id] = s.agents.Alive(id)
		queued, busy := s.agents.Load(id)
		if w.load[id] = queued; busy {
			w.load[id]++
		}
	}
	return w
}

// effect is the next thing to do for one step.
type effect struct {
	service *Service
	live    *live
	run     coordinateapi.Run
	i       int
	step    coordinateapi.Step
}

func (e *effect) do(ctx context.Context) error {
	switch {
	case e.step.State == coordinateapi.Sending && e.run.Kind == coordinateapi.Execute && e.step.Agent == "":
		return e.spawn(ctx)
	case e.step.State == coordinateapi.Sending:
		return e.post(ctx)
	case e.step.State == coordinateapi.Sent:
		return e.take(ctx)
	}
	err := e.service.agents.Terminate(ctx, e.step.Agent)
	if err != nil && !final(err) {
		return fmt.Errorf("ending %s, whose task is over: %w", e.step.Agent, err)
	}
	if err != nil {
		e.service.log.Warn("a specialist whose task is over cannot be ended", "run", e.run.ID, "agent", e.step.Agent, "err", err)
	}
	return e.note(ctx, func(s *coordinateapi.Step) { s.Ended = true })
}

// final reports whether an error will not go away by itself.
func final(err error) bool {
	switch orchestron.KindOf(err) {
	case orchestron.Invalid, orchestron.NotFound, orchestron.Conflict, orchestron.Forbidden, orchestron.Limit:
		return true
	default:
		return false
	}
}

// note stores what became of the step.
func (e *effect) note(ctx context.Context, do func(*coordinateapi.Step)) error {
	return e.service.change(ctx, e.live, func(r *coordinateapi.Run) { do(&r.Steps[e.i]) })
}

// fail ends the step when an error will not go away by itself, or when nobody wants the step any more.
func (e *effect) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !final(err) && e.live.snapshot().State == coordinateapi.Running {
		return err
	}
	return e.settle(ctx, coordinateapi.Stopped, "", orchestron.Visible(err).Message)
}

func (e *effect) settle(ctx context.Context, state coordinateapi.StepState, answer, trouble string) error {
	now := e.service.now().UTC()
	return e.note(ctx, func(s *coordinateapi.Step) { s.State, s.Answer, s.Error, s.Over = state, answer, trouble, now })
}

func (e *effect) spawn(ctx context.Context) error {
	if e.step.Error != "" && e.run.State != coordinateapi.Running { // it never had room
		return e.settle(ctx, coordinateapi.Withdrawn, "", "the run was cancelled")
	}
	job := e.run.Jobs[e.step.Jobs[0]]
	id, err := e.service.agents.Spawn(ctx, e.run.Actor, e.step.Key+"-spawn", Specialist{
		Parent: e.run.Coordinator, Name: job.Name, WorkDir: e.run.WorkDir, Context: job.Context,
	})
	if err != nil && orchestron.KindOf(err) == orchestron.Limit && e.live.snapshot().State == coordinateapi.Running {
		return e.note(ctx, func(s *coordinateapi.Step) { s.Error = "waits for room: " + orchestron.Visible(err).Message })
	}
	if err != nil {
		return e.fail(ctx, err)
	}
	return e.note(ctx, func(s *coordinateapi.Step) { s.Agent, s.Ours, s.Error = id, true, "" })
}

func (e *effect) post(ctx context.Context) error {
	id, err := e.service.agents.Post(ctx, e.run.Actor, e.step.Agent, e.step.Key, e.step.Prompt)
	if err != nil {
		return e.fail(ctx, err)
	}
	return e.note(ctx, func(s *coordinateapi.Step) { s.State, s.Message = coordinateapi.Sent, id })
}

// take takes in what became of the message.
func (e *effect) take(ctx context.Context) error {
	alive := e.service.agents.Alive(e.step.Agent) // before the message: what it answered last is in the message
	m, settled, err := e.service.agents.Outcome(ctx, e.step.Message)
	switch {
	case err != nil && orchestron.KindOf(err) == orchestron.NotFound:
		return e.settle(ctx, coordinateapi.Stopped, "", "the message is gone")
	case err != nil:
		return err
	case m.State == orchestron.Answered && m.Failure == "" && m.Answer != "":
		return e.settle(ctx, coordinateapi.Answered, m.Answer, "")
	case m.State == orchestron.Answered && m.Failure != "":
		return e.settle(ctx, coordinateapi.Stopped, m.Answer, m.Failure)
	case m.State == orchestron.Answered:
		return e.settle(ctx, coordinateapi.Stopped, "", "the turn ended without an answer")
	case m.State == orchestron.Undeliverable:
		return e.settle(ctx, coordinateapi.Stopped, "", "undeliverable: "+m.Reason)
	case !alive:
		return e.settle(ctx, coordinateapi.Stopped, "", fmt.Sprintf("%s ended before it answered", e.step.Agent))
	case settled && e.service.agents.Alive(e.step.Agent): // else it ended this moment, and the next look says so
		return e.settle(ctx, coordinateapi.Stopped, "", "the agent's program does not tell what it answers")
	case e.run.Interrupt && m.State == orchestron.Submitted && !e.step.Interrupted:
		return e.interrupt(ctx)
	}
	return nil
}

// interrupt stops the turn that works on the message, once.
func (e *effect) interrupt(ctx context.Context) error {
	if err := e.note(ctx, func(s *coordinateapi.Step) { s.Interrupted = true }); err != nil {
		return err
	}
	if err := e.service.agents.Interrupt(ctx, e.step.Agent); err != nil && ctx.Err() == nil {
		e.service.log.Warn("a turn of a cancelled run goes on", "run", e.run.ID, "agent", e.step.Agent, "err", err)
	}
	return nil
}
