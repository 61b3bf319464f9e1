package boardstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/sqlite"
)

// fullTask has a value in every field.
func fullTask(n int64) orchestron.Task {
	return orchestron.Task{
		ID: orchestron.TaskIDOf(n), Project: "/p", Type: orchestron.Story, Title: "Parse <numbers> & \"strings\"",
		Description: "Für alle\u2028Zeilen", AcceptanceCriteria: []string{"it parses"}, Status: orchestron.InProgress,
		Priority: orchestron.High, Progress: 40, Parent: "TASK-900", Children: 2, Assignee: "spec_1_1", Labels: []string{"b", "a"},
		Sprint: "one", DependsOn: []orchestron.TaskID{"TASK-800", "TASK-700"}, Waits: 1, Estimate: 2.5,
		Lease:          orchestron.Lease{Number: 3, Holder: "spec_1_1", Since: noon, Until: noon.Add(time.Hour), Last: "spec_1_2", Ended: noon},
		Clarifications: []orchestron.Clarification{{By: "exec_1", At: noon, Text: "hex, too"}},
		Handoff:        &orchestron.Handoff{By: "spec_1_2", At: noon, CompletedWork: []string{"half"}, RemainingWork: []string{"half"}, Notes: "n", TakenBy: "spec_1_1"},
		CreatedBy:      "exec_1", Created: noon, Updated: noon, Started: noon, Finished: noon, Version: 7,
	}
}

// plain is a task with nothing in particular.
func plain(n int64) orchestron.Task {
	return orchestron.Task{
		ID: orchestron.TaskIDOf(n), Project: "/p", Type: orchestron.Job, Title: fmt.Sprint("task ", n),
		Status: orchestron.ToDo, Priority: orchestron.Medium, Version: 1,
	}
}

func addTasks(t testing.TB, db Store, tasks ...orchestron.Task) {
	t.Helper()
	mustWrite(t, db, func(tx Tx) error {
		for _, task := range tasks {
			if err := tx.AddTask(task); err != nil {
				return err
			}
		}
		return nil
	})
}

// ids are the tasks that a filter chooses, in few letters.
func ids(t testing.TB, db Store, f boardapi.Filter) string {
	t.Helper()
	found, err := db.Tasks(context.Background(), f)
	if err != nil {
		t.Errorf("Tasks(%+v): %v", f, err)
	}
	var all []string
	for _, task := range found {
		all = append(all, strings.TrimPrefix(string(task.ID), "TASK-"))
	}
	return strings.Join(all, " ")
}

func kind(t testing.TB, what string, err error, want orchestron.Kind) {
	t.Helper()
	if err == nil || orchestron.KindOf(err) != want {
		t.Errorf("%s = %v, want %s", what, err, want)
	}
}

func TestTask(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	full, bare := fullTask(7), plain(8)
	addTasks(t, db, full, bare)
	for _, want := range []orchestron.Task{full, bare} {
		got, err := db.Task(ctx, want.ID)
		equal(t, "Task", got, want, err)
		mustWrite(t, db, func(tx Tx) error {
			got, err := tx.Task(want.ID)
			equal(t, "Task in a change", got, want, err)
			return nil
		})
	}
	_, err := db.Task(ctx, "TASK-9")
	kind(t, "Task of none", err, orchestron.NotFound)
	_, err = db.Task(ctx, "nonsense")
	kind(t, "Task of nonsense", err, orchestron.NotFound)
	mustWrite(t, db, func(tx Tx) error {
		_, err := tx.Task("TASK-9")
		kind(t, "Task of none in a change", err, orchestron.NotFound)
		kind(t, "AddTask twice", tx.AddTask(plain(7)), orchestron.Conflict)
		kind(t, "PutTask of none", tx.PutTask(plain(9), fullTask(9)), orchestron.NotFound)
		return nil
	})
	got, err := db.Task(ctx, full.ID)
	equal(t, "Task after a conflict", got, full, err)
	mustWrite(t, db, func(tx Tx) error { return tx.PutTask(bare, fullTask(8)) })
	got, err = db.Task(ctx, bare.ID)
	equal(t, "Task that was put", got, fullTask(8), err)
}

// TestPutTaskWritesChangesOnly looks at what SQLite counts.
func TestPutTaskWritesChangesOnly(t *testing.T) {
	db := openTemp(t)
	addTasks(t, db, fullTask(7))
	rows := func(change func(*orchestron.Task)) (n int64) {
		mustWrite(t, db, func(tx Tx) error {
			before, err := tx.Task("TASK-7")
			if err != nil {
				return err
			}
			after := before
			change(&after)
			count := func() int64 {
				n, err := sqlite.Collect(tx.Query, sqlite.ScanInt, `SELECT total_changes()`)
				equal(t, "counting", len(n), 1, err)
				return n[0]
			}
			from := count()
			err = tx.PutTask(before, after)
			n = count() - from
			return err
		})
		return n
	}
	for _, c := range []struct {
		what   string
		change func(*orchestron.Task)
		want   int64
	}{
		{"nothing", func(*orchestron.Task) {}, 0},
		{"a status", func(t *orchestron.Task) { t.Status, t.Version = orchestron.Blocked, 8 }, 1},
		{"a label", func(t *orchestron.Task) { t.Labels = []string{"a", "c", "b"} }, 2},
		{"a dependency", func(t *orchestron.Task) { t.DependsOn = []orchestron.TaskID{"TASK-800"} }, 2},
	} {
		if got := rows(c.change); got != c.want {
			t.Errorf("changing %s changes %d rows, want %d", c.what, got, c.want)
		}
	}
}

func TestTasksOrder(t *testing.T) {
	db := openTemp(t)
	low, critical, done := plain(1), plain(5), plain(3)
	low.Priority, critical.Priority, done.Status = orchestron.Low, orchestron.Critical, orchestron.Done
	other := plain(6)
	other.Project = "/other"
	addTasks(t, db, critical, low, plain(4), plain(2), done, other)
	for _, c := range []struct {
		f    boardapi.Filter
		want string
	}{
		{boardapi.Filter{}, "5 2 3 4 6 1"},
		{boardapi.Filter{Project: "/p"}, "5 2 3 4 1"},
		{boardapi.Filter{Project: "/p", ByNumber: true}, "1 2 3 4 5"},
		{boardapi.Filter{Project: "/p", ByNumber: true, After: boardapi.Place{Rank: 9, Number: 2}, Limit: 2}, "3 4"},
		{boardapi.Filter{Project: "/p", Limit: 2}, "5 2"},
		{boardapi.Filter{Project: "/p", Limit: 2, After: boardapi.Place{Rank: 2, Number: 2}}, "3 4"},
		{boardapi.Filter{Project: "/p", Statuses: []orchestron.TaskStatus{"TODO", "TODO"}, After: boardapi.Place{Rank: 0, Number: 5}}, "2 4 1"},
		{boardapi.Filter{Project: "/p", Parent: "nonsense"}, ""},
		{boardapi.Filter{Project: "/none"}, ""},
	} {
		if got := ids(t, db, c.f); got != c.want {
			t.Errorf("Tasks(%+v) = %s, want %s", c.f, got, c.want)
		}
	}
}

func TestText(t *testing.T) {
	db := openTemp(t)
	one, two := plain(1), plain(2)
	one.Title, one.Description = "Crème brûlée", "in the parser's AND/OR-table (v1.2)"
	two.Title, two.Description, two.Priority = "NEAR misses", "登录 and the parsing of x_y", orchestron.High
	addTasks(t, db, one, two)
	for text, want := range map[string]string{
		"creme": "1", "BRÛLÉE CRÈME": "1", "pars": "2 1", "parser": "1", "pars table": "", "table pars": "1", "the": "2 1",
		"near": "2", "NEAR": "2", "and or": "1", "AND": "2 1", "OR": "1", "NOT": "", "or-table": "1", "v1.2": "1", "登": "2", "x_y": "2",
		`"`: "", `*`: "", " ": "", "!!! ---": "", `par"ser`: "", `table" par`: "1", `title:creme`: "", `creme*`: "1", "(creme": "1", "creme)": "1", "^creme": "1",
		"creme\x00brulee": "1", `{title}: creme`: "", `'; DROP TABLE tasks; --`: "", "creme + brulee": "1", "-creme": "1", "a\u0301": "2 1", "a\u0301nd": "2 1",
	} {
		got := ids(t, db, boardapi.Filter{Project: "/p", Text: text})
		if got != want {
			t.Errorf("searching for %q finds %q, want %q", text, got, want)
		}
	}
	_, err := db.Tasks(t.Context(), boardapi.Filter{Text: strings.Repeat("word ", maxWords+1)})
	kind(t, "searching for too many words", err, orchestron.Invalid)

	changed := one
	changed.Title, changed.Priority = "Pudding", orchestron.Critical
	mustWrite(t, db, func(tx Tx) error { return tx.PutTask(one, changed) })
	for text, want := range map[string]string{"creme": "", "pudding": "1", "the": "1 2"} {
		if got := ids(t, db, boardapi.Filter{Text: text}); got != want {
			t.Errorf("after the change searching for %q finds %q, want %q", text, got, want)
		}
	}
}

func TestNextReady(t *testing.T) {
	db := openTemp(t)
	waits, has, held, done, urgent := plain(1), plain(2), plain(3), plain(4), plain(6)
	waits.Waits, has.Children, held.Lease.Holder, done.Status = 1, 1, "spec_1_1", orchestron.Done
	urgent.Priority, urgent.Labels = orchestron.Critical, []string{"ui"}
	addTasks(t, db, waits, has, held, done, plain(5), urgent)
	mustWrite(t, db, func(tx Tx) error {
		got, err := tx.NextReady(boardapi.Filter{Project: "/p"})
		equal(t, "NextReady", got, urgent, err)
		got, err = tx.NextReady(boardapi.Filter{Label: "ui"})
		equal(t, "NextReady of a label", got, urgent, err)
		_, err = tx.NextReady(boardapi.Filter{Project: "/p", Label: "db"})
		kind(t, "NextReady of none", err, orchestron.NotFound)
		return nil
	})
	leased, err := db.Leased(t.Context())
	equal(t, "Leased", leased, []orchestron.Task{held}, err)
	if got := ids(t, db, boardapi.Filter{Ready: true}); got != "6 5" {
		t.Errorf("ready are %s, want 6 5", got)
	}
}

func TestClaimsInParallel(t *testing.T) {
	db := openTemp(t)
	const tasks, workers = 100, 8
	for i := range int64(tasks) {
		addTasks(t, db, plain(i+1))
	}
	var mu sync.Mutex
	claimed := map[orchestron.TaskID]int{}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for {
				var got orchestron.TaskID
				err := db.Write(context.Background(), func(tx Tx) error {
					before, err := tx.NextReady(boardapi.Filter{Project: "/p"})
					if err != nil {
						return err
					}
					after := before
					got = before.ID
					return errors.Join(after.Claim("spec_1_1", noon, noon), tx.PutTask(before, after))
				})
				if err != nil {
					kind(t, "the last claim", err, orchestron.NotFound)
					return
				}
				mu.Lock()
				claimed[got]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(claimed) != tasks {
		t.Errorf("%d tasks were claimed, want %d", len(claimed), tasks)
	}
	for id, n := range claimed {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
}

func TestRollup(t *testing.T) {
	db := openTemp(t)
	child := func(n int64, status orchestron.TaskStatus, progress int) orchestron.Task {
		c := plain(n)
		c.Parent, c.Status, c.Progress, c.Sprint = "TASK-1", status, progress, "one"
		return c
	}
	parent := plain(1)
	parent.Children, parent.Progress = 3, 50
	addTasks(t, db, parent, child(2, orchestron.Done, 100), child(3, orchestron.InReview, 51), child(4, orchestron.Cancelled, 7), plain(5))
	mustWrite(t, db, func(tx Tx) error {
		got, err := tx.Rollup("TASK-1")
		equal(t, "Rollup", got, boardapi.Rollup{Children: 3, Open: 1, Counted: 2, Sum: 151}, err)
		got, err = tx.Rollup("TASK-5")
		equal(t, "Rollup without children", got, boardapi.Rollup{}, err)
		got, err = tx.Rollup("nonsense")
		equal(t, "Rollup of nonsense", got, boardapi.Rollup{}, err)
		return nil
	})
	type counts = map[orchestron.TaskStatus]int
	got, err := db.Progress(t.Context(), "/p", "")
	equal(t, "Progress", got, boardapi.Progress{
		ByStatus: counts{orchestron.ToDo: 2, orchestron.Done: 1, orchestron.InReview: 1, orchestron.Cancelled: 1}, Tasks: 5, Percent: 50,
	}, err)
	got, err = db.Progress(t.Context(), "/p", "one")
	equal(t, "Progress of a sprint", got, boardapi.Progress{
		ByStatus: counts{orchestron.Done: 1, orchestron.InReview: 1, orchestron.Cancelled: 1}, Tasks: 3, Percent: 75,
	}, err)
	got, err = db.Progress(t.Context(), "/none", "")
	equal(t, "Progress of nothing", got, boardapi.Progress{ByStatus: counts{}}, err)
}

func TestChain(t *testing.T) {
	db := openTemp(t)
	// 1 needs 2 and 3, 2 needs 4, 3 needs 4, 4 needs 5, and 9 stands alone; then a long line from 10 on
	needs := map[int64][]orchestron.TaskID{1: {"TASK-2", "TASK-3", "TASK-3"}, 2: {"TASK-4"}, 3: {"TASK-4"}, 4: {"TASK-5"}}
	for n := int64(10); n < 300; n++ {
		needs[n] = []orchestron.TaskID{orchestron.TaskIDOf(n + 1)}
	}
	for n := int64(1); n <= 300; n++ {
		task := plain(n)
		task.DependsOn = needs[n]
		addTasks(t, db, task)
	}
	mustWrite(t, db, func(tx Tx) error {
		for _, c := range []struct {
			from, to orchestron.TaskID
			want     int // how long the chain is
		}{
			{"TASK-1", "TASK-5", 4},
			{"TASK-1", "TASK-2", 2},
			{"TASK-5", "TASK-1", 0},
			{"TASK-1", "TASK-9", 0},
			{"TASK-9", "TASK-9", 1},
			{"TASK-10", "TASK-300", 291},
			{"TASK-300", "TASK-10", 0},
			{"TASK-2", "TASK-3", 0},
		} {
			got, err := tx.Chain(c.from, c.to)
			if err != nil || len(got) != c.want {
				t.Errorf("Chain(%s, %s) = %v, %v, want %d tasks", c.from, c.to, got, err, c.want)
				continue
			}
			for i, id := range got {
				if i == 0 && id != c.from || i == len(got)-1 && id != c.to || i > 0 && !contains(needs[got[i-1].Number()], id) {
					t.Errorf("Chain(%s, %s) = %v, which is none", c.from, c.to, got)
				}
			}
		}
		got, err := tx.Dependents("TASK-4")
		equal(t, "Dependents", got, []orchestron.TaskID{"TASK-2", "TASK-3"}, err)
		got, err = tx.Dependents("TASK-1")
		equal(t, "Dependents of one that nothing depends on", got, []orchestron.TaskID{}, err)
		return nil
	})
}

func contains(all []orchestron.TaskID, id orchestron.TaskID) bool {
	for _, other := range all {
		if other == id {
			return true
		}
	}
	return false
}

func TestChanges(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	want := []orchestron.Change{
		{At: noon, By: "exec_1", Kind: orchestron.TaskCreated, Project: "/p", Task: "TASK-1", Text: "why", Fields: json.RawMessage(`{"a": "<"}`)},
		{At: noon, By: "operator", Kind: orchestron.SprintCreated, Project: "/p"},
		{At: noon, By: "operator", Kind: orchestron.TaskCreated, Project: "/other", Task: "TASK-2"},
		{At: noon, By: "operator", Kind: orchestron.TaskUpdated, Project: "/p", Task: "TASK-1"},
	}
	for i := range want {
		mustWrite(t, db, func(tx Tx) error { return tx.AddChange(&want[i]) })
		if i > 0 && want[i].Seq <= want[i-1].Seq {
			t.Errorf("Seq %d follows %d", want[i].Seq, want[i-1].Seq)
		}
	}
	mustWrite(t, db, func(tx Tx) error {
		kind(t, "AddChange with broken fields", tx.AddChange(&orchestron.Change{Project: "/p", Fields: json.RawMessage("{")}), orchestron.Internal)
		return nil
	})
	for _, c := range []struct {
		f    boardapi.ChangeFilter
		want []orchestron.Change
	}{
		{boardapi.ChangeFilter{}, want},
		{boardapi.ChangeFilter{Limit: 2}, want[:2]},
		{boardapi.ChangeFilter{Limit: 2, Last: true}, want[2:]},
		{boardapi.ChangeFilter{After: want[2].Seq, Last: true}, want[3:]},
		{boardapi.ChangeFilter{Project: "/other"}, want[2:3]},
		{boardapi.ChangeFilter{Task: "TASK-1"}, []orchestron.Change{want[0], want[3]}},
		{boardapi.ChangeFilter{Task: "TASK-1", Project: "/p", Limit: 1}, want[:1]},
		{boardapi.ChangeFilter{Task: "TASK-1", Project: "/other"}, []orchestron.Change{}},
		{boardapi.ChangeFilter{Task: "nonsense"}, []orchestron.Change{}},
		{boardapi.ChangeFilter{Project: "/none"}, []orchestron.Change{}},
	} {
		got, err := db.Changes(ctx, c.f)
		equal(t, fmt.Sprintf("Changes(%+v)", c.f), got, c.want, err)
	}
}

func TestSprints(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	one := orchestron.Sprint{Project: "/p", Name: "one", Goal: "g", State: orchestron.Active, Start: noon, End: noon.Add(time.Hour), Created: noon}
	two := orchestron.Sprint{Project: "/p", Name: "two", State: orchestron.Planned, Created: noon.Add(-1)}
	mustWrite(t, db, func(tx Tx) error {
		_, err := tx.ActiveSprint("/p")
		kind(t, "ActiveSprint of none", err, orchestron.NotFound)
		return errors.Join(tx.PutSprint(one), tx.PutSprint(two))
	})
	got, err := db.Sprints(ctx, "/p")
	equal(t, "Sprints, oldest first", got, []orchestron.Sprint{two, one}, err)
	got, err = db.Sprints(ctx, "/other")
	equal(t, "Sprints of another", got, []orchestron.Sprint{}, err)
	mustWrite(t, db, func(tx Tx) error {
		got, err := tx.ActiveSprint("/p")
		equal(t, "ActiveSprint", got, one, err)
		_, err = tx.Sprint("/other", "one")
		kind(t, "Sprint of another", err, orchestron.NotFound)
		second := two
		second.State = orchestron.Active
		kind(t, "a second active sprint", tx.PutSprint(second), orchestron.Conflict)
		one.State = orchestron.Closed
		return errors.Join(tx.PutSprint(one), tx.PutSprint(second))
	})
	mustWrite(t, db, func(tx Tx) error {
		got, err := tx.Sprint("/p", "one")
		equal(t, "Sprint that was put", got, one, err)
		got, err = tx.ActiveSprint("/p")
		equal(t, "the next active sprint", got.Name, "two", err)
		in, done, out := plain(1), plain(2), plain(3)
		in.Sprint, done.Sprint, done.Status = "one", "one", orchestron.Done
		err = errors.Join(tx.AddTask(in), tx.AddTask(done), tx.AddTask(out))
		tasks, tasksErr := tx.SprintTasks("/p", "one")
		equal(t, "SprintTasks", tasks, []orchestron.Task{in}, tasksErr)
		return err
	})
}

func TestNotes(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	note := func(n int64, project, checkpoint string) orchestron.Note {
		return orchestron.Note{
			ID: orchestron.NoteIDOf(n), Project: project, Context: json.RawMessage(`{"k": "<v>"}`), Notes: "n", Checkpoint: checkpoint,
			By: "spec_1_1", Session: "s", At: noon.Add(time.Duration(n)),
		}
	}
	all := []orchestron.Note{note(4, "/p", ""), note(3, "/p", "good"), note(2, "/other", "good"), note(1, "/p", "good")}
	for i := len(all) - 1; i >= 0; i-- {
		mustWrite(t, db, func(tx Tx) error { return tx.AddNote(all[i]) })
	}
	mustWrite(t, db, func(tx Tx) error {
		kind(t, "AddNote twice", tx.AddNote(note(1, "/p", "")), orchestron.Conflict)
		got, err := tx.Note("CTX-3")
		equal(t, "Note in a change", got, all[1], err)
		_, err = tx.Note("CTX-9")
		kind(t, "Note of none in a change", err, orchestron.NotFound)
		return nil
	})
	got, err := db.Note(ctx, "CTX-2")
	equal(t, "Note", got, all[2], err)
	_, err = db.Note(ctx, "nonsense")
	kind(t, "Note of none", err, orchestron.NotFound)
	for _, c := range []struct {
		f    boardapi.NoteFilter
		want []orchestron.Note
	}{
		{boardapi.NoteFilter{Project: "/p"}, []orchestron.Note{all[0], all[1], all[3]}},
		{boardapi.NoteFilter{Project: "/p", Checkpoint: "good"}, []orchestron.Note{all[1], all[3]}},
		{boardapi.NoteFilter{Project: "/p", Since: all[1].At}, []orchestron.Note{all[0]}},
		{boardapi.NoteFilter{Project: "/p", Before: 4, Limit: 1}, []orchestron.Note{all[1]}},
		{boardapi.NoteFilter{Project: "/none"}, []orchestron.Note{}},
	} {
		got, err := db.Notes(ctx, c.f)
		equal(t, fmt.Sprintf("Notes(%+v)", c.f), got, c.want, err)
	}
}

func TestNotices(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	one := boardapi.Notice{Agent: "spec_1_1", Task: "TASK-1", Urgent: true, Text: "come", At: noon}
	two := boardapi.Notice{Agent: "spec_1_2", Text: "go"}
	mustWrite(t, db, func(tx Tx) error { return errors.Join(tx.AddNotice(&one), tx.AddNotice(&two)) })
	got, err := db.Notices(ctx)
	equal(t, "Notices", got, []boardapi.Notice{one, two}, err)
	mustWrite(t, db, func(tx Tx) error {
		return errors.Join(tx.SealNotices("spec_1_1", one.Seq), tx.SealNotices("spec_1_1", two.Seq))
	})
	one.Batch = one.Seq
	got, err = db.Notices(ctx)
	equal(t, "Notices of which some are sealed", got, []boardapi.Notice{one, two}, err)
	mustWrite(t, db, func(tx Tx) error { return tx.DropNotices(two.Seq, "spec_1_2") })
	got, err = db.Notices(ctx)
	equal(t, "the other's notices", got, []boardapi.Notice{one}, err)
	mustWrite(t, db, func(tx Tx) error { return tx.DropNotices(one.Seq, "spec_1_1") })
	three := boardapi.Notice{Agent: "spec_1_1"}
	mustWrite(t, db, func(tx Tx) error { return tx.AddNotice(&three) })
	if three.Seq <= two.Seq {
		t.Errorf("Seq %d is given after %d", three.Seq, two.Seq)
	}
}

func TestCursor(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	for _, c := range []struct{ set, want int64 }{{0, 0}, {5, 5}, {3, 5}} {
		mustWrite(t, db, func(tx Tx) error { return tx.SetCursor("exec_1", "/p", c.set) })
		got, err := db.Cursor(ctx, "exec_1", "/p")
		equal(t, "Cursor", got, c.want, err)
	}
	got, err := db.Cursor(ctx, "exec_1", "/other")
	equal(t, "Cursor of another project", got, 0, err)
}

func TestProjects(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	got, err := db.Projects(ctx)
	equal(t, "no projects", got, []string{}, err)
	task := plain(1)
	task.Project = "/task"
	mustWrite(t, db, func(tx Tx) error {
		return errors.Join(tx.AddTask(task), tx.PutSprint(orchestron.Sprint{Project: "/sprint"}), tx.AddNote(orchestron.Note{ID: "CTX-1", Project: "/note"}))
	})
	got, err = db.Projects(ctx)
	equal(t, "Projects", got, []string{"/note", "/sprint", "/task"}, err)
}

func TestFailedChangeLeavesNoBoard(t *testing.T) {
	db, ctx := openTemp(t), t.Context()
	failed := errors.New("failed on purpose")
	err := db.Write(ctx, func(tx Tx) error {
		n, c := boardapi.Notice{Agent: "a"}, orchestron.Change{Project: "/p", Task: "TASK-7"}
		return errors.Join(tx.AddTask(fullTask(7)), tx.AddNote(orchestron.Note{ID: "CTX-1", Project: "/p"}), tx.AddNotice(&n), tx.AddChange(&c),
			tx.PutSprint(orchestron.Sprint{Project: "/p", Name: "one"}), failed)
	})
	if err == nil || !errors.Is(err, failed) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("Write = %v, want %v alone", err, failed)
	}
	for _, table := range []string{"boards", "tasks", "task_labels", "task_needs", "notes", "notices", "changes", "sprints"} {
		n, err := sqlite.Read(ctx, db.db, sqlite.ScanInt, `SELECT count(*) FROM `+table)
		equal(t, "rows of "+table, n, []int64{0}, err)
	}
	if got := ids(t, db, boardapi.Filter{Text: "parse"}); got != "" {
		t.Errorf("a search finds %s", got)
	}
}
