package limitcli_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/limitapi"
	"github.com/orchestron/orchestron/internal/limitcli"
	"github.com/orchestron/orchestron/internal/op"
)

// daemon answers the operations on limits with what a test wants. It refuses a time for all agents as the real one does.
func daemon(out limitapi.GetOut) *consoletest.Daemon {
	if out.Limits == nil {
		out.Limits = []limitapi.View{}
	}
	if out.Stopped == nil {
		out.Stopped = []limitapi.Stopped{}
	}
	return consoletest.New(
		op.New("get_limits", op.Read, "Limits.", func(_ context.Context, _ op.Call, in limitapi.GetIn) (limitapi.GetOut, error) {
			if in.InstanceID == "exec_9" {
				return out, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", in.InstanceID).Try("list shows the agents")
			}
			return out, nil
		}),
		op.New("set_limits", op.Write, "Limit.", func(_ context.Context, _ op.Call, in limitapi.SetIn) (limitapi.GetOut, error) {
			_, err := in.Over(limitapi.Limit{Scope: limitapi.Scope{Agent: orchestron.AgentID(in.InstanceID), Project: in.Project}})
			return out, err
		}),
	)
}

func TestTable(t *testing.T) {
	d := daemon(limitapi.GetOut{
		Limits: []limitapi.View{
			{Figures: []limitapi.Figure{{What: limitapi.Instances, Used: 2, Ceiling: 5, Percent: 40}}, By: "operator"},
			{Scope: limitapi.Scope{Agent: "exec_1"}, By: "operator", Unpriced: 13, NotCounted: []orchestron.AgentID{"exec_1"}, Figures: []limitapi.Figure{
				{What: limitapi.Tokens, Used: 1108, Ceiling: 1000, Percent: 110.8},
				{What: limitapi.Cost, Used: 0.5, Ceiling: 2.5, Percent: 20},
				{What: limitapi.Time, Used: 0.5, Ceiling: 90, Percent: 0.6},
			}},
			{Scope: limitapi.Scope{Project: "/p" + consoletest.Evil}, Figures: []limitapi.Figure{{What: limitapi.Cost, Used: 1, Ceiling: 1, Percent: 100}}, By: "exec_2"},
		},
		Stopped: []limitapi.Stopped{{InstanceID: "exec_1", Stage: limitapi.Ended, Reason: "max_total_tokens of exec_1: 1108 tokens of 1000 tokens used" + consoletest.Evil}},
	})
	ran := consoletest.Run(t, d, limitcli.Commands, "", "limits")
	for _, want := range []string{
		"OF LIMIT USED MAX PERCENT SET BY", "all agents together agents 2 5 40% operator", "exec_1 tokens 1108 1000 111% operator", "exec_1 cost $0.5 $2.5 20% operator",
		"exec_1 time 30s 1h30m 1% operator", "exec_1 is stopped: max_total_tokens of exec_1: 1108 tokens of 1000 tokens used",
	} {
		if !strings.Contains(strings.Join(strings.Fields(ran.Stdout), " "), want) {
			t.Errorf("it does not show %q:\n%s", want, ran.Stdout)
		}
	}
	if strings.Contains(ran.Stdout, "\x1b") || ran.Code != 0 {
		t.Errorf("exit code %d: %q", ran.Code, ran.Stdout)
	}
	for _, want := range []string{"exec_1: its limit of cost does not see 13 tokens of models without a known price", "nobody counts the tokens of exec_1"} {
		if !strings.Contains(ran.Stderr, want) {
			t.Errorf("it does not say %q but %q", want, ran.Stderr)
		}
	}
	quiet := limitapi.GetOut{
		Limits:  []limitapi.View{{Scope: limitapi.Scope{Agent: "exec_2"}, Untold: []orchestron.AgentID{"exec_2"}}},
		Stopped: []limitapi.Stopped{{InstanceID: "exec_2", Stage: limitapi.Resuming}},
	}
	ran = consoletest.Run(t, daemon(quiet), limitcli.Commands, "", "limits", "set", "exec_2", "--cost", "1")
	if !strings.Contains(ran.Stderr, "exec_2: no tokens are known yet of exec_2;") || !strings.Contains(ran.Stdout, "exec_2 is being started again, for its limit was raised") {
		t.Errorf("an agent that tells of no tokens and is started again: %+v", ran)
	}
	if ran := consoletest.Run(t, daemon(limitapi.GetOut{}), limitcli.Commands, "", "limits", "show"); ran.Stdout != "" || ran.Stderr != "nothing is limited\n" {
		t.Errorf("without limits: %+v", ran)
	}
}

func TestArguments(t *testing.T) {
	for line, want := range map[string]string{
		"limits":             `get_limits {}`,
		"limits show exec_1": `get_limits {"instance_id":"exec_1"}`,
		"limits set exec_1 --tokens 5 --cost 2.5 --time 1h30m":   `set_limits {"instance_id":"exec_1","max_cost":2.5,"max_total_tokens":5,"timeout_minutes":90}`,
		"limits set --project parser --agents 3":                 `set_limits {"max_concurrent_instances":3,"project":"parser"}`,
		"limits set --all --cost 0 --tokens 0":                   `set_limits {"all":true,"max_cost":0,"max_total_tokens":0}`,
		"limits set exec_1 --time 1d":                            `set_limits {"instance_id":"exec_1","timeout_minutes":1440}`,
		"limits set exec_1 --time 0":                             `set_limits {"instance_id":"exec_1","timeout_minutes":0}`,
		"limits set exec_1 --time " + (2 * time.Minute).String(): `set_limits {"instance_id":"exec_1","timeout_minutes":2}`,
	} {
		d := daemon(limitapi.GetOut{})
		ran := consoletest.Run(t, d, limitcli.Commands, "", strings.Fields(line)...)
		operation, args, _ := strings.Cut(want, " ")
		if diff := cmp.Diff([]string{args}, d.Did(operation)); diff != "" || ran.Code != 0 {
			t.Errorf("orchestron %s: %+v (-want +got):\n%s", line, ran, diff)
		}
	}
}

func TestErrors(t *testing.T) {
	for line, want := range map[string]string{
		"limits set --cost 1":               "whose limits? give one of ID, --project and --all",
		"limits set exec_1 --all --cost 1":  "whose limits? give one of ID, --project and --all",
		"limits set exec_1":                 "which limit? give --tokens, --cost, --time or --agents",
		"limits set exec_1 --time soon":     "--time: \"soon\" is no length of time\n  try: write --time 10m",
		"limits set exec_1 --time 90s":      "--time 1m30s is no whole number of minutes",
		"limits set --all --time 1h":        "--time is a limit of one agent\n  try: give ID",
		"limits set exec_1 --agents 1":      "--agents is a limit of a project or of all\n  try: give --project or --all",
		"limits set exec_1 --cost -1":       "--cost: -1 is less than 0",
		"limits set exec_1 --cost 90000000": "--cost is not between 0 and",
		"limits shw":                        "did you mean orchestron limits show?",
	} {
		if ran := consoletest.Run(t, daemon(limitapi.GetOut{}), limitcli.Commands, "", strings.Fields(line)...); ran.Code != 2 || !strings.Contains(ran.Stderr, want) {
			t.Errorf("orchestron %s: %+v, want 2 and %q", line, ran, want)
		}
	}
	if ran := consoletest.Run(t, daemon(limitapi.GetOut{}), limitcli.Commands, "", "limits", "show", "exec_9"); ran.Code != 3 || !strings.Contains(ran.Stderr, "try: orchestron list shows the agents") {
		t.Errorf("an agent that is not there: %+v", ran)
	}
	if ran := consoletest.Run(t, daemon(limitapi.GetOut{}), limitcli.Commands, "", "limits", "--json"); ran.Stdout != `{"limits":[],"stopped":[]}`+"\n" {
		t.Errorf("as JSON: %+v", ran)
	}
}
