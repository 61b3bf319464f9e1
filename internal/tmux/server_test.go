package tmux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"golang.org/x/sync/errgroup"
)

func TestOpenMakesAPrivateServer(t *testing.T) {
	s := start(t)
	for _, dir := range []string{filepath.Dir(s.cfg.Socket), s.cfg.Dir} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v, want 0700", dir, info.Mode(), err)
		}
	}
	if !s.version.atLeast(3, 2) || s.Version() == "" {
		t.Errorf("Version = %q", s.Version())
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("List of a new server = %v, %v, want nothing", list, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.Socket = "s" },
		func(c *Config) { c.Socket = "/tmp/" + strings.Repeat("x", 100) },
		func(c *Config) { c.Dir += "/#(touch x)" },
		func(c *Config) { c.Dir = "relative" },
	} {
		cfg := testConfig(t)
		change(&cfg)
		_, err := Open(t.Context(), cfg)
		wantKind(t, fmt.Sprintf("Open of %+v", cfg), err, orchestron.Invalid)
	}
}

func TestOpenSaysWhatToInstall(t *testing.T) {
	old := filepath.Join(t.TempDir(), "tmux")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho tmux 3.1c\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"/nowhere/tmux", old} {
		cfg := testConfig(t)
		cfg.Command = command
		_, err := Open(t.Context(), cfg)
		wantKind(t, "Open with "+command, err, orchestron.Unavailable)
		if err != nil && !strings.Contains(err.Error(), "install tmux 3.2") {
			t.Errorf("Open with %s: %v, want it to say what to install", command, err)
		}
	}
}

func TestOpenAdoptsWhatRuns(t *testing.T) {
	cfg := testConfig(t)
	first := openIt(t, cfg)
	p, file := receiver(t, first, 1, "raw")
	_, stop := first.Changes(p)
	defer stop()
	before, err := first.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "Paste after Close", first.Paste(t.Context(), p, "x"), orchestron.Unavailable)
	second := openIt(t, cfg)
	if second.Process() != first.Process() {
		t.Fatalf("the server is %v, was %v", second.Process(), first.Process())
	}
	after, err := second.List(t.Context())
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("List = %+v, %v, was %+v", after, err, before)
	}
	if err := second.Paste(t.Context(), p, "hello"); err != nil {
		t.Fatal(err)
	}
	received(t, file, "hello")
	windows, err := second.ask(t.Context(), "list-windows -t =_orch: -F '#{window_id}'")
	if err != nil || len(windows) != 1 {
		t.Errorf("the hidden session has windows %q (%v), want its own only", windows, err)
	}
}

func TestOpenByMany(t *testing.T) {
	cfg := testConfig(t)
	var mu sync.Mutex
	var all []*Server
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			s, err := Open(t.Context(), cfg)
			if err == nil {
				mu.Lock()
				all = append(all, s)
				mu.Unlock()
			}
			return err
		})
	}
	err := g.Wait()
	for _, s := range all {
		if s.Process() != all[0].Process() {
			t.Errorf("servers %v and %v, want one", s.Process(), all[0].Process())
		}
		defer s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := all[0].Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenAfterAServerThatIsEnding(t *testing.T) {
	cfg := testConfig(t)
	s := openIt(t, cfg)
	for range 5 {
		was := s.Process()
		c, _ := s.command.now()
		if _, err := c.post("kill-server"); err != nil {
			t.Fatal(err)
		}
		next := openIt(t, cfg)
		<-s.Lost()
		_ = s.Close()
		if next.Process() == was {
			t.Fatal("Open gave the server that was ending")
		}
		makePane(t, next, spec(1, "sleep", "1000"))
		s = next
	}
}

func TestLost(t *testing.T) {
	cfg := testConfig(t)
	s := openIt(t, cfg)
	p := makePane(t, s, spec(1, "sleep", "1000"))
	if err := syscall.Kill(s.Process().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Lost():
	case <-time.After(20 * time.Second):
		t.Fatal("Lost was not closed")
	}
	wantKind(t, "Press after the end of the server", s.Press(t.Context(), p, "x"), orchestron.Unavailable)
	_ = s.Close()
	again := openIt(t, cfg)
	wantKind(t, "Press of an old pane", again.Press(t.Context(), p, "x"), orchestron.NotFound)
	makePane(t, again, spec(1, "sleep", "1000"))
}

func TestKeepersAreReplaced(t *testing.T) {
	s := start(t)
	p, file := receiver(t, s, 1, "raw")
	changes, stop := s.Changes(p)
	defer stop()
	want := ""
	for i, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		for _, h := range []*seat{&s.command, &s.watch} {
			c, _ := h.now()
			if err := c.keeper.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			<-c.dead
		}
		text := fmt.Sprintf("round %d;", i)
		if err := s.Paste(t.Context(), p, text); err != nil {
			t.Fatalf("Paste after %v: %v", sig, err)
		}
		want += text
		received(t, file, want)
		eventually(t, "the watch client is back", func() bool {
			c, _ := s.watch.now()
			return c.usable()
		})
		say(t, p, changes)
	}
}

func TestHiddenSessionIsMadeAgain(t *testing.T) {
	s := start(t)
	p, _ := receiver(t, s, 1, "raw")
	changes, stop := s.Changes(p)
	defer stop()
	c, _ := s.watch.now()
	_, _ = s.ask(t.Context(), "kill-session -t =_orch")
	<-c.dead
	eventually(t, "the watch client is back", func() bool {
		c, _ := s.watch.now()
		return c.usable()
	})
	say(t, p, changes)
	list, err := s.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Session != "claude_exec_1" {
		t.Errorf("List = %+v, %v", list, err)
	}
}

func TestAnswersThatDoNotCome(t *testing.T) {
	s := start(t)
	p, file := receiver(t, s, 1, "raw")
	s.patience = 300 * time.Millisecond
	c, _ := s.command.now()
	c.patience = s.patience
	if err := syscall.Kill(s.Process().PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := s.List(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("List that the caller gave up: %v, want the context's error", err)
	}
	if !c.usable() {
		t.Error("the client ended because a caller gave up")
	}
	var g errgroup.Group
	for range 5 {
		g.Go(func() error { return s.Press(t.Context(), p, "x") })
	}
	err = g.Wait()
	wantKind(t, "Press while the server hangs", err, orchestron.Unavailable)
	if err != nil && !strings.Contains(err.Error(), "may have run") {
		t.Errorf("Press while the server hangs: %v, want it to say that the command may have run", err)
	}
	err = s.Press(t.Context(), p, "y")
	wantKind(t, "Press without a client", err, orchestron.Unavailable)
	if err != nil && !strings.Contains(err.Error(), "did not run") {
		t.Errorf("Press without a client: %v, want it to say that the command did not run", err)
	}
	if err := syscall.Kill(s.Process().PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server answers again", func() bool { return s.Press(t.Context(), p, "z") == nil })
	eventually(t, "the key has arrived", func() bool {
		b, err := os.ReadFile(file)
		return err == nil && bytes.HasSuffix(b, []byte("z")) && !bytes.Contains(b, []byte("y"))
	})
}

func TestManyCallers(t *testing.T) {
	s := start(t)
	const callers = 50
	var g errgroup.Group
	for i := range callers {
		g.Go(func() error {
			ctx := t.Context()
			p, err := s.New(ctx, spec(i+1, "cat", "-u"))
			if err != nil {
				return err
			}
			for round := range 5 {
				if err := s.Paste(ctx, p, fmt.Sprintf("caller %d round %d", i, round)); err != nil {
					return err
				}
				if err := s.Press(ctx, p, "Enter"); err != nil {
					return err
				}
				if _, err := s.List(ctx); err != nil {
					return err
				}
			}
			last := fmt.Sprintf("caller %d round 4", i)
			for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
				screen, err := s.Screen(ctx, p, 0)
				if err != nil {
					return err
				}
				if strings.Count(screen, last) == 2 && strings.Count(screen, "caller") == 10 {
					return nil
				}
			}
			return fmt.Errorf("the screen of caller %d is wrong", i)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != callers {
		t.Errorf("List has %d panes, %v, want %d", len(list), err, callers)
	}
}

func TestShutdownLeavesNothing(t *testing.T) {
	s := start(t)
	panes := []orchestron.Pane{makePane(t, s, spec(1, "sleep", "1000")), makePane(t, s, spec(2, "cat", "-u"))}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range panes {
		if err := WaitExit(t.Context(), p.Process); err != nil {
			t.Errorf("pane %s: %v", p.ID, err)
		}
	}
	eventually(t, "no process names the socket", func() bool { return len(processesOf(t, s.cfg.Socket)) == 0 })
}

// processesOf lists the processes that have word in their command line.
func processesOf(t *testing.T, word string) []string {
	t.Helper()
	out, err := exec.Command("ps", "-axww", "-o", "pid=,args=").Output()
	if err != nil {
		t.Skip("ps is missing")
	}
	var found []string
	for l := range strings.Lines(string(out)) {
		if strings.Contains(l, word) {
			found = append(found, strings.TrimSpace(l))
		}
	}
	return found
}

// TestKilledDaemonLeavesNoKeepers runs a daemon that is killed while a pane prints without end.
func TestKilledDaemonLeavesNoKeepers(t *testing.T) {
	cfg := testConfig(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(self, "hold", cfg.Socket, cfg.Dir)
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, 6)
	if _, err := out.Read(ready); err != nil || string(ready) != "ready\n" {
		t.Fatalf("the daemon says %q, %v", ready, err)
	}
	if err := daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = daemon.Wait()
	eventually(t, "the keepers have ended", func() bool {
		return !slices.ContainsFunc(processesOf(t, cfg.Socket), func(p string) bool { return strings.Contains(p, " -C ") })
	})
	s := openIt(t, cfg)
	list, err := s.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Dead {
		t.Errorf("List = %+v, %v, want the printing pane", list, err)
	}
}

// hold is the daemon of that test.
func hold(socket, dir string) error {
	s, err := Open(context.Background(), Config{Socket: socket, Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH")}})
	if err != nil {
		return err
	}
	p, err := s.New(context.Background(), spec(1, "yes", strings.Repeat("y", 100)))
	if err != nil {
		return err
	}
	changes, stop := s.Changes(p)
	defer stop()
	<-changes
	<-changes
	fmt.Println("ready")
	time.Sleep(time.Minute)
	return nil
}

func TestOpenSweepsKeepersOfADeadDaemon(t *testing.T) {
	cfg := testConfig(t)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	left, right := sleeper(t), sleeper(t)
	mine, err := ProcessOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&rows, mine.PID, mine.Start+1, left.PID, left.Start) // a daemon that had our id and has ended
	fmt.Fprintln(&rows, mine.PID, mine.Start, right.PID, right.Start)
	fmt.Fprintln(&rows, "garbage")
	if err := os.WriteFile(filepath.Join(cfg.Dir, keepersFile), []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	openIt(t, cfg)
	if Alive(left) {
		t.Error("the keeper of a dead daemon is alive")
	}
	if !Alive(right) {
		t.Error("the keeper of a daemon that is alive was ended")
	}
}

func sleeper(t *testing.T) orchestron.Process {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p, err := ProcessOf(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAttachCommand(t *testing.T) {
	s := start(t)
	argv, err := AttachCommand(s.cfg.Socket)
	if err != nil || !slices.Equal(argv[1:], []string{"-S", s.cfg.Socket, "-f", "/dev/null", "attach-session"}) {
		t.Errorf("AttachCommand = %q, %v", argv, err)
	}
	_, err = AttachCommand(filepath.Join(t.TempDir(), "s"))
	wantKind(t, "AttachCommand without a server", err, orchestron.NotFound)
}

func TestServerOutlivesItsProgram(t *testing.T) {
	installed, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("tmux is missing")
	}
	b, err := os.ReadFile(installed)
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(t)
	cfg.Command = filepath.Join(t.TempDir(), "tmux")
	if err := os.WriteFile(cfg.Command, b, 0o700); err != nil {
		t.Fatal(err)
	}
	first := openIt(t, cfg)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(cfg.Command); err != nil {
		t.Fatal(err)
	}
	second := openIt(t, cfg)
	if second.Process() != first.Process() {
		t.Errorf("the server is %v, was %v", second.Process(), first.Process())
	}
	argv, err := AttachCommand(cfg.Socket)
	if want := fmt.Sprintf("/proc/%d/exe", first.Process().PID); err != nil || argv[0] != want {
		t.Errorf("AttachCommand = %q, %v, want %s", argv, err, want)
	}
}
