package board

import (
	"context"
	"fmt"
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
	if before.Assignee != after.Assignee && before.Assignee != "" && kind != orchestron.TaskReturned {
		gone := before
		if err := e.inform(gone, boardapi.Unassigned, fmt.Sprintf("%s is no longer yours: %s gave it to %s.", title(after), by, orSomebody(after.Assignee))); err != nil {
			return err
		}
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
		return e.inform(after, boardapi.Edited, fmt.Sprintf("%s was changed by %s. %s", title(after), by, text))
	}
	return nil
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

// inform puts down that the agent a task belongs to is to be told something, unless it is the caller or does not run.
func (e *edit) inform(t orchestron.Task, why boardapi.Occasion, text string) error {
	id, push := orchestron.AgentID(t.Assignee), e.policy[why]
	if push == boardapi.Off || !id.Valid() || id == e.call.Actor.Agent || !e.agents.Alive(id) {
		return nil
	}
	e.noticed = true
	return e.tx.AddNotice(&boardapi.Notice{Agent: id, Task: t.ID, Urgent: push == boardapi.Urgent, Text: strings.TrimSpace(text), At: e.now})
}

// deliver hands notices over to the agents until ctx ends. Notices are gathered into one message under a key that is
// durable before the message is, so that each is told once.
func (s *Service) deliver(ctx context.Context) {
	for {
		news := s.notices.Wait()
		var again <-chan time.Time
		if err := s.postAll(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("telling agents what changed on a board", "err", err)
			again = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-news:
		case <-again:
		}
	}
}

// postAll posts what there is, once it has been gathered for a moment.
func (s *Service) postAll(ctx context.Context) error {
	left, err := s.store.Notices(ctx)
	if err != nil || len(left) == 0 || !wait(ctx, settle) {
		return err
	}
	return s.post(ctx)
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
		if n.Batch == 0 {
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
	for _, b := range order {
		text := "The project's board changed:\n\n" + strings.Join(lines[b], "\n\n") +
			"\n\norchestron_task_get shows a task with its history."
		err := s.agents.Post(ctx, b.agent, fmt.Sprintf("board-%d", b.number), text, urgent[b])
		switch orchestron.KindOf(err) {
		case orchestron.NotFound, orchestron.Conflict, orchestron.Invalid:
			s.log.Warn("an agent takes no news of the board", "agent", b.agent, "err", err)
			err = nil
		default:
		}
		if err != nil {
			return fmt.Errorf("telling %s: %w", b.agent, err)
		}
		if err := s.store.Write(ctx, func(tx Tx) error { return tx.DropNotices(b.number, b.agent) }); err != nil {
			return err
		}
	}
	return nil
}
