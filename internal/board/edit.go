package board

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/op"
)

// edit is one change of a board under way: what it writes, and whom it concerns.
type edit struct {
	tx      Tx
	call    op.Call
	now     time.Time
	agents  Agents
	policy  boardapi.Policy
	uris    []string // of the resources it touched
	noticed bool
	leased  bool
}

func (e *edit) reset(tx Tx) { e.tx, e.uris, e.noticed, e.leased = tx, nil, false, false }

func (e *edit) by() string { return e.call.Actor.String() }

// save stores a task that was changed, with its line in the history, what follows for other tasks, and the notices. It
// does nothing when nothing changed and nothing was said.
func (e *edit) save(kind orchestron.EventType, before orchestron.Task, after *orchestron.Task, text string) error {
	diff := boardapi.Changed(before, *after)
	if len(diff) == 0 && text == "" {
		return nil
	}
	after.Version++
	after.Updated = e.now
	if err := e.tx.PutTask(before, *after); err != nil {
		return err
	}
	if err := e.note(kind, *after, diff, text); err != nil {
		return err
	}
	if before.Lease != after.Lease {
		e.leased = true
	}
	e.touch(before)
	if err := e.tell(kind, before, *after, text); err != nil {
		return err
	}
	return e.follow(before, *after)
}

// note writes the line in the history and the event.
func (e *edit) note(kind orchestron.EventType, t orchestron.Task, diff map[string]any, text string) error {
	var raw json.RawMessage
	if len(diff) > 0 {
		var err error
		if raw, err = json.Marshal(diff); err != nil {
			return err
		}
	}
	c := orchestron.Change{At: e.now, By: e.by(), Kind: kind, Project: t.Project, Task: t.ID, Text: text, Fields: raw}
	if err := e.tx.AddChange(&c); err != nil {
		return err
	}
	e.touch(t)
	return e.event(kind, map[string]any{"taskId": t.ID, "project": t.Project, "status": t.Status, "change": c.Seq})
}

// touch notes which resources show a task.
func (e *edit) touch(t orchestron.Task) {
	e.uris = append(e.uris, strings.Replace(TaskURI, "{id}", string(t.ID), 1), CurrentURI)
	if t.Sprint != "" {
		e.uris = append(e.uris, SprintURI)
	}
}

func (e *edit) event(kind orchestron.EventType, data map[string]any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return e.tx.AddEvent(&orchestron.Event{At: e.now, Type: kind, Actor: e.by(), Data: raw})
}

// follow does to other tasks what a change of one means for them.
func (e *edit) follow(before, after orchestron.Task) error {
	if before.Status.Over() != after.Status.Over() {
		if err := e.free(after); err != nil {
			return err
		}
	}
	if before.Parent != after.Parent && before.Parent != "" {
		if err := e.rollup(before.Parent); err != nil {
			return err
		}
	}
	same := before.Parent == after.Parent && before.Progress == after.Progress &&
		(before.Status == orchestron.Cancelled) == (after.Status == orchestron.Cancelled) && before.ID == after.ID
	if after.Parent == "" || same {
		return nil
	}
	return e.rollup(after.Parent)
}

// free counts again what those that depend on a task wait for.
func (e *edit) free(t orchestron.Task) error {
	ids, err := e.tx.Dependents(t.ID)
	if err != nil {
		return err
	}
	for _, id := range ids {
		other, err := e.tx.Task(id)
		if err != nil {
			return err
		}
		before := other
		if err := e.count(&other); err != nil {
			return err
		}
		if before.Waits == other.Waits {
			continue
		}
		other.Version++
		if err := e.tx.PutTask(before, other); err != nil {
			return err
		}
		e.touch(other)
		if other.Waits == 0 && other.Status == orchestron.ToDo {
			if err := e.inform(other, boardapi.Freed, fmt.Sprintf("%s is ready: all that it depended on is over.", title(other))); err != nil {
				return err
			}
		}
	}
	return nil
}

// count counts what a task waits for.
func (e *edit) count(t *orchestron.Task) error {
	t.Waits = 0
	for _, id := range t.DependsOn {
		other, err := e.tx.Task(id)
		if err != nil {
			return err
		}
		if !other.Status.Over() {
			t.Waits++
		}
	}
	return nil
}

// rollup computes the progress of a parent from its children, and that of the tasks above it.
func (e *edit) rollup(id orchestron.TaskID) error {
	for range boardapi.Deepest {
		parent, err := e.tx.Task(id)
		if err != nil {
			return err
		}
		sum, err := e.tx.Rollup(id)
		if err != nil {
			return err
		}
		before := parent
		parent.Children = sum.Children
		if sum.Children > 0 {
			parent.Progress = sum.Sum / max(sum.Counted, 1)
		}
		if before.Children == parent.Children && before.Progress == parent.Progress {
			return nil
		}
		parent.Version++
		if err := e.tx.PutTask(before, parent); err != nil {
			return err
		}
		e.touch(parent)
		if parent.Parent == "" {
			return nil
		}
		id = parent.Parent
	}
	return nil
}

func title(t orchestron.Task) string {
	return fmt.Sprintf("%s (%s)", t.ID, orchestron.Quotable(t.Title))
}

// hashOf tells calls with different arguments apart.
func hashOf(in any) ([32]byte, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return [32]byte{}, fmt.Errorf("reading the arguments again: %w", err)
	}
	return sha256.Sum256(raw), nil
}
