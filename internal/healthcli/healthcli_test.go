package healthcli_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/healthapi"
	"github.com/orchestron/orchestron/internal/healthcli"
	"github.com/orchestron/orchestron/internal/op"
)

// daemon answers the operations on health with agents that a test made up.
func daemon(agents ...healthapi.View) *consoletest.Daemon {
	order := func(_ context.Context, _ op.Call, in healthapi.Ref) (healthapi.View, error) {
		if in.InstanceID != "exec_1" {
			return healthapi.View{}, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", in.InstanceID)
		}
		return healthapi.View{InstanceID: "exec_1", Status: orchestron.Idle, Score: 100, Reasons: []healthapi.Reason{}, Handover: healthapi.Waiting}, nil
	}
	return consoletest.New(
		op.New("get_health", op.Read, "Health.", func(context.Context, op.Call, healthapi.In) (healthapi.Out, error) {
			return healthapi.Out{Agents: append([]healthapi.View{}, agents...)}, nil
		}),
		op.New("release_instance", op.Write, "Release.", order), op.New("hand_over_instance", op.Write, "Hand over.", order),
	)
}

func TestTable(t *testing.T) {
	now := consoletest.Now()
	d := daemon(
		healthapi.View{InstanceID: "exec_2", Status: orchestron.Failed, Reasons: []healthapi.Reason{{Points: 100, What: "it crashed" + consoletest.Evil}, {Points: 10, What: "a turn failed"}}, GaveUp: true, Next: now.Add(4 * time.Second)},
		healthapi.View{InstanceID: "mgr_1", Status: orchestron.Limited, Score: 70, Until: now.Add(2 * time.Hour), Context: &healthapi.Context{Tokens: 900}},
		healthapi.View{InstanceID: "exec_1", Status: orchestron.Idle, Score: 100, Measured: true, CPU: 12.6, Memory: 300 << 20, Context: &healthapi.Context{Tokens: 50, Window: 100, Percent: 50}},
	)
	ran := consoletest.Run(t, d, healthcli.Commands, "", "health")
	for _, want := range []string{
		"ID STATUS SCORE CONTEXT CPU MEMORY WHY", "exec_2 failed 0 - - - -100 it crashed", "; -10 a turn failed; started again in 4s; crashed too often and is not started again by itself",
		"mgr_1 limited 70 900 tokens - - its vendor is asked again in 2h", "exec_1 idle 100 50% 13% 300 MiB",
	} {
		if !strings.Contains(strings.Join(strings.Fields(ran.Stdout), " "), want) {
			t.Errorf("it does not show %q:\n%s", want, ran.Stdout)
		}
	}
	if strings.Contains(ran.Stdout, "\x1b") || ran.Code != 0 || ran.Stderr != "" {
		t.Errorf("%+v", ran)
	}
}

func TestArguments(t *testing.T) {
	for line, want := range map[string]string{
		"health":                  `get_health {}`,
		"health exec_1":           `get_health {"instance_id":"exec_1"}`,
		"health --below 100":      `get_health {"below":100}`,
		"health release exec_1":   `release_instance {"instance_id":"exec_1"}`,
		"health hand-over exec_1": `hand_over_instance {"instance_id":"exec_1"}`,
	} {
		d := daemon()
		ran := consoletest.Run(t, d, healthcli.Commands, "", strings.Fields(line)...)
		operation, args, _ := strings.Cut(want, " ")
		if diff := cmp.Diff([]string{args}, d.Did(operation)); diff != "" || ran.Code != 0 {
			t.Errorf("orchestron %s: %+v (-want +got):\n%s", line, ran, diff)
		}
	}
}

func TestNothingToShow(t *testing.T) {
	for line, want := range map[string]consoletest.Ran{
		"health":                  {Stderr: "no agents run or should\n"},
		"health --below 50":       {Stderr: "no agent has a score below 50\n"},
		"health release exec_9":   {Code: 3, Stderr: "orchestron: there is no agent \"exec_9\"\n"},
		"health --below 0":        {Code: 2, Stderr: "orchestron: --below 0: no score is lower\n  try: give a number from 1 to 101; without --below all are shown\n"},
		"health release":          {Code: 2, Stderr: "orchestron: orchestron health release needs ID\n  try: orchestron health release --help shows how\n"},
		"health --json":           {Stdout: `{"at":"0001-01-01T00:00:00Z","score":0,"instances":[]}` + "\n"},
		"health hand-over exec_1": {Stdout: "ID      STATUS  SCORE  CONTEXT  CPU  MEMORY  WHY\nexec_1  idle    100    -        -    -       hands over: waiting\n"},
	} {
		if diff := cmp.Diff(want, consoletest.Run(t, daemon(), healthcli.Commands, "", strings.Fields(line)...)); diff != "" {
			t.Errorf("orchestron %s (-want +got):\n%s", line, diff)
		}
	}
}
