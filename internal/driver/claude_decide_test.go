package driver

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
)

func TestDecide(t *testing.T) {
	for _, tt := range []struct {
		input string
		d     orchestron.Decision
		want  string
	}{
		{`{"command":"x"}`, orchestron.Decision{Allow: true, Reason: "is not told"}, `{"behavior":"allow"}`},
		{`{"command":"x"}`, orchestron.Decision{Reason: "no <way>\n"}, `{"behavior":"deny","message":"no <way>\n"}`},
		{
			`{"questions":[{"question":"Which?"}]}`,
			orchestron.Decision{Allow: true, Answers: map[string]string{"Which?": "Blue"}},
			`{"behavior":"allow","updatedInput":{"questions":[{"question":"Which?"}],"answers":{"Which?":"Blue"}}}`,
		},
	} {
		said, err := NewClaude(ClaudeSettings{}).Decide(json.RawMessage(tt.input), tt.d)
		if err != nil {
			t.Errorf("%+v: %v", tt.d, err)
			continue
		}
		var got, want any
		whole := `{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":` + tt.want + `}}`
		if json.Unmarshal(said, &got) != nil || json.Unmarshal([]byte(whole), &want) != nil || !cmp.Equal(got, want) {
			t.Errorf("%+v: the hook says %s, want %s", tt.d, said, whole)
		}
	}
	for _, input := range []string{"", "null", `"cut…"`} {
		if said, err := NewClaude(ClaudeSettings{}).Decide(json.RawMessage(input), orchestron.Decision{Allow: true, Answers: map[string]string{"a": "b"}}); orchestron.KindOf(err) != orchestron.Invalid {
			t.Errorf("answers to %q: %s, %v", input, said, err)
		}
	}
}

// TestHeldHook: the hook of a permission question gives up before Claude Code ends it.
func TestHeldHook(t *testing.T) {
	for hold, want := range map[time.Duration]string{
		0:                `[{"hooks":[{"args":["hook"],"command":"/o","timeout":10,"type":"command"}]}]`,
		11 * time.Minute: `[{"hooks":[{"args":["hook","PermissionRequest","11m0s"],"command":"/o","timeout":690,"type":"command"}]}]`,
	} {
		hooks, _ := settings("/o", "manual", hold)["hooks"].(map[string]any)
		if got, err := json.Marshal(hooks["PermissionRequest"]); err != nil || string(got) != want {
			t.Errorf("with %s: %s, want %s", hold, got, want)
		}
	}
}
