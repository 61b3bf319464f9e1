package boardstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

// boardModel is what the boards should hold: the tasks in the order of their numbers.
type boardModel struct {
	db    Store
	tasks []orchestron.Task
}

func TestBoardModel(t *testing.T) {
	db := openTemp(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := &boardModel{db: db}
		m.write(rt, func(tx Tx) error { // each round has the boards for itself
			for _, clear := range []string{
				`DELETE FROM tasks`, `DELETE FROM task_labels`, `DELETE FROM task_needs`, `DELETE FROM boards`,
				`INSERT INTO task_text (task_text) VALUES ('delete-all')`,
			} {
				if _, err := tx.Exec(clear); err != nil {
					return err
				}
			}
			return nil
		})
		rt.Repeat(map[string]func(*rapid.T){"add": m.add, "put": m.put, "fail": m.fail, "": m.check})
	})
}

func (m *boardModel) write(t *rapid.T, do func(Tx) error) {
	if err := m.db.Write(context.Background(), do); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// names that filters and tasks share, so that they often meet.
var (
	aProject  = rapid.SampledFrom([]string{"/p", "/p", "/p", "/q"})
	aName     = rapid.SampledFrom([]string{"", "ann", "exec_1", "spec_1_2"})
	aSprint   = rapid.SampledFrom([]string{"", "one", "two"})
	aLabel    = rapid.SampledFrom([]string{"ui", "db", "ui db", `"`})
	aWord     = rapid.SampledFrom([]string{"parse", "parser", "hex", "über", "x"})
	aStatus   = rapid.SampledFrom(orchestron.TaskStatuses)
	aType     = rapid.SampledFrom(orchestron.TaskTypes)
	aPriority = rapid.SampledFrom(orchestron.Priorities)
)

func words(t *rapid.T, what string) string {
	return strings.Join(rapid.SliceOfN(aWord, 0, 3).Draw(t, what), " ")
}

// someTask is the id of a task, mostly of one that is there.
func (m *boardModel) someTask(t *rapid.T, what string) orchestron.TaskID {
	return orchestron.TaskIDOf(int64(rapid.IntRange(1, len(m.tasks)+1).Draw(t, what)))
}

// draw changes everything that may change in a task, or only some of it.
func (m *boardModel) draw(t *rapid.T, task *orchestron.Task) {
	if rapid.Bool().Draw(t, "words") {
		task.Title, task.Description = words(t, "title"), words(t, "description")
	}
	if rapid.Bool().Draw(t, "kind") {
		task.Type, task.Priority = aType.Draw(t, "type"), aPriority.Draw(t, "priority")
	}
	if rapid.Bool().Draw(t, "state") {
		task.Status, task.Progress = aStatus.Draw(t, "status"), rapid.IntRange(0, 100).Draw(t, "progress")
		task.Lease.Holder, task.Waits = aName.Draw(t, "holder"), rapid.IntRange(0, 1).Draw(t, "waits")
	}
	if rapid.Bool().Draw(t, "place") {
		task.Assignee, task.Sprint = aName.Draw(t, "assignee"), aSprint.Draw(t, "sprint")
		task.Parent, task.Children = "", rapid.IntRange(0, 1).Draw(t, "children")
		if rapid.Bool().Draw(t, "has parent") {
			task.Parent = m.someTask(t, "parent")
		}
	}
	if rapid.Bool().Draw(t, "links") {
		task.Labels = rapid.SliceOfN(aLabel, 0, 3).Draw(t, "labels")
		task.DependsOn = nil
		for range rapid.IntRange(0, 2).Draw(t, "needs") {
			task.DependsOn = append(task.DependsOn, m.someTask(t, "need"))
		}
	}
}

func (m *boardModel) add(t *rapid.T) {
	task := plain(int64(len(m.tasks) + 1))
	task.Project = aProject.Draw(t, "project")
	m.draw(t, &task)
	m.write(t, func(tx Tx) error { return tx.AddTask(task) })
	m.tasks = append(m.tasks, task)
}

func (m *boardModel) put(t *rapid.T) {
	if len(m.tasks) == 0 {
		t.Skip("no task")
	}
	task := &m.tasks[rapid.IntRange(0, len(m.tasks)-1).Draw(t, "which")]
	before := *task
	m.draw(t, task)
	task.Version++
	m.write(t, func(tx Tx) error { return tx.PutTask(before, *task) })
}

// fail changes a task and adds one, and then fails: nothing of it may be seen.
func (m *boardModel) fail(t *rapid.T) {
	failed := errors.New("failed on purpose")
	err := m.db.Write(context.Background(), func(tx Tx) error {
		if len(m.tasks) > 0 {
			after := m.tasks[0]
			m.draw(t, &after)
			if err := tx.PutTask(m.tasks[0], after); err != nil {
				return err
			}
		}
		lost := plain(int64(len(m.tasks) + 1))
		m.draw(t, &lost)
		if err := tx.AddTask(lost); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatalf("Write = %v, want %v", err, failed)
	}
}

func maybe[T any](t *rapid.T, what string, g *rapid.Generator[T]) (v T) {
	if rapid.IntRange(0, 3).Draw(t, what+"?") == 0 {
		v = g.Draw(t, what)
	}
	return v
}

func (m *boardModel) drawFilter(t *rapid.T) boardapi.Filter {
	f := boardapi.Filter{
		Project:    maybe(t, "of project", rapid.Just("/p")),
		Statuses:   maybe(t, "of statuses", rapid.SliceOfN(aStatus, 1, 3)),
		Types:      maybe(t, "of types", rapid.SliceOfN(aType, 1, 3)),
		Priorities: maybe(t, "of priorities", rapid.SliceOfN(aPriority, 1, 3)),
		Assignee:   maybe(t, "of assignee", aName), Sprint: maybe(t, "of sprint", aSprint), Label: maybe(t, "of label", aLabel),
		Text:  maybe(t, "of text", rapid.Map(rapid.SliceOfN(aWord, 0, 2), func(w []string) string { return strings.Join(w, "-") })),
		Limit: maybe(t, "limit", rapid.IntRange(1, 3)),
		Ready: maybe(t, "ready", rapid.Bool()), ByNumber: maybe(t, "by number", rapid.Bool()),
		After: maybe(t, "after", rapid.Custom(func(t *rapid.T) boardapi.Place {
			return boardapi.Place{Rank: rapid.IntRange(0, 3).Draw(t, "rank"), Number: rapid.Int64Range(0, 9).Draw(t, "number")}
		})),
	}
	if maybe(t, "of parent", rapid.Just(true)) {
		f.Parent = m.someTask(t, "parent")
	}
	if rapid.Bool().Draw(t, "usual") {
		f.Project = "/p"
	}
	return f
}

func has[T comparable](all []T, v T) bool { return len(all) == 0 || slices.Contains(all, v) }

// finds reports whether the words of a text stand in a task, the last perhaps unfinished.
func finds(text string, t orchestron.Task) bool {
	if text == "" {
		return true
	}
	there, wanted := strings.Fields(t.Title+" "+t.Description), strings.Split(text, "-")
	for i, w := range wanted {
		if !slices.ContainsFunc(there, func(word string) bool {
			return word == w || i == len(wanted)-1 && strings.HasPrefix(word, w)
		}) {
			return false
		}
	}
	return true
}

func matches(f boardapi.Filter, t orchestron.Task) bool {
	return (f.Project == "" || f.Project == t.Project) && has(f.Statuses, t.Status) && has(f.Types, t.Type) && has(f.Priorities, t.Priority) &&
		(f.Assignee == "" || f.Assignee == t.Assignee) && (f.Sprint == "" || f.Sprint == t.Sprint) && (f.Parent == "" || f.Parent == t.Parent) &&
		(f.Label == "" || slices.Contains(t.Labels, f.Label)) && finds(f.Text, t) && (!f.Ready || t.Ready()) && (len(f.For) == 0 || slices.Contains(f.For, t.Assignee))
}

func (m *boardModel) chosen(f boardapi.Filter) []orchestron.Task {
	order := func(t orchestron.Task) (int, int64) {
		if f.ByNumber {
			return 0, t.ID.Number()
		}
		return t.Priority.Rank(), t.ID.Number()
	}
	if f.ByNumber {
		f.After.Rank = 0
	}
	all := []orchestron.Task{}
	for _, t := range m.tasks {
		rank, n := order(t)
		behind := cmp.Or(cmp.Compare(rank, f.After.Rank), cmp.Compare(n, f.After.Number)) > 0
		if behind && matches(f, t) {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b orchestron.Task) int {
		ra, na := order(a)
		rb, nb := order(b)
		return cmp.Or(cmp.Compare(ra, rb), cmp.Compare(na, nb))
	})
	if f.Limit > 0 && len(all) > f.Limit {
		all = all[:f.Limit]
	}
	return all
}

func (m *boardModel) check(t *rapid.T) {
	ctx, board := context.Background(), m.db
	got, err := board.Tasks(ctx, boardapi.Filter{ByNumber: true})
	same(t, "all tasks", got, m.chosen(boardapi.Filter{ByNumber: true}), err)
	f := m.drawFilter(t)
	got, err = board.Tasks(ctx, f)
	same(t, fmt.Sprintf("Tasks(%+v)", f), got, m.chosen(f), err)
	held := []orchestron.Task{}
	for _, task := range m.tasks {
		if task.Lease.Holder != "" {
			held = append(held, task)
		}
	}
	got, err = board.Leased(ctx)
	same(t, "Leased", got, held, err)
	sprint := aSprint.Draw(t, "progress of")
	done, err := board.Progress(ctx, "/p", sprint)
	same(t, "Progress of "+sprint, done, m.progress(sprint), err)
	f = m.drawFilter(t)
	f.Project, f.Ready, f.Limit = "/p", true, 1
	if f.For = maybe(t, "for", rapid.SliceOfN(aName, 1, 3)); len(f.For) > 0 { // as claims ask
		f.Text, f.ByNumber = "", false
	}
	one, other := m.someTask(t, "one"), m.someTask(t, "other")
	m.write(t, func(tx Tx) error {
		got, err := tx.NextReady(f)
		if want := m.chosen(f); len(want) == 0 && orchestron.KindOf(err) != orchestron.NotFound {
			t.Errorf("NextReady(%+v) = %v, %v, want none", f, got, err)
		} else if len(want) > 0 {
			same(t, fmt.Sprintf("NextReady(%+v)", f), got, want[0], err)
		}
		names, err := tx.ReadyFor("/p")
		same(t, "ReadyFor", names, m.readyFor(), err)
		sum, err := tx.Rollup(one)
		same(t, "Rollup", sum, m.rollup(one), err)
		m.checkNeeds(t, tx, one, other)
		return nil
	})
}

// readyFor is the agents that are to do tasks that are ready.
func (m *boardModel) readyFor() []string {
	all := []string{}
	for _, t := range m.tasks {
		if t.Project == "/p" && t.Ready() && orchestron.AgentID(t.Assignee).Valid() {
			all = append(all, t.Assignee)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (m *boardModel) progress(sprint string) boardapi.Progress {
	p, leaves, sum := boardapi.Progress{ByStatus: map[orchestron.TaskStatus]int{}}, 0, 0
	for _, t := range m.tasks {
		if t.Project != "/p" || sprint != "" && t.Sprint != sprint {
			continue
		}
		p.Tasks++
		p.ByStatus[t.Status]++
		if t.Children == 0 && t.Status != orchestron.Cancelled {
			leaves, sum = leaves+1, sum+t.Progress
		}
	}
	p.Percent = sum / max(leaves, 1)
	return p
}

func (m *boardModel) rollup(parent orchestron.TaskID) (r boardapi.Rollup) {
	for _, t := range m.tasks {
		if t.Parent != parent {
			continue
		}
		r.Children++
		if !t.Status.Over() {
			r.Open++
		}
		if t.Status != orchestron.Cancelled {
			r.Counted, r.Sum = r.Counted+1, r.Sum+t.Progress
		}
	}
	return r
}

// needs are the tasks that one waits for: those it depends on, and its parts.
func (m *boardModel) needs(id orchestron.TaskID) []orchestron.TaskID {
	var all []orchestron.TaskID
	if n := int(id.Number()); n <= len(m.tasks) {
		all = append(all, m.tasks[n-1].DependsOn...)
	}
	for _, t := range m.tasks {
		if t.Parent == id {
			all = append(all, t.ID)
		}
	}
	return all
}

// reaches reports whether one task depends on another.
func (m *boardModel) reaches(from, to orchestron.TaskID, seen map[orchestron.TaskID]bool) bool {
	if from == to {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(m.needs(from), func(id orchestron.TaskID) bool { return m.reaches(id, to, seen) })
}

func (m *boardModel) checkNeeds(t *rapid.T, tx Tx, one, other orchestron.TaskID) {
	want := []orchestron.TaskID{}
	for _, task := range m.tasks {
		if slices.Contains(task.DependsOn, one) {
			want = append(want, task.ID)
		}
	}
	got, err := tx.Dependents(one)
	same(t, "Dependents", got, want, err)
	chain, err := tx.Chain(one, other)
	if err != nil || (len(chain) > 0) != m.reaches(one, other, map[orchestron.TaskID]bool{}) {
		t.Errorf("Chain(%s, %s) = %v, %v", one, other, chain, err)
	}
	for i, id := range chain {
		if i == 0 && id != one || i == len(chain)-1 && id != other || i > 0 && !slices.Contains(m.needs(chain[i-1]), id) {
			t.Errorf("Chain(%s, %s) = %v, which is none", one, other, chain)
		}
	}
}
