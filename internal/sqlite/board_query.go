package sqlite

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

const maxWords = 32 // in a search

// place orders tasks.
type place boardapi.Place

func placeOf(t orchestron.Task) place { return place{Rank: t.Priority.Rank(), Number: t.ID.Number()} }

const (
	rankShift  = 60 // numbers have less than 60 bits
	numberMask = `1152921504606846975`
	byKey      = `task_text.rowid`
)

// key is the place as one number of the same order.
func (p place) key() int64 { return int64(p.Rank)<<rankShift | p.Number }

// Tasks returns the tasks that a filter chooses, the most urgent first, then the oldest. A Text in which there is no
// word chooses none.
func (b Board) Tasks(ctx context.Context, f boardapi.Filter) ([]orchestron.Task, error) {
	found, err := findTasks(querier(ctx, b.db.read), f)
	return found, b.db.readError(err)
}

// NextReady returns the first task that is ready of those that a filter chooses, or NotFound.
func (tx *Tx) NextReady(f boardapi.Filter) (orchestron.Task, error) {
	f.Ready, f.Limit = true, 1
	found, err := findTasks(tx.query, f)
	if err == nil && len(found) == 0 {
		err = orchestron.Errorf(orchestron.NotFound, "no such task is ready")
	}
	if err != nil {
		return orchestron.Task{}, err
	}
	return found[0], nil
}

func findTasks(q query, f boardapi.Filter) ([]orchestron.Task, error) {
	words := strings.FieldsFunc(f.Text, separates)
	switch {
	case len(words) > maxWords:
		return nil, orchestron.Errorf(orchestron.Invalid, "the text to search for has %d words, more than %d", len(words), maxWords).
			Try("search for fewer words")
	case len(words) == 0 && f.Text != "":
		return []orchestron.Task{}, nil
	}
	text, args := choose(f, words)
	return collect(q, scanTask, text, args...)
}

// choose returns the query for a filter. It names the index, because SQLite does not know how many tasks a status or a
// label has, and because each index has the tasks in order, so that a query ends at the last task it returns.
func choose(f boardapi.Filter, words []string) (string, []any) {
	var s *selection
	ordered := f.Project != "" && !f.ByNumber
	switch {
	case len(words) > 0:
		s = byText(words, f)
	case f.Parent != "":
		s = byRow(`INDEXED BY tasks_parent`, f)
	case ordered && f.Assignee != "":
		s = byRow(`INDEXED BY tasks_assignee`, f)
	case ordered && f.Sprint != "":
		s = byRow(`INDEXED BY tasks_sprint`, f)
	case ordered && f.Label != "":
		s = byLabel(f)
	case ordered && f.Ready:
		s = byRow(`INDEXED BY tasks_ready`, f)
	case ordered:
		return byStatus(f)
	default:
		s = byRow(`NOT INDEXED`, f)
	}
	return s.rows(`t.doc`, f)
}

// selection is a query for tasks under way.
type selection struct {
	from  string
	where []string
	args  []any
	place string // the columns that tell where a task stands in the order, when they are not those of its row
}

func (s *selection) and(condition string, args ...any) {
	s.where, s.args = append(s.where, condition), append(s.args, args...)
}

func in[T any](s *selection, column string, values []T) {
	if len(values) == 0 {
		return
	}
	s.where = append(s.where, column+` IN (?`+strings.Repeat(`, ?`, len(values)-1)+`)`)
	for _, v := range values {
		s.args = append(s.args, v)
	}
}

// match adds the conditions on a task's row.
func (s *selection) match(f boardapi.Filter) {
	if f.Project != "" {
		s.and(`t.board = `+boardID, f.Project)
	}
	if f.Parent != "" {
		s.and(`t.parent > 0 AND t.parent = ?`, f.Parent.Number())
	}
	if f.Assignee != "" {
		s.and(`t.assignee <> '' AND t.assignee = ?`, f.Assignee)
	}
	if f.Sprint != "" {
		s.and(`t.sprint <> '' AND t.sprint = ?`, f.Sprint)
	}
	if f.Ready {
		s.and(`t.ready = 1`)
	}
	if f.Label != "" {
		s.and(`EXISTS (SELECT 1 FROM task_labels WHERE label = ? AND board = t.board AND rank = t.rank AND n = t.n)`, f.Label)
	}
	in(s, `t.status`, f.Statuses)
	in(s, `t.type`, f.Types)
	in(s, `t.rank`, ranks(f.Priorities))
}

// rows returns the query, which yields columns of the tasks behind f.After, in order.
func (s *selection) rows(columns string, f boardapi.Filter) (string, []any) {
	order := s.place
	switch {
	case f.ByNumber:
		order = `t.n`
		s.and(`t.n > ?`, f.After.Number)
	case order == byKey:
		s.and(byKey+` > ?`, place(f.After).key())
	case f.After != boardapi.Place{}:
		s.and(`(`+order+`) > (?, ?)`, f.After.Rank, f.After.Number)
	}
	text := `SELECT ` + columns + ` FROM ` + s.from
	if len(s.where) > 0 {
		text += ` WHERE ` + strings.Join(s.where, ` AND `)
	}
	return text + ` ORDER BY ` + order + ` LIMIT ?`, append(s.args, limit(f.Limit))
}

// byRow chooses by what stands in the rows of tasks. The index, when one is named, must be usable.
func byRow(hint string, f boardapi.Filter) *selection {
	s := &selection{from: `tasks t ` + hint, place: `t.rank, t.n`}
	s.match(f)
	return s
}

func byLabel(f boardapi.Filter) *selection {
	s := &selection{from: `task_labels l CROSS JOIN tasks t ON t.n = l.n`, place: `l.rank, l.n`}
	s.and(`l.label = ? AND l.board = `+boardID, f.Label, f.Project)
	in(s, `l.status`, f.Statuses)
	in(s, `l.rank`, ranks(f.Priorities))
	f.Label, f.Statuses, f.Priorities = "", nil, nil
	s.match(f)
	return s
}

func byText(words []string, f boardapi.Filter) *selection {
	s := &selection{from: `task_text CROSS JOIN tasks t ON t.n = task_text.rowid & ` + numberMask, place: byKey}
	s.and(`task_text MATCH ?`, `"`+strings.Join(words, `" "`)+`" *`)
	s.match(f)
	return s
}

// byStatus asks for the tasks of each status, in order and no more than needed, and puts them together.
func byStatus(f boardapi.Filter) (string, []any) {
	statuses := orchestron.TaskStatuses
	if len(f.Statuses) > 0 {
		statuses = slices.Compact(slices.Sorted(slices.Values(f.Statuses)))
	}
	var parts []string
	var args []any
	for _, status := range statuses {
		f.Statuses = []orchestron.TaskStatus{status}
		part, values := byRow(`INDEXED BY tasks_status`, f).rows(`t.rank, t.n`, f)
		parts, args = append(parts, `SELECT * FROM (`+part+`)`), append(args, values...)
	}
	return `SELECT doc FROM (` + strings.Join(parts, ` UNION ALL `) + ` ORDER BY rank, n LIMIT ?) c
		CROSS JOIN tasks USING (n) ORDER BY c.rank, c.n`, append(args, limit(f.Limit))
}

func ranks(priorities []orchestron.Priority) []int {
	var all []int
	for _, p := range priorities {
		all = append(all, p.Rank())
	}
	return all
}

// separates reports whether a character is not part of a word. What remains needs no escaping in a search.
func separates(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Co)
}
