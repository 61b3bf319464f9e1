package coordinate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
	"github.com/orchestron/orchestron/internal/envelope"
)

const (
	hands = 8               // steps of one run that are worked on at the same time
	pause = 5 * time.Second // before a start is tried again that was refused, or a turn stopped again that goes on
)

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
		if err != nil {
			again = retry
		}
		if again > 0 {
			timer = time.After(again)
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

// pass lets a run advance and does what its steps need. It returns after how long something must be tried again although
// nothing changes, and 0 when nothing must.
func (s *Service) pass(ctx context.Context, l *live) (again time.Duration, err error) {
	w := s.look(l.snapshot())
	if err := s.change(ctx, l, func(r *coordinateapi.Run) { advance(r, w) }); err != nil {
		return 0, err
	}
	run := l.snapshot()
	if run.State.Over() {
		return 0, nil
	}
	var all sync.WaitGroup
	effects := make([]effect, len(run.Steps))
	free := make(chan struct{}, hands)
	for i, step := range run.Steps {
		if step.State == coordinateapi.Waiting || !step.Open() {
			continue
		}
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			e := &effects[i]
			*e = effect{service: s, live: l, run: run, i: i, step: step}
			if err := e.do(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("a step of a run does not get on", "run", run.ID, "step", step.N, "agent", step.Agent, "err", err)
				e.again = retry
			}
		})
	}
	all.Wait()
	if run.Kind == coordinateapi.Distribute && len(unassigned(&run)) > 0 {
		again = pause // some of what keeps a manager away passes with time only
	}
	for _, e := range effects {
		if e.again > 0 && (again == 0 || e.again < again) {
			again = e.again
		}
	}
	return again, nil
}

// look takes down what a run needs to know of the agents.
func (s *Service) look(r coordinateapi.Run) world {
	w := world{now: s.now().UTC(), alive: map[orchestron.AgentID]bool{}, load: map[orchestron.AgentID]int{}, away: map[orchestron.AgentID]bool{}}
	for _, id := range r.Participants {
		w.alive[id] = s.agents.Alive(id)
		if r.Kind != coordinateapi.Distribute {
			continue
		}
		load, away := s.agents.Load(id)
		w.load[id], w.away[id] = load, away != ""
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
	again   time.Duration // after which it must be done again although nothing changes; 0 when it need not
}

func (e *effect) do(ctx context.Context) error {
	if e.step.State == coordinateapi.Sending && e.run.State != coordinateapi.Running {
		if begun, err := e.begun(ctx); err != nil || !begun {
			return err
		}
	}
	switch {
	case e.step.State == coordinateapi.Sending && e.spawns():
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

// fail ends the step when an error will not go away by itself.
func (e *effect) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !final(err) {
		return err
	}
	return e.settle(ctx, coordinateapi.Stopped, "", orchestron.Visible(err).Message)
}

func (e *effect) settle(ctx context.Context, state coordinateapi.StepState, answer, trouble string) error {
	now := e.service.now().UTC()
	return e.note(ctx, func(s *coordinateapi.Step) { s.State, s.Answer, s.Error, s.Over = state, answer, trouble, now })
}

// begun reports whether the step of a cancelled run that is being sent was begun: only that is brought to its end.
// What was not is taken back.
func (e *effect) begun(ctx context.Context) (bool, error) {
	by, key, operation := orchestron.PassingOn(e.run.Actor), e.step.Key, "send"
	if e.spawns() {
		by, key, operation = e.run.Actor, e.spawnKey(), "spawn"
	}
	made, err := e.service.agents.Made(ctx, by, operation, key)
	if err != nil || made {
		return made, err
	}
	return false, e.settle(ctx, coordinateapi.Withdrawn, "", "the run was cancelled")
}

func (e *effect) spawns() bool { return e.run.Kind == coordinateapi.Execute && e.step.Agent == "" }

func (e *effect) spawnKey() string { return e.step.Key + "-spawn" }

func (e *effect) spawn(ctx context.Context) error {
	job := e.run.Jobs[e.step.Jobs[0]]
	if by := e.run.Actor.Agent; by != "" && job.Context != "" {
		job.Context = envelope.Quote(by, job.Context)
	}
	id, err := e.service.agents.Spawn(ctx, e.run.Actor, e.spawnKey(), Specialist{
		Parent: e.run.Coordinator, Name: job.Name, WorkDir: e.run.WorkDir, Context: job.Context,
	})
	if err != nil {
		return e.wait(ctx, err)
	}
	return e.note(ctx, func(s *coordinateapi.Step) { s.Agent, s.Ours, s.Error = id, true, "" })
}

// wait lets the step wait and say so when it was refused for want of room, and otherwise fails it.
func (e *effect) wait(ctx context.Context, err error) error {
	if orchestron.KindOf(err) != orchestron.Limit || e.live.snapshot().State != coordinateapi.Running {
		return e.fail(ctx, err)
	}
	e.again = pause // some limits pass with time only
	return e.note(ctx, func(s *coordinateapi.Step) { s.Error = "waits for room: " + orchestron.Visible(err).Message })
}

func (e *effect) post(ctx context.Context) error {
	id, err := e.service.agents.Post(ctx, e.run.Actor, e.step.Agent, e.step.Key, e.step.Prompt)
	if err != nil {
		return e.wait(ctx, err)
	}
	return e.note(ctx, func(s *coordinateapi.Step) { s.State, s.Message, s.Error = coordinateapi.Sent, id, "" })
}

// take takes in what became of the message.
func (e *effect) take(ctx context.Context) error {
	alive := e.service.agents.Alive(e.step.Agent) // before the message: what it answered last is in the message
	m, settled, err := e.service.agents.Outcome(ctx, e.step.Message)
	if err == nil && m.State.Outcome() == orchestron.Queued {
		if m, err = e.withdraw(ctx, alive, m); err == nil && m.State.Outcome() == orchestron.Queued {
			return nil // it waits for its turn, or it is being typed: what becomes of that is waited for
		}
	}
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
	case m.State == orchestron.Undeliverable && e.run.State != coordinateapi.Running:
		return e.settle(ctx, coordinateapi.Withdrawn, "", m.Reason)
	case m.State == orchestron.Undeliverable:
		return e.settle(ctx, coordinateapi.Stopped, "", "undeliverable: "+m.Reason)
	case !alive:
		return e.settle(ctx, coordinateapi.Stopped, "", fmt.Sprintf("%s ended before it answered", e.step.Agent))
	case settled && e.service.agents.Alive(e.step.Agent): // else it ended this moment, and the next look says so
		return e.settle(ctx, coordinateapi.Stopped, "", "the agent's program does not tell what it answers")
	case e.run.Interrupt && m.State == orchestron.Submitted:
		e.interrupt(ctx)
	}
	return nil
}

// withdraw gives up a message that nobody waits for any more, before the step says so: nobody shall carry it out later.
// It returns the message as it is then.
func (e *effect) withdraw(ctx context.Context, alive bool, m orchestron.Message) (orchestron.Message, error) {
	reason := ""
	switch {
	case e.run.State != coordinateapi.Running:
		reason = fmt.Sprintf("%s was cancelled", e.run.ID)
	case !alive:
		reason = fmt.Sprintf("%s ended before it was given the message, and %s went on without it", e.step.Agent, e.run.ID)
	default:
		return m, nil
	}
	if err := e.service.agents.Withdraw(ctx, e.step.Agent, m.ID, reason); err != nil {
		return m, fmt.Errorf("giving up a message to %s: %w", e.step.Agent, err)
	}
	m, _, err := e.service.agents.Outcome(ctx, m.ID)
	return m, err
}

// interrupt stops the turn that works on the message, and again after a pause as long as it goes on.
func (e *effect) interrupt(ctx context.Context) {
	now := e.service.now()
	last := e.live.interrupted(e.i)
	if e.again = pause - now.Sub(last); e.again > 0 && e.again <= pause {
		return
	}
	err := e.service.agents.Interrupt(ctx, e.step.Agent)
	if err != nil && ctx.Err() == nil && last.IsZero() {
		e.service.log.Warn("a turn of a cancelled run goes on", "run", e.run.ID, "agent", e.step.Agent, "err", err)
	}
	e.live.interrupt(e.i, now)
	e.again = pause
}
