package board_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardfile"
	"github.com/orchestron/orchestron/internal/boardstore"
)

// busy is a database in which something happens between the two readings.
type busy struct {
	boardstore.Store
	reads   int
	between func()
}

func (b *busy) Projects(ctx context.Context) ([]string, error) {
	if b.reads++; b.reads == 2 {
		b.between()
	}
	return b.Store.Projects(ctx)
}

func (b *busy) Close() error { return nil }

// add makes a task and a context, and returns the task's id.
func (h *house) add(t *testing.T) orchestron.TaskID {
	t.Helper()
	var task orchestron.Task
	h.must(t, "orchestron_task_create", boardapi.TaskCreateIn{Title: "a", Type: "TASK", Priority: "LOW"}, &task)
	h.must(t, "orchestron_context_save", map[string]any{"context": map[string]any{}}, &orchestron.Note{})
	return task.ID
}

// What is made in a database between the two readings is imported with the rest, or the import is refused when something
// of that number was made here meanwhile; either way those that work here go on.
func TestImportOfADatabaseInUse(t *testing.T) {
	for _, here := range []bool{false, true} {
		source := openHouse(t, t.TempDir())
		for range 3 {
			source.add(t)
		}
		var h *house
		from := &busy{Store: boardstore.In(source.db), between: func() {
			source.add(t)
			if here {
				h.add(t)
			}
		}}
		h = openHouseBeside(t, t.TempDir(), func(context.Context, string) (boardfile.Source, io.Closer, error) { return from, from, nil })
		file := filepath.Join(t.TempDir(), "other.db")
		if err := os.WriteFile(file, []byte("SQLite format 3\x00 and more"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out boardapi.ImportOut
		err := h.call("operator", "", "orchestron_import", boardapi.ImportIn{Path: file}, &out)
		if here && (orchestron.KindOf(err) != orchestron.Conflict || !strings.Contains(err.Error(), "there is a task TASK-4 already (import it with renumber)")) {
			t.Errorf("when TASK-4 is made here, too, the import is %+v, %v", out, err)
		}
		if !here && (err != nil || out.Tasks != 4 || out.Contexts != 4) {
			t.Errorf("the import is %+v, %v, want 4 tasks and contexts", out, err)
		}
		if got := []orchestron.TaskID{h.add(t), h.add(t)}; !slices.Equal(got, []orchestron.TaskID{"TASK-5", "TASK-6"}) {
			t.Errorf("the next tasks are %s", got)
		}
	}
}

func write(t *testing.T, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "board.jsonl")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// numberedTask is a line with a task.
func numberedTask(n int, status string) string {
	return fmt.Sprintf(`{"task":{"id":"TASK-%d","project":"default","type":"TASK","title":"a","status":%q,"priority":"LOW"}}`, n, status)
}

// A file that is refused for what stands in it uses up no numbers.
func TestARefusedImportUsesUpNoNumbers(t *testing.T) {
	h := openHouse(t, t.TempDir())
	const sprint = `{"sprint":{"project":"default","name":"one","goal":"","state":"planned"}}`
	h.must(t, "orchestron_sprint_create", boardapi.SprintCreateIn{Name: "one"}, &orchestron.Sprint{})
	for want, lines := range map[string][]string{
		"behind the object":    {numberedTask(7_000, "TODO"), numberedTask(7_001, "TODO") + "}"},
		"unknown type, status": {numberedTask(7_000, "TODO"), numberedTask(7_001, "WRONG")},
		"line 3: TASK-7000 st": {numberedTask(7_000, "TODO"), numberedTask(7_000, "TODO")},
		"is no proper context": {numberedTask(7_000, "TODO"), `{"context":{"id":"CTX-7000","project":"default","context":[]}}`},
		"is not in the file":   {numberedTask(7_000, "TODO"), `{"change":{"project":"default","kind":"task.created","taskId":"TASK-1"}}`},
		"a part of itself": {
			numberedTask(7_000, "TODO"),
			`{"task":{"id":"TASK-7002","project":"default","type":"TASK","title":"a","status":"TODO","priority":"LOW","parentId":"TASK-7002"}}`,
		},
		"line 2: there is a sprint": {sprint, numberedTask(7_000, "TODO")},
		"TASK-999999999999 is so":   {numberedTask(999_999_999_999, "TODO")},
	} {
		in := boardapi.ImportIn{Path: write(t, append([]string{`{"board":1}`}, lines...)...)}
		err := h.call("operator", "", "orchestron_import", in, &boardapi.ImportOut{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("importing %s = %v, want %q", lines, err, want)
		}
	}
	if got := h.add(t); got != "TASK-1" {
		t.Errorf("the next task is %s, want TASK-1", got)
	}
}

// A board with high numbers is exported and imported as any other, and more can follow: what counts is how many numbers a
// file leaves out.
func TestImportFarAhead(t *testing.T) {
	h := openHouse(t, t.TempDir())
	h.must(t, "orchestron_import", boardapi.ImportIn{Path: write(t, `{"board":1}`, numberedTask(20_261_121_001, "TODO"))}, &boardapi.ImportOut{})
	if got := h.add(t); got != "TASK-20261121002" {
		t.Errorf("the next task is %s", got)
	}
	lines, err := h.export("", 1000)
	if err != nil {
		t.Fatal(err)
	}
	other := openHouse(t, t.TempDir())
	var out boardapi.ImportOut
	if other.must(t, "orchestron_import", boardapi.ImportIn{Path: write(t, lines...)}, &out); out.Tasks != 2 || out.Contexts != 1 {
		t.Errorf("its export is imported as %+v", out)
	}
	far := write(t, `{"board":1}`, numberedTask(115_000_000_000, "TODO"))
	h.must(t, "orchestron_import", boardapi.ImportIn{Path: far}, &out)
	third := openHouse(t, t.TempDir())
	if err := third.call("operator", "", "orchestron_import", boardapi.ImportIn{Path: far}, &out); orchestron.KindOf(err) != orchestron.Invalid {
		t.Errorf("a file that leaves out too many numbers = %v", err)
	}
}

// told is what is new for the operator.
func (h *house) told(t *testing.T) (kinds []orchestron.EventType) {
	t.Helper()
	for {
		var out boardapi.UpdatesOut
		h.must(t, "orchestron_check_updates", boardapi.UpdatesIn{Limit: 100}, &out)
		if out.Count == 0 {
			return kinds
		}
		for _, c := range out.Updates {
			kinds = append(kinds, c.Kind)
		}
	}
}

// An import is told as one line, whether others change the board meanwhile and are told of that or not; what was imported
// has its history all the same, and is exported with it.
func TestImportIsToldOnce(t *testing.T) {
	for _, meanwhile := range []bool{false, true} {
		h := openHouse(t, t.TempDir())
		h.must(t, "orchestron_task_create", boardapi.TaskCreateIn{Title: "first", Type: "TASK", Priority: "LOW"}, &orchestron.Task{})
		seen := h.told(t)
		const tasks = 1500
		file, done := exportOf(t, many, tasks), make(chan error, 1)
		go func() {
			done <- h.call("operator", "", "orchestron_import", boardapi.ImportIn{Path: file}, &boardapi.ImportOut{})
		}()
		made := 1
		for over := false; !over; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				over = true
			case <-time.After(5 * time.Millisecond):
				if meanwhile {
					h.must(t, "orchestron_task_create", boardapi.TaskCreateIn{Title: "m", Type: "TASK", Priority: "LOW"}, &orchestron.Task{})
					made++
					seen = append(seen, h.told(t)...)
				}
			}
		}
		seen = append(seen, h.told(t)...)
		want := append(slices.Repeat([]orchestron.EventType{orchestron.TaskCreated}, made), orchestron.BoardImported)
		slices.Sort(seen)
		slices.Sort(want)
		if !slices.Equal(seen, want) {
			t.Errorf("with changes meanwhile %t: told of %d changes, want %d that were made here and the import", meanwhile, len(seen), made)
		}
		var one boardapi.TaskOut
		h.must(t, "orchestron_task_get", boardapi.TaskGetIn{TaskID: string(orchestron.TaskIDOf(many + 7)), History: 10}, &one)
		if len(one.History) != 1 || one.History[0].By != "ada" {
			t.Errorf("the history of an imported task is %+v", one.History)
		}
		lines, err := h.export("", 1000)
		if err != nil {
			t.Fatal(err)
		}
		brought := 0
		for _, l := range lines {
			if strings.Contains(l, `"by":"ada"`) {
				brought++
			}
		}
		if brought != tasks {
			t.Errorf("%d lines of the imported history are exported, want %d", brought, tasks)
		}
	}
}
