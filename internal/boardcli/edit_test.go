package boardcli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/boardcli"
	"github.com/orchestron/orchestron/internal/console/consoletest"
)

// typing runs a command for a person at a terminal whose editor does what body says with the file $1.
func (f *fake) typing(t *testing.T, body string, args ...string) consoletest.Ran {
	t.Helper()
	editor := filepath.Join(t.TempDir(), "ed")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	p, stdout, stderr := consoletest.Process(f.Daemon, "")
	p.Stdin, p.Environ = slave, []string{"EDITOR=" + editor, "PATH=" + os.Getenv("PATH")}
	code := consoletest.RunIn(t.Context(), p, boardcli.Commands, args...)
	return consoletest.Ran{Code: code, Stdout: stdout.String(), Stderr: stderr.String()}
}

func TestEditor(t *testing.T) {
	tests := []struct {
		body string
		args string
		want string
	}{
		{`printf 'in cents\n\n' > "$1"`, "task clarify TASK-1", `orchestron_task_clarify {"taskId":"TASK-1","text":"in cents"}`},
		{`cat > /dev/null "$1"; printf 'long' > "$1"`, "task create x --edit", `orchestron_task_create {"description":"long","title":"x","type":"TASK"}`},
		{`printf ' and more' >> "$1"`, "task create x --edit --description begun", `orchestron_task_create {"description":"begun and more","title":"x","type":"TASK"}`},
		{
			`grep -q '^TASK-1: Ship it$' "$1" || exit 9
sed 's/^## Done$/&\n- schema\n  with indexes\n- migration/; s/^## Notes$/&\nmind\n\nthe gap/' "$1" > "$1.new" && mv "$1.new" "$1"`,
			"handoff TASK-1",
			`orchestron_handoff_prepare {"completedWork":["schema\nwith indexes","migration"],"notes":"mind\n\nthe gap","taskId":"TASK-1"}`,
		},
		{`exit 0`, "task create x --edit --description begun", `orchestron_task_create {"description":"begun","title":"x","type":"TASK"}`},
		{`printf 'no headings\n## Left\n* one\n\n-\n-two' > "$1"`, "handoff TASK-1", `orchestron_handoff_prepare {"remainingWork":["* one","two"],"taskId":"TASK-1"}`},
	}
	for _, test := range tests {
		f := newFake()
		ran := f.typing(t, test.body, strings.Fields(test.args)...)
		calls := strings.Split(f.did(), "\n")
		if got := calls[len(calls)-1]; ran.Code != 0 || got != test.want {
			t.Errorf("orchestron %s\n got %s\nwant %s\n%+v", test.args, got, test.want, ran)
		}
	}
}

// Who writes nothing changes nothing; what was written is not lost; nobody writes for a task that is not there.
func TestEditorInVain(t *testing.T) {
	for _, line := range []string{"task clarify TASK-1", "handoff TASK-1", "task create x --edit"} {
		f := newFake()
		ran := f.typing(t, "exit 0", strings.Fields(line)...)
		if did := f.did(); ran.Code != 2 || !strings.Contains(ran.Stderr, "nothing was written, and nothing was done") || did != "" && !strings.HasPrefix(did, "orchestron_task_get") {
			t.Errorf("orchestron %s with nothing written: %+v, called %s", line, ran, did)
		}
		refused := orchestron.Errorf(orchestron.Conflict, "no")
		f.fail = map[string]error{"clarify": refused, "handoff": refused, "create": refused}
		ran = f.typing(t, `printf '## Left\n- precious words' > "$1"`, strings.Fields(line)...)
		if ran.Code != 4 || !strings.Contains(ran.Stderr, "precious words") {
			t.Errorf("orchestron %s that is refused: %+v, want what was written", line, ran)
		}
	}
	ran := newFake().typing(t, `printf 'words above any heading' > "$1"`, "handoff", "TASK-1")
	if ran.Code != 2 || !strings.Contains(ran.Stderr, "What you wrote:\nwords above any heading\n") {
		t.Errorf("a hand-off without headings: %+v", ran)
	}
	for _, line := range []string{"task clarify TASK-9", "handoff TASK-9"} {
		touched := filepath.Join(t.TempDir(), "touched")
		ran := newFake().typing(t, ": > "+touched, strings.Fields(line)...)
		if _, err := os.Stat(touched); ran.Code != 3 || err == nil {
			t.Errorf("orchestron %s: %+v, and the editor opened: %t", line, ran, err == nil)
		}
	}
}
