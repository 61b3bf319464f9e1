package usagecli_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/op"
	"github.com/orchestron/orchestron/internal/usageapi"
	"github.com/orchestron/orchestron/internal/usagecli"
)

// daemon answers get_usage with what a test wants.
func daemon(out usageapi.Out) *consoletest.Daemon {
	return consoletest.New(op.New("get_usage", op.Read, "usage", func(_ context.Context, _ op.Call, in usageapi.In) (usageapi.Out, error) {
		if in.Project == "parser" && in.By == string(usageapi.ByProject) { // something was counted for it once
			out.Rows = []usageapi.Row{{Project: in.Project}}
		}
		if in.InstanceID == "exec_9" {
			return out, orchestron.Errorf(orchestron.NotFound, "there is no agent %q", in.InstanceID)
		}
		out.By = usageapi.By(in.By)
		return out, nil
	}, op.For(orchestron.Specialist)))
}

func amount(calls, tokens int64, cost usageapi.Money, unpriced int64) usageapi.Amount {
	return usageapi.Amount{Calls: calls, Tokens: usageapi.Tokens{Input: tokens, CacheWrite5m: 1, CacheWrite1h: 2}, Total: tokens + 3, Cost: cost, Unpriced: unpriced}
}

func TestTable(t *testing.T) {
	d := daemon(usageapi.Out{
		Rows: []usageapi.Row{
			{Model: "claude-opus-5-5", Amount: amount(7, 1_234_567, 1_234_567_890_000_000, 0)},
			{Model: consoletest.Evil, Amount: amount(1, 10, 0, 13)},
		},
		Total: amount(8, 1_234_577, 1_234_567_890_000_000, 13), More: 3, Skipped: 1, Note: "13 tokens have no price",
		Prices: []usageapi.List{{Date: "2026-11-01", Source: "ours"}, {Date: "2026-11-21", Source: "theirs"}},
	})
	ran := consoletest.Run(t, d, usagecli.Commands, "", "usage", "--by", "model")
	want := `MODEL                        CALLS  INPUT      CACHE READ  CACHE WRITE  OUTPUT  COST
claude-opus-5-5              7      1,234,567  0           3            0       $1,234.5679
]0;owned[2J[31mred5mblinkgnp.exe x  1      10         0           3            0       no price
total                        8      1,234,577  0           3            0       $1,234.5679 +
`
	rows := func(s string) []string { // without the widths
		var all []string
		for _, row := range strings.Split(s, "\n") {
			all = append(all, strings.Join(strings.Fields(row), " "))
		}
		return all
	}
	if diff := cmp.Diff(rows(want), rows(ran.Stdout)); diff != "" || ran.Code != 0 {
		t.Errorf("exit code %d (-want +got):\n%s", ran.Code, diff)
	}
	for _, said := range []string{"3 rows more", "13 tokens have no price", "1 line of", "Prices of 2026-11-01 (ours), then of 2026-11-21 (theirs)."} {
		if !strings.Contains(ran.Stderr, said) {
			t.Errorf("it does not say %q but %q", said, ran.Stderr)
		}
	}
}

// TestPricesThatCounted are told, and none when nothing has a price.
func TestPricesThatCounted(t *testing.T) {
	prices := []usageapi.List{{Date: "2026-11-21"}}
	for want, total := range map[string]usageapi.Amount{"": amount(1, 10, 0, 13), "Prices of 2026-11-21.\n": amount(1, 10, 5_000_000_000, 0)} {
		d := daemon(usageapi.Out{Rows: []usageapi.Row{{Model: "m", Amount: total}}, Total: total, Prices: prices})
		if ran := consoletest.Run(t, d, usagecli.Commands, "", "usage"); ran.Stderr != want {
			t.Errorf("with %d tokens that have no price it says %q, want %q", total.Unpriced, ran.Stderr, want)
		}
	}
}

func TestArguments(t *testing.T) {
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"usage": `{"by":"agent","limit":200}`,
		"usage exec_1 --tree --by turn --limit 5 --task TASK-1": `{"by":"turn","instance_id":"exec_1","limit":5,"taskId":"TASK-1","tree":true}`,
		"usage --since 2h --until 2026-02-28":                   `{"by":"agent","limit":200,"since":"2026-03-01T10:00:00Z","until":"2026-03-01T00:00:00Z"}`,
		"usage --since 2026-02-28T10:00:00Z":                    `{"by":"agent","limit":200,"since":"2026-02-28T10:00:00Z"}`,
		"usage --project . --by day":                            `{"by":"day","limit":200,"project":"` + dir + `"}`,
		"usage --project parser":                                `{"by":"agent","limit":200,"project":"parser"}`,
	} {
		d := daemon(usageapi.Out{})
		if ran := consoletest.Run(t, d, usagecli.Commands, "", strings.Fields(line)...); ran.Code != 0 || !strings.Contains(ran.Stderr, "Nothing was used") {
			t.Errorf("%s: %+v", line, ran)
		}
		if got := d.Did("get_usage"); len(got) == 0 || got[0] != want {
			t.Errorf("%s asks %s, want %s", line, got, want)
		}
	}
	for line, want := range map[string]int{
		"usage exec_9": console.NotFound, "usage --tree": console.Invalid, "usage --by hour": console.Invalid, "usage a b": console.Invalid, "usage --limit 0": console.Invalid,
		"usage --project nosuch": console.NotFound, "usage --project ./nosuch": console.NotFound, "usage --project default": 0,
	} {
		if ran := consoletest.Run(t, daemon(usageapi.Out{}), usagecli.Commands, "", strings.Fields(line)...); ran.Code != want || ran.Stderr == "" {
			t.Errorf("%s: %+v; want exit code %d", line, ran, want)
		}
	}
}

func TestJSON(t *testing.T) {
	d := daemon(usageapi.Out{Rows: []usageapi.Row{}, Total: amount(1, 1, 12_345_678, 0), Prices: []usageapi.List{}})
	ran := consoletest.Run(t, d, usagecli.Commands, "", "usage", "--json")
	if !strings.Contains(ran.Stdout, `"cost":0.000012345678,`) {
		t.Errorf("the exact cost is not in %s", ran.Stdout)
	}
}
