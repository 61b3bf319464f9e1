package board_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardfile"
	"github.com/orchestron/orchestron/internal/boardstore"
)

const many = 10_000 // tasks are not made here before

var imported = flag.Int("imported", 6000, "tasks that are imported while others work")

func openHouse(t *testing.T, dir string) *house {
	t.Helper()
	return openHouseBeside(t, dir, nil)
}

func openHouseBeside(t *testing.T, dir string, databases boardfile.Databases) *house {
	t.Helper()
	h, err := openBeside(dir, databases)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) must(t *testing.T, operation string, in, out any) {
	t.Helper()
	if err := h.call("operator", "", operation, in, out); err != nil {
		t.Fatalf("%s %+v: %v", operation, in, err)
	}
}

// exportOf writes a file of so many tasks behind a number, each with a line in its history; every tenth is the next nine's
// parent, and the others wait for the one before.
func exportOf(t *testing.T, behind, n int, more ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "board.jsonl")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, `{"board":1}`)
	for i := behind + 1; i <= behind+n; i++ {
		links := ""
		if i > behind+1 && i%10 != 1 {
			links = fmt.Sprintf(`,"dependsOn":["TASK-%d"]`, i-1)
		}
		if i%10 > 0 && i > behind+10 {
			links += fmt.Sprintf(`,"parentId":"TASK-%d"`, i/10*10)
		}
		fmt.Fprintf(w, `{"task":{"id":"TASK-%d","project":%q,"type":"TASK","title":"task %d of many","description":"It has some words to be found by.",`+
			`"status":"TODO","priority":"MEDIUM","labels":["many"],"version":1%s}}`+"\n", i, home, i, links)
	}
	for i := behind + 1; i <= behind+n; i++ {
		fmt.Fprintf(w, `{"change":{"seq":0,"at":"2026-03-04T12:00:00Z","by":"ada","kind":"task.created","project":%q,"taskId":"TASK-%d","text":""}}`+"\n", home, i)
	}
	for _, line := range more {
		fmt.Fprintln(w, line)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestImportDuringWork imports a large board while somebody else makes tasks, on the same board: none of them waits long,
// and the import is there at once or not at all.
func TestImportDuringWork(t *testing.T) {
	h := openHouse(t, t.TempDir())
	file, done := exportOf(t, many, *imported), make(chan error, 1)
	var out boardapi.ImportOut
	began := time.Now()
	go func() { done <- h.call("operator", "", "orchestron_import", boardapi.ImportIn{Path: file}, &out) }()
	made, longest := 0, time.Duration(0)
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		var task orchestron.Task
		since := time.Now()
		h.must(t, "orchestron_task_create", boardapi.TaskCreateIn{Title: "meanwhile", Type: "TASK", Priority: "LOW"}, &task)
		longest = max(longest, time.Since(since))
		made++
		got, err := boardstore.In(h.db).Tasks(t.Context(), boardapi.Filter{Project: home, ByNumber: true, Limit: made + 2})
		if n := len(got); err != nil || n != made && n != made+2 {
			t.Fatalf("%d tasks are on the board after %d were made: %v", n, made, err)
		}
	}
	took := time.Since(began)
	t.Logf("%d tasks in %s; meanwhile %d others were made, which took %s at most", out.Tasks, took.Round(time.Millisecond), made, longest.Round(time.Millisecond))
	if out.Tasks != *imported || made < 4 || longest > took/2 {
		t.Errorf("%d tasks were imported and %d others made, of which one waited %s of %s; want %d, several, and that none waits for the whole", out.Tasks, made, longest, took, *imported)
	}
	var last orchestron.Task
	h.must(t, "orchestron_task_get", boardapi.TaskGetIn{TaskID: string(orchestron.TaskIDOf(int64(many + *imported - 5)))}, &last)
	if last.Waits != 1 || last.Parent == "" {
		t.Errorf("a task in the midst is %+v, want one that waits and is a part of another", last)
	}
}

// An import that is refused at its last line leaves nothing, and neither does one that is cut off.
func TestImportsLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	h, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	file := exportOf(t, 0, 700, `{"task":{"id":"TASK-7","project":"default","type":"TASK","title":"again","status":"TODO","priority":"LOW"}}`)
	err = h.call("operator", "", "orchestron_import", boardapi.ImportIn{Path: file}, &boardapi.ImportOut{})
	if orchestron.KindOf(err) != orchestron.Invalid || !strings.Contains(err.Error(), "line 1402: TASK-7 stands there twice; nothing was imported") {
		t.Errorf("importing a task twice = %v", err)
	}
	noLines(t, h)
	part := orchestron.Task{ID: "TASK-700", Project: home, Type: orchestron.Job, Title: "half", Status: orchestron.ToDo, Priority: orchestron.Low, Labels: []string{"x"}}
	err = boardstore.In(h.db).Stage(t.Context(), func(tx boardstore.Tx) error {
		return tx.AddTask(part)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.call("operator", "", "orchestron_task_get", boardapi.TaskGetIn{TaskID: "TASK-700"}, &part); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("a task that was staged is there: %v", err)
	}
	if err := h.call("operator", "", "orchestron_task_claim", boardapi.TaskClaimIn{TaskID: "TASK-700"}, &part); orchestron.KindOf(err) != orchestron.NotFound {
		t.Errorf("a task that was staged can be claimed: %v", err)
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	again := openHouse(t, dir)
	again.must(t, "orchestron_import", boardapi.ImportIn{Path: exportOf(t, 0, 700)}, &boardapi.ImportOut{})
}

func noLines(t *testing.T, h *house) {
	t.Helper()
	lines, err := h.export("", 1000)
	if err != nil || len(lines) != 1 {
		t.Errorf("%d lines are exported: %v", len(lines), err)
	}
}

// What agents of another Orchestron had is nobody's here, whatever agents are called here; people keep what they had.
func TestImportTakesTasksFromAgents(t *testing.T) {
	h := openHouse(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "board.jsonl")
	lines := []string{`{"board":1}`}
	for i, rest := range []string{
		`"status":"IN_PROGRESS","assignee":"exec_1","lease":{"number":3,"holder":"exec_1","since":"2026-03-04T12:00:00Z"}`,
		`"status":"IN_REVIEW","assignee":"exec_1","lease":{"number":1,"holder":"exec_1","since":"2026-03-04T12:00:00Z"}`,
		`"status":"TODO","assignee":"exec_1"`,
		`"status":"DONE","assignee":"exec_1"`,
		`"status":"IN_PROGRESS","assignee":"ada","lease":{"number":1,"holder":"ada","since":"2026-03-04T12:00:00Z"}`,
	} {
		lines = append(lines, fmt.Sprintf(`{"task":{"id":"TASK-%d","project":"default","type":"TASK","title":"a","priority":"LOW",%s}}`, i+1, rest))
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	h.must(t, "orchestron_import", boardapi.ImportIn{Path: file}, &boardapi.ImportOut{}) // exec_1 lives here
	for i, want := range []string{"TODO  3 ", "IN_REVIEW  1 ", "TODO  0 ", "DONE exec_1 0 ", "IN_PROGRESS ada 1 ada"} {
		var got boardapi.TaskOut
		h.must(t, "orchestron_task_get", json.RawMessage(fmt.Sprintf(`{"taskId":"TASK-%d"}`, i+1)), &got)
		if is := fmt.Sprintf("%s %s %d %s", got.Status, got.Assignee, got.Lease.Number, got.Lease.Holder); is != want {
			t.Errorf("%s is %q, want %q", got.ID, is, want)
		}
		if told := len(got.History) == 1 && strings.Contains(got.History[0].Text, "exec_1 had it"); told != (i < 3) {
			t.Errorf("the history of %s is %+v", got.ID, got.History)
		}
	}
}

func TestImportRefusesCycles(t *testing.T) {
	h := openHouse(t, t.TempDir())
	task := func(n int, rest string) string {
		return fmt.Sprintf(`{"task":{"id":"TASK-%d","project":"default","type":"TASK","title":"a","status":"TODO","priority":"LOW"%s}}`, n, rest)
	}
	for _, c := range []struct{ one, two, three, want string }{
		{``, `,"dependsOn":["TASK-3"]`, `,"dependsOn":["TASK-2"]`, "line 4: TASK-3 waits for TASK-2, which waits for it"},
		{``, `,"parentId":"TASK-3"`, `,"parentId":"TASK-2"`, "line 3: TASK-2 is a part of itself"},
		{``, `,"parentId":"TASK-1","dependsOn":["TASK-1"]`, ``, "TASK-1 waits for TASK-2, which waits for it"},
		{``, `,"parentId":"TASK-1","dependsOn":["TASK-3"]`, `,"dependsOn":["TASK-1"]`, "which waits for it"},
		{``, `,"parentId":"TASK-9"`, ``, `line 3: there is no task "TASK-9" of its project in the file`},
	} {
		file := filepath.Join(t.TempDir(), "board.jsonl")
		text := strings.Join([]string{`{"board":1}`, task(1, c.one), task(2, c.two), task(3, c.three)}, "\n")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := h.call("operator", "", "orchestron_import", boardapi.ImportIn{Path: file}, &boardapi.ImportOut{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", text, err, c.want)
		}
	}
	noLines(t, h)
}

// A file cannot use up the numbers of tasks.
func TestImportOfHighNumbers(t *testing.T) {
	h := openHouse(t, t.TempDir())
	file := exportOf(t, 999_999_999_990, 3)
	err := h.call("operator", "", "orchestron_import", boardapi.ImportIn{Path: file}, &boardapi.ImportOut{})
	if orchestron.KindOf(err) != orchestron.Invalid {
		t.Errorf("importing the last numbers = %v, want Invalid", err)
	}
	h.must(t, "orchestron_import", boardapi.ImportIn{Path: file, Renumber: true}, &boardapi.ImportOut{})
	var next orchestron.Task
	if h.must(t, "orchestron_task_create", boardapi.TaskCreateIn{Title: "a", Type: "TASK", Priority: "LOW"}, &next); next.ID != "TASK-4" {
		t.Errorf("the next task is %s, want TASK-4", next.ID)
	}
}

// An export during which somebody plans a sprint can be imported all the same: its tasks are in no sprint that it has not.
func TestExportWhileASprintIsPlanned(t *testing.T) {
	h := openHouse(t, t.TempDir())
	for range 4 {
		h.must(t, "orchestron_task_create", boardapi.TaskCreateIn{Title: "a", Type: "TASK", Priority: "LOW"}, &orchestron.Task{})
	}
	h.must(t, "orchestron_sprint_create", boardapi.SprintCreateIn{Name: "early", Tasks: []string{"TASK-4"}}, &orchestron.Sprint{})
	var lines []string
	for in := (boardapi.ExportIn{Limit: 4}); ; {
		var out boardapi.ExportOut
		h.must(t, "orchestron_export", in, &out)
		for _, l := range out.Lines {
			lines = append(lines, string(l))
		}
		if in.Cursor == "" {
			h.must(t, "orchestron_sprint_create", boardapi.SprintCreateIn{Name: "late", Tasks: []string{"TASK-3"}}, &orchestron.Sprint{})
		}
		if in.Cursor = out.Cursor; in.Cursor == "" {
			break
		}
	}
	file := filepath.Join(t.TempDir(), "board.jsonl")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	other := openHouse(t, t.TempDir())
	other.must(t, "orchestron_import", boardapi.ImportIn{Path: file}, &boardapi.ImportOut{})
	for i, want := range []string{"", "", "", "early"} {
		var got orchestron.Task
		other.must(t, "orchestron_task_get", boardapi.TaskGetIn{TaskID: string(orchestron.TaskIDOf(int64(i + 1)))}, &got)
		if got.Sprint != want {
			t.Errorf("%s is in the sprint %q, want %q", got.ID, got.Sprint, want)
		}
	}
}
