package boardstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

const (
	maxWords = 32   // in a search
	many     = 1000 // tasks, which are too many to look at each
)

// placeOf is where a task stands in the order.
func placeOf(t orchestron.Task) boardapi.Place {
	return boardapi.Place{Rank: t.Priority.Rank(), Number: t.ID.Number()}
}

const (
	rankShift  = 60 // numbers have less than 60 bits
	numberMask = `1152921504606846975`
)

// What tells where a task stands in the order, when tasks are found by what.
const (
	byRow    = `t.rank, t.n`
	byLabel  = `l.rank, l.n`
	byKey    = `task_text.rowid`
	byStatus = `` // in order for each status only
)

// key is a place as one number of the same order.
func key(p boardapi.Place) int64 { return int64(p.Rank)<<rankShift | p.Number }

// Tasks returns the tasks that a filter chooses, the most urgent first, then the oldest. A Text in which there is no
// word chooses none.
func (b Store) Tasks(ctx context.Context, f boardapi.Filter) ([]orchestron.Task, error) {
	found, err := findTasks(b.db.Reader(ctx), f)
	return found, b.db.ReadError(err)
}

// NextReady returns the first task that is ready of those that a filter chooses, or NotFound.
func (tx Tx) NextReady(f boardapi.Filter) (orchestron.Task, error) {
	f.Ready, f.Limit = true, 1
	found, err := nextReady(tx.Query, f)
	if err == nil && len(found) == 0 {
		err = orchestron.Errorf(orchestron.NotFound, "no such task is ready")
	}
	if err != nil {
		return orchestron.Task{}, err
	}
	return found[0], nil
}

// nextReady finds the first of the tasks of each whose tasks are wanted, by the index, and returns the first of these.
func nextReady(q sqlite.Query, f boardapi.Filter) ([]orchestron.Task, error) {
	if len(f.For) == 0 {
		return findTasks(q, f)
	}
	var first []orchestron.Task
	for _, assignee := range f.For {
		s := selection{from: `tasks t INDEXED BY tasks_free`, place: byRow}
		s.and(`t.ready = 1 AND t.board = `+boardID+` AND t.assignee = ?`, f.Project, assignee)
		rest := f
		rest.For = nil
		text, args := s.tasks(rest)
		found, err := sqlite.Collect(q, scanTask, text, args...)
		if err != nil {
			return nil, err
		}
		if len(first) == 0 || len(found) > 0 && before(found[0], first[0]) {
			first = found
		}
	}
	return first, nil
}

// ReadyFor returns the agents that are to do tasks of a project that are ready. It goes from name to name by the index,
// and past those of people.
func (tx Tx) ReadyFor(project string) ([]string, error) {
	return sqlite.Collect(tx.Query, sqlite.ScanText, `WITH RECURSIVE names (name, beyond) AS (
		VALUES ('exec_', 'exec`+"`"+`'), ('mgr_', 'mgr`+"`"+`'), ('spec_', 'spec`+"`"+`')
		UNION ALL
		SELECT (SELECT min(assignee) FROM tasks INDEXED BY tasks_free
			WHERE ready = 1 AND board = `+boardID+` AND assignee > name AND assignee < beyond), beyond
		FROM names WHERE name IS NOT NULL
	) SELECT name FROM names WHERE name NOT IN ('exec_', 'mgr_', 'spec_') ORDER BY name`, project)
}

func before(a, b orchestron.Task) bool {
	x, y := boardapi.PlaceOf(a), boardapi.PlaceOf(b)
	return x.Rank < y.Rank || x.Rank == y.Rank && x.Number < y.Number
}

func findTasks(q sqlite.Query, f boardapi.Filter) ([]orchestron.Task, error) {
	words := strings.FieldsFunc(f.Text, separates)
	switch {
	case len(words) > maxWords:
		return nil, orchestron.Errorf(orchestron.Invalid, "the text to search for has %d words, more than %d", len(words), maxWords).
			Try("search for fewer words")
	case len(words) == 0 && f.Text != "":
		return []orchestron.Task{}, nil
	}
	s, few, err := narrowest(q, ways(f), len(words) > 0)
	if err != nil {
		return nil, err
	}
	if f.Text = phrase(words); f.Text != "" && !few {
		s, f.Text = byText(f.Text), ""
	}
	text, args := s.tasks(f)
	return sqlite.Collect(q, scanTask, text, args...)
}

// narrowest returns the way past the fewest tasks, and whether those are few, which one way alone is asked only when
// that must be known. SQLite does not know it, because it depends on the values. Ways past many tasks are equally good:
// enough of those that are wanted are soon found on them.
func narrowest(q sqlite.Query, ways []selection, must bool) (best selection, few bool, err error) {
	best, least := ways[0], many
	if len(ways) == 1 && !must {
		return best, false, nil
	}
	for _, way := range ways {
		n, err := sqlite.Collect(q, sqlite.ScanInt, `SELECT count(*) FROM (SELECT 1 FROM `+way.from+way.condition()+` LIMIT ?)`, append(way.args, least)...)
		if err != nil {
			return best, false, err
		}
		if n := int(n[0]); n < least {
			best, least = way, n
		}
	}
	return best, least < many, nil
}

// ways returns the indexes that have the tasks of a filter in order.
func ways(f boardapi.Filter) []selection {
	var all []selection
	add := func(from, where string, args ...any) {
		all = append(all, selection{from: from, where: []string{where}, args: args, place: byRow})
	}
	if f.Parent != "" {
		add(`tasks t INDEXED BY tasks_parent`, `t.parent > 0 AND t.parent = ?`, f.Parent.Number())
	}
	if f.Project == "" || f.ByNumber {
		add(`tasks t NOT INDEXED`, `true`)
		return all[:1]
	}
	if f.Assignee != "" {
		add(`tasks t INDEXED BY tasks_assignee`, `t.assignee <> '' AND t.board = `+boardID+` AND t.assignee = ?`, f.Project, f.Assignee)
	}
	if f.Sprint != "" {
		add(`tasks t INDEXED BY tasks_sprint`, `t.sprint <> '' AND t.board = `+boardID+` AND t.sprint = ?`, f.Project, f.Sprint)
	}
	if f.Label != "" {
		s := selection{from: `task_labels l`, join: ` CROSS JOIN tasks t ON t.n = l.n`, place: byLabel}
		s.and(`l.board = `+boardID+` AND l.label = ?`, f.Project, f.Label)
		all = append(all, s)
	}
	if f.Ready {
		add(`tasks t INDEXED BY tasks_ready`, `t.ready = 1 AND t.board = `+boardID, f.Project)
	}
	if len(f.Statuses) > 0 || len(all) == 0 {
		s := selection{from: `tasks t INDEXED BY tasks_status`, place: byStatus}
		s.and(`t.board = `+boardID, f.Project)
		in(&s, `t.status`, f.Statuses)
		all = append(all, s)
	}
	return all
}

// selection is a query for tasks under way.
type selection struct {
	from  string // what is walked along
	join  string // the tasks to it, if they are not that
	where []string
	args  []any
	place string // the columns that tell where a task stands in the order
}

func (s *selection) and(condition string, args ...any) {
	s.where, s.args = append(s.where, condition), append(s.args, args...)
}

// in adds a condition on a column, which is the same text however often a value is named.
func in[T cmp.Ordered](s *selection, column string, values []T) {
	values = distinct(values)
	if len(values) == 0 {
		return
	}
	s.where = append(s.where, column+` IN (?`+strings.Repeat(`, ?`, len(values)-1)+`)`)
	for _, v := range values {
		s.args = append(s.args, v)
	}
}

func distinct[T cmp.Ordered](all []T) []T { return slices.Compact(slices.Sorted(slices.Values(all))) }

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
	if f.Text != "" { // a phrase by now
		s.and(`(t.rank << 60 | t.n) IN (SELECT rowid FROM task_text WHERE task_text MATCH ?)`, f.Text)
	}
	in(s, `t.status`, f.Statuses)
	in(s, `t.type`, f.Types)
	in(s, `t.assignee`, f.For)
	in(s, `t.rank`, ranks(f.Priorities))
}

// tasks returns the query for the tasks of a filter.
func (s *selection) tasks(f boardapi.Filter) (string, []any) {
	if s.place == byStatus && !f.ByNumber {
		return eachStatus(f)
	}
	s.match(f)
	return s.rows(`t.doc`, f)
}

func (s *selection) condition() string { return ` WHERE ` + strings.Join(s.where, ` AND `) }

// rows returns the query for columns of the tasks behind f.After, in order.
func (s *selection) rows(columns string, f boardapi.Filter) (string, []any) {
	order := s.place
	switch {
	case f.ByNumber:
		order = `t.n`
		s.and(`t.n > ?`, f.After.Number)
	case order == byKey:
		s.and(byKey+` > ?`, key(f.After))
	case f.After != boardapi.Place{}:
		s.and(`(`+order+`) > (?, ?)`, f.After.Rank, f.After.Number)
	}
	return `SELECT ` + columns + ` FROM ` + s.from + s.join + s.condition() + ` ORDER BY ` + order + ` LIMIT ?`,
		append(s.args, limit(f.Limit))
}

// eachStatus asks for the tasks of each status, in order and no more than wanted, and puts them together.
func eachStatus(f boardapi.Filter) (string, []any) {
	statuses := orchestron.TaskStatuses
	if len(f.Statuses) > 0 {
		statuses = distinct(f.Statuses)
	}
	var parts []string
	var args []any
	for _, status := range statuses {
		f.Statuses = []orchestron.TaskStatus{status}
		s := selection{from: `tasks t INDEXED BY tasks_status`, place: byRow}
		s.match(f)
		part, values := s.rows(`t.rank, t.n`, f)
		parts, args = append(parts, `SELECT * FROM (`+part+`)`), append(args, values...)
	}
	return `SELECT doc FROM (` + strings.Join(parts, ` UNION ALL `) + ` ORDER BY rank, n LIMIT ?) c
		CROSS JOIN tasks USING (n) ORDER BY c.rank, c.n`, append(args, limit(f.Limit))
}

// byText finds tasks by a phrase, in the order in which they are listed.
func byText(phrase string) selection {
	s := selection{from: `task_text`, join: ` CROSS JOIN tasks t ON t.n = task_text.rowid & ` + numberMask, place: byKey}
	s.and(`task_text MATCH ?`, phrase)
	return s
}

// phrase is how words that need no escaping are searched for.
func phrase(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return `"` + strings.Join(words, `" "`) + `" *`
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
