package acp

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orchestron/orchestron/testkit"
	"github.com/orchestron/orchestron/testkit/mcpclient"
	"github.com/orchestron/orchestron/testkit/record"
)

// session is a conversation. It has one turn at a time.
type session struct {
	agent       *agent
	id, cwd     string
	model, mode string
	tools       *mcpclient.Servers
	programs    []stdioServer      // MCP servers that are programs
	cancel      context.CancelFunc // of the turn
	history     []exchange

	result string // of the last tool
	answer strings.Builder
	quota  *testkit.Usage
	reason string
	calls  int
	bulk   int // of the next call
}

type exchange struct{ Prompt, Answer string }

func (s *session) file() string { return filepath.Join(s.agent.dir, s.id+".json") }

func (s *session) load() error {
	if strings.ContainsAny(s.id, "/.") {
		return fmt.Errorf("%q", s.id)
	}
	data, err := os.ReadFile(s.file())
	if err != nil {
		return err
	}
	return json.Unmarshal(data, &s.history)
}

// tell tells what was said so far.
func (s *session) tell() {
	for _, said := range s.history {
		s.update(object{"sessionUpdate": "user_message_chunk", "content": text(said.Prompt)})
		s.update(object{"sessionUpdate": "agent_message_chunk", "content": text(said.Answer)})
	}
}

// turn answers a prompt.
func (s *session) turn(ctx context.Context, prompt string) (any, *failure) {
	if err := record.Accept(s.agent.dir, s.id, prompt); err != nil {
		return nil, &failure{-32603, err.Error()}
	}
	s.answer.Reset()
	s.quota, s.reason = nil, "end_turn"
	todo := testkit.Directives(prompt)
	if len(todo) == 0 {
		todo = []testkit.Directive{{Name: "echo", Rest: prompt}}
	}
	for _, d := range todo {
		if err := s.step(ctx, d); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			s.reason = "cancelled"
			break
		}
	}
	s.history = append(s.history, exchange{prompt, s.answer.String()})
	data, err := json.Marshal(s.history)
	if err == nil {
		err = os.WriteFile(s.file(), data, 0o600)
	}
	if err != nil {
		return nil, &failure{-32603, err.Error()}
	}
	out := object{"stopReason": s.reason}
	if s.quota != nil {
		took := object{"input_tokens": s.quota.Input, "output_tokens": s.quota.Output}
		out["_meta"] = object{"quota": object{"model_usage": []object{{"model": s.model, "token_count": took}}}}
	}
	return out, nil
}

// step does one directive.
func (s *session) step(ctx context.Context, d testkit.Directive) *failure {
	word, rest := d.Word()
	switch d.Name {
	case "say":
		s.say(strings.ReplaceAll(testkit.Text(d.Rest), "{{result}}", s.result))
	case "echo":
		s.say(testkit.Echo(d.Rest))
	case "think":
		s.update(object{"sessionUpdate": "agent_thought_chunk", "content": text(d.Rest)})
	case "delay", "hold":
		wait(ctx, d.Rest)
	case "call":
		s.call(ctx, word, rest)
	case "bulk":
		s.bulk, _ = strconv.Atoi(word)
	case "write":
		s.complain(os.WriteFile(filepath.Join(s.cwd, filepath.Base(word)), []byte(testkit.Text(rest)), 0o600))
	case "mcp":
		s.mcp(ctx, word, rest)
	case "plan":
		steps := []object{}
		for _, step := range testkit.Words(d.Rest) {
			steps = append(steps, object{"content": step, "status": "pending", "priority": "medium"})
		}
		s.update(object{"sessionUpdate": "plan", "entries": steps})
	case "usage":
		s.quota = &testkit.Usage{}
		s.complain(s.quota.Set(d.Rest))
	case "stop":
		s.reason = d.Rest
	case "error":
		code, _ := strconv.Atoi(word)
		return &failure{code, rest}
	case "crash":
		code, _ := strconv.Atoi(d.Rest)
		os.Exit(max(1, code))
	case "kill":
		s.complain(syscall.Kill(os.Getpid(), unix.SignalNum("SIG"+d.Rest)))
	default:
		s.say("the scripted agent does not know the directive @@" + d.Name)
	}
	return nil
}

// wait waits for a time, or without one for the end of ctx.
func wait(ctx context.Context, text string) {
	d, err := time.ParseDuration(text)
	if err != nil {
		d = 24 * time.Hour
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (s *session) complain(err error) {
	if err != nil {
		s.say(err.Error())
	}
}

func text(t string) object { return object{"type": "text", "text": t} }

func (s *session) update(u object) {
	raw, err := json.Marshal(object{"sessionId": s.id, "update": u})
	if err == nil {
		s.agent.send(message{Method: "session/update", Params: raw})
	}
}

// say says something in pieces of a few characters. A long text comes in longer ones.
func (s *session) say(said string) {
	s.answer.WriteString(said)
	runes := []rune(said)
	for size := max(5, len(runes)/50); len(runes) > 0; runes = runes[min(size, len(runes)):] {
		s.update(object{"sessionUpdate": "agent_message_chunk", "content": text(string(runes[:min(size, len(runes))]))})
	}
}

// call asks whether a tool may be used.
func (s *session) call(ctx context.Context, name, input string) {
	if input == "" {
		input = "{}"
	}
	if s.bulk > 0 {
		input = strings.TrimSuffix(input, "}") + `,"bulk":"` + strings.Repeat("x", s.bulk) + `"}`
		s.bulk = 0
	}
	s.calls++
	id := "call-" + strconv.Itoa(s.calls)
	s.update(object{"sessionUpdate": "tool_call", "toolCallId": id, "title": name, "kind": "execute", "status": "pending"})
	if s.mode != "auto" {
		option := s.ask(ctx, id, name, json.RawMessage(input))
		if s.result = "refused"; option != "yes" && option != "always" {
			s.update(object{"sessionUpdate": "tool_call_update", "toolCallId": id, "status": "failed"})
			return
		}
	}
	s.result = "ok"
	s.update(object{"sessionUpdate": "tool_call_update", "toolCallId": id, "status": "completed"})
}

// ask asks the client, and returns the option that was chosen, or nothing.
func (s *session) ask(ctx context.Context, id, name string, input json.RawMessage) string {
	params, err := json.Marshal(object{
		"sessionId": s.id, "toolCall": object{"toolCallId": id, "title": name, "kind": "execute", "rawInput": input},
		"options": []object{
			{"optionId": "always", "name": "Always", "kind": "allow_always"},
			{"optionId": "yes", "name": "Yes", "kind": "allow_once"},
			{"optionId": "no", "name": "No", "kind": "reject_once"},
		},
	})
	if err != nil {
		s.complain(err)
		return ""
	}
	a, answer := s.agent, make(chan json.RawMessage, 1)
	a.mu.Lock()
	a.last++
	request := strconv.Itoa(a.last)
	a.waits[request] = answer
	a.mu.Unlock()
	a.send(message{ID: json.RawMessage(request), Method: "session/request_permission", Params: params})
	var out struct {
		Outcome struct {
			Option string `json:"optionId"`
		} `json:"outcome"`
	}
	select {
	case raw := <-answer:
		_ = json.Unmarshal(raw, &out) // an answer of another kind chooses nothing
	case <-ctx.Done():
	}
	return out.Outcome.Option
}

func (s *session) mcp(ctx context.Context, word, input string) {
	server, tool, err := s.tools.Find(word)
	if len(s.programs) > 0 {
		s.result, err = s.programs[0].call(ctx, word, json.RawMessage(input))
	} else if err == nil {
		s.result, err = server.Call(ctx, tool, record.UUID(), json.RawMessage(input))
	}
	if err != nil {
		s.result = err.Error()
	}
	s.say(s.result)
}
