package board

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardfile"
	"github.com/orchestron/orchestron/internal/op"
)

const (
	shownTasks = 20 // that a caller holds
	shownNewer = 50 // notes
)

func noNote(id string) *orchestron.Error {
	return orchestron.Errorf(orchestron.NotFound, "there is no context %q", orchestron.Quotable(id)).Try("orchestron_context_history lists them")
}

func (s *Service) saveContext(ctx context.Context, call op.Call, in boardapi.ContextSaveIn) (orchestron.Note, error) {
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return orchestron.Note{}, err
	}
	if len(in.Context) == 0 {
		in.Context = json.RawMessage("{}")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, in.Context); err != nil {
		return orchestron.Note{}, orchestron.Errorf(orchestron.Invalid, "the context is no JSON: %w", err)
	}
	if compact.Len() > boardapi.MaxContext {
		return orchestron.Note{}, orchestron.Errorf(orchestron.Limit, "the context has %d bytes, more than the %d allowed", compact.Len(), boardapi.MaxContext).
			Try("write the bulk to a file in the project and save its path")
	}
	if err := boardapi.Plain("checkpoint", in.Checkpoint); err != nil {
		return orchestron.Note{}, err
	}
	n := orchestron.Note{
		Project: project, Context: compact.Bytes(), Notes: strings.TrimSpace(in.Notes), Checkpoint: in.Checkpoint, By: call.Actor.String(),
	}
	if call.Actor.Kind == orchestron.AgentCall {
		n.Session = s.agents.Session(call.Actor.Agent)
	}
	err = s.write(ctx, call, "orchestron_context_save", in, func(e *edit) (string, error) {
		number, err := e.tx.NextOrdinal(boardfile.NoteStem)
		if err != nil {
			return "", err
		}
		n.ID, n.At = orchestron.NoteIDOf(int64(number)), e.now
		if err := e.tx.AddNote(n); err != nil {
			return "", err
		}
		c := orchestron.Change{At: e.now, By: e.by(), Kind: orchestron.ContextSaved, Project: project, Text: strings.TrimSpace(string(n.ID) + " " + n.Checkpoint)}
		if err := e.tx.AddChange(&c); err != nil {
			return "", err
		}
		e.uris = append(e.uris, ContextURI)
		return string(n.ID), e.event(orchestron.ContextSaved, map[string]any{"contextId": n.ID, "project": project, "checkpoint": n.Checkpoint, "change": c.Seq})
	}, func(tx Tx, id string) (err error) {
		n, err = tx.Note(orchestron.NoteID(id))
		return err
	})
	return n, err
}

// context answers orchestron_context_get.
func (s *Service) context(ctx context.Context, call op.Call, in boardapi.ContextGetIn) (boardapi.ContextOut, error) {
	out := boardapi.ContextOut{Handoffs: []boardapi.TaskHandoff{}, Tasks: []orchestron.Task{}}
	out.Context = json.RawMessage("{}")
	since, err := parseTime("since", in.Since)
	if err != nil {
		return out, err
	}
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return out, err
	}
	out.Project = project
	if err := s.find(ctx, call.Actor, in, &out); err != nil {
		return out, err
	}
	if out.Found {
		out.LastSession = &boardapi.Session{By: out.By, Session: out.Session, At: out.At}
	}
	if !since.IsZero() {
		if out.Newer, err = s.store.Notes(ctx, boardapi.NoteFilter{Project: project, Since: since, Limit: shownNewer}); err != nil {
			return out, err
		}
		slices.Reverse(out.Newer)
	}
	return out, s.mine(ctx, call.Actor, &out)
}

// find finds the context that is asked for. Only one that is named must be there.
func (s *Service) find(ctx context.Context, actor orchestron.Actor, in boardapi.ContextGetIn, out *boardapi.ContextOut) error {
	if in.ID != "" {
		n, err := s.note(ctx, actor, in.ID)
		out.Note, out.Found = n, err == nil
		return err
	}
	found, err := s.store.Notes(ctx, boardapi.NoteFilter{Project: out.Project, Checkpoint: in.Checkpoint, Limit: 1})
	if err != nil {
		return err
	}
	switch {
	case len(found) > 0:
		out.Note, out.Found = found[0], true
	case in.Checkpoint != "":
		return orchestron.Errorf(orchestron.NotFound, "there is no checkpoint %q", orchestron.Quotable(in.Checkpoint)).Try("orchestron_context_history lists them")
	}
	return nil
}

// mine adds what the caller holds, what was left for it, and the active sprint.
func (s *Service) mine(ctx context.Context, actor orchestron.Actor, out *boardapi.ContextOut) (err error) {
	open := []orchestron.TaskStatus{orchestron.ToDo, orchestron.InProgress, orchestron.Blocked, orchestron.InReview}
	out.Tasks, err = s.store.Tasks(ctx, boardapi.Filter{Project: out.Project, Assignee: actor.String(), Statuses: open, Limit: shownTasks})
	if err != nil {
		return err
	}
	for _, t := range out.Tasks {
		if t.Handoff != nil {
			out.Handoffs = append(out.Handoffs, boardapi.TaskHandoff{TaskID: t.ID, Title: t.Title, Handoff: *t.Handoff})
		}
	}
	sprints, err := s.store.Sprints(ctx, out.Project)
	if err != nil {
		return err
	}
	for _, one := range sprints {
		if one.State == orchestron.Active {
			out.Sprint = &one
		}
	}
	return nil
}

func (s *Service) note(ctx context.Context, actor orchestron.Actor, id string) (orchestron.Note, error) {
	if orchestron.NoteID(id).Number() == 0 {
		return orchestron.Note{}, noNote(id)
	}
	n, err := s.store.Note(ctx, orchestron.NoteID(id))
	if orchestron.KindOf(err) == orchestron.NotFound {
		return n, noNote(id)
	}
	if err != nil {
		return n, err
	}
	return n, s.visible(actor, n.Project, noNote(id))
}

func (s *Service) contexts(ctx context.Context, call op.Call, in boardapi.ContextHistoryIn) (boardapi.ContextHistoryOut, error) {
	out := boardapi.ContextHistoryOut{Contexts: []boardapi.ContextEntry{}}
	project, err := s.project(call.Actor, in.Project)
	if err != nil {
		return out, err
	}
	before := orchestron.NoteID(in.Before).Number()
	if in.Before != "" && before == 0 {
		return out, noNote(in.Before)
	}
	notes, err := s.store.Notes(ctx, boardapi.NoteFilter{Project: project, Before: before, Limit: in.Limit})
	for _, n := range notes {
		out.Contexts = append(out.Contexts, boardapi.ContextEntry{
			ID: n.ID, Checkpoint: n.Checkpoint, Notes: n.Notes, By: n.By, Session: n.Session, At: n.At, Bytes: len(n.Context),
		})
	}
	out.Count = len(out.Contexts)
	return out, err
}

func (s *Service) diff(ctx context.Context, call op.Call, in boardapi.ContextDiffIn) (boardapi.ContextDiffOut, error) {
	out := boardapi.ContextDiffOut{Changes: []boardapi.Difference{}}
	from, err := s.note(ctx, call.Actor, in.From)
	if err != nil {
		return out, err
	}
	var to orchestron.Note
	if in.To != "" {
		to, err = s.note(ctx, call.Actor, in.To)
	} else {
		var latest []orchestron.Note
		if latest, err = s.store.Notes(ctx, boardapi.NoteFilter{Project: from.Project, Limit: 1}); err == nil && len(latest) > 0 {
			to = latest[0]
		}
	}
	if err != nil {
		return out, err
	}
	out.From, out.To = from.ID, to.ID
	out.Changes, err = boardapi.Differences(from.Context, to.Context)
	return out, err
}
