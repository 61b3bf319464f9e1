package driver

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/driver/drivertest"
	"github.com/orchestron/orchestron/testkit/api"
)

// stage is an agent's program in a terminal of its own.
type stage struct {
	t      *testing.T
	d      *Claude
	l      orchestron.Launch
	api    *api.Server
	socket string
}

func newStage(t *testing.T, self string, open func([]string) *Claude) *stage {
	t.Helper()
	s := &stage{t: t, l: drivertest.Launch(t), api: api.New()}
	server := httptest.NewServer(s.api)
	t.Cleanup(func() { s.api.Release(); server.Close() })
	env := without(s.l.Environ, "https_proxy")
	env = without(env, "PATH")
	s.l.Environ = append(without(env, "ANTHROPIC_BASE_URL"), "ANTHROPIC_BASE_URL="+server.URL, "PATH="+os.Getenv("PATH"),
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "CLAUDE_CODE_MAX_RETRIES=1")
	s.l.Self, s.l.MCPURL = self, ""
	s.d = open(s.l.Environ)
	return s
}

// start prepares and starts the program as the shim would.
func (s *stage) start() {
	s.t.Helper()
	command := drivertest.Prepare(s.t, s.d, s.l)
	dir, err := os.MkdirTemp("", "o")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s.socket = filepath.Join(dir, "s")
	argv := slices.Concat([]string{"-u", "-S", s.socket, "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", "--", "env", "-i"},
		command.Env, command.Secrets, []string{"LIVE_DIR=" + s.l.Dir, "GORACE=atexit_sleep_ms=0"}, command.Argv)
	cmd := exec.CommandContext(s.t.Context(), "tmux", argv...)
	cmd.Dir, cmd.Env = command.Dir, []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=xterm", "HOME=" + s.l.Dir}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("tmux: %v: %s", err, out)
	}
	s.t.Cleanup(s.stop)
	pid, err := strconv.Atoi(strings.TrimSpace(s.tmux("list-panes", "-F", "#{pane_pid}")))
	if err != nil {
		s.t.Fatal(err)
	}
	s.l.Agent.Process.PID, s.l.Agent.Started, s.l.Agent.Status = pid, time.Now(), orchestron.Starting
	s.fact("ready", func(f orchestron.Fact) bool { return f.Kind == orchestron.FactReady })
	s.status(orchestron.Idle)
}

func (s *stage) stop() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() } // it may be gone

func (s *stage) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), "tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

func (s *stage) press(keys ...orchestron.Key) {
	s.t.Helper()
	args := []string{"send-keys"}
	for _, k := range keys {
		args = append(args, string(k))
	}
	s.tmux(args...)
}

func (s *stage) screen() string { return s.tmux("capture-pane", "-p", "-J") }

// eventually waits for a condition.
func (s *stage) eventually(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if is() {
			return
		}
	}
	s.t.Fatalf("%s did not come; the screen:\n%s\nfacts: %+v", what, s.screen(), s.facts())
}

func lines(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// facts are all facts that hooks have given so far.
func (s *stage) facts() []orchestron.Fact {
	var out []orchestron.Fact
	for _, line := range lines(filepath.Join(s.l.Dir, "hooks")) {
		out = append(out, s.d.Hook("", []byte(line), time.Now())...)
	}
	return out
}

// fact waits for a fact that no earlier call has waited for.
func (s *stage) fact(what string, is func(orchestron.Fact) bool) orchestron.Fact {
	s.t.Helper()
	var found orchestron.Fact
	s.eventually(what, func() bool {
		for _, f := range s.facts() {
			if is(f) {
				found = f
				s.l.Agent.SessionID, s.l.Agent.Transcript = f.SessionID, f.Transcript
				return true
			}
		}
		return false
	})
	return found
}

func (s *stage) count(kind orchestron.FactKind) int {
	n := 0
	for _, f := range s.facts() {
		if f.Kind == kind {
			n++
		}
	}
	return n
}

// observe returns what the program's files say.
func (s *stage) observe() []orchestron.Fact {
	s.t.Helper()
	facts, err := s.d.Observe(s.l.Agent, s.l.Dir)
	if err != nil {
		s.t.Fatalf("Observe: %v", err)
	}
	return facts
}

// status waits until the program's own word for its state is the one given.
func (s *stage) status(want orchestron.Status) {
	s.t.Helper()
	s.eventually("the state "+string(want), func() bool {
		return slices.ContainsFunc(s.observe(), func(f orchestron.Fact) bool { return f.Kind == orchestron.FactStatus && f.Status == want })
	})
	s.l.Agent.Status = want
}

// place puts a text into the input box and returns what the box held before.
func (s *stage) place(text string) string {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.l.Dir, "offer"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	before := len(lines(filepath.Join(s.l.Dir, "edits")))
	channel := s.d.Channel(s.l.Dir)
	if channel.Blank(s.screen()) {
		s.press(slices.Concat(channel.Reset, channel.Editor)...)
	} else {
		s.press(channel.Editor...)
	}
	var held string
	s.eventually("the editor", func() bool {
		edits := lines(filepath.Join(s.l.Dir, "edits"))
		return len(edits) > before && json.Unmarshal([]byte(edits[len(edits)-1]), &held) == nil
	})
	return held
}

// send places a text, submits it, and returns the fact of it.
func (s *stage) send(text string) orchestron.Fact {
	s.t.Helper()
	before := s.count(orchestron.FactSubmitted)
	if held := s.place(text); held != "" {
		s.t.Fatalf("the input box held %q", held)
	}
	s.eventually("the submission of "+strconv.Quote(shorten(text)), func() bool {
		if s.count(orchestron.FactSubmitted) > before {
			return true
		}
		s.press(s.d.Channel(s.l.Dir).Submit...) // harmless when repeated
		time.Sleep(200 * time.Millisecond)
		return s.count(orchestron.FactSubmitted) > before
	})
	var last orchestron.Fact
	for _, f := range s.facts() {
		if f.Kind == orchestron.FactSubmitted {
			last = f
		}
	}
	return last
}

func shorten(text string) string { return text[:min(60, len(text))] }

// ask sends a text and waits for the end of the turn.
func (s *stage) ask(text string) (submitted, ended orchestron.Fact) {
	s.t.Helper()
	before := s.count(orchestron.FactTurnEnded)
	submitted = s.send(text)
	s.eventually("the end of the turn", func() bool { return s.count(orchestron.FactTurnEnded) > before })
	for _, f := range s.facts() {
		if f.Kind == orchestron.FactTurnEnded {
			ended = f
		}
	}
	s.status(orchestron.Idle)
	return submitted, ended
}

// again kills the program and resumes it.
func (s *stage) again() {
	s.t.Helper()
	if p, err := os.FindProcess(s.l.Agent.Process.PID); err != nil || p.Kill() != nil {
		s.t.Fatal("the program cannot be killed", err)
	}
	s.stop()
	if err := os.Remove(filepath.Join(s.l.Dir, "hooks")); err != nil {
		s.t.Fatal(err)
	}
	s.l.Resume = true
	s.start()
}
