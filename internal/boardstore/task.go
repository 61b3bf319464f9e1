package boardstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

func noTask(id orchestron.TaskID) *orchestron.Error {
	return orchestron.Errorf(orchestron.NotFound, "there is no task %s", id)
}

// column is a value that a task's row has beside its document, to be chosen by.
type column struct {
	name  string
	value any
}

func columns(t orchestron.Task) []column {
	return []column{
		{"rank", t.Priority.Rank()},
		{"status", string(t.Status)},
		{"type", string(t.Type)},
		{"assignee", t.Assignee},
		{"sprint", t.Sprint},
		{"parent", t.Parent.Number()},
		{"children", t.Children},
		{"progress", t.Progress},
		{"ready", t.Ready()},
		{"held", t.Lease.Holder != ""},
	}
}

// AddTask stores a new task. It is a Conflict when there is one of that id.
func (tx Tx) AddTask(t orchestron.Task) error {
	doc, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("storing %s: %w", t.ID, err)
	}
	board, err := tx.boardOf(t.Project)
	if err != nil {
		return err
	}
	names, marks, args := "n, board, doc", "?, ?, ?", []any{t.ID.Number(), board, string(doc)}
	for _, c := range columns(t) {
		names, marks, args = names+", "+c.name, marks+", ?", append(args, c.value)
	}
	_, err = tx.Exec(`INSERT INTO tasks (`+names+`) VALUES (`+marks+`)`, args...)
	if sqlite.Exists(err) {
		return orchestron.Errorf(orchestron.Conflict, "there is a task %s already", t.ID)
	}
	if err != nil {
		return fmt.Errorf("adding %s: %w", t.ID, err)
	}
	return tx.putBeside(orchestron.Task{Project: t.Project}, t)
}

// PutTask stores what became of a task, or returns NotFound. before is the task as it is stored: what did not change
// is not written. A task's id and project never change.
func (tx Tx) PutTask(before, after orchestron.Task) error {
	if reflect.DeepEqual(before, after) {
		return nil
	}
	doc, err := json.Marshal(after)
	if err != nil {
		return fmt.Errorf("storing %s: %w", after.ID, err)
	}
	text, args := `UPDATE tasks SET doc = ?`, []any{string(doc)}
	old := columns(before)
	for i, c := range columns(after) {
		if c.value != old[i].value {
			text, args = text+`, `+c.name+` = ?`, append(args, c.value)
		}
	}
	if err := tx.Touch(noTask(after.ID), text+` WHERE n = ?`, append(args, after.ID.Number())...); err != nil {
		return err
	}
	return tx.putBeside(before, after)
}

// putBeside stores what of a task stands in tables of its own.
func (tx Tx) putBeside(before, after orchestron.Task) error {
	err := errors.Join(tx.putLabels(before, after), tx.putNeeds(before, after), tx.putText(before, after))
	if err != nil {
		return fmt.Errorf("storing the labels, dependencies and words of %s: %w", after.ID, err)
	}
	return nil
}

func (tx Tx) putLabels(before, after orchestron.Task) error {
	was, is := before.Priority.Rank(), after.Priority.Rank()
	for _, label := range before.Labels {
		if was == is && slices.Contains(after.Labels, label) {
			continue
		}
		if _, err := tx.Exec(`DELETE FROM task_labels WHERE label = ? AND board = `+boardID+` AND rank = ? AND n = ?`,
			label, tx.board(before.Project), was, before.ID.Number()); err != nil {
			return err
		}
	}
	for _, label := range after.Labels {
		if was == is && slices.Contains(before.Labels, label) {
			continue
		}
		if _, err := tx.Exec(`INSERT INTO task_labels (label, board, rank, n) VALUES (?, `+boardID+`, ?, ?) ON CONFLICT DO NOTHING`,
			label, tx.board(after.Project), is, after.ID.Number()); err != nil {
			return err
		}
	}
	return nil
}

func (tx Tx) putNeeds(before, after orchestron.Task) error {
	for _, need := range before.DependsOn {
		if slices.Contains(after.DependsOn, need) {
			continue
		}
		if _, err := tx.Exec(`DELETE FROM task_needs WHERE n = ? AND need = ?`, after.ID.Number(), need.Number()); err != nil {
			return err
		}
	}
	for _, need := range after.DependsOn {
		if slices.Contains(before.DependsOn, need) {
			continue
		}
		if _, err := tx.Exec(`INSERT INTO task_needs (n, need) VALUES (?, ?) ON CONFLICT DO NOTHING`,
			after.ID.Number(), need.Number()); err != nil {
			return err
		}
	}
	return nil
}

func (tx Tx) putText(before, after orchestron.Task) error {
	was, is := key(placeOf(before)), key(placeOf(after))
	if was == is && before.Title == after.Title && before.Description == after.Description {
		return nil
	}
	if before.ID != "" {
		if _, err := tx.Exec(`DELETE FROM task_text WHERE rowid = ?`, was); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`INSERT INTO task_text (rowid, title, description) VALUES (?, ?, ?)`, is, after.Title, after.Description)
	return err
}

// Task returns a task, or NotFound.
func (tx Tx) Task(id orchestron.TaskID) (orchestron.Task, error) {
	return sqlite.One(tx.Query, scanTask, noTask(id), selectTask+`n = ?`+tx.seen(), id.Number())
}

// Task returns a task, or NotFound.
func (b Store) Task(ctx context.Context, id orchestron.TaskID) (orchestron.Task, error) {
	return sqlite.ReadOne(ctx, b.db, scanTask, noTask(id), selectTask+`n = ?`+visible, id.Number())
}

// Leased returns all tasks that somebody holds.
func (b Store) Leased(ctx context.Context) ([]orchestron.Task, error) {
	return sqlite.Read(ctx, b.db, scanTask, selectTask+`held = 1`+visible+` ORDER BY n`)
}

// Rollup returns what the children of a task make together.
func (tx Tx) Rollup(parent orchestron.TaskID) (boardapi.Rollup, error) {
	return sqlite.One(tx.Query, scanRollup, nil, `SELECT count(*), count(*) FILTER (WHERE status NOT IN ('DONE', 'CANCELLED')),
		count(*) FILTER (WHERE status <> 'CANCELLED'), coalesce(sum(progress) FILTER (WHERE status <> 'CANCELLED'), 0)
		FROM tasks WHERE parent > 0 AND parent = ?`, parent.Number())
}

// Progress returns how much of a project's tasks is done, or of those in one of its sprints.
func (b Store) Progress(ctx context.Context, project, sprint string) (boardapi.Progress, error) {
	index, which, args := `tasks_status`, ``, []any{project}
	if sprint != "" {
		index, which, args = `tasks_sprint`, ` AND sprint <> '' AND sprint = ?`, append(args, sprint)
	}
	text := `SELECT status, count(*), count(*) FILTER (WHERE children = 0), coalesce(sum(progress) FILTER (WHERE children = 0), 0)
		FROM tasks INDEXED BY ` + index + ` WHERE board = ` + boardID + which + ` GROUP BY status`
	type part struct {
		status             orchestron.TaskStatus
		tasks, leaves, sum int
	}
	parts, err := sqlite.Read(ctx, b.db, func(rows *sql.Rows) (p part, err error) {
		err = rows.Scan(&p.status, &p.tasks, &p.leaves, &p.sum)
		return p, err
	}, text, args...)
	total, leaves, sum := boardapi.Progress{ByStatus: map[orchestron.TaskStatus]int{}}, 0, 0
	for _, p := range parts {
		total.ByStatus[p.status] = p.tasks
		total.Tasks += p.tasks
		if p.status != orchestron.Cancelled {
			leaves, sum = leaves+p.leaves, sum+p.sum
		}
	}
	if leaves > 0 {
		total.Percent = sum / leaves
	}
	return total, err
}

const selectTask = `SELECT doc FROM tasks WHERE `

func scanTask(rows *sql.Rows) (t orchestron.Task, err error) {
	var doc sql.RawBytes // read where SQLite has it
	if err := rows.Scan(&doc); err != nil {
		return t, err
	}
	if err := json.Unmarshal(doc, &t); err != nil {
		return t, fmt.Errorf("reading a task: %w", err)
	}
	return t, nil
}

func scanRollup(rows *sql.Rows) (r boardapi.Rollup, err error) {
	err = rows.Scan(&r.Children, &r.Open, &r.Counted, &r.Sum)
	return r, err
}
