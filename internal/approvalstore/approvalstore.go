// Package approvalstore keeps approvals in the database.
package approvalstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/approvalapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// Store is the part of a database that keeps approvals. It is safe for concurrent use.
type Store struct{ db *sqlite.DB }

// In returns the approvals in a database. They are usable until it is closed.
func In(db *sqlite.DB) Store { return Store{db} }

// Write is the database's Write.
func (s Store) Write(ctx context.Context, do func(Tx) error) error {
	return s.db.Write(ctx, func(tx *sqlite.Tx) error { return do(Tx{tx}) })
}

// Tx is one change under way.
type Tx struct{ *sqlite.Tx }

// Since returns the cases that are pending or were settled at a time or later, oldest first.
func (s Store) Since(ctx context.Context, settled time.Time) ([]approvalapi.Case, error) {
	return sqlite.Read(ctx, s.db, scanCase,
		`SELECT doc, input FROM approvals WHERE state = 'pending' OR settled >= ? ORDER BY n`, sqlite.Nanos(settled))
}

// List returns the newest limit approvals after one, oldest first: those in a state and of an agent, where they are not
// empty. The state always stands for those that count for ever.
func (s Store) List(ctx context.Context, state approvalapi.State, agent orchestron.AgentID, after int64, limit int) ([]approvalapi.Case, error) {
	return sqlite.Read(ctx, s.db, scanCase, `SELECT doc, x'' FROM (SELECT n, doc FROM approvals
		WHERE n > ?1 AND (?2 = '' OR state = ?2 OR ?2 = '`+approvalapi.Always+`' AND always = 1) AND (?3 = '' OR agent = ?3) ORDER BY n DESC LIMIT ?4) ORDER BY n`,
		after, state, agent, limit)
}

// Approval returns a case, or NotFound.
func (s Store) Approval(ctx context.Context, id approvalapi.ID) (approvalapi.Case, error) {
	return sqlite.ReadOne(ctx, s.db, scanCase, approvalapi.Missing(id), selectCase+`WHERE n = ?`, id.Number())
}

const selectCase = `SELECT doc, input FROM approvals `

// Approval returns a case, or NotFound.
func (tx Tx) Approval(id approvalapi.ID) (approvalapi.Case, error) {
	return sqlite.One(tx.Query, scanCase, approvalapi.Missing(id), selectCase+`WHERE n = ?`, id.Number())
}

// Of returns the case of a hook's record, if there is one.
func (tx Tx) Of(record string) (approvalapi.Case, bool, error) {
	return first(tx, selectCase+`WHERE record = ?`, record)
}

// Always returns the case that was answered once for all that is the same of an agent, if there is one.
func (tx Tx) Always(agent orchestron.AgentID, same string) (approvalapi.Case, bool, error) {
	return first(tx, selectCase+`WHERE agent = ? AND same = ? AND always = 1 ORDER BY n LIMIT 1`, agent, same)
}

func first(tx Tx, text string, args ...any) (c approvalapi.Case, found bool, err error) {
	all, err := sqlite.Collect(tx.Query, scanCase, text, args...)
	if err != nil || len(all) == 0 {
		return c, false, err
	}
	return all[0], true, nil
}

// PutApproval stores a case, in place of what was stored under its id.
func (tx Tx) PutApproval(c approvalapi.Case) error {
	doc, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("storing %s: %w", c.ID, err)
	}
	input := []byte(c.Input)
	if input == nil {
		input = []byte{}
	}
	_, err = tx.Exec(`INSERT INTO approvals (n, record, agent, state, same, always, settled, doc, input) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (n) DO UPDATE SET state = excluded.state, always = excluded.always, settled = excluded.settled, doc = excluded.doc`,
		c.ID.Number(), c.Record, c.Agent, c.State, c.Same, c.Always(),
		sqlite.Nanos(c.Settled), string(doc), input)
	return err
}

// DropApprovals removes those that were settled before a time. What counts for ever goes when its agent is gone, or
// has ended before that time.
func (tx Tx) DropApprovals(before time.Time) error {
	_, err := tx.Exec(`DELETE FROM approvals WHERE settled > 0 AND settled < ?1 AND (always = 0 OR agent NOT IN (
		SELECT id FROM agents WHERE status NOT IN ('stopped', 'failed', 'lost') OR unixepoch(doc ->> '$.ended') * 1000000000 >= ?1))`,
		sqlite.Nanos(before))
	return err
}

func scanCase(rows *sql.Rows) (c approvalapi.Case, err error) {
	var doc string
	var input []byte
	if err := rows.Scan(&doc, &input); err != nil {
		return c, err
	}
	if err := json.Unmarshal([]byte(doc), &c); err != nil {
		return c, fmt.Errorf("reading an approval: %w", err)
	}
	if len(input) > 0 {
		c.Input = input
	}
	return c, nil
}
