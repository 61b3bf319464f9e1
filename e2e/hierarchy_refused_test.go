package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/agentapi"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

// TestPastAndForged: a time that is over is refused with the time that it is now, and nothing that a caller writes makes
// it somebody else.
func TestPastAndForged(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	tm := h.team("shop")
	for at, words := range map[string][]string{
		"2020-01-01T00:00:00Z": {`"2020-01-01T00:00:00Z" is over`, "it is ", " now"},
		"yesterday":            {"yesterday is over", "+30m"},
		"2:30":                 {`"2:30" is ambiguous`, "02:30", "14:30"},
	} {
		h.refused(2, words, "", "continue", "--all", "--at", at)
	}
	if list := h.must("continue", "--list", "--json"); !strings.Contains(list, `"count":0`) {
		t.Errorf("schedules were made: %s", list)
	}
	token := tm.credentials[tm.mgr.ID]
	for operation, args := range map[string]fields{
		"send":                 {"instanceId": tm.spec.ID, "text": "x", "from": "operator"},
		"schedule_message":     {"message": "x", "at": "+1s", "agents": []orchestron.AgentID{tm.spec.ID}, "by": fields{"kind": "operator"}},
		"coordinate_instances": {"participant_ids": []orchestron.AgentID{tm.spec.ID}, "task_description": "x", "actor": fields{"kind": "orchestron"}},
		"reply_to_caller":      {"reply_message": "x", "instance_id": tm.exec.ID},
	} {
		if err := h.callAs(token, operation, args, nil); orchestron.KindOf(err) != orchestron.Invalid && orchestron.KindOf(err) != orchestron.Forbidden {
			t.Errorf("%s with a sender in it: %v", operation, err)
		}
	}
	if got := h.accepted(tm.spec.ID); len(got) > 0 {
		t.Errorf("the specialist was given %q", got)
	}
}

// voter is what an agent runs when it proposes and when it votes. spec_3's votes wait for the file GO.
const voter = `#!/bin/sh
pwd
echo 'VOTE: A'
case "$PWD" in */spec_3) if [ -e proposed ]; then until [ -e GO ]; do sleep 0.1; done; fi; touch proposed ;; esac
`

// TestDeadVoter: a vote does not count whose agent has ended by the count, and the run says so.
func TestDeadVoter(t *testing.T) {
	h := newHouse(t, program)
	h.start()
	script := filepath.Join(h.home, "voter")
	if err := os.WriteFile(script, []byte(voter), 0o700); err != nil {
		t.Fatal(err)
	}
	var voters []agentapi.View
	var ids []orchestron.AgentID
	for range 3 {
		v := h.spawn("scripted")
		voters, ids = append(voters, v), append(ids, v.ID)
	}
	var run coordinateapi.RunOut
	h.mustCall("coordinate_instances", fields{
		"participant_ids": ids, "coordination_type": "consensus", "wait": false, "task_description": "Where do you work?\n@@run " + script,
	}, &run)
	eventually(t, "two have voted", time.Minute, func() bool {
		h.mustCall("get_run", fields{"run_id": run.ID}, &run)
		n := 0
		for _, s := range run.Results {
			if s.Part == coordinateapi.Vote && s.State == coordinateapi.Answered {
				n++
			}
		}
		return n == 2
	})
	h.mustCall("terminate_instance", agentapi.TerminateInstanceIn{InstanceID: string(ids[0]), Force: true}, nil)
	if err := os.WriteFile(filepath.Join(voters[2].Workspace, "GO"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.mustCall("get_run", fields{"run_id": run.ID, "timeout_seconds": 120}, &run)
	if !run.Over || run.Consensus == nil || run.Consensus.Voters != 2 || !cmp.Equal(run.Consensus.Absent, ids[:1]) ||
		!strings.Contains(run.Report, string(ids[0])+" was not alive at the count: what it voted does not count.") {
		t.Errorf("the run ended with %+v: %s", run.Consensus, run.Report)
	}
}
