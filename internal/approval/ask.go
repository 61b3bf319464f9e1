package approval

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/handoff"
)

const (
	maxSubject  = 2000
	maxQuestion = 8 << 10
	maxInput    = 64 << 10
	maxDepth    = 500              // SQLite takes 1,000, of the whole record
	margin      = 20 * time.Second // by which the clock decides before a hook gives up
)

// Ask takes in what an agent's program asks, durably, and returns its id and whether somebody must answer it. The same
// record always gives the same id.
func (s *Service) Ask(ctx context.Context, a orchestron.Agent, r handoff.Record, f orchestron.Fact) (string, bool, error) {
	var c approvalapi.Case
	err := s.store.Write(ctx, func(tx Tx) error {
		var found bool
		var err error
		if c, found, err = tx.Of(r.ID); found || err != nil {
			return err
		}
		if c, err = s.decide(tx, a, f, s.open(a, r, f)); err != nil {
			return err
		}
		n, err := tx.NextOrdinal(stem)
		if err != nil {
			return err
		}
		c.ID = approvalapi.IDOf(int64(n))
		if err := tx.DropApprovals(s.now().Add(-history)); err != nil {
			return err
		}
		asked := c
		asked.State = approvalapi.Pending
		if err := s.event(tx, orchestron.ApprovalAsked, string(c.Agent), asked.Approval); err != nil {
			return err
		}
		if c.State != approvalapi.Pending {
			if err := s.event(tx, orchestron.ApprovalSettled, c.By, c.Approval); err != nil {
				return err
			}
		}
		return tx.PutApproval(c)
	})
	if err != nil {
		return "", false, fmt.Errorf("taking in what %s asks: %w", a.ID, err)
	}
	s.watch(c)
	return string(c.ID), c.State == approvalapi.Pending, nil
}

// open is the case of a question before anything is decided.
func (s *Service) open(a orchestron.Agent, r handoff.Record, f orchestron.Fact) approvalapi.Case {
	q, risk := look(s.tools, a, f)
	c := approvalapi.Case{
		Record: r.ID, Hook: r.Hold.Process, Generation: r.Generation, Driver: a.Driver, Same: approvalapi.Same(q.Tool, f.Input, q.Path),
		Approval: approvalapi.Approval{
			Agent: a.ID, Tool: q.Tool, Subject: cut(q.Subject, maxSubject), Question: words(a.ID, f, q), Choices: f.Choices, Risk: risk,
			Answers: []approvalapi.Answer{approvalapi.AllowOnce, approvalapi.AllowAlways, approvalapi.Deny},
			Created: r.At.UTC(), Expires: s.now().Add(s.policy.Expiry), State: approvalapi.Pending,
		},
	}
	left := r.Hold.Until.Sub(s.now()) // it may have waited long for a daemon
	if last := s.now().Add(left - min(margin, left/2)); last.Before(c.Expires) {
		c.Expires = last
	}
	if len(f.Choices) > 0 || astray(q) {
		c.Answers = []approvalapi.Answer{approvalapi.AllowOnce, approvalapi.Deny}
	}
	if len(f.Input) <= maxInput && json.Valid(f.Input) && depth(f.Input) <= maxDepth {
		c.Arguments, c.Input = f.Input, f.Input
		return c
	}
	text, err := json.Marshal(cut(string(f.Input), maxInput))
	if err != nil {
		text = []byte(`""`)
	}
	c.Arguments = text
	return c
}

// depth is how deep a JSON text is nested.
func depth(text []byte) (most int) {
	now, quoted, escaped := 0, false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '[' || c == '{':
			now++
			most = max(most, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return most
}

// words is the question as one would ask it.
func words(id orchestron.AgentID, f orchestron.Fact, q approvalapi.Asked) string {
	switch {
	case len(f.Choices) > 0:
		return cut(f.Question.Detail, maxQuestion)
	case q.Shell:
		return cut(fmt.Sprintf("May %s run %s?", id, q.Subject), maxQuestion)
	case q.Path != nil:
		return cut(fmt.Sprintf("May %s use %s on %s?", id, q.Tool, q.Subject), maxQuestion)
	}
	return cut(fmt.Sprintf("May %s use %s with %s?", id, q.Tool, q.Subject), maxQuestion)
}

// astray reports whether a question is about what is outside of the workspace: every time it is asked.
func astray(q approvalapi.Asked) bool { return q.Path != nil && q.Path.Outside() }

// decide answers what needs no person: what a rule says, or what one has said for ever. A rule that denies wins.
func (s *Service) decide(tx Tx, a orchestron.Agent, f orchestron.Fact, c approvalapi.Case) (approvalapi.Case, error) {
	q, _ := look(s.tools, a, f)
	verdict, by, reason := approvalapi.RuleAsk, "", ""
	for i, rule := range s.policy.Rules {
		if rule.Matches(q) {
			verdict, by = rule.Decision, fmt.Sprintf("rule %d of the configuration", i+1)
			reason = cmp.Or(rule.Reason, "the configuration does not allow it")
			break
		}
	}
	switch {
	case verdict == approvalapi.RuleDeny:
		return s.settled(c, approvalapi.Denied, approvalapi.Deny, by, reason), nil
	case len(f.Choices) > 0:
		return c, nil // nothing but a person knows the answer
	case verdict == approvalapi.RuleAllow:
		return s.settled(c, approvalapi.Allowed, approvalapi.AllowOnce, by, ""), nil
	}
	if astray(q) {
		return c, nil
	}
	before, found, err := tx.Always(a.ID, c.Same)
	if err != nil || !found {
		return c, err
	}
	return s.settled(c, approvalapi.Allowed, approvalapi.AllowOnce, before.By+", who said always to "+string(before.ID), ""), nil
}

// settled is a case with its outcome.
func (s *Service) settled(c approvalapi.Case, state approvalapi.State, answer approvalapi.Answer, by, reason string) approvalapi.Case {
	c.State, c.Answer, c.By, c.Reason, c.Settled = state, answer, by, reason, s.now()
	return c
}

func (s *Service) event(tx Tx, kind orchestron.EventType, by string, a approvalapi.Approval) error {
	data := map[string]any{
		"approvalId": a.ID, "tool": a.Tool, "subject": cut(a.Subject, 200), "risk": a.Risk, "state": a.State, "expiresAt": a.Expires,
	}
	if a.State != approvalapi.Pending {
		data["by"], data["reason"] = a.By, a.Reason
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return tx.AddEvent(&orchestron.Event{At: s.now(), Type: kind, Agent: a.Agent, Actor: by, Data: raw})
}

// cut is the beginning of a text that is too long, and says how much is missing.
func cut(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return fmt.Sprintf("%s… (%d bytes more)", text[:most], len(text)-most)
}
