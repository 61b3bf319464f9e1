package agentapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/orchestron/orchestron"
)

// TestReason: a message that waits says for what, and what counts now comes before what counted at its last attempt.
func TestReason(t *testing.T) {
	first := orchestron.Message{ID: "a", Seq: 1, State: orchestron.Attempting, Reason: "a draft"}
	taken := orchestron.Message{ID: "a", Seq: 1, State: orchestron.Submitted}
	over := orchestron.Message{ID: "a", Seq: 1, State: orchestron.Answered}
	m := orchestron.Message{ID: "b", Seq: 2, State: orchestron.Queued, Reason: "a draft"}
	urgent := m
	urgent.Urgent = true
	for name, c := range map[string]struct {
		status orchestron.Status
		before []orchestron.Message
		m      orchestron.Message
		want   string
	}{
		"a start":                {orchestron.Starting, nil, m, "spec_1 is starting"},
		"a dialog":               {orchestron.Waiting, []orchestron.Message{taken}, m, "spec_1 is in a dialog that somebody must answer"},
		"its vendor":             {orchestron.Limited, nil, m, "spec_1 is held back by its vendor"},
		"an end":                 {orchestron.Stopped, nil, m, "spec_1 is stopped; restart it"},
		"a person's own turn":    {orchestron.Busy, nil, m, "spec_1 is in a turn"},
		"the turn before":        {orchestron.Busy, []orchestron.Message{taken}, m, "message a is being answered"},
		"the message before":     {orchestron.Idle, []orchestron.Message{first}, m, "message a goes first: a draft"},
		"its own obstacle":       {orchestron.Idle, []orchestron.Message{over}, m, "a draft"},
		"urgent, in a turn":      {orchestron.Busy, []orchestron.Message{taken}, urgent, "a draft"},
		"urgent, without a turn": {orchestron.Idle, []orchestron.Message{first}, urgent, "message a goes first: a draft"},
	} {
		a := orchestron.Agent{ID: "spec_1", Status: c.status}
		inbox := slices.Concat(c.before, []orchestron.Message{c.m})
		if got := Reason(a, inbox, c.m); got != c.want {
			t.Errorf("%s: it waits for %q, want %q", name, got, c.want)
		}
		if got := Waiting(a, inbox, c.m); !strings.HasPrefix(got, "spec_1 is "+string(c.status)) || !strings.HasSuffix(got, ": "+c.want) {
			t.Errorf("%s: who waits is told %q", name, got)
		}
	}
	if got := Waiting(orchestron.Agent{ID: "spec_1", Status: orchestron.Busy}, []orchestron.Message{taken}, taken); got != "spec_1 is busy, the message is submitted" {
		t.Errorf("who waits for an answer is told %q", got)
	}
	queued := Inbox(orchestron.Agent{ID: "spec_1", Status: orchestron.Idle}, []orchestron.Message{over, taken, first, m})
	if len(queued) != 2 || queued[0].MessageID != "a" || queued[0].State != orchestron.Queued || queued[1].MessageID != "b" {
		t.Errorf("the inbox shows %+v", queued)
	}
}

// TestListed: a list says why an idle agent is not given what waits for it; of others their state says it.
func TestListed(t *testing.T) {
	answered := orchestron.Message{ID: "a", State: orchestron.Answered}
	taken := orchestron.Message{ID: "b", State: orchestron.Submitted}
	urgent := orchestron.Message{ID: "e", Seq: 9, Urgent: true, State: orchestron.Queued, Reason: "a draft"}
	held := orchestron.Message{ID: "c", State: orchestron.Queued, Reason: "it is held to its limits: max_cost of spec_1"}
	for name, c := range map[string]struct {
		status orchestron.Status
		inbox  []orchestron.Message
		want   string
	}{
		"held":          {orchestron.Idle, []orchestron.Message{answered, held}, held.Reason},
		"goes first":    {orchestron.Idle, []orchestron.Message{{ID: "d", State: orchestron.Queued, Reason: "x"}, urgent}, "a draft"},
		"busy":          {orchestron.Busy, []orchestron.Message{taken, held}, ""},
		"nothing waits": {orchestron.Idle, []orchestron.Message{answered}, ""},
	} {
		v := Listed(orchestron.Agent{ID: "spec_1", Status: c.status}, c.inbox, nil, orchestron.Abilities{})
		if v.Held != c.want || v.Inbox != nil {
			t.Errorf("%s: it is held by %q and has the inbox %v, want %q and none", name, v.Held, v.Inbox, c.want)
		}
	}
}
