package approval

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/op"
)

// answer answers answer_approval.
func (s *Service) answer(ctx context.Context, call op.Call, in approvalapi.AnswerIn) (approvalapi.Approval, error) {
	c, err := s.visible(ctx, call.Actor, approvalapi.ID(in.ID))
	if err != nil {
		return approvalapi.Approval{}, err
	}
	if err := s.may(call.Actor, c, in.Decision); err != nil {
		return approvalapi.Approval{}, err
	}
	if err := s.sweepOne(ctx, c.ID); err != nil { // what is over must not look answered
		return approvalapi.Approval{}, err
	}
	if c.State == approvalapi.Pending && !s.hooks.Alive(c.Hook) {
		return approvalapi.Approval{}, orchestron.Errorf(orchestron.Conflict, "nothing waits for the answer to %s any more", c.ID).
			Try("look into the terminal of %s", c.Agent)
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return approvalapi.Approval{}, fmt.Errorf("reading the arguments again: %w", err)
	}
	hash := sha256.Sum256(raw)
	actor := call.Actor.String()
	err = s.store.Write(context.WithoutCancel(ctx), func(tx Tx) error {
		found := false
		if call.Key != "" {
			if _, found, err = tx.Keyed(actor, call.Key, "answer_approval", hash); err != nil {
				return err
			}
		}
		if c, err = tx.Approval(c.ID); err != nil || found {
			return err
		}
		if c.State != approvalapi.Pending {
			return orchestron.Errorf(orchestron.Conflict, "%s %s", c.ID, c.Outcome()).Try("list_approvals shows what waits for an answer")
		}
		if c, err = s.answered(c, in, actor); err != nil {
			return err
		}
		if call.Key != "" {
			if err := tx.SetKey(actor, call.Key, "answer_approval", hash, string(c.ID)); err != nil {
				return err
			}
		}
		return s.put(tx, c)
	})
	if err != nil {
		return approvalapi.Approval{}, err
	}
	s.watch(c)
	return c.Approval, nil
}

// may is nil when the actor may answer. An agent may not approve more than it may do itself, which nobody can tell from
// a question alone; so agents answer only where the configuration lets them, only for those below them, and never for
// ever.
func (s *Service) may(actor orchestron.Actor, c approvalapi.Case, answer approvalapi.Answer) error {
	switch {
	case actor.Trusted():
		return nil
	case !s.policy.AgentsMayApprove:
		return orchestron.Errorf(orchestron.Forbidden, "agents may not answer approvals").
			Try("a person answers with orchestron approvals, or sets agents_may_approve in the configuration")
	case actor.Agent == c.Agent:
		return orchestron.Errorf(orchestron.Forbidden, "%s may not answer what it asks itself", actor).Try("ask the agent that leads you")
	case answer == approvalapi.AllowAlways:
		return orchestron.Errorf(orchestron.Forbidden, "only a person may allow something for ever").Try("answer allow_once")
	}
	return nil
}

// Open returns the questions that wait for an answer and that the actor may answer, oldest first, each with the answers
// that the actor may give. An agent that has ended answers nothing.
func (s *Service) Open(actor orchestron.Actor) []approvalapi.Approval {
	if a, known := s.agents.Agent(actor.Agent); actor.Kind == orchestron.AgentCall && (!known || !a.Alive()) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var open []approvalapi.Approval
	for _, l := range s.live {
		if l.State != approvalapi.Pending || !s.agents.Within(actor, l.Agent) {
			continue
		}
		if a := s.shown(actor, l.Case); len(a.Answers) > 0 {
			open = append(open, a)
		}
	}
	slices.SortFunc(open, func(a, b approvalapi.Approval) int { return cmp.Compare(a.ID.Number(), b.ID.Number()) })
	return open
}

// shown is an approval with those answers only that the actor may give.
func (s *Service) shown(actor orchestron.Actor, c approvalapi.Case) approvalapi.Approval {
	a := c.Approval
	a.Answers = slices.DeleteFunc(slices.Clone(a.Answers), func(one approvalapi.Answer) bool { return s.may(actor, c, one) != nil })
	return a
}

// answered is the case with somebody's answer.
func (s *Service) answered(c approvalapi.Case, in approvalapi.AnswerIn, by string) (approvalapi.Case, error) {
	if !slices.Contains(c.Answers, in.Decision) {
		wrong := orchestron.Errorf(orchestron.Invalid, "%s cannot be answered with %s", c.ID, in.Decision)
		if len(c.Choices) > 0 {
			return c, wrong.Try("answer allow_once with answers, or deny")
		}
		return c, wrong.Try("answer allow_once or deny: what leads out of the workspace is asked every time")
	}
	if in.Decision == approvalapi.Deny {
		return s.settled(c, approvalapi.Denied, in.Decision, by, in.Reason), nil
	}
	asked := map[string]bool{}
	for _, choice := range c.Choices {
		asked[choice.Question] = true
		if in.Answers[choice.Question] == "" {
			return c, orchestron.Errorf(orchestron.Invalid, "%s asks %q, and there is no answer to it", c.ID, orchestron.Quotable(choice.Question)).
				Try("give answers with each question and what is chosen")
		}
	}
	for _, question := range slices.Sorted(maps.Keys(in.Answers)) {
		if !asked[question] {
			return c, orchestron.Errorf(orchestron.Invalid, "%s does not ask %q", c.ID, orchestron.Quotable(question)).Try("list_approvals shows its choices")
		}
	}
	if _, err := s.hooks.Say(c.Driver, c.Input, orchestron.Decision{Allow: true, Answers: in.Answers}); err != nil {
		return c, err
	}
	c.Given = in.Answers
	return s.settled(c, approvalapi.Allowed, in.Decision, by, in.Reason), nil
}

// settle ends a case that nobody answered. It does nothing when it is over already.
func (s *Service) settle(ctx context.Context, id approvalapi.ID, state approvalapi.State, by, reason string) error {
	var c approvalapi.Case
	err := s.store.Write(context.WithoutCancel(ctx), func(tx Tx) (err error) {
		if c, err = tx.Approval(id); err != nil || c.State != approvalapi.Pending {
			return err
		}
		c = s.settled(c, state, "", by, reason)
		return s.put(tx, c)
	})
	if err != nil {
		return fmt.Errorf("settling %s: %w", id, err)
	}
	s.watch(c)
	return nil
}

func (s *Service) put(tx Tx, c approvalapi.Case) error {
	if err := tx.PutApproval(c); err != nil {
		return err
	}
	return s.event(tx, orchestron.ApprovalSettled, c.By, c.Approval)
}

// Withdraw notes that an agent's program waits no more for the decision on a record: somebody said no in its terminal, or
// its turn was interrupted.
func (s *Service) Withdraw(ctx context.Context, record string) error {
	var c approvalapi.Case
	err := s.store.Write(ctx, func(tx Tx) (err error) {
		found := false
		if c, found, err = tx.Of(record); err != nil || !found {
			return err
		}
		if c.State != approvalapi.Pending {
			return nil
		}
		state, reason := approvalapi.InTerminal, "refused in the agent's terminal, or its turn was interrupted"
		if a, known := s.agents.Agent(c.Agent); !known || !a.Alive() || a.Wanted == orchestron.WantStopped || a.Generation != c.Generation {
			state, reason = approvalapi.Gone, "the agent ended"
		}
		c = s.settled(c, state, "", "terminal", reason)
		return s.put(tx, c)
	})
	if err != nil {
		return fmt.Errorf("taking back what was asked: %w", err)
	}
	if c.ID != "" {
		s.watch(c)
	}
	return nil
}

// watch keeps an eye on a case's hook, and gives it its decision.
func (s *Service) watch(c approvalapi.Case) {
	s.mu.Lock()
	if s.live[c.ID] == nil {
		s.live[c.ID] = &live{}
	}
	s.live[c.ID].Case = c
	s.mu.Unlock()
	if c.State != approvalapi.Pending {
		s.deliver(c)
	}
	s.changed.Raise()
}

// deliver gives the hook of a case that is settled its decision. When that fails it is done again.
func (s *Service) deliver(c approvalapi.Case) {
	if !s.hooks.Alive(c.Hook) {
		return
	}
	var said json.RawMessage
	var err error
	switch c.State {
	case approvalapi.Allowed:
		said, err = s.hooks.Say(c.Driver, c.Input, orchestron.Decision{Allow: true, Answers: c.Given})
	case approvalapi.Denied, approvalapi.Expired:
		said, err = s.hooks.Say(c.Driver, c.Input, orchestron.Decision{Reason: denial(c)})
	case approvalapi.InTerminal, approvalapi.Gone, approvalapi.Pending: // it only ends
	}
	if err == nil {
		err = s.hooks.Decide(c.Agent, c.Record, said)
	}
	if err != nil {
		s.log.Error("a decision could not be given to its agent", "approval", c.ID, "agent", c.Agent, "err", err)
	}
}

// denial is what the model is told.
func denial(c approvalapi.Case) string {
	if c.State == approvalapi.Expired {
		return fmt.Sprintf("Denied: nobody answered %s within %s.", c.ID, c.Expires.Sub(c.Created).Round(time.Second))
	}
	text := fmt.Sprintf("Denied by %s (%s).", c.By, c.ID)
	if c.Reason != "" {
		text = fmt.Sprintf("Denied by %s (%s): %s", c.By, c.ID, c.Reason)
	}
	return text
}
