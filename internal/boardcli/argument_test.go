package boardcli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each command is one call of an operation, with the arguments that its flags say and no others.
func TestArguments(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"note.md": "from a file\n", "state.json": "{\n  \"next\": \"test\"\n}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		args []string
		in   string
		want string
	}{
		{args: words("task create", "Ship it"), want: `orchestron_task_create {"title":"Ship it","type":"TASK"}`},
		{
			args: append(words("task create --type story --priority high --parent TASK-1 --assignee ada --label a,b --label c --sprint w --depend-on TASK-2,TASK-3 --estimate 1.5"),
				"x", "--criteria", "one, two", "--criteria", "three", "--description", "d", "--project", "web"),
			want: `orchestron_task_create {"acceptance_criteria":["one, two","three"],"assignee":"ada","dependsOn":["TASK-2","TASK-3"],"description":"d",` +
				`"estimate":1.5,"labels":["a","b","c"],"parentId":"TASK-1","priority":"HIGH","project":"web","sprint":"w","title":"x","type":"STORY"}`,
		},
		{args: words("task create x --description @note.md"), want: `orchestron_task_create {"description":"from a file\n","title":"x","type":"TASK"}`},
		{args: words("task create x --description -"), in: "piped", want: `orchestron_task_create {"description":"piped","title":"x","type":"TASK"}`},
		{args: words("task create x --project ."), want: `orchestron_task_create {"project":"` + dir + `","title":"x","type":"TASK"}`},
		{args: words("task create x --project ../other"), want: `orchestron_task_create {"project":"` + filepath.Join(filepath.Dir(dir), "other") + `","title":"x","type":"TASK"}`},
		{args: words("task list"), want: `orchestron_task_list {}`},
		{
			args: append(words("task list --status todo,in-progress --status blocked --type epic --priority LOW --assignee ada --sprint w --parent TASK-1 --label l --ready --limit 3"), "--text", "two words"),
			want: `orchestron_task_list {"assignee":"ada","label":"l","limit":3,"parentId":"TASK-1","priority":["LOW"],"ready":true,"sprint":"w","status":["TODO","IN_PROGRESS","BLOCKED"],"text":"two words","type":["EPIC"]}`,
		},
		{args: words("task list --all"), want: `orchestron_task_list {"limit":500}`},
		{args: words("task board --sprint w --done"), want: `orchestron_task_list {"limit":500,"sprint":"w","status":["TODO","IN_PROGRESS","BLOCKED","IN_REVIEW","DONE"]}`},
		{args: words("task show TASK-1"), want: `orchestron_task_get {"taskId":"TASK-1"}`},
		{args: words("task show TASK-1 --history 0"), want: `orchestron_task_get {"history":0,"taskId":"TASK-1"}`},
		{args: words("task update TASK-1 --status done"), want: `orchestron_task_update {"status":"DONE","taskId":"TASK-1"}`},
		{
			args: append(words("task update TASK-1 --progress 0 --type todo --title t --estimate 0 --lease 3 --priority low --notes -"), "--assignee", "", "--label", "", "--parent", "", "--sprint", "", "--description", "", "--criteria", ""),
			in:   "n",
			want: `orchestron_task_update {"acceptance_criteria":[],"assignee":"","description":"","estimate":0,"labels":[],"lease":3,"notes":"n","parentId":"","priority":"LOW","progress":0,"sprint":"","taskId":"TASK-1","title":"t","type":"TODO"}`,
		},
		{args: words("task release TASK-1"), want: `orchestron_task_update {"assignee":"","status":"TODO","taskId":"TASK-1"}`},
		{args: words("task claim"), want: `orchestron_task_claim {}`},
		{
			args: words("task claim TASK-1 --assignee ada --minutes 5 --type task,todo --label l --sprint w"),
			want: `orchestron_task_claim {"assignee":"ada","label":"l","lease_minutes":5,"sprint":"w","taskId":"TASK-1","type":["TASK","TODO"]}`,
		},
		{args: words("task depend TASK-1 --on TASK-2,TASK-3 --remove"), want: `orchestron_task_depend {"on":["TASK-2","TASK-3"],"remove":true,"taskId":"TASK-1"}`},
		{args: words("task priority TASK-1 --set critical"), want: `orchestron_task_prioritize {"priority":"CRITICAL","taskId":"TASK-1"}`},
		{args: words("task clarify TASK-1", "in cents"), want: `orchestron_task_clarify {"taskId":"TASK-1","text":"in cents"}`},
		{args: words("task clarify TASK-1"), in: "piped", want: `orchestron_task_clarify {"taskId":"TASK-1","text":"piped"}`},
		{args: words("task clarify TASK-1 @note.md"), want: `orchestron_task_clarify {"taskId":"TASK-1","text":"from a file\n"}`},
		{
			args: words("handoff TASK-1 --notes n", "--done", "a, b", "--done", "c", "--left", "d"),
			want: `orchestron_handoff_prepare {"completedWork":["a, b","c"],"notes":"n","remainingWork":["d"],"taskId":"TASK-1"}`,
		},
		{
			args: words("sprint create w --goal g --end 2026-03-20 --task TASK-1,TASK-2"),
			want: `orchestron_sprint_create {"end":"2026-03-20T23:59:59Z","goal":"g","name":"w","tasks":["TASK-1","TASK-2"]}`,
		},
		{args: words("sprint create w --end 2026-03-20T10:00:00Z"), want: `orchestron_sprint_create {"end":"2026-03-20T10:00:00Z","name":"w"}`},
		{args: words("sprint start w --project web"), want: `orchestron_sprint_start {"name":"w","project":"web"}`},
		{args: words("sprint close"), want: `orchestron_sprint_close {}`},
		{args: words("sprint close w --move-to v"), want: `orchestron_sprint_close {"moveTo":"v","name":"w"}`},
		{args: words("sprint show"), want: `orchestron_sprint_get {}`},
		{args: words("sprint show w"), want: `orchestron_sprint_get {"name":"w"}`},
		{args: words("context show"), want: `orchestron_context_get {}`},
		{args: words("context show CTX-3 --since 2h"), want: `orchestron_context_get {"id":"CTX-3","since":"2026-03-01T10:00:00Z"}`},
		{args: words("context show --checkpoint c --since 2026-02-28"), want: `orchestron_context_get {"checkpoint":"c","since":"2026-02-28T00:00:00Z"}`},
		{args: words("context save --file state.json --checkpoint c --notes n"), want: `orchestron_context_save {"checkpoint":"c","context":{"next":"test"},"notes":"n"}`},
		{args: words("context save --file -"), in: `{"a":1}`, want: `orchestron_context_save {"context":{"a":1}}`},
		{args: words("context save --notes @note.md"), want: `orchestron_context_save {"notes":"from a file\n"}`},
		{args: words("context history --limit 3 --before CTX-9"), want: `orchestron_context_history {"before":"CTX-9","limit":3}`},
		{args: words("context diff CTX-1"), want: `orchestron_context_diff {"from":"CTX-1"}`},
		{args: words("context diff CTX-1 CTX-2"), want: `orchestron_context_diff {"from":"CTX-1","to":"CTX-2"}`},
		{args: words("predict"), want: `orchestron_predict_completion {}`},
		{args: words("predict TASK-1"), want: `orchestron_predict_completion {"taskId":"TASK-1"}`},
		{args: words("predict --sprint w --project web"), want: `orchestron_predict_completion {"project":"web","sprint":"w"}`},
		{args: words("bottlenecks --project web"), want: `orchestron_analyze_bottlenecks {"project":"web"}`},
		{args: words("import board.jsonl --renumber --project web"), want: `orchestron_import {"path":"` + filepath.Join(dir, "board.jsonl") + `","project":"web","renumber":true}`},
		{args: words("import /x/board.jsonl"), want: `orchestron_import {"path":"/x/board.jsonl"}`},
	}
	for _, test := range tests {
		f := newFake()
		ran := f.run(t, test.in, test.args...)
		if got := f.did(); ran.Code != 0 || got != test.want {
			t.Errorf("orchestron %q\n got %s\nwant %s\n%+v", test.args, got, test.want, ran)
		}
	}
}

// words are the words of a command line, and more that have spaces.
func words(line string, more ...string) []string { return append(strings.Fields(line), more...) }

// What is wrong is said in the words of the command line, and no operation is called with it.
func TestBadArguments(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{
		"list.json": "[1]", "broken.json": "{\"a\": 1,\n\"b\": }", "latin.json": "{\"a\":\"\xe9\"}", "latin.md": "\xe9",
		"large.json": `{"a":"` + strings.Repeat("x", 5<<20) + `"}`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		args []string
		code int
		want string
	}{
		{words("task create"), 2, "orchestron task create needs TITLE"},
		{words("task create x y"), 2, `"y" is one argument too many`},
		{words("task create", ""), 2, "TITLE: "},
		{words("task create", "caf\xe9"), 2, "TITLE: it is not UTF-8"},
		{words("task create x --label", "caf\xe9"), 2, "--label: it is not UTF-8"},
		{words("task create x --description @latin.md"), 2, "not UTF-8"},
		{words("task create x --label", strings.Repeat("l", 2001)), 2, "--label: "},
		{words("task create x --type bug"), 2, `--type: "bug" is none of EPIC, STORY, TASK, SUBTASK, TODO`},
		{words("task create x --estimate NaN"), 2, "--estimate: NaN is no number of hours"},
		{words("task create x --estimate -1"), 2, "--estimate: -1 is less than 0"},
		{words("task list --status open"), 2, `is none of TODO, IN_PROGRESS, BLOCKED, IN_REVIEW, DONE, CANCELLED`},
		{words("task list --limit 0"), 2, "--limit: 0 is less than 1"},
		{words("task list --all --limit 5"), 2, "--all and --limit exclude each other"},
		{words("task list --stauts todo"), 2, "did you mean --status?"},
		{words("task update TASK-1"), 2, "orchestron task update needs something to change"},
		{words("task update TASK-1 --progress 150"), 2, "--progress: 150 is greater than 100"},
		{words("task update TASK-1 --notes - --description -"), 2, "cannot both be read from stdin"},
		{words("task update TASK-9 --progress 1"), 3, "try: orchestron task list shows the tasks"},
		{words("task depend TASK-1 --remove"), 2, "orchestron task depend needs --on"},
		{words("task priority TASK-1"), 2, "orchestron task priority needs --set"},
		{words("task claim --minutes -1"), 2, "--minutes: -1 is less than 0"},
		{words("task clarify TASK-1", ""), 2, "TEXT: "},
		{words("handoff TASK-1"), 2, "give --done, --left or --notes"},
		{words("context save"), 2, "give --file, --notes or --checkpoint"},
		{words("context save --file list.json"), 2, `--file: [1] has type "array", want "object"`},
		{words("context save --file broken.json"), 2, "--file: line 2: invalid character '}'"},
		{words("context save --file latin.json"), 2, "--file: it is not UTF-8"},
		{words("context save --file large.json"), 7, "--file: the context has more than the 1048576 bytes allowed"},
		{words("context save --file none.json"), 2, "open none.json: no such file"},
		{words("context save --file - --notes -"), 2, "--file and --notes cannot both be read from stdin"},
		{words("updates --wait 48h"), 2, "--wait: 172800 is greater than 86400"},
		{words("updates --cursor -1"), 2, "--cursor: -1 is less than 0"},
		{words("updates --follow --wait 1m"), 2, "--follow and --wait exclude each other"},
		{words("predict TASK-1 --sprint w"), 2, "TASK and --sprint are two questions"},
		{words("import"), 2, "name one, or set ORCHESTRON_DB"},
		{words("export /dev/null"), 2, "/dev/null is no file"},
		{words("export none/board.jsonl"), 2, "no such file or directory"},
		{words("task shwo"), 2, "did you mean orchestron task show?"},
	}
	for _, test := range tests {
		f := newFake()
		ran := f.run(t, "x", test.args...)
		if ran.Code != test.code || !strings.Contains(ran.Stderr, test.want) || ran.Stdout != "" {
			t.Errorf("orchestron %.60q: got %d %.300q, want %d %q", test.args, ran.Code, ran.Stderr, test.code, test.want)
		}
	}
}
