package usage

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/sqlite"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/internal/usagestore"
)

// soloist is one agent with a transcript in a directory.
func soloist(dir string) *team {
	m := &team{files: map[orchestron.AgentID][]string{}}
	m.add("exec_1", "", dir, filepath.Join(dir, "a.jsonl"))
	return m
}

// countUntilKilled is the program of the child: a service that runs, and prints a line when it begins and for each change.
func countUntilKilled(dir string) {
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "orchestron.db"), quiet())
	if err == nil {
		var prices *Prices
		if prices, err = LoadPrices(filepath.Join(dir, "none.yaml")); err == nil {
			s := New(database{usagestore.In(db)}, soloist(dir), prices, time.Now, quiet())
			fmt.Println("begins")
			go func() {
				for {
					changed := s.Changed()
					<-changed
					fmt.Println("counted")
				}
			}()
			err = s.Run(context.Background())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// runAndKill lets a child count, and kills it when it has printed so many lines, and a moment later than that.
func runAndKill(t *testing.T, dir string, lines int, moment time.Duration) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "ORCHESTRON_TEST_COUNTER="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	for printed := bufio.NewScanner(out); lines > 0 && printed.Scan(); {
		lines--
	}
	time.Sleep(moment)
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
}

func sumOfEvents(t testing.TB, db *sqlite.DB) (sum int64) {
	t.Helper()
	for after := int64(0); ; {
		events, err := db.Events(t.Context(), after, 1000)
		must(t, err)
		if len(events) == 0 {
			return sum
		}
		for _, e := range events {
			var more usageapi.Amount
			must(t, json.Unmarshal(e.Data, &more))
			sum, after = sum+more.Total, e.Seq
		}
	}
}
