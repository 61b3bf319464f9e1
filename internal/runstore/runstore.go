// Package runstore keeps agents working together in the database: runs and their steps.
package runstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// Store is the part of a database that keeps agents working together. It is safe for concurrent use.
type Store struct{ db *sqlite.DB }

// In returns the runs in a database. They are usable until it is closed.
func In(db *sqlite.DB) Store { return Store{db} }

// Write is the database's Write.
func (r Store) Write(ctx context.Context, do func(Tx) error) error {
	return r.db.Write(ctx, func(tx *sqlite.Tx) error { return do(Tx{tx}) })
}

// Tx is one change under way.
type Tx struct{ *sqlite.Tx }

const (
	selectRun  = `SELECT n, doc FROM runs `
	selectLine = `SELECT n, coalesce(line, doc) FROM runs `
	selectStep = `SELECT agent, key, prompt, message, state, answer, error, doc FROM run_steps WHERE run = ? ORDER BY n`
)

func noRun(id coordinateapi.RunID) *orchestron.Error {
	return orchestron.Errorf(orchestron.NotFound, "there is no run %s", id)
}

// Run returns a run with its steps, or NotFound.
func (r Store) Run(ctx context.Context, id coordinateapi.RunID) (coordinateapi.Run, error) {
	run, err := sqlite.ReadOne(ctx, r.db, scanRun, noRun(id), selectRun+`WHERE n = ?`, id.Number())
	if err != nil {
		return run, err
	}
	run.Steps, err = sqlite.Read(ctx, r.db, scanRunStep, selectStep, id.Number())
	return run, err
}

// List returns the runs that a filter chooses, the newest first, without long texts: their own and their steps'.
func (r Store) List(ctx context.Context, f coordinateapi.Filter) ([]coordinateapi.Run, error) {
	where, args, err := chosen(f)
	if err != nil {
		return nil, err
	}
	found, err := sqlite.Read(ctx, r.db, scanRun, selectLine+where+`ORDER BY n DESC LIMIT ?`, append(args, cmp.Or(f.Limit, -1))...)
	if err != nil {
		return found, err
	}
	for i := range found {
		found[i].Steps, err = sqlite.Read(ctx, r.db, scanRunStep,
			`SELECT agent, key, '', message, state, '', error, doc FROM run_steps WHERE run = ? ORDER BY n`, found[i].ID.Number())
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// chosen is the condition that a filter is.
func chosen(f coordinateapi.Filter) (where string, args []any, err error) {
	var all []string
	if len(f.States) > 0 {
		all = append(all, `state IN (?`+strings.Repeat(", ?", len(f.States)-1)+`)`)
		for _, s := range f.States {
			args = append(args, s)
		}
	}
	if f.Kind != "" {
		all, args = append(all, `kind = ?`), append(args, f.Kind)
	}
	if f.Coordinator != "" {
		all, args = append(all, `coordinator = ?`), append(args, f.Coordinator)
	}
	if f.By != nil {
		ids, err := json.Marshal(f.By)
		if err != nil {
			return "", nil, err
		}
		all, args = append(all, `actor IN (SELECT value FROM json_each(?))`), append(args, string(ids))
	}
	if len(all) == 0 {
		return "", nil, nil
	}
	return `WHERE ` + strings.Join(all, ` AND `) + ` `, args, nil
}

// Open returns the runs that are not over with their steps, oldest first.
func (r Store) Open(ctx context.Context) ([]coordinateapi.Run, error) {
	found, err := sqlite.Read(ctx, r.db, scanRun, selectRun+`WHERE over = 0 ORDER BY n`)
	if err != nil {
		return found, err
	}
	for i := range found {
		if found[i].Steps, err = sqlite.Read(ctx, r.db, scanRunStep, selectStep, found[i].ID.Number()); err != nil {
			return found, err
		}
	}
	return found, nil
}

// Drop removes the runs that have been over since before a time.
func (r Store) Drop(ctx context.Context, before time.Time) error {
	return r.db.Drop(ctx, "runs", "over = 1 AND updated < ?", before)
}

// OpenRuns counts the runs that an actor asked for and that are not over.
func (tx Tx) OpenRuns(actor orchestron.Actor) (int64, error) {
	found, err := sqlite.Collect(tx.Query, sqlite.ScanInt, `SELECT count(*) FROM runs WHERE over = 0 AND actor = ?`, actor.String())
	if err != nil {
		return 0, err
	}
	return found[0], nil
}

// PutRun stores a run without its steps, in place of what was stored under its id.
func (tx Tx) PutRun(r coordinateapi.Run) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("storing %s: %w", r.ID, err)
	}
	line, err := json.Marshal(r.Brief())
	if err != nil {
		return fmt.Errorf("storing %s: %w", r.ID, err)
	}
	_, err = tx.Exec(`INSERT INTO runs (n, kind, state, over, actor, updated, doc, line) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (n) DO UPDATE SET state = excluded.state, over = excluded.over, updated = excluded.updated, doc = excluded.doc, line = excluded.line`,
		r.ID.Number(), r.Kind, r.State, r.State.Over(), r.Actor.String(), sqlite.Nanos(r.Updated), string(doc), string(line))
	return err
}

// AddStep stores a step of a run. It is a Conflict when there is one of its number or its key.
func (tx Tx) AddStep(id coordinateapi.RunID, s coordinateapi.Step) error {
	doc, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO run_steps (run, n, agent, key, prompt, message, state, answer, error, doc)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id.Number(), s.N, s.Agent, s.Key, s.Prompt, s.Message, s.State, s.Answer, s.Error, string(doc))
	switch {
	case sqlite.Orphan(err):
		return noRun(id)
	case sqlite.Exists(err):
		return orchestron.Errorf(orchestron.Conflict, "%s has a step %d or one with the key %s already", id, s.N, s.Key)
	}
	return err
}

// PutStep stores what became of a step, or returns NotFound. Its prompt and its key never change.
func (tx Tx) PutStep(id coordinateapi.RunID, s coordinateapi.Step) error {
	doc, err := json.Marshal(s)
	if err != nil {
		return err
	}
	missing := orchestron.Errorf(orchestron.NotFound, "%s has no step %d", id, s.N)
	return tx.Touch(missing, `UPDATE run_steps SET agent = ?, message = ?, state = ?, answer = ?, error = ?, doc = ? WHERE run = ? AND n = ?`,
		s.Agent, s.Message, s.State, s.Answer, s.Error, string(doc), id.Number(), s.N)
}

func scanRun(rows *sql.Rows) (r coordinateapi.Run, err error) {
	var n int64
	var doc string
	if err := rows.Scan(&n, &doc); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(doc), &r); err != nil {
		return r, fmt.Errorf("reading %s: %w", coordinateapi.RunIDOf(n), err)
	}
	return r, nil
}

func scanRunStep(rows *sql.Rows) (s coordinateapi.Step, err error) {
	var key, prompt, answer, doc string
	var agent, message, state, reason string
	if err := rows.Scan(&agent, &key, &prompt, &message, &state, &answer, &reason, &doc); err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(doc), &s); err != nil {
		return s, fmt.Errorf("reading a step of a run: %w", err)
	}
	s.Agent, s.Key, s.Prompt, s.Message = orchestron.AgentID(agent), key, prompt, orchestron.MessageID(message)
	s.State, s.Answer, s.Error = coordinateapi.StepState(state), answer, reason
	return s, nil
}
