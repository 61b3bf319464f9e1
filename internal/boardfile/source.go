// Package boardfile is boards as files: the lines that are exported, and imports that are all there or not at all.
package boardfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

// Format is the version of the lines of an export.
const Format = 1

const batch = 500 // lines that are read at once

// Source is what boards are exported from.
type Source interface {
	Projects(ctx context.Context) ([]string, error) // sorted
	Sprints(ctx context.Context, project string) ([]orchestron.Sprint, error)
	Tasks(ctx context.Context, f boardapi.Filter) ([]orchestron.Task, error)
	Notes(ctx context.Context, f boardapi.NoteFilter) ([]orchestron.Note, error)
	Changes(ctx context.Context, f boardapi.ChangeFilter) ([]orchestron.Change, error)
}

// Mark is how far an export has come: behind which line of which part of which project.
type Mark struct {
	Project string
	part    int // sprints, tasks, contexts, changes
	after   int64
	most    int64 // the number of the last task: changes of later ones are left out
	sprints int64 // how many there were: tasks are in no later one
}

const parts = 4

// String is the mark as a cursor, which ParseMark reads.
func (m Mark) String() string {
	return fmt.Sprintf("%d.%d.%d.%d.%s", m.part, m.after, m.most, m.sprints, m.Project)
}

// ParseMark reads a cursor. It is Invalid when it is none.
func ParseMark(cursor string) (Mark, error) {
	f := strings.SplitN(cursor, ".", 5)
	if len(f) == 5 {
		part, err1 := strconv.Atoi(f[0])
		after, err2 := strconv.ParseInt(f[1], 10, 64)
		most, err3 := strconv.ParseInt(f[2], 10, 64)
		sprints, err4 := strconv.ParseInt(f[3], 10, 64)
		if errors.Join(err1, err2, err3, err4) == nil && part >= 0 && part <= parts && after >= 0 && sprints >= 0 {
			return Mark{f[4], part, after, most, sprints}, nil
		}
	}
	return Mark{}, orchestron.Errorf(orchestron.Invalid, "%q is no cursor of orchestron_export", orchestron.Quotable(cursor)).
		Try("use the cursor of an answer as it is")
}

// Page adds lines of one project until there are limit, and returns where to go on.
func (m Mark) Page(ctx context.Context, from Source, limit int, lines *[]json.RawMessage) (Mark, error) {
	for m.part < parts && len(*lines) < limit {
		some, next, err := m.some(ctx, from, limit-len(*lines))
		if err != nil {
			return m, err
		}
		m = next
		for _, line := range some {
			raw, err := json.Marshal(line)
			if err != nil {
				return m, err
			}
			*lines = append(*lines, raw)
		}
	}
	return m, nil
}

// EachLine calls a function with each line that a source would export, and its number, and stops at the first error.
func EachLine(ctx context.Context, from Source, each func(number int, line boardapi.Line) error) error {
	projects, err := from.Projects(ctx)
	if err != nil {
		return err
	}
	number := 1
	if err := each(number, boardapi.Line{Board: Format}); err != nil {
		return err
	}
	for _, project := range projects {
		for at := (Mark{Project: project}); at.part < parts; {
			some, next, err := at.some(ctx, from, batch)
			if err != nil {
				return err
			}
			at = next
			for _, line := range some {
				number++
				if err := each(number, line); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// some are at most limit lines behind a mark of one part, and the mark behind them.
func (m Mark) some(ctx context.Context, from Source, limit int) (lines []boardapi.Line, next Mark, err error) {
	found := 0
	switch m.part {
	case 0:
		var sprints []orchestron.Sprint
		sprints, err = from.Sprints(ctx, m.Project)
		for i := int(m.after); i < min(len(sprints), int(m.after)+limit); i++ {
			lines = append(lines, boardapi.Line{Sprint: &sprints[i]})
		}
		found = len(lines)
		m.after += int64(found)
		m.sprints = m.after
	case 1:
		var tasks []orchestron.Task
		tasks, err = m.tasks(ctx, from, limit)
		for i := range tasks {
			lines, m.after = append(lines, boardapi.Line{Task: &tasks[i]}), tasks[i].ID.Number()
			m.most = m.after
		}
		found = len(tasks)
	case 2:
		var notes []orchestron.Note
		notes, err = from.Notes(ctx, boardapi.NoteFilter{Project: m.Project, After: m.after, Oldest: true, Limit: limit})
		for i := range notes {
			lines, m.after = append(lines, boardapi.Line{Context: &notes[i]}), notes[i].ID.Number()
		}
		found = len(notes)
	default:
		var changes []orchestron.Change
		changes, err = from.Changes(ctx, boardapi.ChangeFilter{Project: m.Project, After: m.after, Limit: limit})
		for i := range changes {
			m.after = changes[i].Seq
			changes[i].Seq = 0 // says nothing elsewhere, nor does it that something was imported here
			if changes[i].Task.Number() <= m.most && changes[i].Kind != orchestron.BoardImported {
				lines = append(lines, boardapi.Line{Change: &changes[i]})
			}
		}
		found = len(changes)
	}
	if found < limit {
		m.part, m.after = m.part+1, 0
	}
	return lines, m, err
}

// tasks are at most limit tasks behind a mark, each in a sprint that was exported or in none.
func (m Mark) tasks(ctx context.Context, from Source, limit int) ([]orchestron.Task, error) {
	sprints, err := from.Sprints(ctx, m.Project)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, sp := range sprints[:min(len(sprints), int(m.sprints))] {
		known[sp.Name] = true
	}
	tasks, err := from.Tasks(ctx, boardapi.Filter{Project: m.Project, ByNumber: true, After: boardapi.Place{Number: m.after}, Limit: limit})
	for i := range tasks {
		if !known[tasks[i].Sprint] {
			tasks[i].Sprint = ""
		}
	}
	return tasks, err
}
