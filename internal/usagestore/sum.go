package usagestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/sqlite"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// Costs are added up in two parts, so that no sum is too large for SQLite.
const sums = ` count(*), sum(input), sum(output), sum(cache_read), sum(cache_write_5m), sum(cache_write_1h),
	coalesce(sum(cost / 1000000), 0), coalesce(sum(cost % 1000000), 0),
	coalesce(sum(CASE WHEN cost IS NULL THEN input + output + cache_read + cache_write_5m + cache_write_1h END), 0) `

type sum struct {
	amount       usageapi.Amount
	large, small int64 // of the cost
}

func (s *sum) targets() []any {
	t := &s.amount.Tokens
	return []any{
		&s.amount.Calls, &t.Input, &t.Output, &t.CacheRead, &t.CacheWrite5m, &t.CacheWrite1h, &s.large, &s.small, &s.amount.Unpriced,
	}
}

func (s *sum) total() usageapi.Amount {
	a := s.amount
	a.Total = a.Tokens.Total()
	a.Cost = usageapi.Money(1_000_000).Times(s.large).Plus(usageapi.Money(s.small))
	return a
}

// Contexts returns what the last call of each agent says of its context, those of sub-agents left out.
func (s Store) Contexts(ctx context.Context) (map[orchestron.AgentID]usageapi.Context, error) {
	contexts := map[orchestron.AgentID]usageapi.Context{}
	_, err := sqlite.Read(ctx, s.db, func(rows *sql.Rows) (struct{}, error) {
		var agent orchestron.AgentID
		var c usageapi.Context
		var at int64
		err := rows.Scan(&agent, &at, &c.Tokens, &c.Window, &c.Model, &c.Session)
		c.At = sqlite.Moment(at)
		contexts[agent] = c
		return struct{}{}, err
	}, `SELECT +agent, max(at), input + output + cache_read + cache_write_5m + cache_write_1h, context_window, model, session
		FROM usage WHERE sidechain = 0 GROUP BY +agent`) // beside max SQLite gives the columns of the row that has it
	return contexts, err
}

const nanosOfDay = int64(24 * time.Hour)

// Sums adds up the calls that a filter chooses by what it says: the latest days and turns first, else the most costly.
func (s Store) Sums(ctx context.Context, f usageapi.Filter) ([]usageapi.Row, error) {
	where, args, err := chosen(f)
	if err != nil {
		return nil, err
	}
	// A plus keeps SQLite from fetching row after row in an index's order, which is slower than to read them all.
	group, order := "+agent", "coalesce(sum(cost / 1000000), 0) DESC, sum(input + output) DESC, 1"
	switch f.By {
	case usageapi.ByAgent:
	case usageapi.ByModel:
		group = "+model"
	case usageapi.ByDay:
		group, order = "+at / 86400000000000", "1 DESC"
	case usageapi.ByTask:
		group = "+task"
	case usageapi.ByProject:
		group = "+project"
	case usageapi.ByTurn:
		group, order = "+agent, turn", "max(at) DESC, 1, turn"
	}
	key := group
	if f.By != usageapi.ByTurn {
		key += ", 0"
	}
	return sqlite.Read(ctx, s.db, scanSum(f.By), `SELECT `+key+`, max(message), min(nullif(at, 0)), max(at),`+sums+`FROM usage`+where+
		` GROUP BY `+group+` ORDER BY `+order, args...)
}

func scanSum(by usageapi.By) func(*sql.Rows) (usageapi.Row, error) {
	return func(rows *sql.Rows) (r usageapi.Row, err error) {
		var s sum
		var number, first, last sql.NullInt64
		key := any(&r.Agent)
		switch by {
		case usageapi.ByAgent, usageapi.ByTurn:
		case usageapi.ByModel:
			key = &r.Model
		case usageapi.ByProject:
			key = &r.Project
		case usageapi.ByDay, usageapi.ByTask:
			key = &number
		}
		if err := rows.Scan(append([]any{key, &r.Turn, &r.Message, &first, &last}, s.targets()...)...); err != nil {
			return r, err
		}
		r.First, r.Last, r.Amount = sqlite.Moment(first.Int64), sqlite.Moment(last.Int64), s.total()
		switch {
		case by == usageapi.ByDay:
			r.Day = time.Unix(0, number.Int64*nanosOfDay).UTC().Format(time.DateOnly)
		case by == usageapi.ByTask && number.Int64 > 0:
			r.Task = orchestron.TaskIDOf(number.Int64)
		}
		if by != usageapi.ByTurn {
			r.Message = ""
		}
		return r, nil
	}
}

// Skipped is how many lines of the transcripts of some agents, or of all, made no sense.
func (s Store) Skipped(ctx context.Context, agents []orchestron.AgentID) (int64, error) {
	where, args, err := chosen(usageapi.Filter{Agents: agents})
	if err != nil {
		return 0, err
	}
	found, err := sqlite.Read(ctx, s.db, sqlite.ScanInt, `SELECT coalesce(sum(skipped), 0) FROM usage_files`+where, args...)
	if err != nil {
		return 0, err
	}
	return found[0], nil
}

// chosen is a filter in SQL.
func chosen(f usageapi.Filter) (string, []any, error) {
	where, args := " WHERE 1", []any{}
	also := func(condition string, arg any) { where, args = where+" AND "+condition, append(args, arg) }
	if f.Agents != nil {
		list, err := json.Marshal(f.Agents)
		if err != nil {
			return "", nil, err
		}
		also("agent IN (SELECT value FROM json_each(?))", string(list))
	}
	if f.Project != "" {
		also("project = ?", f.Project)
	}
	if f.Task != "" {
		also("task > 0 AND task = ?", f.Task.Number())
	}
	if !f.Since.IsZero() {
		also("at >= ?", sqlite.Nanos(f.Since))
	}
	if !f.Until.IsZero() {
		also("at < ?", sqlite.Nanos(f.Until))
	}
	return where, args, nil
}

const turnsBefore = 16 // a prompt that waits in the program has the id of an earlier turn

// TurnsSince returns the turns of an agent that began after a time, and some before, oldest first.
func (s Store) TurnsSince(ctx context.Context, agent orchestron.AgentID, since time.Time) ([]usageapi.Turn, error) {
	return sqlite.Read(ctx, s.db, func(rows *sql.Rows) (t usageapi.Turn, err error) {
		var started int64
		err = rows.Scan(&t.ID, &t.Message, &t.Prompt, &started)
		t.Started = sqlite.Moment(started)
		return t, err
	}, `SELECT id, message, prompt_id, started FROM turns WHERE agent = ?1 AND id >= coalesce((SELECT min(id) FROM
		(SELECT id FROM turns WHERE agent = ?1 AND started <= ?2 ORDER BY id DESC LIMIT ?3)), 0) ORDER BY id`,
		agent, sqlite.Nanos(since), turnsBefore)
}

// Holds returns when an agent held tasks since a time.
func (s Store) Holds(ctx context.Context, agent orchestron.AgentID, since time.Time) ([]usageapi.Hold, error) {
	held, err := sqlite.Read(ctx, s.db, scanHold(agent), `SELECT n, doc ->> '$.lease' FROM tasks
		WHERE held = 1 AND doc ->> '$.lease.holder' = ?`, agent)
	if err != nil {
		return nil, err
	}
	changed, err := sqlite.Read(ctx, s.db, scanHold(agent), `SELECT task, fields ->> '$.lease' FROM changes
		WHERE seq > coalesce((SELECT seq FROM changes WHERE at < ? ORDER BY seq DESC LIMIT 1), 0) AND task > 0 AND fields <> ''
		AND ? IN (fields ->> '$.lease.holder', fields ->> '$.lease.previous') ORDER BY seq`, sqlite.Nanos(since), agent)
	return append(held, changed...), err
}

// scanHold reads a lease that an agent has, or had before.
func scanHold(agent orchestron.AgentID) func(*sql.Rows) (usageapi.Hold, error) {
	return func(rows *sql.Rows) (usageapi.Hold, error) {
		var task int64
		var text string
		var lease orchestron.Lease
		if err := rows.Scan(&task, &text); err != nil {
			return usageapi.Hold{}, err
		}
		if err := json.Unmarshal([]byte(text), &lease); err != nil {
			return usageapi.Hold{}, err
		}
		h := usageapi.Hold{Task: orchestron.TaskIDOf(task), Since: lease.Since}
		if lease.Holder != string(agent) { // it was the one before
			h.Since, h.Until = time.Time{}, lease.Ended
		}
		return h, nil
	}
}
