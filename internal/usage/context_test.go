package usage

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/usageapi"
)

// wantContext compares with what is in memory, and with what a service that starts now knows.
func (s *stage) wantContext(t *testing.T, what string, want *usageapi.Context) {
	t.Helper()
	again := New(s.store, s.team, s.prices, time.Now, quiet())
	must(t, again.load(t.Context()))
	again.notice()
	for name, service := range map[string]*Service{"it": s.Service, "after a restart it": again} {
		got, known := service.Context("exec_1")
		if want == nil && known {
			t.Errorf("%s: %s is %+v, want nothing known", what, name, got)
		}
		if want != nil && (!known || cmp.Diff(*want, got) != "") {
			t.Errorf("%s: %s is %v (-want +got):\n%s", what, name, known, cmp.Diff(*want, got))
		}
	}
}

// mainCall is a line of a call of the main conversation, of a minute.
func mainCall(id, session, model string, minute int, tokens string) string {
	return fmt.Sprintf(`{"type":"assistant","sessionId":%q,"timestamp":%q,"message":{"id":%q,"model":%q,"usage":{%s}}}`+"\n",
		session, noon.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339), id, model, tokens)
}

func TestContext(t *testing.T) {
	s := set(t)
	file := filepath.Join(s.dir, "a.jsonl")
	s.add("exec_1", "", s.dir, file)
	s.count(t)
	s.wantContext(t, "nothing yet", nil)

	add(t, file, mainCall("a", "s1", "claude-opus-5-5", 1, `"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":30,"cache_creation_input_tokens":400`))
	s.count(t)
	first := usageapi.Context{Tokens: 433, Window: 1_000_000, Model: "claude-opus-5-5", At: noon.Add(time.Minute), Session: "s1"}
	s.wantContext(t, "a call", &first)

	add(t, file, `{"type":"assistant","isSidechain":true,"sessionId":"s1","timestamp":"2027-01-01T00:00:00Z","message":{"id":"side","model":"x","usage":{"input_tokens":9}}}`+"\n")
	s.count(t)
	s.wantContext(t, "a call of a sub-agent", &first)

	late := mainCall("b", "s1", "claude-opus-4-5-20251101", 3, `"input_tokens":500`)
	add(t, file, late+mainCall("old", "s1", "claude-opus-5-5", 2, `"input_tokens":7`)+late)
	s.count(t)
	second := usageapi.Context{Tokens: 500, Window: 200_000, Model: "claude-opus-4-5-20251101", At: noon.Add(3 * time.Minute), Session: "s1"}
	s.wantContext(t, "calls out of order", &second)

	s.all[0].SessionID = "s2"
	s.notice()
	s.wantContext(t, "another session", nil)
	add(t, file, mainCall("c", "s2", "unheard-of", 4, `"output_tokens":3`))
	s.count(t)
	s.wantContext(t, "a model that nobody knows", &usageapi.Context{Tokens: 3, Model: "unheard-of", At: noon.Add(4 * time.Minute), Session: "s2"})
	s.all[0].Model = "unheard-of[1m]"
	s.notice()
	s.wantContext(t, "a name that asks for a large one", &usageapi.Context{Tokens: 3, Window: 1_000_000, Model: "unheard-of", At: noon.Add(4 * time.Minute), Session: "s2"})
	if got, known := s.Context(orchestron.AgentID("exec_2")); known {
		t.Errorf("the context of nobody is %+v", got)
	}
}

func TestWindow(t *testing.T) {
	p, err := own(t, "date: 2026-11-01\nmodels:\n  - {model: \"house-*\", input: 1, output: 2, context_window: 5_000}\n  - {model: claude-opus-5-5, input: 1, output: 1}\n")
	must(t, err)
	for model, want := range map[string]int64{
		"claude-opus-5-5": 1_000_000, "claude-haiku-5-5+fast": 1_000_000, "claude-opus-4-20250514": 200_000, "house-2": 5000, "x": 0, "": 0,
	} {
		if got := p.Window(model); got != want {
			t.Errorf("the window of %q is %d, want %d", model, got, want)
		}
	}
}
