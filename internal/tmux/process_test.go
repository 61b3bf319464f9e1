package tmux

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

func TestAlive(t *testing.T) {
	p := sleeper(t)
	other := p
	other.Start++
	if !Alive(p) || Alive(other) || Alive(orchestron.Process{}) {
		t.Errorf("Alive = %v of a process, %v of one that began at another time, %v of none, want true, false, false",
			Alive(p), Alive(other), Alive(orchestron.Process{}))
	}
	_, err := ProcessOf(1 << 30)
	wantKind(t, "ProcessOf of no process", err, orchestron.NotFound)
}

func TestWaitExit(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := ProcessOf(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := WaitExit(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitExit of a process that runs: %v, want the context's error", err)
	}
	ended := make(chan error)
	go func() { ended <- WaitExit(t.Context(), p) }()
	_ = in.Close()
	if err := <-ended; err != nil {
		t.Errorf("WaitExit: %v", err)
	}
	if Alive(p) {
		t.Error("a process that ended and was not waited for is alive")
	}
	_ = cmd.Wait()
	if err := WaitExit(t.Context(), p); err != nil {
		t.Errorf("WaitExit of a process that ended: %v", err)
	}
	mine, err := ProcessOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	mine.Start++
	if err := WaitExit(t.Context(), mine); err != nil {
		t.Errorf("WaitExit of a process that had our id: %v", err)
	}
}
