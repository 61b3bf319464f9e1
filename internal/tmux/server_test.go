package tmux

import (
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

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
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

func TestFindIdle(t *testing.T) {
	empty := t.TempDir()
	_, err := findIdle([]string{empty, "relative"})
	wantKind(t, "findIdle without tail", err, orchestron.Unavailable)
	if !errors.Is(err, errUnfit) || !strings.Contains(err.Error(), "tail") || !strings.Contains(err.Error(), "install it") {
		t.Errorf("findIdle without tail: %v, want it to name the program and what to do", err)
	}
	if file, err := findIdle(programDirs([]string{"HOME=/", "PATH=" + empty})); err != nil || filepath.Base(file) != "tail" {
		t.Errorf("findIdle where PATH lacks it: %q, %v, want that of the system", file, err)
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

func TestAttachCommand(t *testing.T) {
	s := start(t)
	argv, err := AttachCommand("", s.cfg.Socket)
	if err != nil || !slices.Equal(argv[1:], []string{"-S", s.cfg.Socket, "-f", "/dev/null", "attach-session"}) {
		t.Errorf("AttachCommand = %q, %v", argv, err)
	}
	_, err = AttachCommand("", filepath.Join(t.TempDir(), "s"))
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
	if argv, err := AttachCommand(cfg.Command, cfg.Socket); err != nil || argv[0] != cfg.Command {
		t.Errorf("AttachCommand = %q, %v, want the program that was named", argv, err)
	}
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
	argv, err := AttachCommand("", cfg.Socket)
	if want := fmt.Sprintf("/proc/%d/exe", first.Process().PID); err != nil || argv[0] != want {
		t.Errorf("AttachCommand = %q, %v, want %s", argv, err, want)
	}
}
