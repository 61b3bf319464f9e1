package gemini

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/bin"
)

// TestGeminiEnds takes the ends of turns as Gemini CLI 0.61.0 tells them: its hook repeats pieces of the answer.
func TestGeminiEnds(t *testing.T) {
	for name, c := range map[string]struct {
		told, transcript string
		want             orchestron.FactKind
		text             string
	}{
		"one piece":   {"hello", `{"type":"gemini","content":"hello"}`, orchestron.FactTurnEnded, "hello"},
		"pieces":      {"hello there you there you", `{"type":"gemini","content":"hello there you"}`, orchestron.FactTurnEnded, "hello there you"},
		"invisible":   {"a\u200db cd cd", `{"type":"gemini","content":"ab cd"}`, orchestron.FactTurnEnded, "a\u200db cd"},
		"after tools": {"let me see\nfound it it", `{"type":"gemini","content":"found it"}`, orchestron.FactTurnEnded, "found it"},
		"not yet":     {"hello", `{"type":"gemini","content":"before"}`, orchestron.FactTurnEnded, "hello"},
		"no file":     {"hello", "", orchestron.FactTurnEnded, "hello"},
		"interrupt": {
			"[no response text]", `{"type":"info","content":"Request cancelled."}` + "\n" + `{"$set":{}}`,
			orchestron.FactTurnFailed, "interrupted",
		},
		"failure": {
			"", `{"type":"error","content":"[API Error: no]"}` + "\n" + `{"type":"info","content":"This request failed."}`,
			orchestron.FactTurnFailed, "[API Error: no]",
		},
		"nothing": {"", "", orchestron.FactTurnFailed, "the turn ended without an answer"},
	} {
		file := filepath.Join(t.TempDir(), "session.jsonl")
		if err := os.WriteFile(file, []byte(c.transcript+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		payload, err := json.Marshal(map[string]string{"transcript_path": file, "prompt_response": c.told})
		if err != nil {
			t.Fatal(err)
		}
		facts := New(bin.Settings{}, nil).Hook("Stop", payload, time.Now())
		if len(facts) != 1 || facts[0].Kind != c.want || facts[0].Text != c.text {
			t.Errorf("%s: %+v, want %s %q", name, facts, c.want, c.text)
		}
	}
}
