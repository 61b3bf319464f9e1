package driver

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/claudefile"
)

// TestRefusals holds what Claude Code 2.1.329 told its hook, and wrote into its transcript, when a scripted API refused it.
func TestRefusals(t *testing.T) {
	at := time.Date(2026, 11, 21, 17, 33, 0, 0, time.UTC)
	resets := time.Date(2026, 11, 21, 19, 33, 13, 0, time.UTC)
	for name, want := range map[string]*orchestron.Refusal{
		"usage":      {Reason: orchestron.UsageLimit, Until: resets},
		"rate":       {Reason: orchestron.RateLimit},
		"auth":       {Reason: orchestron.Authentication},
		"billing":    {Reason: orchestron.Billing},
		"model":      {Reason: orchestron.NoModel},
		"overloaded": {Reason: orchestron.Overloaded},
		"server":     nil,
	} {
		last, ok := claudefile.LastEntry(bytesLines(fixture(t, "refusal/"+name+".jsonl")))
		if !ok || !last.Failed {
			t.Errorf("the transcript of %s does not end with a failure", name)
		}
		facts := lastTurn(orchestron.Agent{Transcript: "testdata/claude/refusal/" + name + ".jsonl"}, last.Time)
		if len(facts) != 1 || facts[0].Kind != orchestron.FactTurnFailed || !cmp.Equal(facts[0].Refusal, want) {
			t.Errorf("the transcript of %s gives %+v, want the refusal %v", name, facts, want)
		}
		facts = NewClaude(ClaudeSettings{}).Hook("", []byte(fixture(t, "refusal/"+name+".json")), at)
		if want != nil && !want.Until.IsZero() {
			want = &orchestron.Refusal{Reason: want.Reason, Until: want.Until.Truncate(time.Minute)} // the words have no seconds
		}
		if len(facts) != 1 || facts[0].Kind != orchestron.FactTurnFailed || !cmp.Equal(facts[0].Refusal, want) {
			t.Errorf("the hook of %s gives %+v, want the refusal %v", name, facts, want)
		}
	}
}
