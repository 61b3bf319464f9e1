// Package boardstore keeps boards in the database: tasks, sprints, saved contexts, notices and their history.
package boardstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// Store is the part of a database that keeps boards. It is safe for concurrent use.
type Store struct{ db *sqlite.DB }

// In returns the boards in a database. They are usable until it is closed.
func In(db *sqlite.DB) Store { return Store{db} }

// Write is the database's Write.
func (b Store) Write(ctx context.Context, do func(Tx) error) error {
	return b.db.Write(ctx, func(tx *sqlite.Tx) error { return do(Tx{Tx: tx}) })
}

// Tx is one change under way.
type Tx struct {
	*sqlite.Tx
	staged bool // what it adds is for boards that nobody sees, and it sees them
}

// Projects returns the projects that have tasks, sprints or notes, sorted.
func (b Store) Projects(ctx context.Context) ([]string, error) {
	return sqlite.Read(ctx, b.db, sqlite.ScanText, `SELECT project FROM boards WHERE project >= ? ORDER BY project`, string(hidden+1))
}

// boardOf returns the number of a project's board, which is made when there is none.
func (tx Tx) boardOf(project string) (int64, error) {
	found, err := sqlite.Collect(tx.Query, sqlite.ScanInt, `SELECT id FROM boards WHERE project = ?`, tx.board(project))
	if err != nil {
		return 0, err
	}
	if len(found) > 0 {
		return found[0], nil
	}
	result, err := tx.Exec(`INSERT INTO boards (project) VALUES (?)`, tx.board(project))
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// AddChange appends a line to the history of a board and gives it its Seq.
func (tx Tx) AddChange(c *orchestron.Change) error {
	add := func() (sql.Result, error) {
		return tx.Exec(`INSERT INTO changes (at, actor, kind, board, task, text, fields) VALUES (?, ?, ?, `+boardID+`, ?, ?, ?)`,
			sqlite.Nanos(c.At), tx.actor(c.By), c.Kind, tx.board(c.Project), c.Task.Number(), c.Text, string(c.Fields))
	}
	result, err := add()
	if sqlite.Empty(err) { // the board is not there yet, for once
		if _, err := tx.boardOf(c.Project); err != nil {
			return err
		}
		result, err = add()
	}
	if err != nil {
		return fmt.Errorf("adding %s to the history: %w", c.Kind, err)
	}
	c.Seq, err = result.LastInsertId()
	return err
}

// Changes returns the changes that a filter chooses, in order.
func (b Store) Changes(ctx context.Context, f boardapi.ChangeFilter) ([]orchestron.Change, error) {
	text, args := `SELECT seq, at, actor, kind, project, task, text, fields FROM changes JOIN boards ON id = board WHERE seq > ?`,
		[]any{f.After}
	if f.Task != "" {
		text, args = text+` AND task > 0 AND task = ?`, append(args, f.Task.Number())
	}
	if f.Project != "" {
		column := `board`
		if f.Task != "" {
			column = `+board` // is not searched by: a task has fewer
		}
		text, args = text+` AND `+column+` = `+boardID, append(args, f.Project)
	}
	if f.Here {
		text, args = text+` AND unicode(actor) IS NOT ?`, append(args, hidden)
	}
	text += ` ORDER BY seq`
	if f.Last {
		text += ` DESC`
	}
	found, err := sqlite.Read(ctx, b.db, scanChange, text+` LIMIT ?`, append(args, limit(f.Limit))...)
	if f.Last {
		slices.Reverse(found)
	}
	return found, err
}

const boardID = `(SELECT id FROM boards WHERE project = ?)`

// limit is how SQLite is told a limit that is none when it is 0.
func limit(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

func scanChange(rows *sql.Rows) (c orchestron.Change, err error) {
	var at, task int64
	var fields string
	err = rows.Scan(&c.Seq, &at, &c.By, &c.Kind, &c.Project, &task, &c.Text, &fields)
	c.At, c.By = sqlite.Moment(at), strings.TrimPrefix(c.By, string(hidden))
	if task > 0 {
		c.Task = orchestron.TaskIDOf(task)
	}
	if fields != "" {
		c.Fields = json.RawMessage(fields)
	}
	return c, err
}
