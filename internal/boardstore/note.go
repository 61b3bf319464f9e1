package boardstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

const (
	selectSprint = `SELECT project, name, goal, state, started, ended, created FROM sprints JOIN boards ON id = board WHERE project = ?`
	selectNote   = `SELECT n, project, context, notes, checkpoint, actor, session, at FROM notes JOIN boards ON id = board WHERE `
)

// Sprints returns a project's sprints, oldest first.
func (b Store) Sprints(ctx context.Context, project string) ([]orchestron.Sprint, error) {
	return sqlite.Read(ctx, b.db, scanSprint, selectSprint+` ORDER BY created, n`, project)
}

// Sprint returns a sprint, or NotFound.
func (tx Tx) Sprint(project, name string) (orchestron.Sprint, error) {
	missing := orchestron.Errorf(orchestron.NotFound, "there is no sprint %q in %s", name, project)
	return sqlite.One(tx.Query, scanSprint, missing, selectSprint+` AND name = ?`, project, name)
}

// ActiveSprint returns the project's active sprint, or NotFound.
func (tx Tx) ActiveSprint(project string) (orchestron.Sprint, error) {
	missing := orchestron.Errorf(orchestron.NotFound, "no sprint of %s is active", project)
	return sqlite.One(tx.Query, scanSprint, missing, selectSprint+` AND state = 'active'`, project)
}

// PutSprint stores a sprint, in place of what was stored under its project and name. It is a Conflict when it is active
// and another of the project is, too.
func (tx Tx) PutSprint(s orchestron.Sprint) error {
	board, err := tx.boardOf(s.Project)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO sprints (board, name, goal, state, started, ended, created) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (board, name) DO UPDATE SET goal = excluded.goal, state = excluded.state, started = excluded.started,
		ended = excluded.ended, created = excluded.created`,
		board, s.Name, s.Goal, s.State, sqlite.Nanos(s.Start), sqlite.Nanos(s.End), sqlite.Nanos(s.Created))
	if sqlite.Exists(err) {
		return orchestron.Errorf(orchestron.Conflict, "another sprint of %s is active", s.Project).Try("close it first")
	}
	return err
}

// SprintTasks returns the tasks of a sprint that are not over.
func (tx Tx) SprintTasks(project, sprint string) ([]orchestron.Task, error) {
	f := boardapi.Filter{Project: project, Sprint: sprint}
	for _, s := range orchestron.TaskStatuses {
		if !s.Over() {
			f.Statuses = append(f.Statuses, s)
		}
	}
	return findTasks(tx.Query, f)
}

func scanSprint(rows *sql.Rows) (s orchestron.Sprint, err error) {
	var start, end, created int64
	err = rows.Scan(&s.Project, &s.Name, &s.Goal, &s.State, &start, &end, &created)
	s.Start, s.End, s.Created = sqlite.Moment(start), sqlite.Moment(end), sqlite.Moment(created)
	return s, err
}

func noNote(id orchestron.NoteID) *orchestron.Error {
	return orchestron.Errorf(orchestron.NotFound, "there is no context %s", id)
}

// AddNote stores a note. It is a Conflict when there is one of that id.
func (tx Tx) AddNote(n orchestron.Note) error {
	board, err := tx.boardOf(n.Project)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO notes (n, board, context, notes, checkpoint, actor, session, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		n.ID.Number(), board, string(n.Context), n.Notes, n.Checkpoint, n.By, n.Session, sqlite.Nanos(n.At))
	if sqlite.Exists(err) {
		return orchestron.Errorf(orchestron.Conflict, "there is a context %s already", n.ID)
	}
	if err != nil {
		return fmt.Errorf("adding %s: %w", n.ID, err)
	}
	return nil
}

// Note returns a note, or NotFound.
func (tx Tx) Note(id orchestron.NoteID) (orchestron.Note, error) {
	return sqlite.One(tx.Query, scanNote, noNote(id), selectNote+`n = ?`+visible, id.Number())
}

// Note returns a note, or NotFound.
func (b Store) Note(ctx context.Context, id orchestron.NoteID) (orchestron.Note, error) {
	return sqlite.ReadOne(ctx, b.db, scanNote, noNote(id), selectNote+`n = ?`+visible, id.Number())
}

// Notes returns the notes that a filter chooses, in its order.
func (b Store) Notes(ctx context.Context, f boardapi.NoteFilter) ([]orchestron.Note, error) {
	text, args := selectNote+`project = ?`, []any{f.Project}
	if f.Checkpoint != "" {
		text, args = text+` AND checkpoint <> '' AND checkpoint = ?`, append(args, f.Checkpoint)
	}
	if !f.Since.IsZero() {
		text, args = text+` AND at > ?`, append(args, sqlite.Nanos(f.Since))
	}
	if f.Before > 0 {
		text, args = text+` AND n < ?`, append(args, f.Before)
	}
	if f.After > 0 {
		text, args = text+` AND n > ?`, append(args, f.After)
	}
	order := ` ORDER BY n DESC`
	if f.Oldest {
		order = ` ORDER BY n`
	}
	return sqlite.Read(ctx, b.db, scanNote, text+order+` LIMIT ?`, append(args, limit(f.Limit))...)
}

func scanNote(rows *sql.Rows) (n orchestron.Note, err error) {
	var number, at int64
	var content string
	err = rows.Scan(&number, &n.Project, &content, &n.Notes, &n.Checkpoint, &n.By, &n.Session, &at)
	n.ID, n.At = orchestron.NoteIDOf(number), sqlite.Moment(at)
	if content != "" {
		n.Context = json.RawMessage(content)
	}
	return n, err
}

// AddNotice stores a notice and gives it its Seq, which no other ever has.
func (tx Tx) AddNotice(n *boardapi.Notice) error {
	result, err := tx.Exec(`INSERT INTO notices (agent, task, urgent, text, at) VALUES (?, ?, ?, ?, ?)`,
		n.Agent, n.Task, n.Urgent, n.Text, sqlite.Nanos(n.At))
	if err != nil {
		return fmt.Errorf("adding a notice for %s: %w", n.Agent, err)
	}
	n.Seq, err = result.LastInsertId()
	return err
}

// DropNotices removes the agent's notices up to a Seq, which it names too.
func (tx Tx) DropNotices(upTo int64, agent orchestron.AgentID) error {
	_, err := tx.Exec(`DELETE FROM notices WHERE seq <= ? AND agent = ?`, upTo, agent)
	return err
}

// Notices returns all notices, oldest first.
func (b Store) Notices(ctx context.Context) ([]boardapi.Notice, error) {
	return sqlite.Read(ctx, b.db, scanNotice, `SELECT seq, batch, agent, task, urgent, text, at FROM notices ORDER BY seq`)
}

func scanNotice(rows *sql.Rows) (n boardapi.Notice, err error) {
	var at int64
	err = rows.Scan(&n.Seq, &n.Batch, &n.Agent, &n.Task, &n.Urgent, &n.Text, &at)
	n.At = sqlite.Moment(at)
	return n, err
}
