package claudehook

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/orchestron/orchestron"
)

// TestSubagents holds that the turns of a subagent are not taken for those of the conversation, and that its questions and
// its work are.
func TestSubagents(t *testing.T) {
	const whose = `"session_id":"01a2003e-09a9-7ef3-8e0e-ffc91e7a2918","turn_id":"t","transcript_path":"/of/the/child.jsonl"`
	for event, want := range map[string]orchestron.FactKind{
		"SessionStart": "", "UserPromptSubmit": "", "Stop": "", "StopFailure": "", "SessionEnd": "", "Interrupt": "",
		"PermissionRequest": orchestron.FactAsked, "PreToolUse": orchestron.FactWorking, "PostToolUse": orchestron.FactWorking,
	} {
		own := ReadVendor(event, json.RawMessage(`{`+whose+`}`), time.Now())
		if len(own) != 1 || own[0].Transcript == "" || own[0].SessionID == "" {
			t.Errorf("%s of the conversation gives %+v, want a fact with its transcript", event, own)
		}
		facts := ReadVendor(event, json.RawMessage(`{"agent_id":"01a2003e-0df9-78b3-b5ae-afe2fff4787b",`+whose+`}`), time.Now())
		if want == "" && len(facts) == 0 {
			continue
		}
		if len(facts) != 1 || facts[0].Kind != want || facts[0].Transcript != "" || facts[0].SessionID != "" {
			t.Errorf("%s of a subagent gives %+v, want a %q without its transcript", event, facts, want)
		}
	}
}
