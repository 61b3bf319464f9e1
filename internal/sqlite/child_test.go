package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

// child starts this test program again as another program: TestMain looks at the environment.
func child(t *testing.T, kind, path string) (*exec.Cmd, io.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "ORCHESTRON_TEST_CHILD="+kind, "ORCHESTRON_TEST_DB="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// writeUntilKilled is the program of the child: eight writers that print the id of each message that was acknowledged.
func writeUntilKilled(path string) {
	db, err := Open(context.Background(), path, quiet())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := 0; ; j++ {
				id := fmt.Sprintf("%d_%d_%d", os.Getpid(), i, j)
				if err := writeOne(db, id); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Println(id)
			}
		})
	}
	all.Wait()
}

func writeOne(db *DB, id string) error {
	return db.Write(context.Background(), func(tx *Tx) error {
		m := orchestron.Message{ID: orchestron.MessageID(id), Agent: "exec_1", State: orchestron.Queued, Text: strings.Repeat(id, 50)}
		return errors.Join(tx.AddMessage(&m), tx.AddEvent(&orchestron.Event{Type: orchestron.MessageQueued, Agent: "exec_1"}))
	})
}

func TestKilledProcessLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orchestron.db")
	db := openAt(t, path)
	putAgents(t, db, "exec_1")
	closeDB(t, db)
	acked := map[string]bool{}
	for kill := range 20 {
		before := len(acked)
		runAndKill(t, path, kill%2 == 1, acked)
		db := openAt(t, path)
		if db.lock.clean && len(acked) > before {
			t.Errorf("kill %d: the stop looks clean", kill)
		}
		stored, err := Read(t.Context(), db, ScanText, `SELECT id FROM messages`)
		if err != nil {
			t.Fatal(err)
		}
		events, err := Read(t.Context(), db, ScanInt, `SELECT count(*) FROM events`)
		if err != nil || int(events[0]) != len(stored) {
			t.Errorf("kill %d: %d messages but %v events, %v; a change was kept by half", kill, len(stored), events, err)
		}
		there := map[string]bool{}
		for _, id := range stored {
			there[id] = true
		}
		for id := range acked {
			if !there[id] {
				t.Errorf("kill %d: %s was acknowledged and is lost", kill, id)
			}
		}
		t.Logf("kill %d: %d acknowledged, %d stored", kill, len(acked)-before, len(stored))
		closeDB(t, db)
	}
	if len(acked) == 0 {
		t.Error("nothing was ever acknowledged")
	}
}

// runAndKill lets a child write and kills it at a random moment: any from its start, or any after its first
// acknowledgement. It adds what the child acknowledged.
func runAndKill(t *testing.T, path string, early bool, acked map[string]bool) {
	t.Helper()
	cmd, out := child(t, "writer", path)
	moment := time.Duration(rand.IntN(80_000)) * time.Microsecond
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	if early {
		kill.Reset(moment)
	}
	lines := bufio.NewScanner(out)
	for first := true; lines.Scan(); first = false {
		if first && !early {
			kill.Reset(moment)
		}
		acked[lines.Text()] = true
	}
	_ = cmd.Wait() // it was killed
}
