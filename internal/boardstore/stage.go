package boardstore

import (
	"context"
	"database/sql"

	"github.com/orchestron/orchestron/internal/sqlite"
)

// What is imported is put on boards that nobody sees, for as long as it takes. Such a board is called as the one it is for,
// behind a character that begins no project.
const (
	hidden  = '\x01'
	staging = `SELECT id FROM boards WHERE project < '` + string(hidden+1) + `'`
	visible = ` AND board NOT IN (` + staging + `)`
)

// board is the name of the board that things of a project are on.
func (tx Tx) board(project string) string {
	if tx.staged {
		return string(hidden) + project
	}
	return project
}

// actor is the name of whoever changed something. In what is imported it stands behind the same character, also when that
// has landed.
func (tx Tx) actor(by string) string { return tx.board(by) }

// seen is the condition on tasks that the change may know of.
func (tx Tx) seen() string {
	if tx.staged {
		return ``
	}
	return visible
}

// Stage is Write for a part of an import: what it adds is seen by nothing but Stage until a change has it land.
func (b Store) Stage(ctx context.Context, do func(Tx) error) error {
	return b.db.Write(ctx, func(tx *sqlite.Tx) error { return do(Tx{tx, true}) })
}

type place struct {
	id      int64
	project string
}

// Land makes what was staged part of the boards that it is for. That takes as long as moving the smaller of both boards
// to the larger: nothing when there was none.
func (tx Tx) Land() error {
	boards, err := sqlite.Collect(tx.Query, func(rows *sql.Rows) (p place, err error) {
		err = rows.Scan(&p.id, &p.project)
		return p, err
	}, `SELECT id, substr(project, 2) FROM boards WHERE id IN (`+staging+`)`)
	if err != nil {
		return err
	}
	for _, b := range boards {
		there, err := sqlite.Collect(tx.Query, sqlite.ScanInt, `SELECT id FROM boards WHERE project = ?`, b.project)
		if err != nil {
			return err
		}
		stays := b.id
		if len(there) > 0 {
			if stays, err = tx.merge(there[0], b.id); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`UPDATE boards SET project = ? WHERE id = ?`, b.project, stays); err != nil {
			return err
		}
	}
	return nil
}

// merge puts what is on two boards on one of them, and returns which. The other is gone.
func (tx Tx) merge(one, other int64) (stays int64, err error) {
	order, err := sqlite.Collect(tx.Query, sqlite.ScanInt, `SELECT id FROM boards WHERE id IN (?, ?) ORDER BY
		(SELECT count(*) FROM tasks WHERE board = id) + (SELECT count(*) FROM changes WHERE board = id), id`, one, other)
	if err != nil {
		return 0, err
	}
	smaller, larger := order[0], order[1]
	for _, table := range []string{"tasks", "task_labels", "changes", "sprints", "notes"} {
		if _, err := tx.Exec(`UPDATE `+table+` SET board = ? WHERE board = ?`, larger, smaller); err != nil {
			return 0, err
		}
	}
	_, err = tx.Exec(`DELETE FROM boards WHERE id = ?`, smaller)
	return larger, err
}

const unstaged = 250 // rows that are removed at once

// Unstage removes what was staged and has not landed, a little at a time.
func (b Store) Unstage(ctx context.Context) error {
	left, err := sqlite.Read(ctx, b.db, sqlite.ScanInt, staging)
	for err == nil && len(left) > 0 {
		err = b.db.Write(ctx, func(tx *sqlite.Tx) (err error) {
			left, err = Tx{tx, true}.unstage()
			return err
		})
	}
	return err
}

// unstage removes some of what was staged, and returns the boards that are left.
func (tx Tx) unstage() ([]int64, error) {
	const some = ` IN (SELECT n FROM tasks WHERE board IN (` + staging + `) ORDER BY n LIMIT ?)`
	steps := []string{
		`DELETE FROM task_text WHERE rowid IN (SELECT rank << 60 | n FROM tasks WHERE n` + some + `)`,
		`DELETE FROM task_needs WHERE n` + some,
		`DELETE FROM task_labels WHERE board IN (` + staging + `) AND n` + some,
		`DELETE FROM tasks WHERE n` + some,
		`DELETE FROM changes WHERE seq IN (SELECT seq FROM changes WHERE board IN (` + staging + `) LIMIT ?)`,
		`DELETE FROM notes WHERE n IN (SELECT n FROM notes WHERE board IN (` + staging + `) LIMIT ?)`,
	}
	for _, step := range steps {
		if _, err := tx.Exec(step, unstaged); err != nil {
			return nil, err
		}
	}
	if _, err := tx.Exec(`DELETE FROM boards WHERE id IN (` + staging + `) AND NOT EXISTS (SELECT 1 FROM tasks WHERE board = id)
		AND NOT EXISTS (SELECT 1 FROM changes WHERE board = id) AND NOT EXISTS (SELECT 1 FROM notes WHERE board = id)`); err != nil {
		return nil, err
	}
	return sqlite.Collect(tx.Query, sqlite.ScanInt, staging)
}
