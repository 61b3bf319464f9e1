package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestron/orchestron"
	"github.com/orchestron/orchestron/internal/console"
	"github.com/orchestron/orchestron/internal/handoff"
)

// checkTime is how long one check of doctor may take.
const checkTime = 20 * time.Second

func (a *app) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check that Orchestron has what it needs",
		Long:    "Check that Orchestron has what it needs, and say how to repair what is wrong. Exits with 1 when a check failed.",
		Example: "orchestron doctor",
		Args:    console.Need(), ValidArgsFunction: console.Words(),
	}
	cmd.RunE = console.Do(func(ctx context.Context, _ *cobra.Command, _ []string) error {
		type result struct {
			Name string `json:"name"`
			Finding
		}
		results := []result{}
		bad := 0
		for _, c := range a.program.Checks {
			r := result{c.Name, within(ctx, checkTime, c.Run)}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if r.State == Fail {
				bad++
			}
			results = append(results, r)
			if !a.JSON {
				a.found(r.Name, r.Finding)
			}
		}
		if a.JSON {
			raw, err := json.Marshal(map[string]any{"checks": results, "ok": bad == 0})
			if err != nil {
				return err
			}
			if err := a.ShowJSON(raw); err != nil {
				return err
			}
		}
		if bad > 0 {
			return &console.Exit{Code: console.Failed}
		}
		return nil
	})
	return cmd
}

func within(ctx context.Context, d time.Duration, check func(context.Context) Finding) Finding {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return check(ctx)
}

func (a *app) found(name string, f Finding) {
	c := console.Green
	switch f.State {
	case OK:
	case Warn:
		c = console.Yellow
	case Fail:
		c = console.Red
	}
	fmt.Fprintf(a.Stdout, "%s  %-18s %s\n", a.Out.Paint(c, fmt.Sprintf("%-4s", f.State)), console.Cell(name), console.Cell(f.Detail))
	if f.Remedy != "" && f.State != OK {
		fmt.Fprintf(a.Stdout, "%s%s %s\n", strings.Repeat(" ", 25), a.Out.Paint(console.Faint, "try:"), console.Cell(f.Remedy))
	}
}

// CheckVersion asks a program for its version. unfit, which may be nil, says what to do about one that does not do.
func CheckVersion(ctx context.Context, name, program, flag string, unfit func(version string) string) Finding {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, flag).Output()
	version := strings.TrimSpace(string(out))
	switch {
	case err != nil:
		return Finding{State: Fail, Detail: fmt.Sprintf("%s does not run: %v", name, err), Remedy: "install " + name + " with your package manager"}
	case unfit != nil && unfit(version) != "":
		return Finding{State: Fail, Detail: version, Remedy: unfit(version)}
	}
	return Finding{State: OK, Detail: version}
}

// Spare is a program that nobody needs to have.
type Spare interface {
	Installed() bool
	// Check returns the program's version.
	Check(ctx context.Context) (string, error)
	// Untested says why a version may not do, if that is so.
	Untested(version string) string
}

// CheckSpare looks at a program that nobody needs to have: what is wrong with it is a warning at most.
func CheckSpare(ctx context.Context, p Spare) Finding {
	if !p.Installed() {
		return Finding{State: OK, Detail: "not installed; nobody needs it"}
	}
	version, err := p.Check(ctx)
	if err != nil {
		f := Broken(err)
		f.State = Warn
		return f
	}
	if why := p.Untested(version); why != "" {
		return Finding{State: Warn, Detail: version, Remedy: why}
	}
	return Finding{State: OK, Detail: version}
}

// TmuxTooOld says what to do about a tmux before 3.2.
func TmuxTooOld(version string) string {
	var major, minor int
	if _, err := fmt.Sscanf(version, "tmux %d.%d", &major, &minor); err == nil && (major < 3 || major == 3 && minor < 2) {
		return "install tmux 3.2 or newer"
	}
	return ""
}

// CheckHook is the check of the hooks of a program of ours.
func CheckHook(self string) Check {
	return Check{Name: "hooks", Run: func(ctx context.Context) Finding { return fireHook(ctx, self) }}
}

// fireHook fires a hook as an agent's program does and looks for its record.
func fireHook(ctx context.Context, self string) Finding {
	root, err := os.MkdirTemp("", "orchestron-doctor-*")
	if err != nil {
		return Broken(err)
	}
	defer os.RemoveAll(root)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	began := time.Now()
	cmd := exec.CommandContext(ctx, self, "hook")
	cmd.Env = []string{handoff.EnvHome + "=" + root, handoff.EnvAgent + "=exec_1", handoff.EnvGeneration + "=1"}
	cmd.Stdin = strings.NewReader(`{"hook_event_name":"Stop","session_id":"doctor"}`)
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return Broken(fmt.Errorf("%s hook: %w: %s", self, err, out))
	}
	entries, err := os.ReadDir(handoff.Home{Root: root}.Spool())
	if err != nil || len(entries) != 1 {
		return Broken(errors.Join(errors.New("the hook left no record"), err))
	}
	return Finding{State: OK, Detail: fmt.Sprintf("a hook was recorded after %d ms", took.Milliseconds())}
}

// Unchecked is what is found where the configuration would say what to look at and cannot be read.
func Unchecked() Finding {
	return Finding{State: Warn, Detail: "not checked", Remedy: "repair the configuration first"}
}

// Broken is the finding that something does not work.
func Broken(err error) Finding {
	f := Finding{State: Fail, Detail: err.Error(), Remedy: "see the message"}
	var e *orchestron.Error
	if errors.As(err, &e) {
		f.Detail = e.Message
		if e.Remedy != "" {
			f.Remedy = e.Remedy
		}
	}
	return f
}
