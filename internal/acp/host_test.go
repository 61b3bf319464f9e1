package acp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron/testkit"
	scripted "github.com/orchestron/orchestron/testkit/acp"
)

// TestMain is the tests, and the programs that they start: the host, its agent, and orchestron as the host sees it.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || os.Getenv("RIG") == "" {
		goleak.VerifyTestMain(m)
		return
	}
	os.Exit(act(os.Args[1], os.Args[2:]))
}

func act(as string, args []string) int {
	dir := os.Getenv("RIG")
	switch as {
	case "acp-host":
		return Process{Self: os.Args[0], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}.Main(args)
	case "agent":
		if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			return rogue(args[0], dir)
		}
		return scripted.Main(args, os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	case "compose":
		text, err := os.ReadFile(filepath.Join(dir, "text"))
		if err == nil {
			err = os.WriteFile(args[0], text, 0o600)
		}
		return code(err)
	case "hook":
		in, err := io.ReadAll(os.Stdin)
		f, openErr := os.OpenFile(filepath.Join(dir, "hooks"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil && openErr == nil {
			_, err = f.Write(append(in, '\n'))
		}
		reply, _ := os.ReadFile(filepath.Join(dir, args[0])) // most hooks say nothing
		if bytes.HasPrefix(reply, []byte("refuse")) {
			_, _ = os.Stderr.Write(reply)
			return refuses
		}
		if bytes.HasPrefix(reply, []byte("fault")) {
			_, _ = os.Stderr.Write(reply)
			if os.Rename(filepath.Join(dir, args[0]+".next"), filepath.Join(dir, args[0])) == nil {
				return 0
			}
			return code(os.Remove(filepath.Join(dir, args[0])))
		}
		if bytes.HasPrefix(reply, []byte("break")) {
			return 1
		}
		if bytes.HasPrefix(reply, []byte("wait")) {
			time.Sleep(time.Hour)
		}
		_, _ = os.Stdout.Write(reply)
		return code(errors.Join(err, openErr))
	}
	return 2
}

func code(err error) int {
	if err != nil {
		return 1
	}
	return 0
}

// rig is a host in a terminal.
type rig struct {
	t   *testing.T
	dir string
	pty *os.File
	cmd *exec.Cmd

	mu    sync.Mutex
	shown strings.Builder
}

func newRig(t *testing.T, set Settings, agent ...string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	set.Dir = filepath.Join(r.dir, "records")
	model, agent := split(agent)
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	r.put("settings.json", string(data))
	if err := os.MkdirAll(filepath.Join(r.dir, ".testkit-acp"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.put(".testkit-acp/acp-old.json", `[{"Prompt":"an old prompt","Answer":"an old answer"}]`)
	argv := append([]string{"acp-host", filepath.Join(r.dir, "settings.json")}, model...)
	r.cmd = exec.Command(os.Args[0], append(append(argv, "--", os.Args[0], "agent"), agent...)...)
	r.cmd.Dir = r.dir
	r.cmd.Env = []string{"RIG=" + r.dir, "HOME=" + r.dir, "TMPDIR=" + r.dir, "PATH=" + os.Getenv("PATH"), "ORCHESTRON_TOKEN=t", "EDITOR=x", "GORACE=atexit_sleep_ms=0"}
	if r.pty, err = pty.StartWithSize(r.cmd, &pty.Winsize{Rows: 40, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := r.pty.Read(buf)
			r.mu.Lock()
			r.shown.Write(buf[:n])
			r.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		_ = r.pty.Close()
		<-read
	})
	return r
}

// split takes the model from the arguments: it is the host's.
func split(args []string) (model, agent []string) {
	if len(args) > 0 && strings.HasPrefix(args[0], "--model=") {
		return args[:1], args[1:]
	}
	return nil, args
}

func (r *rig) put(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) screen() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shown.String()
}

func (r *rig) keys(text string) {
	r.t.Helper()
	if _, err := r.pty.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	r.t.Fatalf("%s did not come; hooks: %v\nthe terminal got: %q", what, r.hooks(), r.screen())
}

func (r *rig) shows(text string) {
	r.t.Helper()
	r.until("on the screen: "+text, func() bool { return strings.Contains(r.screen(), text) })
}

// hooks are what hooks were told so far.
func (r *rig) hooks() (all []map[string]any) {
	data, _ := os.ReadFile(filepath.Join(r.dir, "hooks")) // there is none before the first
	for line := range strings.Lines(string(data)) {
		var in map[string]any
		if json.Unmarshal([]byte(line), &in) == nil {
			all = append(all, in)
		}
	}
	return all
}

// hook waits for the n-th call of a hook, from 1 on.
func (r *rig) hook(event string, n int) (in map[string]any) {
	r.t.Helper()
	r.until(event, func() bool {
		seen := 0
		for _, in = range r.hooks() {
			if in["hook_event_name"] == event {
				if seen++; seen == n {
					return true
				}
			}
		}
		return false
	})
	return in
}

func (r *rig) order() string {
	var names []string
	for _, in := range r.hooks() {
		names = append(names, in["hook_event_name"].(string))
	}
	return strings.Join(names, " ")
}

// prompt places a text by the editor key and submits it.
func (r *rig) prompt(text string) {
	r.t.Helper()
	r.put("text", text)
	first := "❯ " + clean(strings.SplitN(text, "\n", 2)[0])
	before := strings.Count(r.screen(), first)
	r.keys("\x1d")
	r.until("the prompt in the box", func() bool { return strings.Count(r.screen(), first) > before })
	r.keys("\x1e")
}

func TestTurn(t *testing.T) {
	r := newRig(t, Settings{Context: "You are a tester.", MCPURL: "http://127.0.0.1:1/mcp"})
	if in := r.hook("SessionStart", 1); !strings.HasPrefix(in["session_id"].(string), "acp-") || in["model"] != "scripted" {
		t.Errorf("SessionStart = %v", in)
	}
	r.shows("ready")
	r.prompt("@@say one \x1b[31m\\n two\n@@usage in=10 out=2\n@@plan a b")
	if in := r.hook("Stop", 1); in["last_assistant_message"] != "one \x1b[31m\n two" || in["turn_id"] != r.hook("UserPromptSubmit", 1)["turn_id"] {
		t.Errorf("Stop = %v", in)
	}
	if strings.Contains(r.screen(), "\x1b[31m") {
		t.Error("the agent's colours reach the terminal")
	}
	records, err := os.ReadFile(r.hook("Stop", 1)["transcript_path"].(string))
	if err != nil || !strings.Contains(string(records), `"input_tokens":10`) || !strings.Contains(string(records), `"model":"scripted"`) {
		t.Errorf("the records are %s, %v", records, err)
	}
	if plan, err := os.ReadFile(PlanFile(filepath.Join(r.dir, "records"))); err != nil || !strings.Contains(string(plan), `"content": "a"`) {
		t.Errorf("the plan is %s, %v", plan, err)
	}
	r.put("UserPromptSubmit", "refuse: twice")
	r.prompt("again")
	r.shows("refuse: twice")
	if got := r.order(); got != "SessionStart UserPromptSubmit Stop UserPromptSubmit" {
		t.Errorf("hooks = %s", got)
	}
	if data, err := os.ReadFile(filepath.Join(r.dir, ".testkit-acp", "testkit-prompts.jsonl")); err != nil || strings.Contains(string(data), "again") {
		t.Errorf("the agent took %s, %v", data, err)
	}
}

// TestToldInTheEnd: what Orchestron could not write down it is told again, but for a prompt, which is taken once.
func TestToldInTheEnd(t *testing.T) {
	r := newRig(t, Settings{})
	r.shows("ready")
	for _, event := range []string{"UserPromptSubmit", "Stop"} {
		r.put(event, "fault: no space left on "+event)
	}
	r.prompt("hello")
	r.hook("Stop", 2)
	r.prompt("again")
	r.hook("Stop", 3)
	if got := r.order(); got != "SessionStart UserPromptSubmit Stop Stop UserPromptSubmit Stop" {
		t.Errorf("hooks = %s", got)
	}
	r.shows("no space left on Stop")
}

// TestUnheard: a prompt that its hook did not hear is not taken. Orchestron gives it again.
func TestUnheard(t *testing.T) {
	r := newRig(t, Settings{})
	r.shows("ready")
	r.put("UserPromptSubmit", "break")
	r.prompt("first")
	r.shows("this prompt is not taken: exit status 1")
	if err := os.Remove(filepath.Join(r.dir, "UserPromptSubmit")); err != nil {
		t.Fatal(err)
	}
	r.put("text", strings.Repeat(strings.Repeat("0123456789", 400)+"\n", 1100))
	r.keys("\x1d")
	r.shows("❯ … ")
	r.keys("\x1e")
	r.shows("this prompt is not taken: it is longer than")
	r.prompt("third")
	r.hook("Stop", 1)
	data, err := os.ReadFile(filepath.Join(r.dir, ".testkit-acp", "testkit-prompts.jsonl"))
	if err != nil || strings.Count(string(data), "\n") != 1 || !strings.Contains(string(data), "third") {
		t.Errorf("the agent took %.200q, %v, want the third alone", data, err)
	}
}

// TestOneAtATime: what is submitted during a turn is taken when it is over, and not what somebody changes meanwhile.
func TestOneAtATime(t *testing.T) {
	r := newRig(t, Settings{})
	r.shows("ready")
	r.prompt("@@hold")
	r.shows("working")
	r.prompt("second")
	r.shows("taken when this turn is over")
	r.keys("\x1f")
	r.hook("Interrupt", 1)
	r.keys("\x1e")
	if in := r.hook("Stop", 1); in["last_assistant_message"] != testkit.Echo("second") {
		t.Errorf("the second answer is %v", in)
	}
	r.prompt("@@delay 1s\n@@say slow")
	r.hook("UserPromptSubmit", 3)
	r.prompt("third")
	if in := r.hook("Stop", 3); in["last_assistant_message"] != testkit.Echo("third") {
		t.Errorf("the third answer is %v", in)
	}
	if got := r.order(); got != "SessionStart UserPromptSubmit Interrupt UserPromptSubmit Stop UserPromptSubmit Stop UserPromptSubmit Stop" {
		t.Errorf("hooks = %s", got)
	}
}

// TestQuestions: the keys of deliveries answer nothing; a decision from outside, the terminal and an interrupt do.
func TestQuestions(t *testing.T) {
	r := newRig(t, Settings{Hold: time.Minute})
	r.shows("ready")
	r.put("PermissionRequest", "wait")
	r.put("text", "must not be placed")
	call := "@@call shell {\"command\":\"make \\u001b[2J\"}\n@@say {{result}}"
	for i, test := range []struct{ keys, answer string }{{"\x1d\x1e\x1d\x1b[A\r", "ok"}, {"\r", "refused"}} {
		r.prompt(call)
		if in := r.hook("PermissionRequest", i+1); in["tool_name"] != "execute" || in["tool_input"].(map[string]any)["command"] != "make \x1b[2J" {
			t.Errorf("PermissionRequest = %v", in)
		}
		r.until("the question", func() bool { return strings.Count(r.screen(), "May it do this: execute") > i })
		r.keys(test.keys)
		if in := r.hook("Stop", i+1); in["last_assistant_message"] != test.answer {
			t.Errorf("after %q the answer is %v", test.keys, in)
		}
	}
	r.prompt(call)
	r.hook("PermissionRequest", 3)
	r.keys("\x1f")
	r.hook("Interrupt", 1)
	r.put("PermissionRequest", `{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"deny","message":"no"}}}`)
	r.prompt(call)
	if in := r.hook("Stop", 3); in["last_assistant_message"] != "refused" {
		t.Errorf("after a denial the answer is %v", in)
	}
	one := "UserPromptSubmit PermissionRequest PostToolUse "
	if got, want := r.order(), "SessionStart "+one+"Stop "+one+"Stop "+one+"Interrupt "+one+"Stop"; got != want {
		t.Errorf("hooks = %s, want %s", got, want)
	}
	if strings.Contains(r.screen(), "\x1b[2J") {
		t.Error("the agent clears the screen")
	}
}

// TestOldAnswers: what was said in an earlier run is shown, and is no answer, also when it is told late.
func TestOldAnswers(t *testing.T) {
	for _, flags := range [][]string{nil, {"--late"}} {
		r := newRig(t, Settings{Resume: "acp-old", Context: "told before"}, flags...)
		if in := r.hook("SessionStart", 1); in["session_id"] != "acp-old" || in["source"] != "resume" {
			t.Errorf("SessionStart = %v", in)
		}
		for _, said := range []string{"❯ an old prompt", "an old answer", "ready"} {
			r.shows(said)
		}
		if screen := r.screen(); strings.Index(screen, "an old answer") > strings.Index(screen, "ready") {
			t.Errorf("with %v a prompt could come before the old answer", flags)
		}
		r.prompt("new")
		if in := r.hook("Stop", 1); in["last_assistant_message"] != testkit.Echo("new") {
			t.Errorf("with %v the answer is %v", flags, in)
		}
	}
	r := newRig(t, Settings{Resume: "acp-old"}, "--no-load")
	if in := r.hook("SessionStart", 1); in["session_id"] == "acp-old" || in["source"] != "startup" {
		t.Errorf("SessionStart = %v", in)
	}
	r.shows("cannot go on with an earlier session")
}

func TestEnds(t *testing.T) {
	for name, test := range map[string]struct {
		set   Settings
		agent []string
		keys  string // typed when it is ready
		want  string // of the exit
		says  string
	}{
		"crash":      {keys: "@@crash 7\r", want: "exit status 7", says: "exit status 7"},
		"killed":     {keys: "@@kill KILL\r", want: "signal: killed", says: "killed"},
		"ended":      {keys: "@@kill TERM\r", want: "exit status 143", says: "terminated"},
		"ctrl+c":     {keys: "\x03\x03", want: "<nil>"},
		"no model":   {agent: []string{"--model=m", "--no-model"}, want: "exit status 1", says: "does not let its model be set"},
		"login":      {agent: []string{"--login", "key"}, want: "exit status 1", says: "Authentication required (it may want a login, which the configuration can name: key)"},
		"no login":   {set: Settings{Login: "other"}, agent: []string{"--login", "key"}, want: "exit status 1", says: "there is no login other"},
		"no session": {set: Settings{Resume: "acp-none"}, want: "exit status 1", says: "going on with session acp-none"},
		"no agent":   {agent: []string{"--what"}, want: "exit status 2", says: "flag provided but not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, test.set, test.agent...)
			if test.keys != "" {
				r.shows("ready")
				r.keys(test.keys)
			}
			r.shows(test.says)
			err := r.cmd.Wait()
			if got := "<nil>"; err != nil {
				got = err.Error()
				if got != test.want {
					t.Errorf("the host ends with %s, want %s\n%q", got, test.want, r.screen())
				}
			} else if got != test.want {
				t.Errorf("the host ends with %s, want %s", got, test.want)
			}
		})
	}
}

// TestLeavesNothing runs the host among the tests, which look for what is left behind.
func TestLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "settings.json")
	if err := os.WriteFile(file, []byte(`{"dir":"`+dir+`/records"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	exit := make(chan int)
	go func() {
		exit <- Process{
			Self: os.Args[0], Environ: []string{"RIG=" + dir, "HOME=" + dir, "GORACE=atexit_sleep_ms=0"}, Stdin: tty, Stdout: tty, Stderr: tty,
		}.Main([]string{file, "--", os.Args[0], "agent"})
	}()
	shown := make([]byte, 0, 64<<10)
	for !bytes.Contains(shown, []byte("Enter sends")) {
		n, err := ptmx.Read(shown[len(shown):cap(shown)])
		if err != nil {
			t.Fatal(err)
		}
		shown = shown[:len(shown)+n]
	}
	drained := make(chan struct{})
	go func() { defer close(drained); _, _ = io.Copy(io.Discard, ptmx) }()
	if _, err := ptmx.WriteString("@@hold\r\x03\x03\x03"); err != nil {
		t.Fatal(err)
	}
	if got := <-exit; got != 0 {
		t.Errorf("the host ends with %d", got)
	}
	_ = tty.Close()
	_ = ptmx.Close()
	<-drained
}

// TestHangup: an agent that does not end is ended with its terminal.
func TestHangup(t *testing.T) {
	r := newRig(t, Settings{})
	r.shows("ready")
	r.keys("@@hold\r")
	r.hook("UserPromptSubmit", 1)
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err == nil || err.Error() != "exit status 130" {
		t.Errorf("the host ends with %v", err)
	}
}
