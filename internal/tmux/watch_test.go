package tmux

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron"
)

// say makes p print something after its changes have been taken, and waits for the change.
func say(t *testing.T, p orchestron.Pane, changes <-chan struct{}) {
	t.Helper()
	select {
	case <-changes:
	default:
	}
	echo(t, p)
	select {
	case <-changes:
	case <-time.After(20 * time.Second):
		t.Fatal("a change was not told")
	}
}

// echo writes to the pane's terminal as its program would.
func echo(t *testing.T, p orchestron.Pane) {
	t.Helper()
	tty, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/0", p.Process.PID))
	if err != nil {
		t.Skip("needs /proc")
	}
	f, err := os.OpenFile(tty, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprint(f, "x")
}

func TestChanges(t *testing.T) {
	s := start(t)
	one, _ := receiver(t, s, 1, "raw")
	two, _ := receiver(t, s, 2, "raw")
	first, stop := s.Changes(one)
	second, stopSecond := s.Changes(one)
	other, stopOther := s.Changes(two)
	defer stopOther()
	for _, ch := range []<-chan struct{}{first, second, other} {
		<-ch // the value at the start
	}
	echo(t, one)
	<-first
	<-second
	select {
	case <-other:
		t.Error("a change of one pane was told as another's")
	default:
	}
	stop()
	stop()
	say(t, one, second)
	say(t, two, other)
	for range 100 {
		echo(t, two) // nobody takes these, and nobody is held up
	}
	stopSecond()
	windows, err := s.ask(t.Context(), "list-windows -t =_orch: -F '#{window_id}'")
	if err != nil || len(windows) != 2 {
		t.Errorf("the hidden session has windows %q (%v), want its own and that of pane two", windows, err)
	}
	third, stopThird := s.Changes(one)
	defer stopThird()
	say(t, one, third)
}

func TestChangesOfAPaneThatPrintsWithoutEnd(t *testing.T) {
	s := start(t)
	p := makePane(t, s, spec(1, "yes", "a line that is printed again and again"))
	changes, stop := s.Changes(p)
	defer stop()
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		select {
		case <-changes:
		case <-time.After(20 * time.Second):
			t.Fatal("a change was not told")
		}
		if _, err := s.Screen(t.Context(), p, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func TestChangesOfNoPane(t *testing.T) {
	s := start(t)
	for _, p := range []orchestron.Pane{{}, {ID: "%0"}, {ID: "%99", Server: s.Process()}} {
		changes, stop := s.Changes(p)
		<-changes
		stop()
	}
}
