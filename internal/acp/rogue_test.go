package acp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
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
