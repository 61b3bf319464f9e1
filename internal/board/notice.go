package board

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

// settle is how long changes are gathered before an agent is told of them in one message.
const settle = 300 * time.Millisecond

// tell notes what the agents that a change concerns are to be told of it. Nobody is told what it did itself.
func (e *edit) tell(kind orchestron.EventType, before, after orchestron.Task, text string) error {
	by := e.by()
	switch {
	case kind == orchestron.TaskReturned:
		return e.inform(before, boardapi.Unassigned, fmt.Sprintf("%s is no longer yours: %s. Claim it again before you go on.", title(after), text))
	case before.Assignee != after.Assignee && before.Assignee != "":
		if err := e.inform(before, boardapi.Unassigned, fmt.Sprintf("%s is no longer yours: %s gave it to %s.", title(after), by, orSomebody(after.Assignee))); err != nil {
			return err
		}
	case before.Lease.Holder != "" && after.Lease.Holder == "" && !after.Status.Over():
		return e.inform(before, boardapi.Unassigned, fmt.Sprintf("%s is no longer yours: %s made it %s. Claim it again before you go on.", title(after), by, after.Status))
	}
	switch {
	case before.Assignee != after.Assignee && after.Assignee != "":
		return e.inform(after, boardapi.Assigned, e.assigned(after))
	case kind == orchestron.TaskClarified:
		return e.inform(after, boardapi.Clarified, fmt.Sprintf("%s was clarified by %s:\n%s", title(after), by, text))
	case after.Status == orchestron.Cancelled && before.Status != after.Status:
		return e.inform(before, boardapi.Withdrawn, fmt.Sprintf("%s was cancelled by %s. Stop working on it. %s", title(after), by, text))
	case before.Priority != after.Priority && before.ID != "":
		return e.inform(after, boardapi.Prioritized, fmt.Sprintf("%s now has the priority %s, set by %s.", title(after), after.Priority, by))
	case kind == orchestron.TaskDepends && after.Waits > before.Waits:
		return e.inform(after, boardapi.Waits, fmt.Sprintf("%s now waits for %s, says %s.", title(after), names(after.DependsOn), by))
	case kind == orchestron.TaskUpdated:
		return e.inform(after, boardapi.Edited, fmt.Sprintf("%s was changed by %s%s. %s", title(after), by, became(before, after), text))
	}
	return nil
}

// became is what became of the fields that changed.
func became(before, after orchestron.Task) string {
	var b strings.Builder
	diff := boardapi.Changed(before, after)
	for _, name := range slices.Sorted(maps.Keys(diff)) {
		value, err := json.Marshal(diff[name])
		if err != nil || name == "lease" {
			continue
		}
		if len(value) > 200 {
			value = []byte("changed")
		}
		fmt.Fprintf(&b, ", %s: %s", name, value)
	}
	return b.String()
}

// assigned is what the new assignee of a task is told, with what the one before left.
func (e *edit) assigned(t orchestron.Task) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s was given to you by %s.", title(t), e.by())
	if h := t.Handoff; h != nil {
		fmt.Fprintf(&b, " %s left this hand-off:", h.By)
		section(&b, "Completed", h.CompletedWork)
		section(&b, "Remaining", h.RemainingWork)
		if h.Notes != "" {
			fmt.Fprintf(&b, "\nNotes: %s", h.Notes)
		}
	}
	return b.String()
}

func section(b *strings.Builder, head string, items []string) {
	if len(items) > 0 {
		fmt.Fprintf(b, "\n%s:\n- %s", head, strings.Join(items, "\n- "))
	}
}

func orSomebody(name string) string {
	if name == "" {
		return "nobody"
	}
	return name
}

func names(all []orchestron.TaskID) string {
	words := make([]string, len(all))
	for i, id := range all {
		words[i] = string(id)
	}
	return strings.Join(words, ", ")
}

// inform puts down that the agent a task belongs to is to be told something, unless it is the caller. One that does not
// run is told when it runs again.
func (e *edit) inform(t orchestron.Task, why boardapi.Occasion, text string) error {
	id, push := orchestron.AgentID(t.Assignee), e.policy[why]
	if push == boardapi.Off || !id.Valid() || id == e.call.Actor.Agent {
		return nil
	}
	if _, known := e.agents.Project(id); !known {
		return nil
	}
	e.noticed = true
	return e.tx.AddNotice(&boardapi.Notice{Agent: id, Task: t.ID, Urgent: push == boardapi.Urgent, Text: strings.TrimSpace(text), At: e.now})
}

// kept is how long something waits for an agent that does not run.
const kept = 7 * 24 * time.Hour

// deliver hands notices over to the agents until ctx ends. Notices are gathered into one message under a key that is
// durable before the message is, so that each is told once.
func (s *Service) deliver(ctx context.Context) {
	for {
		news, agents := s.notices.Wait(), s.agents.Changed()
		left, err := s.postAll(ctx)
		if !left {
			agents = nil // nobody waits for an agent to run again
		}
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			s.log.Error("telling agents what changed on a board", "err", err)
			again = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-news:
		case <-agents:
		case <-again:
		}
	}
}

// postAll posts what can be posted, once it has been gathered for a moment, and reports whether something is left.
func (s *Service) postAll(ctx context.Context) (bool, error) {
	left, err := s.store.Notices(ctx)
	if err != nil || !slices.ContainsFunc(left, s.due) {
		return len(left) > 0, err
	}
	if !wait(ctx, settle) {
		return true, nil
	}
	if err := s.post(ctx); err != nil {
		return true, err
	}
	left, err = s.store.Notices(ctx)
	return len(left) > 0, err
}

// due reports whether something can be done with a notice now: posted, or given up.
func (s *Service) due(n boardapi.Notice) bool {
	_, known := s.agents.Project(n.Agent)
	return !known || s.agents.Alive(n.Agent) || s.now().Sub(n.At) > kept
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// post seals what is open into one batch per agent and posts all batches.
func (s *Service) post(ctx context.Context) error {
	left, err := s.store.Notices(ctx)
	if err != nil {
		return err
	}
	last := map[orchestron.AgentID]int64{}
	for _, n := range left {
		if n.Batch == 0 && s.due(n) {
			last[n.Agent] = n.Seq
		}
	}
	err = s.store.Write(ctx, func(tx Tx) error {
		for agent, seq := range last {
			if err := tx.SealNotices(agent, seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if left, err = s.store.Notices(ctx); err != nil {
		return err
	}
	return s.postBatches(ctx, left)
}

func (s *Service) postBatches(ctx context.Context, sealed []boardapi.Notice) error {
	type batch struct {
		agent  orchestron.AgentID
		number int64
	}
	var order []batch
	lines, urgent := map[batch][]string{}, map[batch]bool{}
	for _, n := range sealed {
		b := batch{n.Agent, n.Batch}
		if n.Batch == 0 {
			continue // it came meanwhile
		}
		if lines[b] == nil {
			order = append(order, b)
		}
		lines[b] = append(lines[b], n.Text)
		urgent[b] = urgent[b] || n.Urgent
	}
	var failed error
	for _, b := range order {
		text := "The project's board changed:\n\n" + strings.Join(lines[b], "\n\n") +
			"\n\norchestron_task_get shows a task with its history."
		err := s.agents.Post(ctx, b.agent, fmt.Sprintf("board-%d", b.number), text, urgent[b])
		switch {
		case err == nil:
		case orchestron.KindOf(err) == orchestron.Conflict && !s.old(b.agent, sealed):
			continue // it does not run; it is told when it does
		case orchestron.KindOf(err) == orchestron.NotFound, orchestron.KindOf(err) == orchestron.Conflict, orchestron.KindOf(err) == orchestron.Invalid:
			s.log.Warn("an agent takes no news of the board", "agent", b.agent, "err", err)
		default:
			failed = errors.Join(failed, fmt.Errorf("telling %s: %w", b.agent, err))
			continue
		}
		if err := s.store.Write(ctx, func(tx Tx) error { return tx.DropNotices(b.number, b.agent) }); err != nil {
			return err
		}
	}
	return failed
}

// old reports whether what is sealed for an agent has waited long enough.
func (s *Service) old(agent orchestron.AgentID, sealed []boardapi.Notice) bool {
	return slices.ContainsFunc(sealed, func(n boardapi.Notice) bool {
		return n.Agent == agent && n.Batch != 0 && s.now().Sub(n.At) > kept
	})
}
