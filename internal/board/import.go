package board

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/op"
)

const importBatch = 500 // lines that are read at once

// Databases opens the boards of another Orchestron's database for reading.
type Databases func(ctx context.Context, path string) (Source, io.Closer, error)

// importing is one import under way. Everything is written in one change, so that all of it or nothing is.
type importing struct {
	*edit
	in    boardapi.ImportIn
	out   boardapi.ImportOut
	tasks map[int64]int64 // from numbers of tasks in the file to numbers here
	notes map[orchestron.NoteID]orchestron.NoteID
	seen  map[string]bool // projects
	links []boardapi.Link

	number  int // of the line being read
	parents map[orchestron.TaskID]bool
}

// here is the id that a task of the file has here, and empty when there is none in the file.
func (im *importing) here(id orchestron.TaskID) orchestron.TaskID {
	if n := im.tasks[id.Number()]; n > 0 {
		return orchestron.TaskIDOf(n)
	}
	return ""
}

// load answers orchestron_import.
func (s *Service) load(ctx context.Context, call op.Call, in boardapi.ImportIn) (boardapi.ImportOut, error) {
	none := boardapi.ImportOut{Projects: []string{}}
	if call.Actor.Kind == orchestron.AgentCall {
		return none, orchestron.Errorf(orchestron.Forbidden, "only operators import boards").Try("ask a person")
	}
	if err := plain("project", in.Project); err != nil {
		return none, err
	}
	each, closer, err := s.open(ctx, in.Path)
	if err != nil {
		return none, err
	}
	defer closer.Close()
	im := &importing{in: in}
	err = s.write(ctx, call, "orchestron_import", in, func(e *edit) (string, error) {
		im.reset(e)
		if err := each(im.line); err != nil {
			return "", err
		}
		if err := im.finish(); err != nil {
			return "", err
		}
		raw, err := json.Marshal(im.out)
		return string(raw), err
	}, func(_ Tx, made string) error { return json.Unmarshal([]byte(made), &im.out) })
	if err != nil {
		return none, err
	}
	return im.out, nil
}

// lines calls a function with each line and its number, and stops at the first error.
type lines func(func(number int, line boardapi.Line) error) error

// open opens what is to be imported, by what it is and not by what it is called.
func (s *Service) open(ctx context.Context, path string) (lines, io.Closer, error) {
	if !filepath.IsAbs(path) {
		return nil, nil, orchestron.Errorf(orchestron.Invalid, "%q is not an absolute path", orchestron.Quotable(path)).Try("give the whole path")
	}
	f, err := os.Open(path)
	if err == nil {
		if info, serr := f.Stat(); serr != nil || !info.Mode().IsRegular() {
			err = errors.Join(f.Close(), errors.New("it is no file"))
		}
	}
	if err != nil {
		return nil, nil, orchestron.Errorf(orchestron.Invalid, "%q cannot be imported: %w", orchestron.Quotable(path), err).Try("name a file that Orchestron may read")
	}
	r := bufio.NewReaderSize(f, 64<<10)
	if head, err := r.Peek(16); err == nil && string(head) == "SQLite format 3\x00" {
		if err := f.Close(); err != nil {
			return nil, nil, err
		}
		from, closer, err := s.databases(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		return func(each func(int, boardapi.Line) error) error { return fromSource(ctx, from, each) }, closer, nil
	}
	return func(each func(int, boardapi.Line) error) error { return boardapi.ReadLines(r, each) }, f, nil
}

// fromSource reads the lines that another Orchestron would export.
func fromSource(ctx context.Context, from Source, each func(int, boardapi.Line) error) error {
	projects, err := from.Projects(ctx)
	if err != nil {
		return err
	}
	number := 1
	if err := each(number, boardapi.Line{Board: format}); err != nil {
		return err
	}
	for _, project := range projects {
		for at := (place{project: project}); at.part < parts; {
			batch, next, err := some(ctx, from, at, importBatch)
			if err != nil {
				return err
			}
			at = next
			for _, line := range batch {
				number++
				if err := each(number, line); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (im *importing) reset(e *edit) {
	im.edit, im.out, im.links = e, boardapi.ImportOut{Projects: []string{}}, nil
	im.parents, im.quiet = map[orchestron.TaskID]bool{}, true
	im.tasks, im.notes, im.seen = map[int64]int64{}, map[orchestron.NoteID]orchestron.NoteID{}, map[string]bool{}
}

// line takes one line in. Tasks wait until all ids are known.
func (im *importing) line(number int, l boardapi.Line) error {
	im.number = number
	if number == 1 {
		if l.Board != format {
			return orchestron.Errorf(orchestron.Invalid, "this is no export of a board in format %d", format).Try("make one with orchestron export")
		}
		return nil
	}
	switch {
	case l.Sprint != nil:
		return im.sprint(*l.Sprint)
	case l.Task != nil:
		return im.task(*l.Task)
	case l.Context != nil:
		return im.note(*l.Context)
	case l.Change != nil:
		return im.change(*l.Change)
	}
	return orchestron.Errorf(orchestron.Invalid, "the line holds no sprint, task, context or change")
}

// board is the project that something goes to.
func (im *importing) board(project string) (string, error) {
	if im.in.Project != "" {
		if len(im.seen) > 0 && !im.seen[project] {
			return "", orchestron.Errorf(orchestron.Invalid, "the file has more than one project, which cannot all become %q", orchestron.Quotable(im.in.Project))
		}
		im.seen[project] = true
		project = im.in.Project
	}
	if project == "" {
		return "", orchestron.Errorf(orchestron.Invalid, "it names no project")
	}
	if err := plain("project", project); err != nil {
		return "", err
	}
	if !slices.Contains(im.out.Projects, project) {
		im.out.Projects = append(im.out.Projects, project)
	}
	return project, nil
}

func (im *importing) sprint(sp orchestron.Sprint) (err error) {
	if sp.Project, err = im.board(sp.Project); err != nil {
		return err
	}
	if sp.Name == "" || plain("name", sp.Name) != nil || !slices.Contains([]orchestron.SprintState{orchestron.Planned, orchestron.Active, orchestron.Closed}, sp.State) {
		return orchestron.Errorf(orchestron.Invalid, "the sprint %q has no proper name and state", orchestron.Quotable(sp.Name))
	}
	if _, err := im.tx.Sprint(sp.Project, sp.Name); err == nil {
		return orchestron.Errorf(orchestron.Conflict, "there is a sprint %q already", orchestron.Quotable(sp.Name)).Try("import it under another project")
	} else if orchestron.KindOf(err) != orchestron.NotFound {
		return err
	}
	im.out.Sprints++
	return im.tx.PutSprint(sp)
}

func (im *importing) task(t orchestron.Task) (err error) {
	if t.Project, err = im.board(t.Project); err != nil {
		return err
	}
	switch {
	case !t.ID.Valid():
		return orchestron.Errorf(orchestron.Invalid, "%q is no id of a task", orchestron.Quotable(string(t.ID)))
	case im.here(t.ID) != "":
		return orchestron.Errorf(orchestron.Invalid, "%s stands there twice", t.ID)
	case !slices.Contains(orchestron.TaskTypes, t.Type), !slices.Contains(orchestron.TaskStatuses, t.Status), !slices.Contains(orchestron.Priorities, t.Priority):
		return orchestron.Errorf(orchestron.Invalid, "%s has an unknown type, status or priority", t.ID)
	case t.Progress < 0 || t.Progress > 100:
		return orchestron.Errorf(orchestron.Invalid, "%s has a progress of %d", t.ID, t.Progress)
	}
	if err := check(t); err != nil {
		return err
	}
	if t.Sprint != "" {
		if _, err := im.tx.Sprint(t.Project, t.Sprint); err != nil {
			return err
		}
	}
	id := t.ID
	if im.in.Renumber {
		n, err := im.tx.NextOrdinal(taskStem)
		if err != nil {
			return err
		}
		id = orchestron.TaskIDOf(int64(n))
	}
	im.tasks[t.ID.Number()] = id.Number()
	if t.Parent != "" || len(t.DependsOn) > 0 || t.Children > 0 {
		im.links = append(im.links, boardapi.Link{Line: im.number, Was: t.ID, ID: id, Parent: t.Parent, DependsOn: t.DependsOn})
	}
	t.ID, t.Parent, t.DependsOn, t.Waits, t.Children = id, "", []orchestron.TaskID{}, 0, 0
	t.Labels, t.AcceptanceCriteria = set(t.Labels), list(t.AcceptanceCriteria)
	if t.Clarifications == nil {
		t.Clarifications = []orchestron.Clarification{}
	}
	if err := im.tx.AddTask(t); err != nil {
		return renumber(err)
	}
	im.out.Tasks++
	return im.tx.RaiseOrdinal(taskStem, int(id.Number()))
}

func renumber(err error) error {
	if orchestron.KindOf(err) == orchestron.Conflict {
		return orchestron.Errorf(orchestron.Conflict, "%w", err).Try("import it with renumber")
	}
	return err
}

func (im *importing) note(n orchestron.Note) (err error) {
	if n.Project, err = im.board(n.Project); err != nil {
		return err
	}
	if n.ID.Number() == 0 || len(n.Context) > boardapi.MaxContext || plain("checkpoint", n.Checkpoint) != nil || !object(n.Context) {
		return orchestron.Errorf(orchestron.Invalid, "%q is no proper context", orchestron.Quotable(string(n.ID)))
	}
	id := n.ID
	if im.in.Renumber {
		next, err := im.tx.NextOrdinal(noteStem)
		if err != nil {
			return err
		}
		id = orchestron.NoteIDOf(int64(next))
	}
	im.notes[n.ID], n.ID = id, id
	if err := im.tx.AddNote(n); err != nil {
		return renumber(err)
	}
	im.out.Contexts++
	return im.tx.RaiseOrdinal(noteStem, int(id.Number()))
}

func object(raw json.RawMessage) bool {
	var v map[string]json.RawMessage
	return json.Unmarshal(raw, &v) == nil
}

func (im *importing) change(c orchestron.Change) (err error) {
	if c.Project, err = im.board(c.Project); err != nil {
		return err
	}
	if c.Task != "" {
		id := im.here(c.Task)
		if id == "" {
			return orchestron.Errorf(orchestron.Invalid, "it belongs to %q, which is not in the file", orchestron.Quotable(string(c.Task)))
		}
		c.Task = id
	}
	im.out.Changes++
	return im.tx.AddChange(&c)
}

// finish ties the tasks together, as create and update would.
func (im *importing) finish() error {
	if l, on := boardapi.Circle(im.links); l != nil {
		return boardapi.AtLine(l.Line, orchestron.Errorf(orchestron.Conflict, "%s depends on %s, which depends on it: that is a cycle", l.Was, on))
	}
	for _, l := range im.links {
		if err := im.tie(l); err != nil {
			return boardapi.AtLine(l.Line, err)
		}
	}
	for id := range im.parents {
		if err := im.rollup(id); err != nil {
			return err
		}
	}
	im.uris, im.leased = append(im.uris, CurrentURI, SprintURI, ContextURI), true
	return im.event(orchestron.BoardImported, map[string]any{"tasks": im.out.Tasks, "contexts": im.out.Contexts, "projects": im.out.Projects})
}

// tie stores what a task says of others. What it depends on makes no circle; its parents are looked at here.
func (im *importing) tie(l boardapi.Link) error {
	t, err := im.tx.Task(l.ID)
	if err != nil {
		return err
	}
	before := t
	if l.Parent != "" {
		if t.Parent = im.here(l.Parent); t.Parent == "" {
			return noTask(string(l.Parent))
		}
	}
	for above, hops := t.Parent, 0; above != ""; hops++ {
		parent, err := im.tx.Task(above)
		if err != nil {
			return err
		}
		if above == t.ID || hops >= deepest || parent.Project != t.Project {
			return orchestron.Errorf(orchestron.Invalid, "%s is a part of itself, too deep, or a part of another project", l.Was)
		}
		above = parent.Parent
	}
	t.DependsOn = []orchestron.TaskID{}
	for _, id := range l.DependsOn {
		other, err := im.edit.task(im.here(id), t.Project)
		if err != nil {
			return noTask(string(id))
		}
		t.DependsOn = append(t.DependsOn, other.ID)
	}
	if err := im.count(&t); err != nil {
		return err
	}
	if t.Parent != "" {
		im.parents[t.Parent] = true
	}
	return im.tx.PutTask(before, t)
}
