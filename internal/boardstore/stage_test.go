package boardstore

import (
	"fmt"
	"testing"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
)

// put adds tasks from a number to a number, each with a label, a word and a line in its history.
func put(tx Tx, project string, from, to int64) error {
	for n := from; n <= to; n++ {
		t := plain(n)
		t.Project, t.Title, t.Labels, t.Sprint = project, "parse", []string{"db"}, "one"
		if err := tx.AddTask(t); err != nil {
			return err
		}
		if err := tx.AddChange(&orchestron.Change{At: noon, By: "operator", Kind: orchestron.TaskCreated, Project: project, Task: t.ID}); err != nil {
			return err
		}
	}
	return tx.AddNote(orchestron.Note{ID: orchestron.NoteIDOf(from), Project: project, Context: []byte("{}"), At: noon})
}

// found says how many of each there are on a board, found in every way.
func found(t *testing.T, db Store, project string) string {
	t.Helper()
	var counts []int
	for _, f := range []boardapi.Filter{{}, {Label: "db"}, {Text: "parse"}, {Sprint: "one"}, {Ready: true}, {ByNumber: true}} {
		f.Project = project
		tasks, err := db.Tasks(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, len(tasks))
	}
	changes, err := db.Changes(t.Context(), boardapi.ChangeFilter{Project: project})
	if err != nil {
		t.Fatal(err)
	}
	notes, err := db.Notes(t.Context(), boardapi.NoteFilter{Project: project})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(append(counts, len(changes), len(notes)))
}

// What is staged is nowhere until it lands, and then with what was there before, whichever is larger.
func TestStageAndLand(t *testing.T) {
	for _, c := range []struct {
		there, staged int64
		want          string
	}{{0, 3, "[3 3 3 3 3 3 3 1]"}, {2, 5, "[7 7 7 7 7 7 7 2]"}, {5, 2, "[7 7 7 7 7 7 7 2]"}} {
		db := openTemp(t)
		before := "[0 0 0 0 0 0 0 0]"
		if c.there > 0 {
			mustWrite(t, db, func(tx Tx) error { return put(tx, "/p", 1, c.there) })
			before = found(t, db, "/p")
		}
		stage(t, db, c.there+1, c.there+c.staged)
		equal(t, "what is there before it lands", found(t, db, "/p"), before, nil)
		if _, err := db.Note(t.Context(), orchestron.NoteIDOf(c.there+1)); orchestron.KindOf(err) != orchestron.NotFound {
			t.Errorf("a context that was staged is there: %v", err)
		}
		mustWrite(t, db, func(tx Tx) error {
			_, err := tx.Task(orchestron.TaskIDOf(c.there + 1))
			kind(t, "a task that was staged", err, orchestron.NotFound)
			return tx.Land()
		})
		equal(t, "what is there then", found(t, db, "/p"), c.want, nil)
		projects, err := db.Projects(t.Context())
		equal(t, "Projects", projects, []string{"/p"}, err)
		if err := db.Unstage(t.Context()); err != nil {
			t.Fatal(err)
		}
		equal(t, "what landed", found(t, db, "/p"), c.want, nil)
		here, err := db.Changes(t.Context(), boardapi.ChangeFilter{Project: "/p", Here: true})
		equal(t, "changes that were made here", len(here), int(c.there), err)
		all, err := db.Changes(t.Context(), boardapi.ChangeFilter{Project: "/p", Last: true, Limit: 1})
		equal(t, "who made the last change", all[0].By, "operator", err)
	}
}

func stage(t *testing.T, db Store, from, to int64) {
	t.Helper()
	if err := db.Stage(t.Context(), func(tx Tx) error { return put(tx, "/p", from, to) }); err != nil {
		t.Fatal(err)
	}
}

// What was staged and removed leaves no row and no word behind, and takes nothing with it.
func TestUnstage(t *testing.T) {
	db := openTemp(t)
	mustWrite(t, db, func(tx Tx) error { return put(tx, "/p", 1, 3) })
	before := found(t, db, "/p")
	stage(t, db, 4, 3+2*unstaged+7)
	if err := db.Unstage(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "what is there", found(t, db, "/p"), before, nil)
	stage(t, db, 4, 4) // the number is free again
	mustWrite(t, db, func(tx Tx) error { return tx.Land() })
	equal(t, "what is there with another", found(t, db, "/p"), "[4 4 4 4 4 4 4 2]", nil)
}
