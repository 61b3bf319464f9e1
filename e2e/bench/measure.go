package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agents"
	"github.com/orchestron/orchestron/internal/op"

	_ "modernc.org/sqlite" // the bare commit beside ours
)

// measurement is one part of the table.
type measurement struct {
	name string
	run  func(program string) ([]row, error)
}

func measure(program, only string) ([]row, error) {
	all := []measurement{
		{"send", sendRows}, {"spawn", spawnRows}, {"list", listRows}, {"idle", idleRows}, {"claude", claudeRows}, {"echo", echoRows},
	}
	var rows []row
	for _, m := range all {
		if !strings.Contains(m.name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", m.name)
		got, err := m.run(program)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

// with runs a measurement in a house of its own.
func with(program string, run func(h *house) ([]row, error)) ([]row, error) {
	h, err := openHouse(program)
	if err != nil {
		return nil, err
	}
	rows, err := run(h)
	return rows, errors.Join(err, h.close())
}

// sendRows measures the acknowledgement of a message, its way into the agent, and the answer's way back.
func sendRows(program string) ([]row, error) {
	return with(program, func(h *house) ([]row, error) {
		bare, err := bareCommits(filepath.Join(h.dir, "bare.db"), 300)
		if err != nil {
			return nil, err
		}
		ids, err := h.spawn(1, "scripted")
		if err != nil {
			return nil, err
		}
		acks, err := h.acks(ids[0], 300)
		if err != nil {
			return nil, err
		}
		submits, answers, err := h.exchanges(ids[0], 100, "scripted")
		if err != nil {
			return nil, err
		}
		return []row{
			acks.over("send acknowledged, durable", bare, "a bare FULL commit", 2),
			submits.against("prompt verified as submitted, idle scripted agent", 60*time.Millisecond),
			answers.against("end of turn to the waiter's answer", 20*time.Millisecond),
		}, nil
	})
}

// bareCommits times transactions of one row with the same driver and settings on the same disk.
func bareCommits(path string, n int) (times, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT) STRICT"); err != nil {
		return nil, err
	}
	var took times
	for range n {
		began := time.Now()
		if _, err := db.Exec("INSERT INTO t (text) VALUES (?)", "one row of the size of a short message"); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// acks times acknowledgements while the agent is in a long turn, so that nothing but the acknowledgement happens.
func (h *house) acks(id orchestron.AgentID, n int) (times, error) {
	if err := h.call("send", agents.SendIn{InstanceID: string(id), Text: "@@delay 20s\n@@say done"}, nil); err != nil {
		return nil, err
	}
	for {
		v, err := h.status(id)
		if err != nil {
			return nil, err
		}
		if v.Status == orchestron.Busy {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	var took times
	for i := range n {
		began := time.Now()
		if err := h.call("send", agents.SendIn{InstanceID: string(id), Text: fmt.Sprintf("message %d", i)}, nil); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	err := h.call("terminate_instance", agents.TerminateInstanceIn{InstanceID: string(id), Force: true}, nil)
	if err != nil {
		return nil, err
	}
	return took, nil
}

// exchanges times, from the call on, how long it takes until a prompt is known to be submitted, and from the stop
// hook's record until the waiter has the answer.
func (h *house) exchanges(_ orchestron.AgentID, n int, driver string) (submits, answers times, err error) {
	ids, err := h.spawn(1, driver)
	if err != nil {
		return nil, nil, err
	}
	for i := range n {
		var out agents.MessageOut
		var submitted time.Time
		began := time.Now()
		report := func(p op.Progress) {
			if submitted.IsZero() && strings.Contains(p.Message, "the message is submitted") {
				submitted = time.Now()
			}
		}
		in := agents.SendIn{InstanceID: string(ids[0]), Text: fmt.Sprintf("@@delay 30ms\n@@say answer %d", i), Wait: true, Timeout: 60}
		if err := h.follow("send", in, &out, report); err != nil {
			return nil, nil, err
		}
		now := time.Now()
		if out.State != orchestron.Answered || submitted.IsZero() {
			return nil, nil, fmt.Errorf("message %d is %s (%s %s), seen submitted: %v", i, out.State, out.Reason, out.Failure, !submitted.IsZero())
		}
		submits = append(submits, submitted.Sub(began))
		answers = append(answers, now.Sub(out.Answered))
	}
	return submits, answers, nil
}

// spawnRows measures how long a spawn takes until the pane runs and all is durable, alone and twenty at once.
func spawnRows(program string) ([]row, error) {
	return with(program, func(h *house) ([]row, error) {
		var one times
		for i := range 20 {
			began := time.Now()
			err := h.call("spawn", agents.SpawnIn{Role: "specialist", WorkspaceMode: "isolated", Driver: "scripted", Name: "one " + strconv.Itoa(i)}, nil)
			if err != nil {
				return nil, err
			}
			one = append(one, time.Since(began))
			time.Sleep(100 * time.Millisecond) // one spawn at a time, not the start of the program before it
		}
		var many times
		for range 3 {
			took, err := h.twenty()
			if err != nil {
				return nil, err
			}
			many = append(many, took)
			time.Sleep(2 * time.Second)
		}
		return []row{
			one.against("spawn to pane running, durable", 60*time.Millisecond),
			many.against("20 spawns at once", 600*time.Millisecond),
		}, nil
	})
}

func (h *house) twenty() (time.Duration, error) {
	in := agents.SpawnManyIn{}
	for range 20 {
		in.Instances = append(in.Instances, agents.SpawnClaudeIn{Name: "one of twenty", Role: "general", Driver: "scripted"})
	}
	var out agents.SpawnManyOut
	began := time.Now()
	if err := h.call("spawn_multiple_instances", in, &out); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if out.Spawned != 20 {
		return 0, fmt.Errorf("%d of 20 agents were spawned: %+v", out.Spawned, out.Instances)
	}
	return took, nil
}

// listRows measures list over MCP stdio with 50 and 200 agents, and as a command.
func listRows(program string) ([]row, error) {
	return with(program, func(h *house) ([]row, error) {
		if _, err := h.spawn(50, "scripted"); err != nil {
			return nil, err
		}
		fifty, err := h.listOverMCP(200)
		if err != nil {
			return nil, err
		}
		var command times
		for range 30 {
			cmd := exec.Command(h.program, "list", "--json")
			cmd.Env = h.env
			began := time.Now()
			if err := cmd.Run(); err != nil {
				return nil, fmt.Errorf("orchestron list: %w", err)
			}
			command = append(command, time.Since(began))
		}
		for range 3 {
			if _, err := h.spawn(50, "scripted"); err != nil {
				return nil, err
			}
		}
		twoHundred, err := h.listOverMCP(100)
		if err != nil {
			return nil, err
		}
		return []row{
			fifty.against("list, 50 live agents, over MCP stdio", 2*time.Millisecond),
			command.against("list, 50 live agents, as a command", 30*time.Millisecond),
			twoHundred.over("list, 200 live agents, over MCP stdio", fifty, "list of 50", 4),
		}, nil
	})
}

// idleRows measures the daemon beside 50 idle agents.
func idleRows(program string) ([]row, error) {
	return with(program, func(h *house) ([]row, error) {
		if _, err := h.spawn(50, "scripted"); err != nil {
			return nil, err
		}
		time.Sleep(3 * time.Second)
		before, err := cpu(h.daemon.Process.Pid)
		if err != nil {
			return nil, err
		}
		const window = 30 * time.Second
		time.Sleep(window)
		after, err := cpu(h.daemon.Process.Pid)
		if err != nil {
			return nil, err
		}
		rss, err := resident(h.daemon.Process.Pid)
		if err != nil {
			return nil, err
		}
		share := 100 * (after - before).Seconds() / window.Seconds()
		return []row{
			{Work: "daemon with 50 idle agents, memory", N: 1, P50: rss, P99: rss, Unit: "MB", Bar: "RSS <= 40 MB", Ratio: rss / 40},
			{Work: "daemon with 50 idle agents, processor", N: 1, P50: share, P99: share, Unit: "% ", Bar: "<= 1 % of a core", Ratio: share},
		}, nil
	})
}

// cpu returns the processor time that a process has used.
func cpu(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const ticks = 100 // USER_HZ on Linux
	total := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return time.Duration(total) * time.Second / ticks, nil
}

// resident returns a process's resident memory in MB.
func resident(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kb) / 1024, err
		}
	}
	return 0, errors.New("the system does not tell the resident memory")
}

func (h *house) follow(name string, args, out any, report func(op.Progress)) error {
	raw, err := h.client.Call(context.Background(), name, args, "", report)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return unmarshal(raw, out)
}

