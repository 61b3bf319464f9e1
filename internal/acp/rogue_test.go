package acp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orchestron/orchestron/internal/terminal"
)

// rogue is an agent that misbehaves.
func rogue(how, dir string) int {
	if how == "stubborn" {
		return stubborn(dir)
	}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		var m message
		if err != nil || json.Unmarshal(line, &m) != nil {
			return code(err)
		}
		switch m.Method {
		case "initialize":
			answer(m.ID, `{"protocolVersion":1}`)
		case "session/new":
			answer(m.ID, `{"sessionId":"s"}`)
		case "session/prompt":
			if how == "hasty" {
				say(`{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"done"}}}}`)
				answer(m.ID, `{"stopReason":"end_turn"}`)
				return 0
			}
			for n := 0; ; n++ { // and reads no more
				switch how {
				case "deaf":
					say(`{"jsonrpc":"2.0","method":"fs/read_text_file","id":"` + strings.Repeat("x", 1<<20) + `"}`)
				case "curious":
					say(`{"jsonrpc":"2.0","method":"session/request_permission","id":` + strconv.Itoa(n) + `,"params":{"sessionId":"s","toolCall":{},"options":[{"optionId":"o"}]}}`)
				case "verbose":
					say(`{"jsonrpc":"2.0","method":"session/request_permission","id":` + strconv.Itoa(n) + `,"params":{"sessionId":"s","toolCall":{"title":"` + strings.Repeat("x", 12<<20) + `"},"options":[{"optionId":"o"}]}}`)
				}
			}
		}
	}
}

func answer(id json.RawMessage, result string) {
	say(`{"jsonrpc":"2.0","id":` + string(id) + `,"result":` + result + `}`)
}

func say(line string) { fmt.Println(line) }

// stubborn is an agent that goes on when its host is gone. What it would write to is gone as well.
func stubborn(dir string) int {
	signal.Ignore(syscall.SIGTERM, syscall.SIGPIPE)
	if err := os.WriteFile(filepath.Join(dir, "pid"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return code(err)
	}
	time.Sleep(time.Hour)
	return 0
}

// TestAnswerBeforeTheEnd: what an agent answers before it ends is told, in this order.
func TestAnswerBeforeTheEnd(t *testing.T) {
	for range 5 {
		r := newRig(t, Settings{}, "hasty")
		r.shows("ready")
		r.prompt("go")
		if err := r.cmd.Wait(); err != nil {
			t.Errorf("the host ends with %v", err)
		}
		if got := r.order(); got != "SessionStart UserPromptSubmit Stop" {
			t.Fatalf("hooks = %s\n%q", got, r.screen())
		}
	}
}

// TestTooMuch: an agent that asks without end, or does not read the answers, is ended.
func TestTooMuch(t *testing.T) {
	for how, says := range map[string]string{"deaf": "does not read what it is told", "curious": "asks too much", "verbose": "asks too much"} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t, Settings{Hold: time.Minute}, how)
			r.shows("ready")
			r.put("PermissionRequest", "wait")
			r.prompt("go")
			r.shows(says)
			if err := r.cmd.Wait(); err == nil || err.Error() != "exit status 1" {
				t.Errorf("the host ends with %v", err)
			}
		})
	}
}

// TestBrief: what the screen keeps is bounded, what Orchestron is told is whole.
func TestBrief(t *testing.T) {
	h := bare()
	var shown bytes.Buffer
	h.turn, h.screen = &turn{asked: true}, terminal.NewScreen(&shown, 80, 24)
	var u updated
	u.Update.Content = []byte(`{"type":"text","text":"` + strings.Repeat("é", 1<<20) + `"}`)
	h.said(u)
	h.draw()
	if shown.Len() > 2*longest || !strings.Contains(shown.String(), "the rest is not shown") {
		t.Errorf("%d bytes are shown", shown.Len())
	}
	if got := h.turn.answer.Len(); got != 2<<20 {
		t.Errorf("the answer has %d bytes, want all", got)
	}
}

// TestCancelComesBehindThePrompt: an agent that is told to stop knows of what, and is told again when it did not.
func TestCancelComesBehindThePrompt(t *testing.T) {
	h := bare()
	h.ended, h.posts = make(chan struct{}), make(chan func())
	h.records = filepath.Join(t.TempDir(), "records.jsonl")
	h.turn = &turn{id: "t", text: "x"}
	asked := make(chan error)
	go func() { asked <- h.ask(h.turn, &ended{}) }()
	(<-h.posts)()
	h.interrupt() // the key was there already
	h.interrupt()
	h.conn.mu.Lock()
	var got []string
	for _, line := range h.conn.outbox {
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			t.Error(err)
		}
		got = append(got, m.Method)
	}
	h.conn.mu.Unlock()
	close(h.conn.over)
	if err := <-asked; !errors.Is(err, errOver) {
		t.Errorf("ask = %v", err)
	}
	if want := "session/prompt session/cancel session/cancel"; strings.Join(got, " ") != want {
		t.Errorf("the agent is told %v, want %s", got, want)
	}
}

// TestProbeIsInTime: what a program leaves running holds nobody up.
func TestProbeIsInTime(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent")
	if err := os.WriteFile(file, []byte("#!/bin/sh\nsetsid sh -c 'echo $$ >pid.new; mv pid.new pid; exec sleep 60' &\nwait\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	pid, over := 0, make(chan struct{})
	go func() {
		defer close(over)
		for end := time.Now().Add(20 * time.Second); pid == 0 && time.Now().Before(end); {
			data, _ := os.ReadFile(filepath.Join(dir, "pid")) // there is none before it runs
			pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
			time.Sleep(5 * time.Millisecond)
		}
		cancel(errors.New("time is up"))
	}()
	began := time.Now()
	_, err := Probe(ctx, []string{file}, os.Environ(), dir)
	<-over
	_ = syscall.Kill(pid, syscall.SIGKILL)
	if took := time.Since(began); took > 30*time.Second || err == nil || err.Error() != "time is up" {
		t.Errorf("Probe = %v after %v", err, took)
	}
}
