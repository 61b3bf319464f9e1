package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron/testkit"
)

// TestTurn follows one prompt through hooks, state file, transcript and ground truth.
func TestTurn(t *testing.T) {
	r := start(t, "--name", "worker-1", "--model", "sonnet")
	if got := r.turn("hello\nthere"); got != testkit.Echo("hello\nthere") {
		t.Errorf("answer = %q", got)
	}
	if got, want := r.names(), "SessionStart UserPromptSubmit Stop"; got != want {
		t.Errorf("hooks = %s, want %s", got, want)
	}
	submit, stop := r.event("UserPromptSubmit"), r.event("Stop")
	for key, want := range map[string]any{
		"session_id": session, "cwd": r.cwd, "permission_mode": "default", "prompt": "hello\nthere", "session_title": "worker-1",
	} {
		if submit[key] != want {
			t.Errorf("UserPromptSubmit %s = %v, want %v", key, submit[key], want)
		}
	}
	if submit["prompt_id"] != stop["prompt_id"] || submit["prompt_id"] == nil {
		t.Errorf("prompt_id %v at the submit and %v at the stop, want one", submit["prompt_id"], stop["prompt_id"])
	}
	if r.event("SessionStart")["source"] != "startup" {
		t.Errorf("SessionStart = %v", r.event("SessionStart"))
	}
	slug := strings.Map(func(c rune) rune {
		if c == '/' || c == '_' || c == '.' {
			return '-'
		}
		return c
	}, r.cwd)
	if got, want := stop["transcript_path"], filepath.Join(r.config, "projects", slug, session+".jsonl"); got != want {
		t.Errorf("transcript = %v, want %v", got, want)
	}
	lines := r.transcript()
	if len(lines) != 2 || lines[0]["type"] != "user" || lines[1]["type"] != "assistant" || lines[1]["parentUuid"] != lines[0]["uuid"] {
		t.Errorf("transcript lines: %v", lines)
	}
	if diff := cmp.Diff([]string{"hello\nthere"}, r.accepted()); diff != "" {
		t.Errorf("ground truth (-want +got):\n%s", diff)
	}
	if s := r.state(); s["pid"] != float64(r.cmd.Process.Pid) || s["sessionId"] != session || s["name"] != "worker-1" {
		t.Errorf("state file = %v", s)
	}
}

// TestEveryByte: what the editor writes is what hooks, transcript and ground truth get, but for white space at the end.
func TestEveryByte(t *testing.T) {
	r := start(t)
	for _, text := range []string{
		"  leading\n\n  spaces ; #() #{} $(touch x) `x` \\n ~ ! \" ' 👩‍👩‍👧 شَرْق \u200b",
		strings.Repeat("0123456789 öäü \"<&>\n", 6000) + "end",
	} {
		if got := r.turn(text + " \t\n\n"); got != testkit.Echo(text) {
			t.Errorf("answer = %q, want %q", got, testkit.Echo(text))
		}
		if all := r.accepted(); all[len(all)-1] != text {
			t.Errorf("the ground truth differs from a text of %d bytes", len(text))
		}
	}
}

func TestFirstPromptIsExact(t *testing.T) {
	r := newRig(t)
	text := "  first \n prompt "
	r.run("--session-id", session, text)
	if got := r.stopped(1); got != testkit.Echo(text) {
		t.Errorf("answer = %q, want %q", got, testkit.Echo(text))
	}
}

func TestEditorGetsTheDraft(t *testing.T) {
	r := start(t)
	r.keys("half a li")
	r.untilShown("half a li")
	if got := r.place("half a li"); got != "half a li" {
		t.Errorf("the editor found %q, want the draft", got)
	}
	r.keys("ne\r")
	if got := r.stopped(1); got != testkit.Echo("half a line") {
		t.Errorf("answer = %q", got)
	}
}

// TestKeysThatPiledUp: keys that come in one piece with those that open the editor wait for its end.
func TestKeysThatPiledUp(t *testing.T) {
	r := start(t)
	r.write("text", "placed")
	r.keys(strings.Repeat(editChord, 3) + " and typed\r")
	if got := r.stopped(1); got != testkit.Echo("placed and typed") {
		t.Errorf("answer = %q", got)
	}
	if got := r.turn("alive"); got != testkit.Echo("alive") {
		t.Errorf("answer = %q", got)
	}
}

func TestPaste(t *testing.T) {
	r := start(t)
	r.keys("\x1b[200~two\rlines\x1b[201~")
	r.untilShown("lines")
	r.keys("\r")
	if got := r.stopped(1); got != testkit.Echo("two\nlines") {
		t.Errorf("answer = %q, want the short paste as it is", got)
	}
	r.keys("\x1b[200~1\r2\r3\r4\x1b[201~")
	r.untilShown("[Pasted text #1 +3 lines]")
	r.keys(" please\r")
	if got, want := r.stopped(2), testkit.Echo("<pasted_content id=\"1\">\n1\n2\n3\n4\n</pasted_content> please"); got != want {
		t.Errorf("answer = %q, want %q", got, want)
	}
}

// TestDialogTakesNoChord: a permission question is answered by Enter and by Escape, never by a chord of the input box.
func TestDialogTakesNoChord(t *testing.T) {
	r := start(t)
	r.prompt("@@permission Bash {\"command\":\"make\"}\n@@say {{result}}")
	r.until("the dialog is open", func() bool { return r.status() == "waiting" && r.count("PermissionRequest") == 1 })
	r.untilShown("Do you want to proceed?")
	r.write("text", "should not be placed")
	_ = os.Remove(filepath.Join(r.dir, "draft"))
	r.keys(strings.Repeat(editChord+submitChord, 20) + "\x1b[B") // the arrow shows that all before it was read
	r.untilShown("❯ 2. Yes")
	if _, err := os.Stat(filepath.Join(r.dir, "draft")); err == nil || r.status() != "waiting" {
		t.Fatalf("chords reached the dialog: status %s", r.status())
	}
	r.keys("\x1b[A\r")
	if got := r.stopped(1); got != "ok" {
		t.Errorf("answer = %q, want ok", got)
	}
	if got, want := r.names(), "SessionStart UserPromptSubmit PreToolUse PermissionRequest PostToolUse Stop"; got != want {
		t.Errorf("hooks = %s, want %s", got, want)
	}
	r.prompt("@@permission Bash {}")
	r.until("the second dialog is open", func() bool { return r.status() == "waiting" })
	r.keys(escape)
	r.until("the turn is over", func() bool { return r.status() == "idle" })
	if r.count("Stop") != 1 {
		t.Error("Escape in a dialog called the Stop hook")
	}
	last := r.transcript()[len(r.transcript())-1]
	if !strings.Contains(mustJSON(t, last), "[Request interrupted by user for tool use]") {
		t.Errorf("the transcript ends with %v", last)
	}
}

func TestHookAnswersDialog(t *testing.T) {
	r := start(t)
	r.write("PermissionRequest.reply", `0
{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"allow"}}}`)
	if got := r.turn("@@permission Bash {}\n@@say {{result}}"); got != "ok" {
		t.Errorf("answer = %q, want ok", got)
	}
	r.write("PermissionRequest.reply", `0
{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"deny","message":"not today"}}}`)
	if got := r.turn("@@permission Bash {}\n@@say {{result}}"); got != "not today" {
		t.Errorf("answer = %q, want the hook's words", got)
	}
	r.write("PreToolUse.reply", "2\nnever")
	if got := r.turn("@@tool Bash {}\n@@say {{result}}"); got != "PreToolUse:Bash hook error: never" {
		t.Errorf("answer = %q, want the refusal", got)
	}
}

// TestPlainHook: a hook without args is a program and its words; what would speak to a shell is a word as any other.
func TestPlainHook(t *testing.T) {
	r := newRig(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	line := "'" + self + "' as-hook '" + r.dir + "' Plain ; touch " + filepath.Join(r.dir, "shell")
	r.write("cfg/settings.json", mustJSON(t, map[string]any{"hooks": map[string]any{"Stop": []any{map[string]any{
		"hooks": []any{map[string]any{"type": "command", "command": line}},
	}}}}))
	r.run("--session-id", session, "hello")
	r.until("both hooks of the stop ran", func() bool { return r.count("Stop") == 2 && r.status() == "idle" })
	if _, err := os.Stat(filepath.Join(r.dir, "shell")); err == nil {
		t.Error("a shell ran the hook")
	}
}

func TestBlockedPrompt(t *testing.T) {
	r := start(t)
	r.write("UserPromptSubmit.reply", "2\nno way")
	r.prompt("secret plan")
	r.untilShown("operation blocked by hook")
	r.until("idle again", func() bool { return r.status() == "idle" })
	if err := os.Remove(filepath.Join(r.dir, "UserPromptSubmit.reply")); err != nil {
		t.Fatal(err)
	}
	if got := r.place("other"); got != "secret plan" {
		t.Errorf("the input box held %q, want the blocked prompt", got)
	}
	if len(r.accepted()) != 0 {
		t.Errorf("ground truth = %q, want nothing", r.accepted())
	}
}

// TestQueue: prompts given to a busy agent become one turn after it, or part of it when a tool ends.
func TestQueue(t *testing.T) {
	r := start(t)
	r.prompt("@@delay 1500ms\n@@say slow")
	r.prompt("one")
	r.prompt("two")
	if got := r.stopped(2); got != testkit.Echo("one")+"\n"+testkit.Echo("two") {
		t.Errorf("answer of the queued turn = %q", got)
	}
	if got, want := r.names(), "SessionStart UserPromptSubmit UserPromptSubmit UserPromptSubmit Stop Stop"; got != want {
		t.Errorf("hooks = %s, want %s", got, want)
	}
	r.prompt("@@delay 1500ms\n@@tool Read {}")
	r.prompt("three")
	if got := r.stopped(3); got != testkit.Echo("three") {
		t.Errorf("answer = %q, want it within the running turn", got)
	}
	if diff := cmp.Diff([]string{"one", "two", "three"}, without(r.accepted(), "@@")); diff != "" {
		t.Errorf("ground truth (-want +got):\n%s", diff)
	}
}

func without(all []string, prefix string) []string {
	var out []string
	for _, s := range all {
		if !strings.HasPrefix(s, prefix) {
			out = append(out, s)
		}
	}
	return out
}

func TestEscape(t *testing.T) {
	r := start(t)
	r.prompt("@@delay 1h")
	r.until("busy", func() bool { return r.status() == "busy" })
	r.keys(escape)
	r.until("idle", func() bool { return r.status() == "idle" })
	if got := r.place("@@say out\n@@delay 1h"); got != "@@delay 1h" {
		t.Errorf("the input box held %q, want the interrupted prompt", got)
	}
	r.submit()
	r.untilShown("● out")
	r.keys(escape)
	r.until("idle", func() bool { return r.status() == "idle" })
	r.untilShown("Interrupted")
	if got := r.place(""); got != "" {
		t.Errorf("the input box held %q, want nothing after output", got)
	}
	if r.count("Stop") != 0 {
		t.Error("Escape called the Stop hook")
	}
}

func TestStopHookSendsBack(t *testing.T) {
	r := start(t)
	r.write("Stop.reply", "0\n{\"decision\":\"block\",\"reason\":\"@@say more\"}")
	r.prompt("@@say first")
	if got := r.stopped(10); got != "more" {
		t.Errorf("answer = %q, want what the hook asked for", got)
	}
	if r.count("Stop") != 10 {
		t.Errorf("%d stops, want the first and nine more", r.count("Stop"))
	}
}

func TestFailure(t *testing.T) {
	r := start(t)
	r.prompt("@@error 529 overloaded\n@@say never")
	r.until("StopFailure", func() bool { return r.count("StopFailure") == 1 && r.status() == "idle" })
	if got := r.event("StopFailure"); got["error"] != "server_error" || got["last_assistant_message"] != "API Error: 529 overloaded" {
		t.Errorf("StopFailure = %v", got)
	}
	if r.count("Stop") != 0 {
		t.Error("a failed turn called the Stop hook")
	}
}

func TestBackground(t *testing.T) {
	r := start(t)
	r.prompt("@@background 700ms tests\n@@say started")
	r.until("the first stop", func() bool { return r.count("Stop") == 1 })
	if tasks := r.event("Stop")["background_tasks"].([]any); len(tasks) != 1 || r.status() != "busy" {
		t.Errorf("background_tasks = %v, status %s; want one task and busy", tasks, r.status())
	}
	if got := r.stopped(2); !strings.HasPrefix(got, "echo: <task-notification>") {
		t.Errorf("answer = %q, want one to the task's end", got)
	}
	if len(r.accepted()) != 1 {
		t.Errorf("ground truth = %q, want only what was given to the agent", r.accepted())
	}
}

func TestWork(t *testing.T) {
	r := start(t)
	if got := r.turn("@@write sub/hello.txt Hello,\\nworld\n@@run cat sub/hello.txt\n@@say done"); got != "Hello,\nworld\ndone" {
		t.Errorf("answer = %q", got)
	}
	if got := r.turn("@@run sh -c 'echo bad; exit 3'"); !strings.Contains(got, "Exit code 3\nbad") {
		t.Errorf("answer = %q, want the exit code", got)
	}
	if got := r.turn("@@write ../out x\n@@say {{result}}"); !strings.Contains(got, "escapes") {
		t.Errorf("a file outside of the workspace was answered %q", got)
	}
	if got := r.turn("@@usage in=1000 out=50\n@@fly"); !strings.Contains(got, "does not know the directive @@fly") {
		t.Errorf("answer = %q", got)
	}
	lines := r.transcript()
	usage := lines[len(lines)-1]["message"].(map[string]any)["usage"].(map[string]any)
	if usage["input_tokens"] != 1000.0 || usage["output_tokens"] != 50.0 {
		t.Errorf("usage = %v, want what @@usage said", usage)
	}
}

func TestResize(t *testing.T) {
	r := start(t)
	r.keys("a draft")
	r.untilShown("a draft")
	for _, w := range []uint16{40, 7, 200} {
		if err := pty.Setsize(r.pty, &pty.Winsize{Rows: 12, Cols: w}); err != nil {
			t.Fatal(err)
		}
		rule := "\n" + strings.Repeat("─", int(w)) + "\r"
		r.until("a new rule", func() bool { return strings.Contains(r.shown(), rule) })
	}
	r.keys("\r")
	if got := r.stopped(1); got != testkit.Echo("a draft") {
		t.Errorf("answer = %q", got)
	}
}

func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		prompt string
		code   int
		signal syscall.Signal
		clean  bool
	}{
		"exit":  {prompt: "@@say bye\n@@exit", clean: true},
		"crash": {prompt: "@@crash 7", code: 7},
		"kill":  {prompt: "@@kill KILL", code: -1, signal: syscall.SIGKILL},
		"term":  {prompt: "@@kill TERM\n@@delay 1h", code: 143, clean: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			r.prompt(c.prompt)
			if got := r.exitCode(); got != c.code {
				t.Errorf("exit code %d, want %d", got, c.code)
			}
			if ws, _ := r.cmd.ProcessState.Sys().(syscall.WaitStatus); c.signal != 0 && ws.Signal() != c.signal {
				t.Errorf("ended by %v, want %v", ws.Signal(), c.signal)
			}
			if _, err := os.Stat(filepath.Join(r.config, "sessions")); err != nil {
				t.Fatal(err)
			}
			if left := r.status() != ""; left == c.clean {
				t.Errorf("state file left behind: %v, want %v", left, !c.clean)
			}
			if ended := r.count("SessionEnd") == 1; ended != c.clean {
				t.Errorf("SessionEnd was called: %v, want %v", ended, c.clean)
			}
		})
	}
}

func TestCtrlC(t *testing.T) {
	r := start(t)
	r.keys("some text\x03")
	r.untilShown("Press Ctrl-C again")
	if got := r.place(""); got != "" {
		t.Errorf("the input box held %q, want nothing", got)
	}
	r.keys("\x03\x03")
	if got := r.exitCode(); got != 0 || r.event("SessionEnd")["reason"] != "prompt_input_exit" {
		t.Errorf("exit code %d, %v", got, r.event("SessionEnd"))
	}
}

func TestHangup(t *testing.T) {
	r := start(t)
	r.turn("@@ignore-hup\n@@alloc 3M\n@@say ok")
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if got := r.turn("alive"); got != testkit.Echo("alive") {
		t.Errorf("answer = %q", got)
	}
	other := start(t)
	if err := other.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if got := other.exitCode(); got != 129 {
		t.Errorf("exit code %d after a hangup, want 129", got)
	}
}

func TestStall(t *testing.T) {
	r := start(t)
	r.prompt("@@say now\n@@stall 400ms\n@@say awake")
	r.untilShown("● now")
	r.keys("typed meanwhile")
	if got := r.stopped(1); got != "now\nawake" {
		t.Errorf("answer = %q", got)
	}
	r.untilShown("typed meanwhile")
	r.keys("\x15") // what was typed meanwhile
	r.prompt("@@stall")
	r.untilDeaf()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := r.exitCode(); got != 143 || r.count("SessionEnd") != 0 {
		t.Errorf("exit code %d with %d SessionEnd, want 143 without clean-up", got, r.count("SessionEnd"))
	}
}

func TestResume(t *testing.T) {
	r := newRig(t)
	r.run("--resume", session)
	if got := r.exitCode(); got != 1 {
		t.Errorf("resuming an unknown session: exit code %d, want 1", got)
	}
	r.untilShown("No conversation found with session ID: " + session)
	r.run("--session-id", session, "@@say remember me\n@@exit")
	if got := r.exitCode(); got != 0 {
		t.Fatalf("exit code %d: %q", got, r.shown())
	}
	r.run("--session-id", session)
	if got := r.exitCode(); got != 1 {
		t.Errorf("using a session id again: exit code %d, want 1", got)
	}
	r.untilShown("already in use")
	r.cwd = r.dir // a resumed session may run elsewhere
	r.run("--resume", session)
	r.until("idle", func() bool { return r.status() == "idle" })
	r.turn("again")
	var said []any
	known := map[any]bool{nil: true}
	for _, l := range r.transcript() {
		if l["uuid"] == nil {
			continue
		}
		if !known[l["parentUuid"]] {
			t.Errorf("line %v hangs on %v, which is not there", l["uuid"], l["parentUuid"])
		}
		known[l["uuid"]] = true
		said = append(said, l["type"])
	}
	if diff := cmp.Diff([]any{"user", "assistant", "user", "assistant"}, said); diff != "" {
		t.Errorf("lines of the conversation (-want +got):\n%s", diff)
	}
	if got := strings.Count(r.names(), "SessionStart"); got != 2 {
		t.Errorf("SessionStart was called %d times, want 2", got)
	}
}

// TestEscapeWithdraws: a prompt whose hook is still running goes back into the box, and the hook ends.
func TestEscapeWithdraws(t *testing.T) {
	r := start(t)
	r.write("UserPromptSubmit.hold", "")
	r.prompt("think again")
	r.until("busy", func() bool { return r.status() == "busy" })
	r.keys(escape)
	r.until("idle", func() bool { return r.status() == "idle" })
	if err := os.Remove(filepath.Join(r.dir, "UserPromptSubmit.hold")); err != nil {
		t.Fatal(err)
	}
	if got := r.place(""); got != "think again" {
		t.Errorf("the input box held %q, want the prompt", got)
	}
	if len(r.accepted()) != 0 {
		t.Errorf("ground truth = %q, want nothing", r.accepted())
	}
}

// TestKeyBeatsHook: whoever answers a question first wins, and a late hook changes nothing.
func TestKeyBeatsHook(t *testing.T) {
	r := start(t)
	r.write("PermissionRequest.hold", "")
	r.write("PermissionRequest.reply", `0
{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"deny","message":"late"}}}`)
	r.prompt("@@permission Bash {}\n@@say {{result}}")
	r.until("the hook is asked", func() bool { return r.count("PermissionRequest") == 1 && r.status() == "waiting" })
	r.keys("1")
	if got := r.stopped(1); got != "ok" {
		t.Errorf("answer = %q, want ok", got)
	}
	if err := os.Remove(filepath.Join(r.dir, "PermissionRequest.hold")); err != nil {
		t.Fatal(err)
	}
	if got := r.turn("next"); got != testkit.Echo("next") {
		t.Errorf("answer = %q", got)
	}
}

func TestStash(t *testing.T) {
	r := start(t)
	r.keys("my half line")
	r.untilShown("my half line")
	r.keys("\x13") // ctrl+s
	if got := r.place("in between"); got != "" {
		t.Errorf("the input box held %q, want the stash to have emptied it", got)
	}
	r.submit()
	r.stopped(1)
	if got := r.place(""); got != "my half line" {
		t.Errorf("the input box held %q, want the draft back", got)
	}
}

func TestScript(t *testing.T) {
	r := newRig(t)
	r.write("script.json", `{"start_delay":"1ms","turn_delay":"1ms","answer":"@@say scripted"}`)
	r.run("--session-id", session, "--script", filepath.Join(r.dir, "script.json"), "anything")
	if got := r.stopped(1); got != "scripted" {
		t.Errorf("answer = %q, want scripted", got)
	}
}
