package acp

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pair is a connection whose agent is the test.
func pair(t *testing.T, handle func(message), noise func(string)) (c *conn, say func(string), hear func() string) {
	t.Helper()
	c = newConn()
	toAgent, fromUs := io.Pipe()
	fromAgent, toUs := io.Pipe()
	done := make(chan struct{}, 2)
	go func() { c.write(fromUs); done <- struct{}{} }()
	go func() { c.read(fromAgent, handle, noise); done <- struct{}{} }()
	lines := bufio.NewReader(toAgent)
	t.Cleanup(func() {
		_ = toUs.Close()
		_ = toAgent.Close()
		<-done
		<-done
	})
	say = func(line string) {
		if _, err := io.WriteString(toUs, line+"\n"); err != nil {
			t.Error(err)
		}
	}
	hear = func() string {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		return strings.TrimSpace(line)
	}
	return c, say, hear
}

// TestAnswersComeAfterNotices: what the agent tells before it answers is taken in before.
func TestAnswersComeAfterNotices(t *testing.T) {
	var heard []string
	c, say, hear := pair(t, func(m message) {
		time.Sleep(time.Millisecond) // slower than the answer
		heard = append(heard, string(m.Params))
	}, func(string) {})
	go func() {
		hear()
		for range 20 {
			say(`{"jsonrpc":"2.0","method":"n","params":1}`)
		}
		say(`{"jsonrpc":"2.0","id":1,"result":{"stopReason":"end_turn"}}`)
	}()
	var out ended
	if err := c.call("session/prompt", object{}, &out); err != nil || out.Reason != "end_turn" || len(heard) != 20 {
		t.Errorf("call = %+v, %v with %d notices before it, want 20", out, err, len(heard))
	}
}

func TestWhatAgentsSay(t *testing.T) {
	var noise []string
	requests := make(chan string, 10)
	c, say, hear := pair(t, func(m message) { requests <- m.Method }, func(line string) { noise = append(noise, line) })
	go func() {
		hear()
		say("no JSON \x1b[31m")
		say(`{"jsonrpc":"1.0","method":"old"}`)
		say(`{"jsonrpc":"2.0","id":"x","result":{}}`)
		say(`{"jsonrpc":"2.0","id":99,"result":{}}`)
		say(`{"jsonrpc":"2.0","id":"a","method":"fs/read_text_file","params":{}}`)
		say(`{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error","data":{"details":"no such luck"}}}`)
		hear()
		say(`{"jsonrpc":"2.0","id":2,"result":7}`)
	}()
	err := c.call("session/new", object{}, &setup{})
	if err == nil || err.Error() != "Internal error: no such luck" {
		t.Errorf("the agent's error is %v", err)
	}
	if diff := cmp.Diff([]string{"no JSON \x1b[31m", `{"jsonrpc":"1.0","method":"old"}`}, noise); diff != "" || <-requests != "fs/read_text_file" {
		t.Errorf("noise (-want +got):\n%s", diff)
	}
	if err := c.call("session/new", object{}, &setup{}); err == nil || !strings.Contains(err.Error(), "not understood") {
		t.Errorf("an answer of another shape is %v", err)
	}
}

// TestAgentEnds: nobody waits for an agent that ended.
func TestAgentEnds(t *testing.T) {
	c := newConn()
	asked := make(chan error)
	go func() { asked <- c.call("session/prompt", object{}, &ended{}) }()
	c.read(strings.NewReader(`{"jsonrpc":"2.0","met`), func(message) {}, func(string) {})
	if err := <-asked; !errors.Is(err, errOver) {
		t.Errorf("call = %v, want that the agent ended", err)
	}
}

func TestToolCalls(t *testing.T) {
	for name, test := range map[string]struct{ call, tool, input string }{
		"OpenCode": {
			`{"toolCallId":"t","title":"touch made","kind":"execute","status":"pending","locations":[],"rawInput":{"command":"touch made"}}`,
			"execute", `{"command":"touch made","title":"touch made"}`,
		},
		"Gemini CLI": {
			`{"toolCallId":"t","status":"pending","title":"touch made","content":[{"type":"content","content":{"type":"text","text":"[in /w] (d)"}}],"locations":[],"kind":"execute"}`,
			"execute", `{"content":["[in /w] (d)"],"title":"touch made"}`,
		},
		"changes": {
			`{"kind":"edit","content":[{"type":"diff","path":"/w/a","oldText":"x","newText":"y"},{"type":"diff","path":"/w/b","newText":"z"}],"locations":[{"path":"/w/b"},{"path":"/w/c","line":2}]}`,
			"edit", `{"content":[{"type":"diff","path":"/w/a","oldText":"x","newText":"y"},{"type":"diff","path":"/w/b","newText":"z"}],"locations":[{"path":"/w/b"},{"path":"/w/c","line":2}]}`,
		},
		"texts": {
			`{"kind":"execute","content":[{"type":"content","content":{"type":"text","text":"rm -rf /"}},{"type":"content","content":{"type":"text","text":"ls"}},{"type":"terminal","terminalId":"t"}]}`,
			"execute", `{"content":["rm -rf /","ls",{"type":"terminal","terminalId":"t"}]}`,
		},
		"names that are ours": {
			`{"kind":"edit","title":"other","rawInput":{"path":"/etc/x","title":"true title","shown_title":1},"content":[{"type":"diff","path":"/w/b","newText":"x"}]}`,
			"edit", `{"content":[{"type":"diff","path":"/w/b","newText":"x"}],"path":"/etc/x","shown_shown_title":"other","shown_title":1,"title":"true title"}`,
		},
		"a long number":  {`{"kind":"fetch","rawInput":{"id":9007199254740993}}`, "fetch", `{"id":9007199254740993}`},
		"a place":        {`{"kind":"delete","locations":[{"path":"/w/b"}]}`, "delete", `{"locations":[{"path":"/w/b"}]}`},
		"no object":      {`{"kind":"","rawInput":["a"]}`, "other", `{"input":["a"]}`},
		"no arguments":   {`{"kind":"other"}`, "other", `{}`},
		"nothing":        {`{"rawInput":null}`, "other", `{}`},
		"a hostile kind": {`{"kind":"exe\ncute"}`, "other", `{}`},
	} {
		var c toolCall
		if err := json.Unmarshal([]byte(test.call), &c); err != nil {
			t.Fatal(err)
		}
		input, err := json.Marshal(c.input())
		if err != nil || c.tool() != test.tool || string(input) != test.input {
			t.Errorf("%s: %s %s, %v, want %s %s", name, c.tool(), input, err, test.tool, test.input)
		}
	}
}

func TestPayloadFits(t *testing.T) {
	if got := len(payload(object{"prompt": strings.Repeat("<&>", 1<<20)})); got > 3<<20+20 {
		t.Errorf("3 MiB of what web pages escape take %d bytes", got)
	}
	long := payload(object{"hook_event_name": "Stop", "last_assistant_message": strings.Repeat("\u0001é", 1<<20)})
	var said struct {
		Text string `json:"last_assistant_message"`
	}
	if err := json.Unmarshal(long, &said); err != nil || len(long) > 4<<20 || !strings.HasSuffix(said.Text, "cut off here]") {
		t.Errorf("the payload has %d bytes and ends in %q: %v", len(long), said.Text[max(0, len(said.Text)-20):], err)
	}
}
