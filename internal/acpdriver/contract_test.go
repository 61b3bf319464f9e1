package acpdriver

import (
	"testing"
	"time"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/driver/drivertest"
)

// TestRefusals tells a vendor's refusals from other failures by the status that the agent passed on.
func TestRefusals(t *testing.T) {
	d := New(Settings{Name: "some", Argv: []string{"cat"}})
	for payload, want := range map[string]orchestron.RefusalReason{
		`{"hook_event_name":"StopFailure","last_assistant_message":"slow down","status":429}`: orchestron.RateLimit,
		`{"hook_event_name":"StopFailure","last_assistant_message":"log in","status":401}`:    orchestron.Authentication,
		`{"hook_event_name":"StopFailure","last_assistant_message":"no luck","status":400}`:   "",
		`{"hook_event_name":"StopFailure","last_assistant_message":"no luck"}`:                "",
	} {
		facts := d.Hook("", []byte(payload), time.Now())
		if len(facts) != 1 || facts[0].Kind != orchestron.FactTurnFailed {
			t.Fatalf("%s gives %+v", payload, facts)
		}
		got := orchestron.RefusalReason("")
		if facts[0].Refusal != nil {
			got = facts[0].Refusal.Reason
		}
		if got != want {
			t.Errorf("%s is refused with %q, want %q", payload, got, want)
		}
	}
}

func TestContract(t *testing.T) {
	drivertest.Run(t, func(env []string) *Driver {
		return New(Settings{
			Name: "some", Argv: []string{"cat", "-u"}, Modes: map[string]string{"acceptEdits": "autoEdit"}, Environ: env, Hold: time.Minute,
		})
	}, "EDITOR", "VISUAL", "GIT_EDITOR", "ORCHESTRON_EDITOR")
}
