package console_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/console/consoletest"
	"github.com/orchestron/orchestron/internal/op"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type greetIn struct {
	Name     string `json:"name"`
	ToneOf   string `json:"toneOf,omitempty"`
	DeptID   string `json:"dept_id,omitempty"`
	Patience int    `json:"patience,omitempty"`
}

type greeting struct {
	Text string `json:"text"`
}

func newDaemon() *consoletest.Daemon {
	return consoletest.New(op.New("greet", op.Write, "Greet somebody.",
		func(_ context.Context, _ op.Call, in greetIn) (greeting, error) {
			if in.ToneOf == "lead" {
				return greeting{}, orchestron.Errorf(orchestron.Conflict, "greet: no").Try("leave toneOf out, or pass dept_id.")
			}
			if in.ToneOf == "list" {
				return greeting{}, orchestron.Errorf(orchestron.Limit, "no").Try("list shows the agents; set_limits raises it")
			}
			return greeting{"hello " + in.Name}, nil
		}))
}

// greetings is a room of commands as its own package would have one.
func greetings(a *console.App) []*cobra.Command {
	var tone, dept string
	greet := &cobra.Command{
		Use: "greet NAME", Short: "Greet somebody", Example: "orchestron greet Ada",
		Args: console.Need("NAME"), ValidArgsFunction: console.Words("Ada", "Grace"),
		Annotations: map[string]string{"dept_id": "--department", "name": "NAME"},
	}
	greet.Flags().StringVar(&tone, "tone-of", "", "")
	greet.Flags().StringVar(&dept, "department", "", "")
	greet.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, pos []string) error {
		in := console.Args{"name": pos[0]}.With("toneOf", tone).With("dept_id", dept)
		if pos[0] == "nobody" {
			in["name"] = 7
		}
		a.Left = func(context.Context) *orchestron.Error {
			return orchestron.Errorf(orchestron.Unavailable, "half said")
		}
		got, raw, err := console.Ask[greeting](ctx, a, "greet", in)
		if err != nil {
			return err
		}
		return a.Show(raw, func() error { return a.Print(got.Text) })
	})
	say := &cobra.Command{Use: "say", Short: "Say something"}
	console.Group(say)
	say.AddCommand(greet)
	return []*cobra.Command{say}
}

func TestRoom(t *testing.T) {
	tests := []struct {
		args string
		want consoletest.Ran
	}{
		{"say greet Ada", consoletest.Ran{Stdout: "hello Ada\n"}},
		{"say greet Ada --json", consoletest.Ran{Stdout: `{"text":"hello Ada"}` + "\n"}},
		{"say greet " + consoletest.Evil[:20], consoletest.Ran{Stdout: "hello ]0;owned[2J[31mr\n"}},
		{"__complete say greet Gr", consoletest.Ran{Stdout: "Grace\n:4\n"}},
		{"say greeet", consoletest.Ran{Code: 2, Stderr: "orchestron: there is no command \"greeet\"\n  try: did you mean orchestron say greet?\n"}},
		{"say greet", consoletest.Ran{Code: 2, Stderr: "orchestron: orchestron say greet needs NAME\n  try: orchestron say greet --help shows how\n"}},
		{"say greet x --departmnt y", consoletest.Ran{Code: 2, Stderr: "orchestron: orchestron say greet has no flag --departmnt\n  try: did you mean --department?\n"}},
		// An operation's words are the command's.
		{"say greet x --tone-of lead", consoletest.Ran{Code: 4, Stderr: "orchestron: greet: no\n  try: leave --tone-of out, or pass --department.\n"}},
		{"say greet x --tone-of list", consoletest.Ran{Code: 7, Stderr: "orchestron: no\n  try: orchestron list shows the agents; orchestron limits set raises it\n"}},
		{"say greet nobody", consoletest.Ran{Code: 2, Stderr: "orchestron: NAME: 7 has type \"integer\", want \"string\"\n  try: orchestron say greet --help shows how\n"}},
	}
	for _, test := range tests {
		got := consoletest.Run(t, newDaemon(), greetings, "", strings.SplitN(test.args, " ", 6)...)
		if i := strings.Index(got.Stderr, "Completion ended"); i >= 0 {
			got.Stderr = got.Stderr[:i]
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("orchestron %s (-want +got):\n%s", test.args, diff)
		}
	}
	if got := consoletest.Run(t, newDaemon(), greetings, "", "say"); got.Code != 0 || !strings.Contains(got.Stdout, "Greet somebody") {
		t.Errorf("a group alone: got %+v, want its help", got)
	}
}

func TestInterruptedRoom(t *testing.T) {
	d := newDaemon()
	p, _, stderr := consoletest.Process(d, "")
	ctx, cancel := context.WithCancel(t.Context())
	p.Dial = func(context.Context, bool) (console.Daemon, error) { cancel(); return d, nil }
	if code := consoletest.RunIn(ctx, p, greetings, "say", "greet", "x"); code != 130 || stderr.String() != "orchestron: half said\n" {
		t.Errorf("got %d %q, want 130 and what is left", code, stderr)
	}
}

// The first column of a table is for copying: the others give way.
func TestTableKeepsItsFirstColumn(t *testing.T) {
	for _, columns := range []int{30, 60, 80} {
		got := consoletest.OnTerminal(t, columns, func(terminal io.Writer) {
			a := console.New(console.Process{Stdout: terminal, Environ: []string{"NO_COLOR=1"}})
			table := &console.Table{Header: []string{"ID", "NAME", "NOTE"}}
			table.Row("│  └─ spec_12_34_56_78", strings.Repeat("n", 20), strings.Repeat("x", 70))
			if err := a.PrintTable(table); err != nil {
				t.Error(err)
			}
		})
		for line := range strings.Lines(got) {
			if width := ansi.StringWidth(strings.TrimSuffix(line, "\n")); width > columns {
				t.Errorf("on %d columns a line has %d: %q", columns, width, line)
			}
		}
		if !strings.Contains(got, "│  └─ spec_12_34_56_78  n") {
			t.Errorf("on %d columns the id is cut:\n%s", columns, got)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 agents", 1: "1 agent", 2: "2 agents"} {
		if got := console.Count(n, "agent"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}
