package boardcli_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardcli"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/console/consoletest"
)

func TestExport(t *testing.T) {
	dir := t.TempDir()
	f := newFake()
	f.lines = [][]string{{`{"board":1}`, `{"task":{"id":"TASK-1"}}`}, {`{"task":{"id":"TASK-2"}}`}}
	whole := "{\"board\":1}\n{\"task\":{\"id\":\"TASK-1\"}}\n{\"task\":{\"id\":\"TASK-2\"}}\n"
	for _, line := range []string{"export", "export -", "export --json"} {
		if diff := cmp.Diff(consoletest.Ran{Stdout: whole}, f.run(t, "", words(line)...)); diff != "" {
			t.Errorf("orchestron %s (-want +got):\n%s", line, diff)
		}
	}
	if got, want := f.Did("orchestron_export")[:2], []string{`{"limit":1000}`, `{"cursor":"1","limit":1000}`}; !cmp.Equal(got, want) {
		t.Errorf("asked %s, want %s", got, want)
	}

	file, link := filepath.Join(dir, "board.jsonl"), filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	want := consoletest.Ran{Stdout: file + "\n", Stderr: "3 lines\n"}
	if diff := cmp.Diff(want, f.run(t, "", "export", file, "--all", "--project", "web")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, _ := os.ReadFile(file); string(got) != whole {
		t.Errorf("the file has %q", got)
	}
	if got := f.Did("orchestron_export"); got[len(got)-1] != `{"all":true,"cursor":"1","limit":1000,"project":"web"}` {
		t.Errorf("asked %s", got[len(got)-1])
	}
	// An export that fails on the way leaves what there was, and nothing beside it.
	f.fail["export"] = errors.New("there is more")
	f.lines = f.lines[:1]
	if ran := f.run(t, "", "export", link); ran.Code != 6 || !strings.Contains(ran.Stderr, "the store is gone") {
		t.Errorf("got %+v", ran)
	}
	if got, _ := os.ReadFile(file); string(got) != whole {
		t.Errorf("an export that failed left %q", got)
	}
	// A link stays one.
	delete(f.fail, "export")
	if diff := cmp.Diff(consoletest.Ran{Stdout: `{"lines":2,"path":"` + file + "\"}\n"}, f.run(t, "", "export", link, "--json")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if to, err := os.Readlink(link); to != file || err != nil {
		t.Errorf("the link is gone: %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("%v is left: %v", left, err)
	}
}

func TestImport(t *testing.T) {
	f := newFake()
	want := "2 tasks, 1 sprint, 0 contexts and 0 changes from /x/board.jsonl\non the board of /w/p\n"
	if diff := cmp.Diff(consoletest.Ran{Stdout: want}, f.run(t, "", "import", "/x/board.jsonl")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	p, stdout, _ := consoletest.Process(f.Daemon, "")
	p.Environ = []string{"ORCHESTRON_DB=.orchestron/orchestron.db"}
	if code := consoletest.RunIn(t.Context(), p, boardcli.Commands, "import"); code != 0 {
		t.Errorf("import: %d", code)
	}
	file := filepath.Join(dir, ".orchestron", "orchestron.db")
	if got := f.Did("orchestron_import"); got[len(got)-1] != `{"path":"`+file+`"}` || !strings.Contains(stdout.String(), file) {
		t.Errorf("asked %s, printed %s", got[len(got)-1], stdout)
	}
	f.fail["import"] = orchestron.Errorf(orchestron.Conflict, "line 2: there is a TASK-1; nothing was imported").Try("import it with renumber")
	ran := f.run(t, "", "import", "/x/board.jsonl")
	if diff := cmp.Diff(consoletest.Ran{Code: 4, Stderr: "orchestron: line 2: there is a TASK-1; nothing was imported\n  try: import it with --renumber\n"}, ran); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUpdates(t *testing.T) {
	change := func(seq int64) orchestron.Change {
		return orchestron.Change{Seq: seq, At: now, By: "exec_1", Kind: orchestron.TaskUpdated, Task: "TASK-1", Fields: []byte(`{"progress":5}`)}
	}
	lines := func(text string) int { return strings.Count(text, "\n") }
	f := newFake()
	f.updates = [][]orchestron.Change{{change(1)}, {}, {change(12), change(13)}}
	ran := f.run(t, "", "updates", "--follow", "--mine")
	if lines(ran.Stdout) != 3 || ran.Code != 4 || !strings.Contains(ran.Stdout, "TASK-1  task.updated  by exec_1  progress=5\n") {
		t.Errorf("got %+v", ran)
	}
	if got := f.Did("orchestron_check_updates"); len(got) != 4 || got[0] != `{"mine":true,"timeout_seconds":300}` || got[3] != got[0] {
		t.Errorf("asked %s", got)
	}
	// With a cursor each question is behind the answer before.
	f = newFake()
	f.updates = [][]orchestron.Change{{change(1)}, {change(12)}}
	ran = f.run(t, "", "updates", "--follow", "--cursor", "0", "--json")
	if !strings.HasPrefix(ran.Stdout, `{"seq":1,`) || lines(ran.Stdout) != 2 {
		t.Errorf("got %+v", ran)
	}
	want := []string{`{"cursor":0,"timeout_seconds":300}`, `{"cursor":10,"timeout_seconds":300}`, `{"cursor":20,"timeout_seconds":300}`}
	if got := f.Did("orchestron_check_updates"); !cmp.Equal(got, want) {
		t.Errorf("asked %s, want %s", got, want)
	}
	f = newFake()
	f.updates = [][]orchestron.Change{{}}
	if diff := cmp.Diff(consoletest.Ran{Stderr: "nothing changed\n"}, f.run(t, "", "updates", "--wait", "90s", "--limit", "5")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := f.did(); got != `orchestron_check_updates {"limit":5,"timeout_seconds":90}` {
		t.Errorf("asked %s", got)
	}
}

// A daemon that stops is waited for, and none is started. One that never answered is not waited for.
func TestFollowOutlivesTheDaemon(t *testing.T) {
	f := newFake()
	f.updates = [][]orchestron.Change{{}, nil, nil, {{Seq: 3, At: now, By: "ada", Kind: orchestron.TaskCreated, Task: "TASK-1"}}}
	p, stdout, _ := consoletest.Process(f.Daemon, "")
	dials, dial := 0, p.Dial
	p.Dial = func(ctx context.Context, start bool) (console.Daemon, error) {
		if dials++; !start && dials == 2 {
			return nil, console.ErrNoDaemon
		}
		return dial(ctx, start)
	}
	code := consoletest.RunIn(t.Context(), p, boardcli.Commands, "updates", "--follow")
	if code != 4 || strings.Count(stdout.String(), "\n") != 1 || f.Starts > 0 || dials != 4 || len(f.Calls()) != 5 {
		t.Errorf("got %d %q after %d dials and %d calls, %d starts", code, stdout, dials, len(f.Calls()), f.Starts)
	}
	f = newFake()
	f.updates = [][]orchestron.Change{nil}
	if ran := f.run(t, "", "updates", "--follow"); ran.Code != 6 || len(f.Calls()) != 1 {
		t.Errorf("got %+v after %d calls", ran, len(f.Calls()))
	}
}

func TestFollowIsInterrupted(t *testing.T) {
	f := newFake()
	f.updates = slices.Repeat([][]orchestron.Change{{}}, 1<<20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, _, stderr := consoletest.Process(f.Daemon, "")
	done := make(chan int)
	go func() { done <- consoletest.RunIn(ctx, p, boardcli.Commands, "updates", "--follow") }()
	for len(f.Calls()) < 3 {
		select {
		case code := <-done:
			t.Fatalf("it ended: %d %s", code, stderr)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if code := <-done; code != 130 || stderr.String() != "orchestron: interrupted\n" {
		t.Errorf("got %d %q", code, stderr)
	}
}
