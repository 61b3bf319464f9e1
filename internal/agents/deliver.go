package agents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/handoff"
	"github.com/orchestron/orchestron/internal/state"
)

// How long the steps of a delivery may take before they are looked into. On an idle machine each takes milliseconds.
const (
	boxTime    = 3 * time.Second
	submitTime = 2 * time.Second
	hookTime   = 8 * time.Second // for the hook of a message that has left the input box, besides what its program gives it
	firstPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
	mostTurns  = 1000 // that are looked through
)

// deliver hands an agent its messages, one after the other, until ctx ends. It holds all of a delivery's state in
// the message's row and the files beside the agent, so that it may be killed anywhere and begin again.
func (s *Service) deliver(ctx context.Context, h *handle) error {
	select {
	case <-s.started:
	case <-ctx.Done():
		return nil
	}
	pause := firstPause
	for {
		m, ok := s.next(ctx, h)
		if !ok {
			return nil
		}
		obstacle, err := s.attempt(ctx, h, m)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // an attempt that was cut off is taken up by the next daemon
		}
		if err != nil {
			s.log.Warn("a delivery failed and will be tried again", "agent", h.id(), "message", m.ID, "err", err)
			obstacle = "a fault of the terminal: " + orchestron.Visible(err).Message
		}
		s.explain(ctx, h, m.ID, obstacle)
		switch obstacle {
		case "":
			pause = firstPause
			continue
		case draft:
			s.awaitDraft(ctx, h)
		case noAnswer:
			if err := s.lookAtScreen(ctx, h); err != nil {
				s.log.Debug("a screen cannot be read", "err", err)
			}
		}
		h.await(ctx, pause, func() bool { return h.closed || h.state.Submitted(m.ID) })
		pause = min(2*pause, mostPause)
	}
}

// next waits for a message that the agent can take now.
func (s *Service) next(ctx context.Context, h *handle) (orchestron.Message, bool) {
	var m orchestron.Message
	ok := false
	found := h.await(ctx, 0, func() bool {
		m, ok = h.state.Next()
		return h.closed || ok
	})
	return m, found && ok
}

// attempt brings one message one attempt further. It returns what stood in the way, if anything did.
func (s *Service) attempt(ctx context.Context, h *handle, m orchestron.Message) (string, error) {
	h.keys.Lock()
	defer h.keys.Unlock()
	if err := s.lookBack(ctx, h); err != nil {
		return "", err
	}
	if m.State == orchestron.Attempting {
		if settled, obstacle, err := s.settle(ctx, h, m); settled || obstacle != "" || err != nil {
			return obstacle, err
		}
	}
	if why, held := s.set.Limits.Held(m); held && !(m.Urgent && h.snapshot().Status == orchestron.Busy) { // into the turn that runs
		return why, nil
	}
	m, ok, err := s.intend(ctx, h, m.ID)
	if err != nil || !ok {
		return "", err
	}
	if m.Text, err = h.driver.Place(m.Text); err != nil {
		return "", err
	}
	channel := protect(h.driver.Channel(s.home.Agent(m.Agent)))
	if len(channel.Editor) == 0 {
		return "", s.paste(ctx, h, m, channel)
	}
	return s.compose(ctx, h, m, channel)
}

// settle looks for what became of an attempt that was cut off, and reports whether the message needs no other, or what
// stands in the way of another.
func (s *Service) settle(ctx context.Context, h *handle, m orchestron.Message) (settled bool, obstacle string, err error) {
	if h.typed == m.ID {
		return true, "", s.pasted(ctx, h, m.ID)
	}
	if !h.driver.Abilities().Confirms {
		return true, "", s.giveUpOne(ctx, h, m.ID, cutOff)
	}
	was, err := s.home.WasSubmitted(m.Agent, m.ID)
	if err != nil {
		return false, "", err
	}
	if was {
		return true, "", s.confirm(ctx, h, m.ID)
	}
	patience := h.driver.Channel(s.home.Agent(m.Agent)).Hook + hookTime
	obstacle, given := h.left.Judge(m, h.snapshot(), time.Now(), patience)
	if given != "" {
		return true, "", s.giveUpOne(ctx, h, m.ID, given)
	}
	return false, obstacle, nil
}

// lookBack finds out whether the program has worked since messages left its input box.
func (s *Service) lookBack(ctx context.Context, h *handle) error {
	return h.left.Look(h.current(), func(since time.Time) (bool, error) {
		turns, err := s.store.Turns(ctx, h.id(), since, 1)
		return len(turns) > 0, err
	})
}

// cutOff is why a message is given up whose program leaves no trace of what it takes: once more may be once too often.
const cutOff = "unconfirmed: Orchestron was cut off while it typed the message, and this agent's program does not tell whether it took it; " +
	"look at its terminal before you send it again"

// intend makes the attempt durable before anything is typed.
func (s *Service) intend(ctx context.Context, h *handle, id orchestron.MessageID) (m orchestron.Message, ok bool, err error) {
	err = s.change(ctx, h, func(tx state.Tx, st *state.State) (err error) {
		m, ok, err = state.Attempt(tx, st, id)
		return err
	})
	return m, ok, err
}

// compose delivers through the agent program's own editor key: that our helper runs proves that the input box has
// the focus, and what it finds there says what to do.
func (s *Service) compose(ctx context.Context, h *handle, m orchestron.Message, channel orchestron.Channel) (string, error) {
	box, err := s.open(ctx, h, handoff.Intent{Message: m.ID, Attempt: m.Attempts, Text: m.Text}, channel)
	if err != nil {
		return "", err
	}
	switch box {
	case handoff.BoxPlaced, handoff.BoxHeld:
		if channel.Settle > 0 {
			h.await(ctx, channel.Settle, func() bool { return h.closed })
		}
		return s.submit(ctx, h, m, channel)
	case handoff.BoxDraft:
		return draft, nil
	case handoff.BoxEmpty, boxUnknown:
		return noAnswer, nil
	}
	return "", fmt.Errorf("the helper reported a box %q", box)
}

// What may stand in the way, beside faults.
const (
	noAnswer = "the input box does not answer"
	draft    = "somebody's own text is in the input box"
)

// boxUnknown says that the helper did not report: the editor key did not reach the input box.
const boxUnknown handoff.Box = ""

// open has the agent's program open its input box in our helper, and returns what the helper found.
func (s *Service) open(ctx context.Context, h *handle, in handoff.Intent, channel orchestron.Channel) (handoff.Box, error) {
	a, keys := h.snapshot(), channel.Editor
	blank, err := s.screens.Shows(ctx, a.Pane, channel.Blank)
	if err != nil {
		return boxUnknown, err
	}
	if blank {
		keys = slices.Concat(channel.Reset, keys)
	}
	h.report(composed{})
	if err := s.home.Offer(a.ID, in); err != nil {
		return boxUnknown, err
	}
	if err := s.term.Press(ctx, a.Pane, keys...); err != nil {
		_, withdrawn := s.home.Withdraw(a.ID)
		return boxUnknown, errors.Join(err, withdrawn)
	}
	box := boxUnknown
	reported := func() bool {
		if h.box.Message == in.Message && h.box.Attempt == in.Attempt {
			box = h.box.Box
		}
		return box != boxUnknown || !h.state.Agent.Alive() || h.state.Agent.Pane != a.Pane
	}
	if h.await(ctx, boxTime, reported) {
		return box, nil
	}
	there, err := s.home.Withdraw(a.ID)
	if err != nil || there {
		return boxUnknown, err
	}
	h.await(ctx, boxTime, reported) // the helper has claimed it and is at work
	return box, nil
}

// submit presses the submit key until the program's hook tells that it accepted the message. The key does nothing
// outside the input box, so pressing it again is harmless; what the box holds is looked at before.
func (s *Service) submit(ctx context.Context, h *handle, m orchestron.Message, channel orchestron.Channel) (string, error) {
	a, pressed := h.snapshot(), time.Now()
	pane := a.Pane
	if err := s.term.Press(ctx, pane, channel.Submit...); err != nil {
		return "", err
	}
	over := func() bool { return h.state.Submitted(m.ID) || !h.state.Agent.Alive() || h.state.Agent.Pane != pane }
	if h.await(ctx, submitTime, over) {
		return "", nil
	}
	look := handoff.Intent{Message: m.ID, Attempt: m.Attempts, Text: m.Text, Look: true}
	box, err := s.open(ctx, h, look, channel)
	if err != nil {
		return "", err
	}
	switch box {
	case handoff.BoxHeld, boxUnknown:
		return "the input box holds the message and does not submit it yet", nil
	case handoff.BoxDraft:
		return "somebody changed the text in the input box", nil
	case handoff.BoxEmpty, handoff.BoxPlaced:
	}
	was, err := s.home.WasSubmitted(m.Agent, m.ID)
	if err != nil {
		return "", err
	}
	if was {
		return "", s.confirm(ctx, h, m.ID)
	}
	h.left.Note(m.ID, a, pressed)
	if err := s.lookBack(ctx, h); err != nil {
		return "", err
	}
	return h.left.Doubt(m.ID, h.snapshot()), nil
}

// accepted looks for evidence that the program of an agent, which has ended, took a message: its hook left a mark, or was
// killed before and the conversation has the prompt once more than hooks have told.
func (s *Service) accepted(h *handle) state.Accepted {
	return func(m orchestron.Message) (bool, error) {
		was, err := s.home.WasSubmitted(m.Agent, m.ID)
		book, searchable := h.driver.(interface {
			Prompts(a orchestron.Agent, since time.Time) []string
		})
		text, unplaced := h.driver.Place(m.Text)
		if was || err != nil || !searchable || unplaced != nil {
			return was, err
		}
		same := func(t string) bool { return strings.TrimSpace(t) == strings.TrimSpace(text) }
		found := slices.DeleteFunc(book.Prompts(h.snapshot(), m.Created), func(t string) bool { return !same(t) })
		told, err := s.store.Turns(s.ctx, m.Agent, m.Created, mostTurns)
		told = slices.DeleteFunc(told, func(t orchestron.Turn) bool { return t.Prompt != m.Text })
		return len(found) > len(told), err
	}
}

// confirm notes that the agent's program accepted a message, from the mark that its hook left.
func (s *Service) confirm(ctx context.Context, h *handle, id orchestron.MessageID) error {
	if h.await(ctx, submitTime, func() bool { return h.state.Submitted(id) }) {
		return nil
	}
	at, err := s.home.SubmittedAt(h.id(), id)
	if err != nil {
		return err
	}
	// The turn may have ended since, and what ended it is newer than the mark.
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		f := orchestron.Fact{Kind: orchestron.FactSubmitted, Source: orchestron.FromHook, At: at, Message: id}
		if at.After(st.Agent.Evidence.At) {
			state.Apply(&st.Agent, f)
		}
		return state.BeginTurn(tx, st, f)
	})
}

// awaitDraft waits until a person's draft may be gone, or a turn began and may have ended already.
func (s *Service) awaitDraft(ctx context.Context, h *handle) {
	before := h.snapshot()
	s.screens.AwaitDraft(ctx, before.Pane, func() (<-chan struct{}, bool) {
		news := h.changed.Wait()
		return news, h.snapshot().Evidence != before.Evidence
	})
}

// paste delivers to a program that only has a terminal. Nothing confirms what it took.
func (s *Service) paste(ctx context.Context, h *handle, m orchestron.Message, channel orchestron.Channel) error {
	pane := h.snapshot().Pane
	if err := s.put(ctx, pane, m, channel); err != nil {
		kind := orchestron.KindOf(err)
		if kind != orchestron.Conflict && kind != orchestron.NotFound && strings.Contains(m.Text, "\n") {
			return err // a program that takes lines may have taken some
		}
		return errors.Join(err, s.change(ctx, h, func(tx state.Tx, st *state.State) error { return state.Withdraw(tx, st, m.ID) }))
	}
	if err := s.term.Press(ctx, pane, channel.Submit...); err != nil {
		return err
	}
	h.typed = m.ID
	return s.pasted(ctx, h, m.ID)
}

// put puts a message into the input line of a program that only has a terminal.
func (s *Service) put(ctx context.Context, pane orchestron.Pane, m orchestron.Message, channel orchestron.Channel) error {
	if m.Attempts > 1 && len(channel.Clear) > 0 {
		if err := s.term.Press(ctx, pane, channel.Clear...); err != nil {
			return err
		}
	}
	return s.term.Paste(ctx, pane, m.Text)
}

// pasted notes that a message was typed.
func (s *Service) pasted(ctx context.Context, h *handle, id orchestron.MessageID) error {
	return s.change(ctx, h, func(tx state.Tx, st *state.State) error {
		return state.Pasted(tx, st, id, h.driver.Abilities(), time.Now())
	})
}

// explain tells callers what a message waits for.
func (s *Service) explain(ctx context.Context, h *handle, id orchestron.MessageID, obstacle string) {
	st := h.current()
	if m := st.Message(id); m == nil || obstacle == "" || m.Reason == obstacle {
		return
	}
	err := s.change(ctx, h, func(tx state.Tx, st *state.State) error { return state.Explain(tx, st, id, obstacle) })
	if err != nil {
		s.log.Error("storing why a message waits", "agent", h.id(), "message", id, "err", err)
	}
}
