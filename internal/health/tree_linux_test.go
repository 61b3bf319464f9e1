package health

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/op"
)

func TestParseStat(t *testing.T) {
	page := int64(os.Getpagesize())
	for _, c := range []struct {
		line string
		want process
		ok   bool
	}{
		{
			"7 (a) b (c) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 987654 12345 77 18446744073709551615 1 1",
			process{pid: 7, parent: 3, start: 987654, cpu: time.Second, memory: 77 * page},
			true,
		},
		{"7 (a) Z 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 987654 0 0 18446744073709551615", process{}, false},
		{"7 (a) S 3 7 7", process{}, false},
		{"7 (a) S x y z", process{}, false},
		{"", process{}, false},
	} {
		if got, ok := parseStat(7, []byte(c.line)); ok != c.ok || ok && got != c.want {
			t.Errorf("parseStat(%q) = %+v, %t, want %+v, %t", c.line, got, ok, c.want, c.ok)
		}
	}
}

// TestTrees holds that what a program started counts as its own, and that a number used again is not taken for it.
func TestTrees(t *testing.T) {
	cmd := exec.Command("sh", "-c", `while :; do :; done & sleep 60 & wait`)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var tree Tree
	root := orchestron.Process{PID: cmd.Process.Pid}
	defer func() {
		for _, p := range processes() {
			if p.parent == root.PID {
				_ = kill(p.pid)
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	for _, p := range processes() {
		if p.pid == root.PID {
			root.Start = p.start
		}
	}
	for deadline := time.Now().Add(20 * time.Second); (tree.Processes < 3 || tree.CPU < 100*time.Millisecond) && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
		tree = Trees([]orchestron.Process{root})[root.PID]
	}
	if tree.Processes != 3 || tree.CPU < 100*time.Millisecond || tree.Memory < 1<<18 {
		t.Errorf("the tree is %+v, want three processes that work", tree)
	}
	root.Start++
	if got := Trees([]orchestron.Process{root}); len(got) != 0 {
		t.Errorf("another process of the same number gives %v", got)
	}
}

func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

// BenchmarkRefresh is one full look at 200 agents with a program each. The bar is 10 ms.
func BenchmarkRefresh(b *testing.B) {
	const agents = 200
	w := newWorld()
	for i := range agents {
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}()
		a := someone(orchestron.AgentID("exec_"+strconv.Itoa(i+1)), orchestron.Busy)
		a.Process = orchestron.Process{PID: cmd.Process.Pid}
		w.agents = append(w.agents, a)
	}
	for _, p := range processes() {
		for i := range w.agents {
			if w.agents[i].Process.PID == p.pid {
				w.agents[i].Process.Start = p.start
			}
		}
	}
	l := &life{world: w, left: -1}
	s := New(l, l, Trees, healthapi.Policy{StuckAfter: stuckAfter}, time.Now, slog.New(slog.DiscardHandler))
	call := op.Call{Actor: orchestron.Actor{Kind: orchestron.Operator}}
	var looks []time.Duration
	for b.Loop() {
		s.looked = time.Time{}
		began := time.Now()
		out, err := s.get(context.Background(), call, healthapi.In{})
		if err != nil || len(out.Agents) != agents || out.Agents[0].Processes != 1 {
			b.Fatalf("get_health = %d agents, %v", len(out.Agents), err)
		}
		looks = append(looks, time.Since(began))
	}
	slices.Sort(looks)
	took := looks[len(looks)/2]
	b.ReportMetric(float64(len(processes())), "processes")
	fmt.Printf("# 200 agents: %s a look (median); the bar is 10ms: %s\n", took, map[bool]string{true: "met", false: "MISSED"}[took <= 10*time.Millisecond])
}
