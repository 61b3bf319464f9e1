package board

import (
	"context"
	"errors"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/op"
)

// updates answers orchestron_check_updates: what others changed behind a cursor. Without a cursor, the reader's own is
// kept, durably, and moves on; there is one for all changes and one for those of its own tasks. An import is one change:
// its history got its numbers while it was staged, which some readers have passed by then.
func (s *Service) updates(ctx context.Context, call op.Call, in boardapi.UpdatesIn) (boardapi.UpdatesOut, error) {
	none := boardapi.UpdatesOut{Updates: []orchestron.Change{}}
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return none, err
	}
	reader := call.Actor.String()
	if in.Mine {
		reader += " mine" // what is left out there has not been seen
	}
	var cursor int64
	if in.Cursor != nil {
		cursor = *in.Cursor
	} else if cursor, err = s.store.Cursor(ctx, reader, project); err != nil {
		return none, err
	}
	waiting, cancel := op.Patience(ctx, time.Duration(in.Timeout)*time.Second)
	defer cancel()
	for moved := false; ; {
		news := s.changed.Wait()
		found, err := s.store.Changes(ctx, boardapi.ChangeFilter{Project: project, After: cursor, Here: true, Limit: in.Limit})
		if err != nil {
			return none, err
		}
		out := boardapi.UpdatesOut{Updates: []orchestron.Change{}, Cursor: cursor}
		for _, c := range found {
			out.Cursor = c.Seq
			if s.concerns(ctx, call.Actor, c, in.Mine) {
				out.Updates = append(out.Updates, c)
			}
		}
		if out.Count = len(out.Updates); out.Count > 0 {
			return out, s.remember(ctx, in, reader, project, out.Cursor)
		}
		moved = moved || cursor != out.Cursor
		cursor = out.Cursor
		if len(found) == in.Limit {
			continue
		}
		select {
		case <-news:
		case <-waiting.Done():
			if err := ctx.Err(); errors.Is(err, context.Canceled) {
				return none, err
			}
			if moved { // not to look at the same again the next time
				err = s.remember(ctx, in, reader, project, cursor)
			}
			return out, err
		}
	}
}

func (s *Service) remember(ctx context.Context, in boardapi.UpdatesIn, reader, project string, cursor int64) error {
	if in.Cursor != nil {
		return nil
	}
	return s.store.Write(context.WithoutCancel(ctx), func(tx Tx) error { return tx.SetCursor(reader, project, cursor) })
}

// concerns reports whether a change is news for an agent: somebody else's, and of its own tasks if it wants only
// those. Operators are many people and programs, so all is news for them.
func (s *Service) concerns(ctx context.Context, actor orchestron.Actor, c orchestron.Change, mine bool) bool {
	if actor.Kind == orchestron.AgentCall && c.By == actor.String() {
		return false
	}
	if !mine {
		return true
	}
	t, err := s.store.Task(ctx, c.Task)
	return err == nil && t.Assignee == actor.String()
}
