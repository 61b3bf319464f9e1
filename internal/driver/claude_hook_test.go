package driver

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

func fixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "claude", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestHook(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	hook := func(kind orchestron.FactKind, change func(*orchestron.Fact)) []orchestron.Fact {
		f := orchestron.Fact{Kind: kind, Source: orchestron.FromHook, At: at}
		if change != nil {
			change(&f)
		}
		return []orchestron.Fact{f}
	}
	detail := func(s string) func(*orchestron.Fact) { return func(f *orchestron.Fact) { f.Detail = s } }
	text := func(s string) func(*orchestron.Fact) { return func(f *orchestron.Fact) { f.Text = s } }
	asked := func(tool, question string, choices ...orchestron.Choice) []orchestron.Fact {
		return hook(orchestron.FactAsked, func(f *orchestron.Fact) {
			f.Detail, f.Question = tool, &orchestron.Question{Tool: tool, Detail: question, At: at}
			f.Choices = choices
		})
	}
	tests := map[string][]orchestron.Fact{
		"session_start":           hook(orchestron.FactReady, func(f *orchestron.Fact) { f.Detail, f.Model = "startup", "claude-opus-5-5" }),
		"session_start_resume":    hook(orchestron.FactReady, detail("resume")),
		"session_start_clear":     hook(orchestron.FactReady, detail("clear")),
		"session_start_compact":   hook(orchestron.FactReady, func(f *orchestron.Fact) { f.Detail, f.Model = "compact", "claude-opus-5-5" }),
		"prompt":                  hook(orchestron.FactSubmitted, text("What is in\nthis directory? é漢🙂 \"quotes\" $HOME")),
		"stop":                    hook(orchestron.FactTurnEnded, text("done")),
		"stop_background_agent":   hook(orchestron.FactTurnEnded, func(f *orchestron.Fact) { f.Text, f.Background = "started it", 1 }),
		"stop_workflow":           hook(orchestron.FactTurnEnded, func(f *orchestron.Fact) { f.Text, f.Background = "started it", 1 }),
		"stop_background_shell":   hook(orchestron.FactTurnEnded, text("serving")),
		"stop_failure":            hook(orchestron.FactTurnFailed, func(f *orchestron.Fact) { f.Text, f.Detail = "API Error: 400 bad stuff", "unknown" }),
		"permission":              asked("Bash", `{"command":"make deploy"}`),
		"question":                asked("AskUserQuestion", "Which colour?", orchestron.Choice{Question: "Which colour?", Options: []string{"Red", "Blue"}}),
		"plan":                    nil, // below
		"pre_tool":                hook(orchestron.FactWorking, detail("Bash")),
		"post_tool":               hook(orchestron.FactWorking, detail("Bash")),
		"session_end":             hook(orchestron.FactGone, detail("prompt_input_exit")),
		"session_end_clear":       nil,
		"subagent_stop":           nil,
		"post_compact":            nil,
		"notification_permission": nil,
	}
	delete(tests, "plan")
	ignore := cmp.Options{
		cmpopts.IgnoreFields(orchestron.Fact{}, "SessionID", "Transcript", "PromptID", "Input"),
		cmp.Transformer("spaces", func(q orchestron.Question) string { return strings.Join(strings.Fields(q.Tool+q.Detail), "") }),
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			got := NewClaude(ClaudeSettings{}).Hook("", []byte(fixture(t, "hook/"+name+".json")), at)
			if diff := cmp.Diff(want, got, ignore); diff != "" {
				t.Errorf("Hook(%s) differs (-want +got):\n%s", name, diff)
			}
			for _, f := range got {
				var payload struct {
					Input json.RawMessage `json:"tool_input"`
				}
				if err := json.Unmarshal([]byte(fixture(t, "hook/"+name+".json")), &payload); err != nil {
					t.Fatal(err)
				}
				if f.Kind == orchestron.FactAsked && string(f.Input) != string(payload.Input) {
					t.Errorf("Hook(%s) has the arguments %s, want %s", name, f.Input, payload.Input)
				}
				if named := f.PromptID != ""; named != (f.Kind == orchestron.FactSubmitted || f.Kind == orchestron.FactTurnEnded) {
					t.Errorf("Hook(%s) has the prompt id %q", name, f.PromptID)
				}
				if !bin.IsUUID(f.SessionID) || !strings.HasSuffix(f.Transcript, f.SessionID+".jsonl") {
					t.Errorf("Hook(%s) has the session %q and the transcript %q", name, f.SessionID, f.Transcript)
				}
			}
		})
	}
	got := NewClaude(ClaudeSettings{}).Hook("UserPromptSubmit", []byte(fixture(t, "hook/prompt_task_notification.json")), at)
	if len(got) != 1 || got[0].Detail != "synthetic" {
		t.Errorf("a prompt from a background task gives %+v, want one marked synthetic", got)
	}
}

func FuzzHook(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "claude", "hook", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatal("no payloads", err)
	}
	for _, file := range files {
		f.Add("", []byte(fixture(f, filepath.Join("hook", filepath.Base(file)))))
	}
	f.Add("Stop", []byte(`{"background_tasks":7}`))
	f.Add("PermissionRequest", []byte(`{"tool_name":"AskUserQuestion","tool_input":{"questions":[null,3]}}`))
	f.Add("SessionStart", []byte(`null`))
	f.Fuzz(func(t *testing.T, event string, payload []byte) {
		at := time.Now()
		for _, fact := range NewClaude(ClaudeSettings{}).Hook(event, payload, at) {
			if fact.Kind == "" || fact.Source != orchestron.FromHook || !fact.At.Equal(at) {
				t.Errorf("Hook(%q, %q) gives the incomplete fact %+v", event, payload, fact)
			}
			if fact.Kind == orchestron.FactAsked && fact.Question == nil {
				t.Errorf("Hook(%q, %q) asks without a question", event, payload)
			}
		}
	})
}
