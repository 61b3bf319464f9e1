package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/daemon"
	"github.com/orchestron/orchestron/internal/healthapi"
)

const (
	crowd        = 200 // agents in one house
	refreshes    = 100
	looks        = 3
	lookApart    = 5100 * time.Millisecond // get_health looks again at processes when it looked 5 s ago
	crowdWatched = 12 * time.Second
	crowdShare   = 3.0 // percent of a core
	orders       = 60
	refreshTime  = 10 * time.Millisecond
	orderTime    = 100 * time.Millisecond
)

// crowdRows measures a house of 200 idle agents: what it costs by itself, what a look at all of them costs, and how
// long the message of one agent to another takes.
func crowdRows(ctx context.Context, s setting) ([]row, error) {
	processor := row{Work: "daemon with 200 idle agents, processor", Bar: fmt.Sprintf("<= %g %% of a core", crowdShare), Unit: "% ", N: 1}
	if runtime.GOOS != "linux" {
		return []row{notMeasured(processor.Work, processor.Bar, "the system's /proc is needed")}, nil
	}
	return with(ctx, s.program, func(h *house) ([]row, error) {
		lead, err := h.pair(ctx)
		if err != nil {
			return nil, err
		}
		for have := 2; have < crowd; {
			n := min(50, crowd-have)
			if _, err := h.spawn(ctx, n, "scripted"); err != nil {
				return nil, err
			}
			have += n
		}
		if err := sleep(ctx, restTime); err != nil {
			return nil, err
		}
		if processor, err = h.processor(ctx, processor); err != nil {
			return nil, err
		}
		rows, err := h.refreshed(ctx)
		if err != nil {
			return append(rows, processor), err
		}
		took, bare, err := h.orders(ctx, lead)
		order := took.against("agent's message over MCP verified as submitted", orderTime)
		order.beside(bare, "starting two processes")
		order.Note = "both belong to 200 idle agents"
		return append(rows, processor, order), err
	})
}

// processor watches for a while what the daemon, the agents and tmux use.
func (h *house) processor(ctx context.Context, r row) (row, error) {
	before, err := cpuOf(h.root)
	if err != nil {
		return r, err
	}
	if err := sleep(ctx, crowdWatched); err != nil {
		return r, err
	}
	after, err := cpuOf(h.root)
	if err != nil {
		return r, err
	}
	share := map[string]float64{}
	for pid, now := range after {
		who := now.name
		if pid == h.daemon.Process.Pid {
			who = "the daemon"
		}
		share[who] += 100 * (now.used - before[pid].used).Seconds() / crowdWatched.Seconds()
	}
	r.P50, r.P99 = share["the daemon"], share["the daemon"]
	r.Note = fmt.Sprintf("over %s; the agents with their shims %.2f %%, tmux %.2f %%, %d processes", crowdWatched, share["orchestron"],
		share["tmux: server"]+share["tmux: client"], len(after))
	return r.judged(r.P50 / crowdShare), nil
}

// refreshed times answers about all agents, and looks at all their processes. The daemon may start no process for
// either: it has the children that it had, and none has ended.
func (h *house) refreshed(ctx context.Context) ([]row, error) {
	pid := h.daemon.Process.Pid
	before, err := offspring(pid)
	if err != nil {
		return nil, err
	}
	var all, processes, glance times
	for range refreshes {
		began := time.Now()
		if err := h.call(ctx, "get_daemon_status", nil, &daemon.Status{}); err != nil {
			return nil, err
		}
		middle := time.Now()
		var out agentapi.ListOut
		if err := h.call(ctx, "get_instance_status", agentapi.StatusIn{}, &out); err != nil || out.Count != crowd {
			return nil, errors.Join(err, fmt.Errorf("%d agents have a state", out.Count))
		}
		glance, all = append(glance, middle.Sub(began)), append(all, time.Since(middle))
	}
	var bare times
	for range looks {
		if err := sleep(ctx, lookApart); err != nil {
			return nil, err
		}
		took, err := readProcesses()
		if err != nil {
			return nil, err
		}
		bare = append(bare, took)
		began := time.Now()
		var out healthapi.Out
		if err := h.call(ctx, "get_health", healthapi.In{}, &out); err != nil || len(out.Agents) != crowd || out.At.Before(began) {
			return nil, errors.Join(err, fmt.Errorf("%d agents were measured at %s, asked at %s", len(out.Agents), out.At, began))
		}
		processes = append(processes, time.Since(began))
	}
	after, err := offspring(pid)
	if err == nil && after != before {
		err = fmt.Errorf("the daemon started a process: before\n%s\nand after\n%s", before, after)
	}
	state := all.against("state of 200 agents with its evidence", refreshTime)
	state.beside(glance, "a call that reads nothing")
	state.Note = "the daemon started no process: it has the same children, and no child's faults were added"
	tree := processes.against("a fresh look at the processes of 200 agents", refreshTime)
	tree.beside(bare, "reading /proc/PID/stat of all processes")
	return []row{state, tree}, err
}

// pair is an agent that leads another, and may call tools as itself.
type pair struct{ url, token, child string }

// pair starts them.
func (h *house) pair(ctx context.Context) (pair, error) {
	var lead, child agentapi.View
	var status daemon.Status
	err := h.call(ctx, "spawn", agentapi.SpawnIn{Role: "manager", Driver: "scripted", WorkspaceMode: "isolated", Wait: true}, &lead)
	if err == nil {
		in := agentapi.SpawnIn{Role: "specialist", Driver: "scripted", WorkspaceMode: "isolated", ParentID: string(lead.ID), Wait: true}
		err = errors.Join(h.call(ctx, "spawn", in, &child), h.call(ctx, "get_daemon_status", nil, &status))
	}
	if err != nil {
		return pair{}, err
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", lead.Process.PID))
	for entry := range strings.SplitSeq(string(env), "\x00") {
		if token, found := strings.CutPrefix(entry, "ORCHESTRON_TOKEN="); found {
			return pair{status.URL + "/mcp", token, string(child.ID)}, nil
		}
	}
	return pair{}, errors.Join(err, fmt.Errorf("%s has no token", lead.ID))
}

// orders times messages from the call on until the agent that sent them sees that the other's own records show them
// submitted, in turns with what the delivery cannot do without: the processes of the input box and of the submit hook.
func (h *house) orders(ctx context.Context, p pair) (took, bare times, err error) {
	for i := range orders {
		began := time.Now()
		for range 2 {
			cmd := exec.CommandContext(ctx, h.program, "compose") // without its argument it ends at once
			cmd.Env = h.env
			if err := cmd.Run(); cmd.ProcessState == nil {
				return took, bare, err
			}
		}
		bare = append(bare, time.Since(began))
		d, err := p.order(ctx, i)
		if err != nil {
			return took, bare, err
		}
		took = append(took, d)
	}
	return took, bare, nil
}

// order sends one message over MCP and looks at it until it is submitted. What the call tells meanwhile would come too
// late: progress is told every 100 ms.
func (p pair) order(ctx context.Context, n int) (time.Duration, error) {
	began := time.Now()
	var sent agentapi.MessageOut
	err := p.call(ctx, "send", agentapi.SendIn{InstanceID: p.child, Text: fmt.Sprintf("@@say done %d", n), Timeout: 60}, &sent)
	look := agentapi.WaitIn{InstanceID: p.child, MessageID: string(sent.MessageID)}
	var now agentapi.WaitOut
	for err == nil && (now.Message == nil || !now.Message.Confirmed) {
		if err = p.call(ctx, "wait_for_instance", look, &now); time.Since(began) > time.Minute {
			return 0, fmt.Errorf("message %d is not submitted: %+v", n, now)
		}
	}
	took := time.Since(began)
	look.Timeout = 60
	if err == nil {
		err = p.call(ctx, "wait_for_instance", look, &now)
	}
	if err == nil && !now.Done {
		err = fmt.Errorf("message %d ended as %+v", n, now)
	}
	return took, err
}

// call calls a tool over MCP, in its revision 2026-07-28.
func (p pair) call(ctx context.Context, tool string, args, out any) error {
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{`+
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},`+
		`"io.modelcontextprotocol/clientCapabilities":{}}}}`, tool, text)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(body))
	if err != nil {
		return err
	}
	for key, value := range map[string]string{
		"Authorization": "Bearer " + p.token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": tool,
	} {
		req.Header.Set(key, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	_, data, _ := bytes.Cut(answer, []byte("data: "))
	var message struct {
		Result struct {
			IsError    bool            `json:"isError"`
			Structured json.RawMessage `json:"structuredContent"`
		} `json:"result"`
	}
	if err := json.Unmarshal(data, &message); err != nil || message.Result.IsError || message.Result.Structured == nil {
		return errors.Join(err, fmt.Errorf("%s: %.500s", tool, answer))
	}
	return json.Unmarshal(message.Result.Structured, out)
}
