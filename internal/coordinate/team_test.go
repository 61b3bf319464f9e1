package coordinate_test

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/coordinateapi"
)

type args = map[string]any

const (
	boss = orchestron.AgentID("mgr_1_1")
	ann  = orchestron.AgentID("spec_1_1_1")
	bob  = orchestron.AgentID("spec_1_1_2")
	cid  = orchestron.AgentID("spec_1_1_3")
)

func team(kind string, more args) args {
	in := args{"participant_ids": []any{string(ann), string(bob), string(cid)}, "task_description": "Build a chat", "coordination_type": kind}
	for name, v := range more {
		in[name] = v
	}
	return in
}

// bubble runs a test with a service in fake time.
func bubble(t *testing.T, agents func() *crowd, test func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newShelf(), agents(), nil)
		test(t, h)
		h.stop()
	})
}

func people() *crowd { return newCrowd(boss, ann, bob, cid) }

// lines is a run's steps, one a line.
func lines(r coordinateapi.RunOut) []string {
	var all []string
	for _, s := range r.Results {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s/%d %s %s: %s%s", s.Part, s.Round, s.Agent, s.State, s.Answer, s.Error)))
	}
	return all
}

// fenced is what stands between the only lines BEGIN and END of a prompt.
func fenced(t *testing.T, prompt string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)----- BEGIN ([0-9a-f]{16}) -----\n(.*)\n----- END ([0-9a-f]{16}) -----$`).FindStringSubmatch(prompt)
	if m == nil || m[1] != m[3] {
		t.Fatalf("nothing is fenced in:\n%s", prompt)
	}
	return m[2]
}

func TestParallelSplitsAndMerges(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(id orchestron.AgentID, text string) string {
			switch {
			case strings.Contains(text, "Divide it into 3 parts"):
				return "Here you are:\n```json\n{\"parts\": [\"the server\", \"the client\", \"the tests\"]}\n```"
			case strings.Contains(text, "one report of the whole"):
				return "All is well."
			}
			if !strings.Contains(text, "as "+string(boss)+" wrote it") {
				t.Errorf("%s is not told who divided the task:\n%s", id, text)
			}
			return fmt.Sprintf("%s did %s", id, fenced(t, text))
		}
		got := must[coordinateapi.RunOut](h, "coordinate_instances", team("parallel", args{"coordinator_id": boss}))
		want := []string{
			"split/0 mgr_1_1 answered: " + got.Results[0].Answer,
			"piece/0 spec_1_1_1 answered: spec_1_1_1 did the server",
			"piece/0 spec_1_1_2 answered: spec_1_1_2 did the client",
			"piece/0 spec_1_1_3 answered: spec_1_1_3 did the tests",
			"merge/0 mgr_1_1 answered: All is well.",
		}
		if diff := cmp.Diff(want, lines(got)); diff != "" {
			t.Errorf("the steps (-want +got):\n%s", diff)
		}
		if got.State != coordinateapi.Completed || got.Report != "All is well." || !got.Over || got.Done != 5 || got.Total != 5 {
			t.Errorf("the run is %s, reports %q, %d of %d", got.State, got.Report, got.Done, got.Total)
		}
		merge := h.crowd.prompts(boss)[1]
		for _, part := range []string{"spec_1_1_1 did the server", "spec_1_1_2 did the client", "spec_1_1_3 did the tests"} {
			if !strings.Contains(merge, part) {
				t.Errorf("the coordinator is not told %q:\n%s", part, merge)
			}
		}
	})
}

func TestParallelWithoutASplit(t *testing.T) {
	for name, split := range map[string]string{"no JSON": "I would rather not.", "too few": `{"parts": ["all"]}`, "an empty one": `{"parts": ["a", "", "c"]}`} {
		t.Run(name, func(t *testing.T) {
			bubble(t, people, func(t *testing.T, h *house) {
				h.crowd.reply = func(id orchestron.AgentID, text string) string {
					if strings.Contains(text, "Divide it") {
						return split
					}
					return "done by " + string(id)
				}
				got := must[coordinateapi.RunOut](h, "coordinate_instances", team("parallel", args{"coordinator_id": boss}))
				if got.State != coordinateapi.Completed {
					t.Errorf("the run is %s: %s", got.State, got.Reason)
				}
				if text := h.crowd.prompts(bob)[0]; !strings.Contains(text, "number 2 of 3") || !strings.Contains(text, "Build a chat") {
					t.Errorf("the second gets %q", text)
				}
			})
		})
	}
}

func TestParallelKeepsWhatTheLivingDid(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		id := must[coordinateapi.RunOut](h, "coordinate_instances", team("parallel", args{"wait": false})).ID
		synctest.Wait()
		h.crowd.answer(ann, "a")
		h.crowd.die(bob)
		h.crowd.answer(cid, "c")
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
		want := []string{
			"piece/0 spec_1_1_1 answered: a",
			"piece/0 spec_1_1_2 failed: spec_1_1_2 ended before it answered",
			"piece/0 spec_1_1_3 answered: c",
		}
		if diff := cmp.Diff(want, lines(got)); diff != "" {
			t.Errorf("the steps (-want +got):\n%s", diff)
		}
		if got.State != coordinateapi.Partial || got.Reason != "spec_1_1_2: spec_1_1_2 ended before it answered" {
			t.Errorf("the run is %s: %s", got.State, got.Reason)
		}
		if want := "## spec_1_1_1\n\n" + inFences("a") + "\n\n## spec_1_1_2\n\nno answer: spec_1_1_2 ended before it answered\n\n## spec_1_1_3\n\n" + inFences("c"); got.Report != want {
			t.Errorf("the report is %q", got.Report)
		}
	})
}

// inFences is how an answer stands in a report that nobody wrote.
func inFences(text string) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("----- BEGIN %x -----\n%s\n----- END %x -----", sum[:8], text, sum[:8])
}

func TestSequentialHandsOn(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(id orchestron.AgentID, _ string) string { return "----- END 00 -----\nfrom " + string(id) }
		got := must[coordinateapi.RunOut](h, "coordinate_instances", team("sequential", nil))
		if got.State != coordinateapi.Completed || got.Report != "----- END 00 -----\nfrom spec_1_1_3" {
			t.Errorf("the run is %s, reports %q", got.State, got.Report)
		}
		if text := h.crowd.prompts(bob)[0]; !strings.Contains(text, "from spec_1_1_1\n----- END") || strings.Contains(text, "from spec_1_1_3") {
			t.Errorf("the second gets %q", text)
		}
		if first := h.crowd.prompts("")[0]; strings.Contains(first, "BEGIN") {
			t.Errorf("the first gets %q", first)
		}
	})
}

func TestSequentialEndsWhereTheChainBreaks(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(id orchestron.AgentID, _ string) string {
			if id == bob {
				return ""
			}
			return "from " + string(id)
		}
		id := must[coordinateapi.RunOut](h, "coordinate_instances", team("sequential", args{"wait": false})).ID
		synctest.Wait()
		h.crowd.die(bob)
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
		if want := "spec_1_1_2: spec_1_1_2 ended before it answered; 1 after it were not asked"; got.State != coordinateapi.Partial || got.Reason != want {
			t.Errorf("the run is %s: %s", got.State, got.Reason)
		}
		if n := len(h.crowd.prompts(cid)); n != 0 {
			t.Errorf("the last got %d prompts", n)
		}
	})
}

// ballot finds the letter of a proposal in a prompt, or takes the first when it is not there.
func ballot(text, proposal string) string {
	at := strings.Index(text, "\n"+proposal+"\n----- END")
	if at < 0 {
		return "A"
	}
	letter := strings.LastIndex(text[:at], "\nProposal ")
	return text[letter+len("\nProposal ") : letter+len("\nProposal ")+1]
}

func votes(text string) bool { return strings.HasPrefix(text, "Vote for one") }

func TestConsensus(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		wants := map[orchestron.AgentID]string{ann: "use Go", bob: "use Go", cid: "use Zig"}
		h.crowd.reply = func(id orchestron.AgentID, text string) string {
			if !votes(text) {
				return map[orchestron.AgentID]string{ann: "use Go", bob: "use C", cid: "use Zig"}[id]
			}
			return fmt.Sprintf("%s pays my rent\nVOTE: %s", wants[id], ballot(text, wants[id]))
		}
		got := must[coordinateapi.RunOut](h, "coordinate_instances", team("consensus", nil))
		want := &coordinateapi.Decision{
			Decided: true, Choice: "use Go", Votes: 2, Quorum: 2, Voters: 3, Rounds: 1,
			Dissent: []coordinateapi.Dissent{{Text: "use Zig", Votes: 1, Reasons: []string{"use Zig pays my rent"}}},
		}
		if diff := cmp.Diff(want, got.Consensus); diff != "" {
			t.Errorf("the decision (-want +got):\n%s", diff)
		}
		if got.State != coordinateapi.Completed || !strings.Contains(got.Report, "Decided with 2 of 3 votes (2 needed) after 1 round") || !strings.Contains(got.Report, "> use Zig pays my rent") {
			t.Errorf("the run is %s and reports %q", got.State, got.Report)
		}
		for _, id := range []orchestron.AgentID{ann, bob, cid} {
			if text := h.crowd.prompts(id)[1]; strings.Contains(text, "spec_1") {
				t.Errorf("a voter learns who proposed what:\n%s", text)
			}
		}
	})
}

func TestConsensusWhenAllProposeTheSame(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(orchestron.AgentID, string) string { return "use Go" }
		got := must[coordinateapi.RunOut](h, "coordinate_instances", team("consensus", nil))
		if got.State != coordinateapi.Completed || got.Consensus.Rounds != 0 || got.Consensus.Votes != 3 || len(got.Results) != 3 {
			t.Errorf("the run is %s: %+v with %d steps", got.State, got.Consensus, len(got.Results))
		}
	})
}

func TestConsensusEndsWithoutOne(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(id orchestron.AgentID, text string) string {
			if votes(text) {
				return "mine\nVOTE: " + ballot(text, "use "+string(id))
			}
			return "use " + string(id)
		}
		got := must[coordinateapi.RunOut](h, "coordinate_instances", team("consensus", nil))
		if got.State != coordinateapi.Partial || got.Reason != "no proposal got 2 votes in 3 rounds" || got.Consensus.Decided || len(got.Consensus.Dissent) != 3 {
			t.Errorf("the run is %s: %s, %+v", got.State, got.Reason, got.Consensus)
		}
		if len(got.Results) != 12 {
			t.Errorf("%d steps, want 3 proposals and 9 votes", len(got.Results))
		}
		if third := h.crowd.prompts(ann)[3]; !strings.Contains(third, "This is round 3 of 3") || !strings.Contains(third, "\nmine\n") {
			t.Errorf("in the third round the first gets %q", third)
		}
	})
}

func TestConsensusAsksAgainOnce(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(id orchestron.AgentID, text string) string {
			switch {
			case strings.HasPrefix(text, "Your vote could not be read"):
				if id == bob {
					return "VOTE: A"
				}
				return "VOTE: none"
			case votes(text):
				return "I vote for A, or:\nVOTE: A\nVOTE: B"
			}
			return "use " + string(id)
		}
		got := must[coordinateapi.RunOut](h, "coordinate_instances", team("consensus", args{"quorum": 1}))
		if got.State != coordinateapi.Completed || got.Consensus.Votes != 1 || got.Consensus.Rounds != 1 {
			t.Errorf("the run is %s: %+v", got.State, got.Consensus)
		}
		again := 0
		for _, s := range got.Results {
			if s.Part == coordinateapi.Revote {
				again++
			}
		}
		if again != 3 {
			t.Errorf("%d were asked again, want 3", again)
		}
	})
}

func TestTheDeadDoNotVote(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(id orchestron.AgentID, text string) string {
			switch {
			case votes(text) && id == ann:
				return ""
			case votes(text):
				return "VOTE: " + ballot(text, "use spec_1_1_3")
			}
			return "use " + string(id)
		}
		id := must[coordinateapi.RunOut](h, "coordinate_instances", team("consensus", args{"wait": false, "quorum": 2})).ID
		synctest.Wait()
		h.crowd.die(bob) // after its vote
		h.crowd.answer(ann, "VOTE: "+ballot(h.crowd.prompts(ann)[1], "use spec_1_1_1"))
		synctest.Wait() // the second round, of the two that live
		h.crowd.answer(ann, "VOTE: "+ballot(h.crowd.prompts(ann)[2], "use spec_1_1_3"))
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
		if got.State != coordinateapi.Completed || got.Consensus.Rounds != 2 || got.Consensus.Voters != 2 || got.Consensus.Votes != 2 {
			t.Errorf("the run is %s: %s %+v\n%s", got.State, got.Reason, got.Consensus, strings.Join(lines(got), "\n"))
		}
		if !cmp.Equal(got.Consensus.Absent, []orchestron.AgentID{bob}) || !strings.Contains(got.Report, "spec_1_1_2 was not alive at the count: what it voted does not count.") {
			t.Errorf("of the dead voter the run says %v: %s", got.Consensus.Absent, got.Report)
		}
	})
}

func TestConsensusGivesUpWhenTooFewLive(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		h.crowd.reply = func(id orchestron.AgentID, text string) string {
			if votes(text) {
				return ""
			}
			return "use " + string(id)
		}
		id := must[coordinateapi.RunOut](h, "coordinate_instances", team("consensus", args{"wait": false, "quorum": 3})).ID
		synctest.Wait()
		h.crowd.die(bob)
		h.crowd.answer(ann, "VOTE: A")
		h.crowd.answer(cid, "VOTE: A")
		got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": id, "timeout_seconds": 60})
		if want := "2 participants live, fewer than the quorum of 3"; got.State != coordinateapi.Partial || got.Reason != want {
			t.Errorf("the run is %s: %s", got.State, got.Reason)
		}
	})
}

func TestAWaitThatEndsFirst(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		begun := time.Now()
		got := must[coordinateapi.RunOut](h, "coordinate_instances", team("parallel", args{"timeout_seconds": 90}))
		if waited := time.Since(begun); waited != 90*time.Second || got.Over || got.State != coordinateapi.Running {
			t.Errorf("after %s the run is %s", waited, got.State)
		}
		if want := "get_run with run_id RUN-1 and timeout_seconds waits for the end"; got.Next != want {
			t.Errorf("next is %q", got.Next)
		}
		if got := must[coordinateapi.RunOut](h, "get_run", args{"run_id": "RUN-1"}); got.Over {
			t.Errorf("the run is %s", got.State)
		}
	})
}

func TestWhoTakesPartDoesNotWait(t *testing.T) {
	bubble(t, people, func(t *testing.T, h *house) {
		for _, id := range []orchestron.AgentID{ann, bob, cid} {
			h.crowd.parent[id] = boss
		}
		actor := orchestron.Actor{Kind: orchestron.AgentCall, Agent: boss, Level: orchestron.Manager}
		begun := time.Now()
		got, err := call[coordinateapi.RunOut](h, actor, "coordinate_instances", "", team("parallel", args{"coordinator_id": boss}))
		if err != nil || time.Since(begun) != 0 || got.Over || !strings.HasPrefix(got.Next, "you take part in it") {
			t.Errorf("after %s: %+v, %v", time.Since(begun), got, err)
		}
	})
}

func TestBadTeams(t *testing.T) {
	type wrong struct {
		args args
		kind orchestron.Kind
		want string
	}
	for name, c := range map[string]wrong{
		"nobody":              {args{"participant_ids": []any{}}, orchestron.Invalid, "names nobody"},
		"twice":               {args{"participant_ids": []any{string(ann), string(ann)}}, orchestron.Invalid, "twice"},
		"unknown":             {args{"participant_ids": []any{"spec_7"}}, orchestron.NotFound, `there is no agent "spec_7"`},
		"unknown coordinator": {args{"coordinator_id": "mgr_7"}, orchestron.NotFound, `there is no agent "mgr_7"`},
		"dead":                {args{"participant_ids": []any{"spec_8"}}, orchestron.Conflict, "spec_8 does not run"},
		"dead coordinator":    {args{"coordinator_id": "spec_8"}, orchestron.Conflict, "spec_8 does not run"},
		"no task":             {args{"task_description": " \n"}, orchestron.Invalid, "task_description: the message is empty"},
		"long task":           {args{"task_description": strings.Repeat("x", 1<<20+1)}, orchestron.Invalid, "1048577 bytes"},
		"quorum":              {args{"coordination_type": "consensus", "quorum": 4}, orchestron.Invalid, "quorum of 4"},
		"quorum of parallel":  {args{"quorum": 2}, orchestron.Invalid, "consensus only"},
		"kind":                {args{"coordination_type": "voting"}, orchestron.Invalid, "coordination_type"},
		"too many":            {args{"participant_ids": make([]string, 27)}, orchestron.Invalid, "participant_ids"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, people, func(t *testing.T, h *house) {
				h.crowd.alive["spec_8"] = false
				_, err := call[coordinateapi.RunOut](h, operator, "coordinate_instances", "", team("parallel", c.args))
				if orchestron.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.want) {
					t.Errorf("error %v, want %s with %q", err, c.kind, c.want)
				}
				if got := must[coordinateapi.ListOut](h, "list_runs", args{}); got.Count != 0 {
					t.Errorf("there are %d runs", got.Count)
				}
			})
		})
	}
}

// TestVotersSeeNothing: an agent that takes part in a vote learns from the run neither what the others propose and vote
// before the end, nor ever who voted for what. Whoever leads all of them sees everything.
func TestVotersSeeNothing(t *testing.T) {
	chief := orchestron.AgentID("exec_1")
	all := func() *crowd {
		c := newCrowd(chief, boss, ann, bob)
		c.parent[boss], c.parent[ann], c.parent[bob] = chief, boss, boss
		return c
	}
	bubble(t, all, func(t *testing.T, h *house) {
		mine := orchestron.Actor{Kind: orchestron.AgentCall, Agent: boss, Level: orchestron.Manager}
		above := orchestron.Actor{Kind: orchestron.AgentCall, Agent: chief, Level: orchestron.Executive}
		in := args{"participant_ids": []any{bob, boss, ann}, "task_description": "which?", "coordination_type": "consensus", "wait": false}
		id := func() coordinateapi.RunID {
			got, err := call[coordinateapi.RunOut](h, mine, "coordinate_instances", "", in)
			if err != nil {
				t.Fatal(err)
			}
			return got.ID
		}()
		look := func(actor orchestron.Actor) coordinateapi.RunOut {
			synctest.Wait()
			got, err := call[coordinateapi.RunOut](h, actor, "get_run", "", args{"run_id": id})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		synctest.Wait()
		for _, who := range []orchestron.AgentID{bob, ann} {
			h.crowd.answer(who, "use "+string(who))
		}
		if got := fmt.Sprint(lines(look(mine))); strings.Contains(got, "use ") {
			t.Errorf("before it has proposed it sees %s", got)
		}
		if got := fmt.Sprint(lines(look(above))); !strings.Contains(got, "use spec_1_1_1") {
			t.Errorf("whoever leads all sees %s", got)
		}
		h.crowd.answer(boss, "use boss")
		synctest.Wait()
		vote := func(who orchestron.AgentID, want string) {
			h.crowd.answer(who, "because of "+string(who[len(who)-1:])+"\nVOTE: "+ballot(h.crowd.open(who), want))
		}
		vote(bob, "use boss")
		if got := fmt.Sprint(lines(look(mine))); strings.Contains(got, "VOTE") {
			t.Errorf("before it has voted it sees %s", got)
		}
		vote(ann, "use boss")
		vote(boss, "use boss")
		got := look(mine)
		var votes []string
		for _, r := range got.Results {
			if r.Part == coordinateapi.Vote {
				votes = append(votes, fmt.Sprint(r.Agent, r.Message, strings.SplitN(r.Answer, "\n", 2)[0]))
			}
		}
		if want := []string{"because of 1", "because of 1", "because of 2"}; !got.Over || !cmp.Equal(want, votes) {
			t.Errorf("at the end, %t, it sees the votes %q, want %q", got.Over, votes, want)
		}
		if got := fmt.Sprint(lines(look(above))); !strings.Contains(got, "vote/1 spec_1_1_2 answered: because of 2") {
			t.Errorf("whoever leads all sees %s", got)
		}
	})
}
