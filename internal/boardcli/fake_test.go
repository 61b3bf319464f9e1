package boardcli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardcli"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/foresight"
	"github.com/orchestron/orchestron/internal/op"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = consoletest.Now()

// fake is a daemon in the test's process with all operations on boards. What they answer is in its fields.
type fake struct {
	*consoletest.Daemon
	task       orchestron.Task
	history    []orchestron.Change
	pages      [][]orchestron.Task // of orchestron_task_list
	sprint     boardapi.SprintOut
	note       boardapi.ContextOut
	entries    []boardapi.ContextEntry
	changes    []boardapi.Difference
	updates    [][]orchestron.Change // one for each call; nil is a daemon that stops
	asked      int
	prediction foresight.Prediction
	report     foresight.Report
	lines      [][]string // of an export
	fail       map[string]error
}

func newFake() *fake {
	f := &fake{
		task: task("TASK-1", orchestron.ToDo, "Ship it"),
		note: boardapi.ContextOut{
			Note:     orchestron.Note{ID: "CTX-1", Context: json.RawMessage(`{"next":"test"}`), By: "exec_1", At: now.Add(-time.Hour)},
			Found:    true,
			Handoffs: []boardapi.TaskHandoff{}, Tasks: []orchestron.Task{},
		},
		fail: map[string]error{},
	}
	tasked := func(name string) error { return f.fail[name] }
	f.Daemon = consoletest.New(
		on(f, "orchestron_task_create", func(boardapi.TaskCreateIn) (orchestron.Task, error) { return f.task, tasked("create") }),
		on(f, "orchestron_task_list", f.list),
		on(f, "orchestron_task_get", func(in boardapi.TaskGetIn) (boardapi.TaskOut, error) {
			return boardapi.TaskOut{Task: f.task, History: f.history}, missing(in.TaskID)
		}),
		on(f, "orchestron_task_update", func(in boardapi.TaskUpdateIn) (orchestron.Task, error) { return f.task, missing(in.TaskID) }),
		on(f, "orchestron_task_claim", func(boardapi.TaskClaimIn) (orchestron.Task, error) { return f.task, tasked("claim") }),
		on(f, "orchestron_task_depend", func(boardapi.TaskDependIn) (orchestron.Task, error) { return f.task, nil }),
		on(f, "orchestron_task_clarify", func(boardapi.TaskClarifyIn) (orchestron.Task, error) { return f.task, tasked("clarify") }),
		on(f, "orchestron_task_prioritize", func(boardapi.TaskPrioritizeIn) (orchestron.Task, error) { return f.task, nil }),
		on(f, "orchestron_handoff_prepare", func(boardapi.HandoffIn) (orchestron.Task, error) { return f.task, tasked("handoff") }),
		on(f, "orchestron_check_updates", f.check),
		on(f, "orchestron_sprint_create", func(in boardapi.SprintCreateIn) (orchestron.Sprint, error) {
			return orchestron.Sprint{Name: in.Name, State: orchestron.Planned}, nil
		}),
		on(f, "orchestron_sprint_start", func(in boardapi.SprintRef) (orchestron.Sprint, error) {
			return orchestron.Sprint{Name: in.Name, State: orchestron.Active}, nil
		}),
		on(f, "orchestron_sprint_close", func(boardapi.SprintCloseIn) (boardapi.SprintOut, error) { return f.sprint, nil }),
		on(f, "orchestron_sprint_get", func(boardapi.SprintGetIn) (boardapi.SprintOut, error) { return f.sprint, nil }),
		on(f, "orchestron_context_save", func(boardapi.ContextSaveIn) (orchestron.Note, error) { return f.note.Note, nil }),
		on(f, "orchestron_context_get", func(boardapi.ContextGetIn) (boardapi.ContextOut, error) { return f.note, nil }),
		on(f, "orchestron_context_history", func(boardapi.ContextHistoryIn) (boardapi.ContextHistoryOut, error) {
			return boardapi.ContextHistoryOut{Contexts: f.entries, Count: len(f.entries)}, nil
		}),
		on(f, "orchestron_context_diff", func(in boardapi.ContextDiffIn) (boardapi.ContextDiffOut, error) {
			return boardapi.ContextDiffOut{From: orchestron.NoteID(in.From), To: "CTX-2", Changes: f.changes}, nil
		}),
		on(f, "orchestron_predict_completion", func(boardapi.PredictIn) (foresight.Prediction, error) { return f.prediction, nil }),
		on(f, "orchestron_analyze_bottlenecks", func(boardapi.BoardIn) (foresight.Report, error) { return f.report, nil }),
		on(f, "orchestron_export", f.export),
		on(f, "orchestron_import", func(boardapi.ImportIn) (boardapi.ImportOut, error) {
			return boardapi.ImportOut{Tasks: 2, Sprints: 1, Projects: []string{"/w/p"}}, tasked("import")
		}),
	)
	return f
}

func on[In, Out any](_ *fake, name string, answer func(In) (Out, error)) op.Op {
	return op.New(name, op.Write, name, func(ctx context.Context, _ op.Call, in In) (Out, error) {
		if err := ctx.Err(); err != nil {
			var none Out
			return none, err
		}
		return answer(in)
	})
}

func task(id string, status orchestron.TaskStatus, title string) orchestron.Task {
	return orchestron.Task{
		ID: orchestron.TaskID(id), Project: "/w/p", Type: orchestron.Job, Title: title, Status: status, Priority: orchestron.Medium,
		CreatedBy: "operator", Created: now.Add(-time.Hour), Version: 1,
	}
}

func missing(id string) error {
	if id != "TASK-1" {
		return orchestron.Errorf(orchestron.NotFound, "there is no task %q", id).Try("orchestron_task_list shows the tasks")
	}
	return nil
}

func (f *fake) list(in boardapi.TaskListIn) (boardapi.TaskListOut, error) {
	n := 0
	if in.Cursor != "" {
		if _, err := fmt.Sscan(in.Cursor, &n); err != nil {
			return boardapi.TaskListOut{}, err
		}
	}
	out := boardapi.TaskListOut{Project: "/w/p", Tasks: []orchestron.Task{}}
	if n < len(f.pages) {
		out.Tasks = f.pages[n]
	}
	if n+1 < len(f.pages) {
		out.Cursor = fmt.Sprint(n + 1)
	}
	out.Count = len(out.Tasks)
	return out, nil
}

func (f *fake) check(boardapi.UpdatesIn) (boardapi.UpdatesOut, error) {
	f.asked++
	if f.asked > len(f.updates) {
		return boardapi.UpdatesOut{}, orchestron.Errorf(orchestron.Conflict, "the end of the test")
	}
	if f.updates[f.asked-1] == nil {
		return boardapi.UpdatesOut{}, orchestron.Errorf(orchestron.Unavailable, "the call was cancelled")
	}
	found := f.updates[f.asked-1]
	return boardapi.UpdatesOut{Updates: found, Count: len(found), Cursor: int64(10 * f.asked)}, nil
}

func (f *fake) export(in boardapi.ExportIn) (boardapi.ExportOut, error) {
	n := 0
	if in.Cursor != "" {
		if _, err := fmt.Sscan(in.Cursor, &n); err != nil {
			return boardapi.ExportOut{}, err
		}
	}
	if n >= len(f.lines) {
		return boardapi.ExportOut{}, orchestron.Errorf(orchestron.Unavailable, "the store is gone")
	}
	out := boardapi.ExportOut{Lines: []json.RawMessage{}}
	for _, line := range f.lines[n] {
		out.Lines = append(out.Lines, json.RawMessage(line))
	}
	if n+1 < len(f.lines) || f.fail["export"] != nil {
		out.Cursor = fmt.Sprint(n + 1)
	}
	return out, nil
}

func (f *fake) run(t *testing.T, stdin string, args ...string) consoletest.Ran {
	t.Helper()
	return consoletest.Run(t, f.Daemon, boardcli.Commands, stdin, args...)
}

// did are the calls of operations so far, each as its name and its arguments.
func (f *fake) did() string {
	var all []string
	for _, c := range f.Calls() {
		all = append(all, c.Name+" "+c.Args)
	}
	return strings.Join(all, "\n")
}
