package boardcli_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardapi"
	"github.com/orchestron/orchestron/internal/boardcli"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/foresight"
)

// onTerminal runs a command whose output is a terminal without colours.
func (f *fake) onTerminal(t *testing.T, columns int, args ...string) string {
	t.Helper()
	return consoletest.OnTerminal(t, columns, func(terminal io.Writer) {
		p, _, stderr := consoletest.Process(f.Daemon, "")
		p.Stdout, p.Environ = terminal, []string{"NO_COLOR=1"}
		if code := consoletest.RunIn(t.Context(), p, boardcli.Commands, args...); code != 0 {
			t.Errorf("orchestron %q: %d %s", args, code, stderr)
		}
	})
}

// filled is a fake whose every text is long and tries to do something to the terminal.
func filled() *fake {
	f := newFake()
	long := consoletest.Evil + strings.Repeat(" long title", 20)
	big := task("TASK-123456789012", orchestron.InProgress, long)
	big.Priority, big.Progress, big.Assignee, big.Labels, big.Sprint = orchestron.Critical, 40, consoletest.Evil, []string{consoletest.Evil}, consoletest.Evil
	big.Description, big.AcceptanceCriteria = long, []string{long}
	big.DependsOn, big.Waits, big.Parent, big.Children, big.Estimate = []orchestron.TaskID{"TASK-1", "TASK-2"}, 1, "TASK-7", 2, 3.5
	big.Lease = orchestron.Lease{Number: 3, Holder: consoletest.Evil, Since: now.Add(-time.Hour), Until: now.Add(time.Hour)}
	big.Clarifications = []orchestron.Clarification{{By: consoletest.Evil, At: now, Text: long}}
	big.Handoff = &orchestron.Handoff{By: consoletest.Evil, At: now, CompletedWork: []string{long}, RemainingWork: []string{long}, Notes: long, TakenBy: consoletest.Evil}
	fields, _ := json.Marshal(map[string]any{"title": long, "status": "IN_PROGRESS", "lease": big.Lease, "startedAt": now})
	f.history = []orchestron.Change{{Seq: 41, At: now, By: consoletest.Evil, Kind: orchestron.TaskUpdated, Task: big.ID, Text: long, Fields: fields}}
	f.task, f.updates = big, [][]orchestron.Change{f.history}
	f.pages = [][]orchestron.Task{{big, task("TASK-2", orchestron.ToDo, "small")}}
	sprint := orchestron.Sprint{Name: consoletest.Evil, Goal: long, State: orchestron.Active, Start: now, End: now}
	f.sprint = boardapi.SprintOut{
		Found: true, Sprint: &sprint, Sprints: []orchestron.Sprint{sprint}, Open: []orchestron.Task{big},
		Done: boardapi.Progress{Tasks: 2, Percent: 40, ByStatus: map[orchestron.TaskStatus]int{orchestron.ToDo: 1, orchestron.InProgress: 1}},
	}
	f.note.Notes, f.note.By, f.note.Checkpoint, f.note.Session = long, consoletest.Evil, consoletest.Evil, consoletest.Evil
	f.note.Context, _ = json.Marshal(map[string]string{"text": long})
	f.note.Tasks, f.note.Sprint = []orchestron.Task{big}, &sprint
	f.note.Handoffs = []boardapi.TaskHandoff{{TaskID: big.ID, Title: long, Handoff: *big.Handoff}}
	f.entries = []boardapi.ContextEntry{{ID: "CTX-123456789012", Checkpoint: long, Notes: long, By: consoletest.Evil, At: now, Bytes: 7}}
	raw, _ := json.Marshal(long)
	f.changes = []boardapi.Difference{{Path: "/" + long, Before: raw, After: raw}, {Path: "/a", After: raw}, {Path: "/b", Before: raw}}
	f.report = foresight.Report{
		Findings:   []string{long},
		Ageing:     foresight.Top[foresight.Aged]{Total: 1, Items: []foresight.Aged{{ID: big.ID, Holder: long}}},
		Blocked:    foresight.Top[foresight.Chain]{Total: 1, Items: []foresight.Chain{{ID: big.ID, Holder: long}}},
		Overloaded: foresight.Top[foresight.Load]{Total: 1, Items: []foresight.Load{{Assignee: consoletest.Evil}}},
		Review:     foresight.Review{Total: 1, Items: []foresight.Waiting{{ID: big.ID, Holder: long}}},
	}
	f.prediction = foresight.Prediction{Reason: long}
	f.lines = [][]string{{string(raw)}}
	return f
}

// reads are all commands that show what others wrote.
var reads = []string{
	"task create x", "task list", "task board", "task show TASK-1", "task update TASK-1 --progress 1", "task claim", "updates",
	"sprint create x", "sprint show", "sprint close", "context show", "context history", "context diff CTX-1", "predict", "bottlenecks", "export",
}

// Nothing that somebody wrote does anything to a terminal.
func TestHarmless(t *testing.T) {
	for _, line := range reads {
		for _, args := range [][]string{words(line), words(line, "--json")} {
			got := filled().onTerminal(t, 80, args...)
			if i := strings.IndexFunc(got, func(r rune) bool {
				return r != '\n' && r != '\t' && r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x202e
			}); i >= 0 || got == "" {
				t.Errorf("orchestron %s prints %q", line, got)
			}
		}
	}
}

// Tables fit the terminal, and ids are whole.
func TestWidth(t *testing.T) {
	for _, columns := range []int{60, 80, 120, 200} {
		for _, line := range []string{"task list", "task board", "task board --done", "updates", "context history"} {
			got := filled().onTerminal(t, columns, words(line)...)
			for row := range strings.Lines(got) {
				if width := ansi.StringWidth(strings.TrimSuffix(row, "\n")); width > columns {
					t.Errorf("orchestron %s on %d columns prints a line of %d: %q", line, columns, width, row)
				}
			}
			if !strings.Contains(got, "-123456789012") {
				t.Errorf("orchestron %s on %d columns cuts an id:\n%s", line, columns, got)
			}
		}
	}
}

// With --json the operation's answer comes as it is.
func TestJSON(t *testing.T) {
	for _, line := range reads {
		if line == "export" || line == "task board" { // lines already; an answer of its own
			continue
		}
		ran := filled().run(t, "", words(line, "--json")...)
		var v map[string]any
		if err := json.Unmarshal([]byte(ran.Stdout), &v); ran.Code != 0 || err != nil || strings.Count(ran.Stdout, "\n") != 1 || ran.Stderr != "" {
			t.Errorf("orchestron %s --json: %v %+v", line, err, ran)
		}
	}
	ran := filled().run(t, "", "task", "show", "TASK-1", "--json")
	if !strings.Contains(ran.Stdout, `"id":"TASK-123456789012"`) || !strings.Contains(ran.Stdout, `"history":[{"seq":41`) {
		t.Errorf("got %s", ran.Stdout)
	}
}

func TestListToTheEnd(t *testing.T) {
	f := newFake()
	f.pages = [][]orchestron.Task{{task("TASK-1", orchestron.ToDo, "a")}, {task("TASK-2", orchestron.Done, "b")}, {task("TASK-3", orchestron.ToDo, "c")}}
	if ran := f.run(t, "", "task", "list"); ran.Stderr != "there are more; --all lists them\n" || strings.Contains(ran.Stdout, "TASK-2") {
		t.Errorf("one page: %+v", ran)
	}
	want := "ID      TYPE  STATUS  PRIORITY  DONE  WHO  TITLE\n" +
		"TASK-1  TASK  TODO    MEDIUM    0%    -    a\nTASK-2  TASK  DONE    MEDIUM    0%    -    b\nTASK-3  TASK  TODO    MEDIUM    0%    -    c\n"
	if diff := cmp.Diff(consoletest.Ran{Stdout: want}, f.run(t, "", "task", "list", "--all")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var out boardapi.TaskListOut
	ran := f.run(t, "", "task", "list", "--all", "--json")
	if err := json.Unmarshal([]byte(ran.Stdout), &out); err != nil || out.Count != 3 || len(out.Tasks) != 3 || out.Cursor != "" || out.Project != "/w/p" {
		t.Errorf("got %v %+v", err, out)
	}
	f.pages = nil
	if diff := cmp.Diff(consoletest.Ran{Stderr: "no tasks on the board of /w/p\n"}, f.run(t, "", "task", "list")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBoardLayout(t *testing.T) {
	f := newFake()
	one, two := task("TASK-1", orchestron.ToDo, "Write the checkout page with all that belongs to it and a little more"), task("TASK-2", orchestron.InProgress, "Refund")
	two.Priority, two.Progress, two.Assignee = orchestron.High, 30, "ada"
	f.pages = [][]orchestron.Task{{one, two}}
	want := `TODO (1)                  IN_PROGRESS (1)           BLOCKED (0)               IN_REVIEW (0)
TASK-1                    TASK-2 high 30% ada
 Write the checkout page   Refund
 with all that belongs …
`
	if diff := cmp.Diff(want, f.onTerminal(t, 102, "task", "board")); diff != "" {
		t.Errorf("side by side (-want +got):\n%s", diff)
	}
	want = "TODO (1)\n  TASK-1  Write the checkout page with all that belongs to it and a little more\n\n" +
		"IN_PROGRESS (1)\n  TASK-2 high 30% ada  Refund\n\nBLOCKED (0)\n\nIN_REVIEW (0)\n"
	if diff := cmp.Diff(want, f.onTerminal(t, 80, "task", "board")); diff != "" {
		t.Errorf("one below the other (-want +got):\n%s", diff)
	}
}

func TestTaskCard(t *testing.T) {
	f := newFake()
	f.task.Description, f.task.AcceptanceCriteria = "What is\nto be done.", []string{"it works"}
	f.task.DependsOn, f.task.Assignee, f.task.Estimate = []orchestron.TaskID{"TASK-2", "TASK-3"}, "ada", 1.5
	f.task.Waits, f.task.Status = 1, orchestron.InProgress
	f.task.Lease = orchestron.Lease{Number: 2, Holder: "ada", Since: now.Add(-time.Minute), Until: now.Add(time.Hour)}
	f.task.Clarifications = []orchestron.Clarification{{By: "operator", At: now.Add(-time.Hour), Text: "in cents,\nalways"}}
	f.task.Handoff = &orchestron.Handoff{By: "exec_1", At: now.Add(-2 * time.Hour), CompletedWork: []string{"schema"}, RemainingWork: []string{"rest"}, Notes: "mind the gap", TakenBy: "ada"}
	f.history = []orchestron.Change{{
		Seq: 7, At: time.Date(2020, 1, 2, 3, 4, 5, 0, time.Local), By: "ada", Kind: orchestron.TaskClaimed, Text: "said\nso",
		Fields: json.RawMessage(`{"lease":{"number":2,"holder":"ada"},"status":"IN_PROGRESS","assignee":"","labels":["a"],"startedAt":"2020-01-02T03:04:05Z"}`),
	}}
	want := `TASK-1 Ship it
status      IN_PROGRESS, 0%
type        TASK, MEDIUM
assignee    ada
held by     ada since 1m (lease 2, ends in 1h)
depends on  TASK-2, TASK-3 (1 not over)
estimate    1.5h
board       /w/p
created     1h ago by operator

What is
to be done.

Acceptance criteria
- it works

Clarifications
- operator, 1h ago: in cents,
  always

Hand-off by exec_1, 2h ago, taken by ada
- done: schema
- left: rest
mind the gap

History
7  2020-01-02 03:04:05  task.claimed  by ada  assignee=-  labels=["a"]  lease=2  status=IN_PROGRESS  said so
`
	if diff := cmp.Diff(consoletest.Ran{Stdout: want}, f.run(t, "", "task", "show", "TASK-1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReports(t *testing.T) {
	f := newFake()
	at := time.Date(2026, 3, 3, 12, 0, 0, 0, time.Local)
	f.prediction = foresight.Prediction{
		Enough: true, P50: foresight.Forecast{At: at, Hours: 2.5}, P85: foresight.Forecast{At: at, Hours: 48}, P95: foresight.Forecast{At: at, Hours: 0.5},
		Basis: foresight.Basis{Samples: 9, MedianCycle: 3, P85Cycle: 60, TasksLeft: 4, Outside: 1, Workers: 2},
	}
	want := `CHANCE  DONE BY               IN
50%     Tue 2026-03-03 12:00  2.5h
85%     Tue 2026-03-03 12:00  2.0 days
95%     Tue 2026-03-03 12:00  30m

4 tasks left, 1 of them outside of what was asked for, 2 at once.
From 9 finished tasks: half of them took up to 3.0h, 85% up to 2.5 days.
`
	if diff := cmp.Diff(consoletest.Ran{Stdout: want}, f.run(t, "", "predict")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.prediction = foresight.Prediction{Reason: "2 finished tasks have a known cycle time; a forecast needs 5", Basis: foresight.Basis{TasksLeft: 1}}
	want = "No forecast: 2 finished tasks have a known cycle time; a forecast needs 5.\n1 task left.\n"
	if diff := cmp.Diff(consoletest.Ran{Stdout: want}, f.run(t, "", "predict")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(consoletest.Ran{Stdout: "Nothing holds the work up.\n"}, f.run(t, "", "bottlenecks")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.report.Findings = []string{"1 task waits for TASK-2."}
	f.report.Blocked = foresight.Top[foresight.Chain]{Total: 1, Items: []foresight.Chain{{
		ID: "TASK-2", Status: orchestron.ToDo, HeldUp: 1, Tasks: foresight.Top[orchestron.TaskID]{Total: 3, Items: []orchestron.TaskID{"TASK-2", "TASK-3"}},
	}}}
	f.report.CriticalPath = foresight.Path{Hours: 5, Top: foresight.Top[orchestron.TaskID]{Total: 2, Items: []orchestron.TaskID{"TASK-2", "TASK-3"}}}
	want = `- 1 task waits for TASK-2.

Blocked chains (1)
ID      STATUS  WHO  HELD UP  CHAIN
TASK-2  TODO    -    1        TASK-2 → TASK-3 → 1 more

Critical path, 5.0h
TASK-2 → TASK-3
`
	if diff := cmp.Diff(consoletest.Ran{Stdout: want}, f.run(t, "", "bottlenecks")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSprintAndContext(t *testing.T) {
	f := newFake()
	f.sprint = boardapi.SprintOut{Sprints: []orchestron.Sprint{{Name: "w", State: orchestron.Planned, Goal: "g"}}, Open: []orchestron.Task{}}
	want := consoletest.Ran{Stdout: "SPRINT  STATE    GOAL\nw       planned  g\n", Stderr: "no sprint is active\n"}
	if diff := cmp.Diff(want, f.run(t, "", "sprint", "show")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.sprint.Sprint, f.sprint.Moved = &orchestron.Sprint{Name: "w", State: orchestron.Closed}, 1
	if diff := cmp.Diff(consoletest.Ran{Stdout: "w is closed; 1 unfinished task went to v\n"}, f.run(t, "", "sprint", "close", "--move-to", "v")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.note.Checkpoint, f.note.Notes, f.note.Newer = "c", "stopped", []orchestron.Note{{ID: "CTX-1"}, {ID: "CTX-2", Context: json.RawMessage(`{}`), By: "ada", At: now}}
	text := "CTX-1 c\nsaved       1h ago by exec_1\nstopped\n{\n  \"next\": \"test\"\n}\n\nCTX-2\nsaved       0s ago by ada\n"
	if diff := cmp.Diff(consoletest.Ran{Stdout: text}, f.run(t, "", "context", "show")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.changes = []boardapi.Difference{
		{Path: "/a", Before: json.RawMessage(`1`), After: json.RawMessage(`2`)}, {Path: "/b", After: json.RawMessage(`null`)}, {Path: "/c", Before: json.RawMessage(`"x"`)},
	}
	if diff := cmp.Diff(consoletest.Ran{Stdout: "~ /a: 1 → 2\n+ /b: null\n- /c: \"x\"\n"}, f.run(t, "", "context", "diff", "CTX-1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCompletion(t *testing.T) {
	f := newFake()
	f.pages = [][]orchestron.Task{{task("TASK-1", orchestron.ToDo, "a"), task("TASK-2", orchestron.ToDo, "b")}}
	f.sprint.Sprints = []orchestron.Sprint{{Name: "week 12", State: orchestron.Active}}
	f.entries = []boardapi.ContextEntry{{ID: "CTX-1", Checkpoint: "c"}}
	for line, want := range map[string]string{
		"task show ":                    "TASK-1\tTODO, a\nTASK-2\tTODO, b\n",
		"handoff TASK-2":                "TASK-2\tTODO, b\n",
		"task depend TASK-1 --on ":      "TASK-1\tTODO, a\nTASK-2\tTODO, b\n",
		"task update TASK-1 --status I": "IN_PROGRESS\nIN_REVIEW\n",
		"sprint start ":                 "week 12\tactive\n",
		"context show ":                 "CTX-1\tc\n",
	} {
		args := append([]string{"__complete"}, strings.Split(line, " ")...)
		got, _, _ := strings.Cut(f.run(t, "", args...).Stdout, ":")
		if got != want {
			t.Errorf("orchestron %q completes to %q, want %q", line, got, want)
		}
	}
	f.run(t, "", "__complete", "task", "show", "--project", "web", "")
	if got := f.did(); !strings.Contains(got, `"limit":500`) {
		t.Errorf("got %s", got)
	}
	if got := f.run(t, "", "__complete", "sprint", "start", "--project", "web", ""); !strings.Contains(f.did(), `orchestron_sprint_get {"project":"web"}`) {
		t.Errorf("completion asks another board: %+v\n%s", got, f.did())
	}
}
