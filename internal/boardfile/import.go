package boardfile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

// How much is written at once: others that write wait so long.
const (
	atOnce      = 250 // lines
	bytesAtOnce = 1 << 20
)

// The stems that tasks and contexts are counted by.
const (
	TaskStem = "TASK"
	NoteStem = "CTX"
)

// Tx is one change of the boards under way.
type Tx interface {
	NextOrdinal(stem string) (int, error)          // counts per stem, from 1, and never gives a number twice
	RaiseOrdinal(stem string, to int) (int, error) // the next is above to, at least, and above what is returned
	AddTask(t orchestron.Task) error               // Conflict when there is one of that id
	PutTask(before, after orchestron.Task) error
	Task(id orchestron.TaskID) (orchestron.Task, error)
	AddNote(n orchestron.Note) error // Conflict when there is one of that id
	AddChange(c *orchestron.Change) error
	Sprint(project, name string) (orchestron.Sprint, error) // NotFound when there is none
	PutSprint(s orchestron.Sprint) error                    // Conflict when it is active and another is, too
	Land() error                                            // makes what was staged part of the boards that it is for
}

// Stage runs a change whose tasks, contexts and history nobody sees until another change has them land.
type Stage func(ctx context.Context, change func(Tx) error) error

// Import is one import under way. What it reads is staged bit by bit; all of it lands in one change.
type Import struct {
	in    boardapi.ImportIn
	by    string
	now   time.Time
	stage Stage
	tx    Tx // of what is being staged

	out      boardapi.ImportOut
	reserved map[string]int64 // up to where nobody else is given numbers, by stem
	tasks    map[int64]*knot  // by numbers in the file
	notes    map[orchestron.NoteID]bool
	seen     map[string]bool // projects
	sprints  []sprintLine
	links    []boardapi.Link
	left     []orchestron.Change // of tasks that agents elsewhere had

	lines  []numbered // that are read and not yet staged
	bytes  int
	inFile bool  // lines have numbers that people can look up
	number int   // of the line being staged
	failed error // what is wrong with a line
}

// knot is what is known of a task of the file. Numbers of others are those in the file.
type knot struct {
	line      int   // of the file
	here      int64 // its number here
	project   int   // in out.Projects
	parent    int64
	children  []int64
	over      bool
	cancelled bool
	linked    bool // it names others
	progress  int
}

// leap is how many numbers one import may leave out. There are ten times as many.
const leap = 100_000_000_000

type numbered struct {
	number int
	boardapi.Line
}

type sprintLine struct {
	number int
	orchestron.Sprint
}

// New begins an import.
func New(in boardapi.ImportIn, by string, now time.Time, stage Stage) *Import {
	return &Import{
		in: in, by: by, now: now, stage: stage, out: boardapi.ImportOut{Projects: []string{}}, reserved: map[string]int64{},
		tasks: map[int64]*knot{}, notes: map[orchestron.NoteID]bool{}, seen: map[string]bool{},
	}
}

// write stages something.
func (im *Import) write(ctx context.Context, do func() error) error {
	return im.stage(ctx, func(tx Tx) error {
		im.tx = tx
		return do()
	})
}

// line stages one line. What tasks say of each other waits until all ids are known.
func (im *Import) line(l boardapi.Line) error {
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

// board is the project that something goes to, and its place among those of the file.
func (im *Import) board(project string) (string, int, error) {
	if im.in.Project != "" {
		if len(im.seen) > 0 && !im.seen[project] {
			return "", 0, orchestron.Errorf(orchestron.Invalid, "the file has more than one project, which cannot all become %q", orchestron.Quotable(im.in.Project))
		}
		im.seen[project] = true
		project = im.in.Project
	}
	if at := slices.Index(im.out.Projects, project); at >= 0 {
		return im.out.Projects[at], at, nil
	}
	if project == "" {
		return "", 0, orchestron.Errorf(orchestron.Invalid, "it names no project")
	}
	if err := boardapi.Plain("project", project); err != nil {
		return "", 0, err
	}
	im.out.Projects = append(im.out.Projects, project)
	return project, len(im.out.Projects) - 1, nil
}

func (im *Import) sprint(sp orchestron.Sprint) (err error) {
	if sp.Project, _, err = im.board(sp.Project); err != nil {
		return err
	}
	if sp.Name == "" || boardapi.Plain("name", sp.Name) != nil || !slices.Contains([]orchestron.SprintState{orchestron.Planned, orchestron.Active, orchestron.Closed}, sp.State) {
		return orchestron.Errorf(orchestron.Invalid, "the sprint %q has no proper name and state", orchestron.Quotable(sp.Name))
	}
	im.sprints = append(im.sprints, sprintLine{im.number, sp})
	im.out.Sprints++
	return nil
}

// missing checks that there is no such sprint yet.
func missing(tx Tx, sp orchestron.Sprint) error {
	_, err := tx.Sprint(sp.Project, sp.Name)
	switch {
	case err == nil:
		return orchestron.Errorf(orchestron.Conflict, "there is a sprint %q already", orchestron.Quotable(sp.Name)).Try("import it under another project")
	case orchestron.KindOf(err) == orchestron.NotFound:
		return nil
	}
	return err
}

func (im *Import) note(n orchestron.Note) (err error) {
	if n.Project, _, err = im.board(n.Project); err != nil {
		return err
	}
	if n.ID.Number() == 0 || im.notes[n.ID] || len(n.Context) > boardapi.MaxContext || boardapi.Plain("checkpoint", n.Checkpoint) != nil || !object(n.Context) {
		return orchestron.Errorf(orchestron.Invalid, "%q is no proper context", orchestron.Quotable(string(n.ID)))
	}
	im.notes[n.ID] = true
	number, err := im.numberHere(NoteStem, n.ID.Number())
	if err != nil {
		return err
	}
	n.ID = orchestron.NoteIDOf(number)
	im.out.Contexts++
	return renumber(im.tx.AddNote(n))
}

// numberHere is the number that something of the file has here. Nobody else is given it from then on.
func (im *Import) numberHere(stem string, number int64) (int64, error) {
	if im.in.Renumber {
		next, err := im.tx.NextOrdinal(stem)
		return int64(next), err
	}
	return number, im.reserve(stem, number)
}

// reserve keeps others from being given the numbers up to one. What is reserved already costs nothing.
func (im *Import) reserve(stem string, upTo int64) error {
	if upTo <= im.reserved[stem] {
		return nil
	}
	given, err := im.tx.RaiseOrdinal(stem, 0)
	if err != nil {
		return err
	}
	if upTo > int64(given)+leap {
		return orchestron.Errorf(orchestron.Invalid, "%s-%d is so far ahead of %s-%d, the last here, that too many numbers would be lost", stem, upTo, stem, given).
			Try("import it with renumber")
	}
	im.reserved[stem] = upTo
	_, err = im.tx.RaiseOrdinal(stem, int(upTo))
	return err
}

func renumber(err error) error {
	if orchestron.KindOf(err) == orchestron.Conflict {
		return orchestron.Errorf(orchestron.Conflict, "%w", err).Try("import it with renumber")
	}
	return err
}

func object(raw json.RawMessage) bool {
	var v map[string]json.RawMessage
	return json.Unmarshal(raw, &v) == nil
}

func (im *Import) change(c orchestron.Change) (err error) {
	if c.Project, _, err = im.board(c.Project); err != nil {
		return err
	}
	if c.Task != "" {
		k := im.tasks[c.Task.Number()]
		if k == nil {
			return orchestron.Errorf(orchestron.Invalid, "it belongs to %q, which is not in the file", orchestron.Quotable(string(c.Task)))
		}
		c.Task = orchestron.TaskIDOf(k.here)
	}
	im.out.Changes++
	return im.tx.AddChange(&c)
}

// Land makes what was staged part of the boards, and returns what that is. All that takes long is done by then.
func (im *Import) Land(tx Tx) (boardapi.ImportOut, error) {
	if err := tx.Land(); err != nil {
		return im.out, err
	}
	for _, sp := range im.sprints {
		err := missing(tx, sp.Sprint)
		if err == nil {
			err = tx.PutSprint(sp.Sprint)
		}
		if err != nil {
			return im.out, im.at(sp.number, err)
		}
	}
	for _, project := range im.out.Projects {
		err := tx.AddChange(&orchestron.Change{
			At: im.now, By: im.by, Kind: orchestron.BoardImported, Project: project,
			Text: fmt.Sprintf("%d tasks and %d contexts", im.out.Tasks, im.out.Contexts),
		})
		if err != nil {
			return im.out, err
		}
	}
	return im.out, nil
}
