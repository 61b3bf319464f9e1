package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/orchestron/orchestron/internal/agentapi"
)

// listRows measures list with 50 and 200 live agents, over the MCP bridge and as a command. The two houses are asked in
// turns, so that both see the same machine.
func listRows(ctx context.Context, s setting) ([]row, error) {
	return with(ctx, s.program, func(small *house) ([]row, error) {
		if _, err := small.spawn(ctx, 50, "scripted"); err != nil {
			return nil, err
		}
		return with(ctx, s.program, func(large *house) ([]row, error) {
			for range 4 {
				if _, err := large.spawn(ctx, 50, "scripted"); err != nil {
					return nil, err
				}
			}
			if err := sleep(ctx, restTime); err != nil {
				return nil, err
			}
			command, err := small.listCommand(ctx, 50, 50)
			if err != nil {
				return nil, err
			}
			fifty, twoHundred, err := listInTurns(ctx, small, large)
			if err != nil {
				return nil, err
			}
			overMCP := fifty.against("list, 50 live agents, over MCP stdio", 2*time.Millisecond)
			if runtime.GOOS == "linux" {
				overMCP.Note = "no process was started inside"
			}
			return []row{
				overMCP,
				command.against("list, 50 live agents, as a command from its start", 30*time.Millisecond),
				twoHundred.over("list, 200 live agents, over MCP stdio", fifty, "list of 50", 4, 0),
			}, nil
		})
	})
}

// listInTurns times list in two houses through real bridge processes.
func listInTurns(ctx context.Context, small, large *house) (fifty, twoHundred times, err error) {
	few, err := small.bridge(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, few.close()) }()
	many, err := large.bridge(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, many.close()) }()
	for round := range 11 {
		one, err := small.timeList(few, 30, 50)
		if err != nil {
			return nil, nil, err
		}
		other, err := large.timeList(many, 30, 200)
		if err != nil {
			return nil, nil, err
		}
		if round > 0 { // the first costs more
			fifty, twoHundred = append(fifty, one...), append(twoHundred, other...)
		}
	}
	return fifty, twoHundred, nil
}

// listCommand times the command from its start to its end.
func (h *house) listCommand(ctx context.Context, n, want int) (times, error) {
	var took times
	for range n {
		cmd := exec.CommandContext(ctx, h.program, "list", "--json")
		cmd.Env = h.env
		began := time.Now()
		data, err := cmd.Output()
		took = append(took, time.Since(began))
		if err != nil {
			return nil, fmt.Errorf("orchestron list: %w", err)
		}
		var out agentapi.ListOut
		if err := json.Unmarshal(data, &out); err != nil || out.Count != want {
			return nil, fmt.Errorf("orchestron list told of %d agents, not %d: %w", out.Count, want, err)
		}
	}
	return took, nil
}

// timeList times calls of list, and makes sure that neither the bridge nor the daemon starts a process for them.
func (h *house) timeList(b *bridge, n, want int) (times, error) {
	before, err := h.started(b)
	if err != nil {
		return nil, err
	}
	var took times
	for range n {
		b.calls++
		began := time.Now()
		answer, err := b.ask(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"list","arguments":{}}}`, b.calls))
		took = append(took, time.Since(began))
		if err != nil {
			return nil, err
		}
		var out struct {
			Result struct {
				Structured agentapi.ListOut `json:"structuredContent"`
			} `json:"result"`
		}
		if err := json.Unmarshal(answer, &out); err != nil || out.Result.Structured.Count != want {
			return nil, fmt.Errorf("list told of %d agents, not %d: %.300s", out.Result.Structured.Count, want, answer)
		}
	}
	after, err := h.started(b)
	if err == nil && after != before {
		err = fmt.Errorf("list started a process: the processes before were\n%s\nand after\n%s", before, after)
	}
	return took, err
}

// started says which processes the bridge and the daemon have and had, where the system tells.
func (h *house) started(b *bridge) (string, error) {
	if runtime.GOOS != "linux" {
		return "", nil
	}
	return offspring(h.daemon.Process.Pid, b.cmd.Process.Pid)
}

// bridge is an orchestron mcp process.
type bridge struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	calls int
}

func (h *house) bridge(ctx context.Context) (*bridge, error) {
	cmd := exec.CommandContext(ctx, h.program, "mcp")
	cmd.Env, cmd.Stderr, cmd.WaitDelay = h.env, os.Stderr, 5*time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b := &bridge{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 1<<20)}
	_, err = b.ask(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`)
	if err == nil {
		_, err = io.WriteString(in, `{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n")
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// ask sends a line and returns the line that answers it.
func (b *bridge) ask(line string) ([]byte, error) {
	if _, err := io.WriteString(b.in, line+"\n"); err != nil {
		return nil, err
	}
	return b.out.ReadBytes('\n')
}

// close ends the bridge as a client does that leaves.
func (b *bridge) close() error {
	kill := time.AfterFunc(10*time.Second, func() { _ = b.cmd.Process.Kill() })
	defer kill.Stop()
	return errors.Join(b.in.Close(), b.cmd.Wait())
}
