package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

const codeNotNull = codeConflict | 5<<8

// Board is the part of a database that keeps boards.
type Board struct{ db *DB }

// Board returns the boards in the database. They are usable until Close.
func (db *DB) Board() Board { return Board{db} }

// Write is the database's Write.
func (b Board) Write(ctx context.Context, do func(*Tx) error) error { return b.db.Write(ctx, do) }

// Projects returns the projects that have tasks, sprints or notes, sorted.
func (b Board) Projects(ctx context.Context) ([]string, error) {
	return read(ctx, b.db, scanText, `SELECT project FROM boards ORDER BY project`)
}

// boardOf returns the number of a project's board, which is made when there is none.
func (tx *Tx) boardOf(project string) (int64, error) {
	found, err := collect(tx.query, scanInt, `SELECT id FROM boards WHERE project = ?`, project)
	if err != nil {
		return 0, err
	}
	if len(found) > 0 {
		return found[0], nil
	}
	result, err := tx.exec(`INSERT INTO boards (project) VALUES (?)`, project)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// RaiseOrdinal lets the stem's next ordinal be above to, at least.
func (tx *Tx) RaiseOrdinal(stem string, to int) error {
	_, err := tx.exec(`INSERT INTO ordinals (stem, n) VALUES (?, ?) ON CONFLICT (stem) DO UPDATE SET n = max(n, excluded.n)`,
		stem, to)
	return err
}

// AddChange appends a line to the history of a board and gives it its Seq.
func (tx *Tx) AddChange(c *orchestron.Change) error {
	add := func() (sql.Result, error) {
		return tx.exec(`INSERT INTO changes (at, actor, kind, board, task, text, fields) VALUES (?, ?, ?, `+boardID+`, ?, ?, ?)`,
			nanos(c.At), c.By, c.Kind, c.Project, c.Task.Number(), c.Text, string(c.Fields))
	}
	result, err := add()
	if codeOf(err) == codeNotNull { // the board is not there yet, for once
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
func (b Board) Changes(ctx context.Context, f boardapi.ChangeFilter) ([]orchestron.Change, error) {
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
	text += ` ORDER BY seq`
	if f.Last {
		text += ` DESC`
	}
	found, err := read(ctx, b.db, scanChange, text+` LIMIT ?`, append(args, limit(f.Limit))...)
	if f.Last {
		slices.Reverse(found)
	}
	return found, err
}

// LastChange returns the number of the newest change, and 0 when there is none.
func (b Board) LastChange(ctx context.Context) (int64, error) {
	last, err := one(querier(ctx, b.db.read), scanInt, nil, `SELECT coalesce(max(seq), 0) FROM changes`)
	return last, b.db.readError(err)
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
	c.At = moment(at)
	if task > 0 {
		c.Task = orchestron.TaskIDOf(task)
	}
	if fields != "" {
		c.Fields = json.RawMessage(fields)
	}
	return c, err
}
