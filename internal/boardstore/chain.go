package boardstore

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// Dependents returns the tasks that depend on a task, the oldest first.
func (tx Tx) Dependents(id orchestron.TaskID) ([]orchestron.TaskID, error) {
	return sqlite.Collect(tx.Query, func(rows *sql.Rows) (orchestron.TaskID, error) {
		n, err := sqlite.ScanInt(rows)
		return orchestron.TaskIDOf(n), err
	}, `SELECT n FROM task_needs WHERE need = ? ORDER BY n`, id.Number())
}

// Chain returns how the end of one task waits for that of another, both included, or nothing when it does not: it depends
// on the next in the chain, or that is a part of it. The chain from a task to itself is that task.
func (tx Tx) Chain(from, to orchestron.TaskID) ([]orchestron.TaskID, error) {
	start, end := from.Number(), to.Number()
	if start == end {
		return []orchestron.TaskID{from}, nil
	}
	// Whichever has fewer ends goes on, each in its turn when they have as many: either may end soon.
	const these = `IN (SELECT value FROM json_each(?1))`
	down := &walk{
		`SELECT n, need FROM task_needs WHERE n ` + these + ` UNION ALL SELECT parent, n FROM tasks WHERE parent > 0 AND parent ` + these,
		map[int64]int64{start: 0},
		[]int64{start},
	}
	up := &walk{
		`SELECT need, n FROM task_needs WHERE need ` + these + ` UNION ALL SELECT n, parent FROM tasks WHERE n ` + these + ` AND parent > 0`,
		map[int64]int64{end: 0},
		[]int64{end},
	}
	for turn := 0; len(down.ends) > 0 && len(up.ends) > 0; turn++ {
		one, other := down, up
		if len(up.ends) < len(down.ends) || len(up.ends) == len(down.ends) && turn%2 == 0 {
			one, other = up, down
		}
		met, err := one.step(tx.Query, other)
		if err != nil {
			return nil, fmt.Errorf("following what %s waits for: %w", from, err)
		}
		if met != 0 {
			return chain(down.from, up.from, met), nil
		}
	}
	return nil, nil
}

// walk follows dependencies in one direction, each task once.
type walk struct {
	text string          // of the query for the next tasks, and those they are reached from
	from map[int64]int64 // from where each task was reached; 0 at the start
	ends []int64         // the tasks that were reached last
}

// step goes one further and returns a task that the other walk has reached, too, or 0.
func (w *walk) step(q sqlite.Query, other *walk) (int64, error) {
	ends, err := json.Marshal(w.ends)
	if err != nil {
		return 0, err
	}
	steps, err := sqlite.Collect(q, scanStep, w.text, string(ends))
	w.ends = nil
	for _, s := range steps {
		if _, known := w.from[s.to]; known {
			continue
		}
		w.from[s.to] = s.from
		w.ends = append(w.ends, s.to)
		if _, met := other.from[s.to]; met {
			return s.to, err
		}
	}
	return 0, err
}

type step struct{ from, to int64 }

func scanStep(rows *sql.Rows) (s step, err error) {
	err = rows.Scan(&s.from, &s.to)
	return s, err
}

// chain puts together the two halves of a way, which meet in the middle.
func chain(down, up map[int64]int64, met int64) []orchestron.TaskID {
	var all []orchestron.TaskID
	for n := met; n != 0; n = down[n] {
		all = append(all, orchestron.TaskIDOf(n))
	}
	slices.Reverse(all)
	for n := up[met]; n != 0; n = up[n] {
		all = append(all, orchestron.TaskIDOf(n))
	}
	return all
}
