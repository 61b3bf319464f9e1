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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orchestron/orchestron"
)

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
	server, err := ProcessOf(serverPID(t, cfg.Socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // in case nobody opens it again below
		if Alive(server) {
			_ = syscall.Kill(server.PID, syscall.SIGKILL)
		}
	})
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

func serverPID(t *testing.T, socket string) int {
	t.Helper()
	out, err := exec.Command("tmux", "-S", socket, "display-message", "-p", "#{pid}").Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
