package health

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/state"
)

// The rules of handing over.
const (
	writeTime = 20 * time.Minute // that an agent has to write its hand-off
	spacing   = 10 * time.Minute // between two hand-overs of an agent that nobody ordered
	again     = time.Hour        // in which an agent that was started again is stuck again
	longest   = 256 << 10        // bytes of a hand-off
	lastTurns = 10               // of which an agent that is stuck leaves word
)

// full reports whether an agent's context is so full that it is to be handed over now.
func (s *Service) full(a orchestron.Agent, r healthapi.Recovery, now time.Time) (healthapi.Fill, bool) {
	if s.policy.HandOffAt == 0 || r.Handover != nil || a.Status != orchestron.Idle && a.Status != orchestron.Busy || now.Sub(r.Handed) < spacing {
		return healthapi.Fill{}, false
	}
	f := s.agents.Fill(a)
	return f, f.Percent() >= s.policy.HandOffAt
}

// beginHandover makes it durable that an agent is to hand over. From then on it is given no other prompts.
func (s *Service) beginHandover(ctx context.Context, r healthapi.Recovery, h healthapi.Handover, by orchestron.Actor) error {
	h.At = s.now().UTC()
	r.Handover = &h
	data := map[string]any{"reason": h.Why, "tokens": h.Fill.Tokens, "window": h.Fill.Window, "by": by.String()}
	if err := s.note(ctx, r, healthapi.HandingOver, data); err != nil {
		return err
	}
	s.changed.Raise()
	return nil
}

// due reports whether the next stage of a hand-over can begin: not in the midst of a turn, and not while nothing runs that
// could be told.
func due(a orchestron.Agent, h healthapi.Handover) bool {
	switch h.Stage {
	case healthapi.Waiting:
		return a.Status == orchestron.Idle || !a.Alive() || a.Generation != h.Run
	case healthapi.Started:
		return a.Alive()
	case healthapi.Asked, healthapi.Written, healthapi.Told:
	}
	return true
}

// handOver brings a hand-over to its end: the agent writes what its successor must know, is ended, and is started again with
// an empty context, and what it wrote is the first that it is given. Each stage is durable before the next begins, and does
// nothing when it is done twice.
func (s *Service) handOver(ctx context.Context, id orchestron.AgentID, r healthapi.Recovery) error {
	for {
		h := *r.Handover
		if !due(s.agent(id), h) {
			return nil
		}
		stage := h.Stage
		why, err := s.stage(ctx, id, &h)
		r.Handover = &h
		switch {
		case err != nil:
			return err
		case why == "" && stage == h.Stage: // not yet
			return nil
		case why != "" && h.Stage == healthapi.Written: // whoever starts it again has its hand-off told
			h.Stage = healthapi.Started
			return s.note(ctx, r, healthapi.HandOverFailed, map[string]any{"reason": why})
		case why != "":
			if err := s.agents.Withdraw(ctx, id, h.Asked); later(err) { // it would be told to end what it goes on with
				return err
			}
			return s.note(ctx, ended(r, s.now()), healthapi.HandOverFailed, map[string]any{"reason": why})
		case h.Stage == healthapi.Told:
			return s.note(ctx, ended(r, s.now()), healthapi.HandedOver, map[string]any{"reason": h.Why, "bytes": len(h.Text)})
		}
		if err := s.note(ctx, r, "", nil); err != nil {
			return err
		}
	}
}

// ended is what remains of a hand-over that has ended: when it was, if nobody ordered it.
func ended(r healthapi.Recovery, now time.Time) healthapi.Recovery {
	if r.Handover.Why != healthapi.Ordered {
		r.Handed = now.UTC()
	}
	r.Handover = nil
	return r
}

// stage does the next thing of a hand-over, and says why it cannot be done if it cannot.
func (s *Service) stage(ctx context.Context, id orchestron.AgentID, h *healthapi.Handover) (why string, err error) {
	a := s.agent(id)
	if h.Writes() && (a.Generation != h.Run || !a.Alive()) {
		return "its program ended: " + a.Evidence.Detail, nil
	}
	key := func(what string) string { return fmt.Sprintf("health-handover-%s-%d-%s", id, h.At.UnixNano(), what) }
	switch h.Stage {
	case healthapi.Waiting:
		err = s.ask(ctx, id, key("ask"), h)
	case healthapi.Asked:
		return s.awaitWritten(ctx, h)
	case healthapi.Written:
		if err = s.anew(ctx, a, h.Run, h.At, key("restart"), true); err == nil {
			h.Stage = healthapi.Started
		}
	case healthapi.Started:
		if h.First, err = s.agents.Tell(ctx, id, key("told"), tells(*h), true); err == nil {
			h.Stage = healthapi.Told
		}
	case healthapi.Told:
	}
	if err == nil || later(err) {
		return "", err
	}
	return orchestron.Visible(err).Error(), nil
}

// ask asks an agent that is idle for its hand-off. Nothing is done when it works meanwhile: what it is being given now, it
// answers first.
func (s *Service) ask(ctx context.Context, id orchestron.AgentID, key string, h *healthapi.Handover) error {
	_, err := s.await(ctx, s.now().Add(every), func() (bool, error) {
		asked := false
		err := s.agents.Alter(ctx, id, func(tx state.Tx, st *state.State) (err error) {
			h.Asked, asked, err = askIdle(tx, st, key, asks(*h))
			return err
		})
		if err != nil {
			h.Asked = ""
			return false, err
		}
		if asked {
			h.Stage = healthapi.Asked
		}
		a := s.agent(id)
		return asked || a.Status != orchestron.Idle || a.Generation != h.Run, nil
	})
	return err
}

// askIdle puts a message from Orchestron into the inbox of an agent that is idle, before others that wait there; asked is
// false when anything goes before it or is being answered. While an agent is busy it would be typed into the turn that runs.
// What is done again with the same key finds the message.
func askIdle(tx state.Tx, st *state.State, key, text string) (id orchestron.MessageID, asked bool, err error) {
	who := orchestron.Actor{Kind: orchestron.System}
	hash := sha256.Sum256([]byte(string(st.Agent.ID) + "\n" + text))
	if subject, found, err := tx.Keyed(who.String(), key, "send", hash); found || err != nil {
		return orchestron.MessageID(subject), found, err
	}
	before := slices.ContainsFunc(st.Inbox, func(o orchestron.Message) bool {
		return o.State == orchestron.Attempting || o.Urgent && state.Waits(o)
	})
	if st.Agent.Status != orchestron.Idle || before || st.AwaitsEnd() {
		return "", false, nil
	}
	name, err := uuid.NewV7()
	if err != nil {
		return "", false, fmt.Errorf("making a message id: %w", err)
	}
	m := orchestron.Message{ID: orchestron.MessageID(name.String()), From: who.Author(), Text: text, Urgent: true, Created: time.Now()}
	if err := state.Enqueue(tx, st, &m); err != nil {
		return "", false, err
	}
	return m.ID, true, tx.SetKey(who.String(), key, "send", hash, string(m.ID))
}

// awaitWritten waits for what an agent writes.
func (s *Service) awaitWritten(ctx context.Context, h *healthapi.Handover) (why string, err error) {
	var m orchestron.Message
	done, err := s.await(ctx, s.now().Add(writeTime), func() (bool, error) {
		m, err = s.agents.Message(ctx, h.Asked)
		return m.State.Done(), err
	})
	switch {
	case err != nil:
		return "", err
	case !done:
		return fmt.Sprintf("it has not written its hand-off within %s", writeTime), nil
	case m.State != orchestron.Answered || m.Failure != "":
		return "it has not written its hand-off: " + m.Failure + m.Reason, nil
	case strings.TrimSpace(m.Answer) == "":
		return "its hand-off is empty", nil
	}
	h.Text, h.Stage = cut(m.Answer), healthapi.Written
	return "", nil
}

// await waits until cond holds, and reports whether it did before a time.
func (s *Service) await(ctx context.Context, until time.Time, cond func() (bool, error)) (bool, error) {
	for {
		changed := s.agents.Changed()
		holds, err := cond()
		if holds || err != nil {
			return holds, err
		}
		left := until.Sub(s.now())
		if left <= 0 {
			return false, nil
		}
		rest(ctx, left, changed, nil, nil)
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
}

// agent is an agent as it is.
func (s *Service) agent(id orchestron.AgentID) orchestron.Agent {
	for _, a := range s.agents.All() {
		if a.ID == id {
			return a
		}
	}
	return orchestron.Agent{}
}

func asks(h healthapi.Handover) string {
	why := "You are about to be started afresh."
	if h.Why == healthapi.ContextFull {
		why = fmt.Sprintf("Your context window is %d %% full. You are about to be started afresh.", h.Fill.Percent())
	}
	return why + " All that you will know then is what you write now. Begin nothing new, change nothing, and answer with a hand-off only:\n" +
		"what you were asked and by whom; what was decided and why; what is done; what is half done, and where (files, branches, commands, ids of tasks);\n" +
		"what remains, in order; what must not be forgotten. Your answer is kept word for word."
}

func tells(h healthapi.Handover) string {
	if h.Why == healthapi.StuckAgain {
		return "You have been started afresh, because you were stuck again and again. This is what you were last given and what you answered:\n\n" +
			h.Text + "\n\nLook at what is done, and go on with what was not answered."
	}
	return "You have been started afresh. This is the hand-off that you wrote before:\n\n" + h.Text + "\n\nGo on from here. If nothing remains, say so in one line."
}

// left is what an agent leaves that writes no hand-off: its last turns.
func left(turns []orchestron.Turn) string {
	var text strings.Builder
	for _, t := range turns {
		answer := t.Answer
		if answer == "" {
			answer = "(no answer: " + t.Failure + ")"
		}
		fmt.Fprintf(&text, "--- given:\n%s\n--- answered:\n%s\n", t.Prompt, answer)
	}
	whole := text.String()
	if len(whole) > longest {
		whole = strings.ToValidUTF8(whole[len(whole)-longest:], "")
	}
	return whole
}

// cut is the beginning of a text that is too long.
func cut(text string) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "\n(The rest is cut off.)"
}

// Held reports whether an agent is not given a message now because it hands over or is started again, and why. What goes
// before the question for its hand-off is not held: it would not be asked.
func (s *Service) Held(m orchestron.Message) (reason string, held bool) {
	s.mu.Lock()
	r := s.recoveries[m.Agent]
	s.mu.Unlock()
	h := r.Handover
	switch {
	case h == nil && r.Replacing:
		return "it was stuck and is being started again", true
	case h == nil, m.ID == h.Asked, m.ID == h.First, h.Stage == healthapi.Waiting && (m.Urgent || m.State == orchestron.Attempting):
		return "", false
	}
	return "it hands over to a fresh conversation", true
}

// Replacing reports whether an agent's program is ended and started again by what looks after its health, so that it is as
// good as alive.
func (s *Service) Replacing(id orchestron.AgentID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.recoveries[id]
	return r.Replacing || r.Handover != nil && r.Handover.Stage == healthapi.Written
}

// Returns reports whether an agent that does not run is about to run again by what looks after its health. It asks no agent.
func (s *Service) Returns(a orchestron.Agent) bool {
	if a.Alive() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.recoveries[a.ID]
	handsOver := r.Handover != nil && r.Handover.Stage == healthapi.Written
	return r.Replacing || handsOver || s.policy.Restart == healthapi.OnCrash && crashed(a) && r.GaveUp != a.Generation
}

// handOverNow answers hand_over_instance.
func (s *Service) handOverNow(ctx context.Context, call op.Call, in healthapi.Ref) (healthapi.View, error) {
	return s.order(ctx, call, in, func(a orchestron.Agent, r healthapi.Recovery) error {
		switch {
		case r.Handover != nil:
			return nil
		case !a.Alive():
			return orchestron.Errorf(orchestron.Conflict, "%s is %s", a.ID, a.Status).Try("restart it; with fresh it begins another conversation")
		case !s.agents.Answers(a):
			return orchestron.Errorf(orchestron.Invalid, "nobody can tell what %s answers: its driver is %s", a.ID, a.Driver).
				Try("read it, terminate it, and restart it with fresh")
		}
		h := healthapi.Handover{Why: healthapi.Ordered, Run: a.Generation, Stage: healthapi.Waiting, Fill: s.agents.Fill(a)}
		return s.beginHandover(ctx, r, h, call.Actor)
	})
}
