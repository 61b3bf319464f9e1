package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orchestron/orchestron/internal/terminal"
	"github.com/orchestron/orchestron/testkit"
	"github.com/orchestron/orchestron/testkit/hook"
	"github.com/orchestron/orchestron/testkit/record"
)

// toolUse is one call of a tool.
type toolUse struct {
	id    string
	name  string
	input json.RawMessage
	ask   bool // a person or a hook has to allow it
	run   func(ctx context.Context) (string, error)
}

// toolStep does the directives that use a tool.
func (t *turn) toolStep(d testkit.Directive) error {
	word, rest := d.Word()
	use := toolUse{id: "toolu_" + record.UUID(), name: word, run: func(context.Context) (string, error) { return "ok", nil }}
	if rest == "" {
		rest = "{}"
	}
	use.input = json.RawMessage(rest)
	tells := false // the result belongs to the answer
	switch d.Name {
	case "permission":
		use.ask = true
	case "call":
		use.ask = t.s.opt.permissionMode != "bypassPermissions"
	case "run":
		use.name, tells = "Bash", true
		use.input = object("command", d.Rest)
		use.run = func(ctx context.Context) (string, error) { return t.s.exec(ctx, testkit.Words(d.Rest)) }
	case "write":
		_, text := d.Word()
		use.name = "Write"
		use.input = object("file_path", filepath.Join(t.s.cwd, word), "content", testkit.Text(text))
		use.run = func(context.Context) (string, error) {
			return "File created: " + word, t.s.writeFile(word, testkit.Text(text))
		}
	case "mcp":
		tells = true
		server, tool, err := t.s.mcp.Find(word)
		if err != nil {
			return t.complain(err)
		}
		use.name = "mcp__" + server.Name + "__" + tool
		use.run = func(ctx context.Context) (string, error) { return server.Call(ctx, tool, use.id, use.input) }
	}
	if use.name == "" || !json.Valid(use.input) {
		return t.complain(fmt.Errorf("@@%s needs a tool and its input as JSON, not: %s", d.Name, d.Rest))
	}
	err := t.use(&use)
	if err == nil && tells {
		t.say(t.result)
	}
	return err
}

// use calls a tool with all that Claude Code does around it: hooks, the question, records.
func (t *turn) use(u *toolUse) error {
	source := t.beginTool(u)
	v := t.toolHooks("PreToolUse", u, nil)
	if v.Permission == "deny" {
		return t.endTool(u, source, "PreToolUse:"+u.name+" hook error: "+v.Reason, true)
	}
	if v.Input != nil {
		u.input = v.Input
	}
	if v.Permission == "ask" || u.ask && v.Permission != "allow" {
		if refused, err := t.permitted(u, source); refused || err != nil {
			return err
		}
	}
	began := time.Now()
	text, err := u.run(t.ctx)
	if t.ctx.Err() != nil {
		return t.ctx.Err()
	}
	fields := map[string]any{"duration_ms": time.Since(began).Milliseconds()}
	if err != nil {
		fields["error"] = err.Error()
		t.toolHooks("PostToolUseFailure", u, fields)
		return t.endTool(u, source, err.Error(), true)
	}
	fields["tool_response"] = map[string]any{"stdout": text, "stderr": "", "interrupted": false, "isImage": false}
	t.toolHooks("PostToolUse", u, fields)
	return t.endTool(u, source, text, false)
}

func (t *turn) toolHooks(event string, u *toolUse, fields map[string]any) hook.Verdict {
	in := t.s.hookInput(event, t.id, fields)
	in["tool_name"], in["tool_input"], in["tool_use_id"] = u.name, u.input, u.id
	return t.s.hooks.Run(t.ctx, event, u.name, in)
}

// permitted asks whether a tool may be used. When it was refused the tool has ended.
func (t *turn) permitted(u *toolUse, source string) (refused bool, err error) {
	v := t.ask(u)
	if err := t.ctx.Err(); err != nil {
		return true, err
	}
	if v.Input != nil {
		u.input = v.Input
	}
	if v.Permission != "deny" {
		return false, nil
	}
	err = t.endTool(u, source, v.Reason, true)
	if v.Interrupt {
		err = errRefused
	}
	return true, err
}

// beginTool shows and records a call, and returns the uuid of its line.
func (t *turn) beginTool(u *toolUse) string {
	t.endReply(nil) // text and call are two blocks of one reply
	t.s.do(func() {
		t.show()
		t.output = true
		t.s.screen.Print("● " + u.name + "(" + terminal.Shorten(u.detail(), 1, 200) + ")")
	})
	return t.write(map[string]any{"type": "tool_use", "id": u.id, "name": u.name, "input": u.input}, "tool_use")
}

// endTool records the result and takes up what was queued meanwhile: it belongs to the running turn.
func (t *turn) endTool(u *toolUse, source, text string, failed bool) error {
	t.result, t.message = text, ""
	s := t.s
	s.do(func() {
		prefix := ""
		if failed {
			prefix = "Error: "
		}
		s.screen.Print("  ⎿  " + strings.ReplaceAll(terminal.Shorten(prefix+text, 4, 1000), "\n", "\n     ") + "\n")
		s.record(s.log.Add("user", map[string]any{
			"promptId": t.id, "sourceToolAssistantUUID": source, "toolUseResult": map[string]any{"stdout": text, "stderr": "", "interrupted": false},
			"message": map[string]any{"role": "user", "content": []any{map[string]any{
				"type": "tool_result", "tool_use_id": u.id, "content": text, "is_error": failed,
			}}},
		}))
		for _, q := range s.queue {
			t.todo = append(t.todo, s.steps(q)...)
			s.screen.Print("❯ " + strings.ReplaceAll(terminal.Shorten(q, 40, 4000), "\n", "\n  ") + "\n")
			s.record(s.log.Add("attachment", map[string]any{"attachment": map[string]any{
				"type": "queued_command", "prompt": q, "commandMode": "prompt", "origin": map[string]any{"kind": "human"},
			}}))
		}
		s.queue = nil
	})
	return t.ctx.Err()
}

// ask shows the question and returns the first answer, of a key or of a hook. A hook that comes too late is left to
// end by itself.
func (t *turn) ask(u *toolUse) hook.Verdict {
	s := t.s
	d := newDialog(u.name, u.detail())
	s.do(func() {
		s.dialog = d
		in := s.hookInput("PermissionRequest", t.id, map[string]any{
			"tool_name": u.name, "tool_input": u.input, "permission_suggestions": []any{},
		})
		s.group.Go(func() { d.settle(s.hooks.Run(s.ctx, "PermissionRequest", u.name, in)) })
	})
	defer s.do(func() { s.dialog = nil })
	select {
	case v := <-d.answer:
		return v
	case <-t.ctx.Done():
		return hook.Verdict{}
	}
}

// detail is what people see of a call.
func (u *toolUse) detail() string {
	var in map[string]any
	if json.Unmarshal(u.input, &in) == nil {
		for _, key := range []string{"command", "file_path", "path", "url"} {
			if text, ok := in[key].(string); ok {
				return text
			}
		}
	}
	return string(u.input)
}

// writeFile writes a file of the workspace, and nothing outside it.
func (s *session) writeFile(name, text string) error {
	root, err := os.OpenRoot(s.cwd)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return root.WriteFile(name, []byte(text+"\n"), 0o644)
}

func object(pairs ...string) json.RawMessage {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	data, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings always encode
	}
	return data
}
